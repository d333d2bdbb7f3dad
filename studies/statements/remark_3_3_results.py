"""The verdicts, the table and the figure of the study of Remark 3.3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from particles.geometry import Hull
from studies.statements import verdict
from studies.statements.verdict import Verdict
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEPTH = 200.0  # of the runs with V = -I
ROUNDING = 1e-12  # relative: sums over 40 tokens


def judge(
    polytopes: list[dict[str, Any]],
    triples: list[dict[str, Any]],
    falls: list[dict[str, Any]],
    steps: list[dict[str, Any]],
    falling: list[dict[str, Any]],
    orders: list[float | None],
) -> list[Verdict]:
    """Return the verdicts."""
    first = steps[0]
    rows = [(p, row) for p in polytopes for row in p["rows"]]
    decided = [row for _, row in rows if row["decided"]]
    known = [order for order in orders if order is not None]
    lines = [row for p in triples for row in p["rows"]]
    widest = max((row["widening"][0] for row in decided), default=0.0)
    closest = max((row["widening"][1] for row in decided), default=0.0)
    leads = f"at dt = {first['dt']:g} {first['same_leaders']} of {first['decided']} draws have all leaders in common"
    gone = next(fall for fall in falling if fall["dt"] > 2)
    stable = [fall for fall in falling if fall["dt"] <= 2]
    ends = ", ".join(f"{fall['largest']:.3f} (dt = {fall['dt']:g})" for fall in stable)
    return [
        Verdict.of(
            "Remark 3.3, Theorem 2.1",
            "In discrete time, on the line, P tends to rows e_1 and e_n.",
            "So it does at every dt from 1 down, with the rows in order.",
            [row["boolean"] if row["decided"] else None for p, row in rows if p["dim"] == 1],
        ),
        Verdict.of(
            "Remark 3.3, Theorem 3.1",
            "With V = I the rescaled tokens tend to a polytope, whose hull only shrinks.",
            f"For every dt: z^(k+1) is a mean of z^k with the weight dt/(1 + dt), so that the hull widens by "
            f"{widest:.0e} at most, and |x_i - x_j| falls by {closest:.0e} (rounding); {leads}.",
            [
                (max(row["widening"]) <= ROUNDING and row["rescaled_error"] < 1e-9) if row["decided"] else None
                for _, row in rows
            ],
        ),
        Verdict.of(
            "Remark 3.3, order",
            "(Beside the remark.) While the leaders are the same, the limit polytopes of discrete and continuous time "
            "differ by O(dt).",
            f"Their distance falls as dt^p with p from {min(known, default=float('nan')):.3f} to "
            f"{max(known, default=float('nan')):.3f} at the small end; at dt = {first['dt']:g} it is at most "
            f"{first['largest_hull_distance'] or float('nan'):.3f} for tokens in boxes of half width 1 to "
            f"5, with as many clusters in {first['same_number']} of {first['decided']} draws.",
            [None if order is None else abs(order - 1) < 0.15 for order in orders],
        ),
        Verdict.of(
            "Remark 3.3, Theorem 4.2",
            "With a good triple the tokens approach at most three parallel hyperplanes, R being invertible.",
            f"At most {max((s['most_values'] or 0 for s in steps), default=0)} values of phi_1^* at every dt. In "
            f"{first['same_side']} of {first['compared']} draws all tokens choose the same one at dt = "
            f"{first['dt']:g} as in continuous time; {first['moved']} tokens choose another.",
            [row["values"] <= 3 if row["decided"] else None for row in lines],
        ),
        Verdict.of(
            "Remark 3.3, Theorem 8.5",
            "With V = -I every token falls to the origin; R = (1 - dt) I must be invertible.",
            f"At t = {DEPTH:g} the largest |x_i| is {ends}: the raw tokens fall like t^(-1/2) at dt = 1 too, where "
            "R = 0 and there is no rescaled system: a token that attends to itself alone is at 0 after one step.",
            [
                # cov(x) -> I/(2t) leaves at most (n/(2t))^(1/2) to one token; the next term is of order log(t)/t
                row["last"] < 0.2 * row["sizes"][0] and row["scaled"] < 1.05 and row["bound_held"]
                for f in falls
                for row in f["rows"]
                if row["dt"] <= 2
            ],
        ),
        Verdict.of(
            "Remark 3.3, Theorem 8.5, dt > 2",
            "The proof of Theorem 8.5 carries over wherever R is invertible.",
            f"Not for dt > 2: R = -1.5 I is invertible at dt = {gone['dt']:g}, but a token far out attends to itself, "
            f"is multiplied by 1 - dt and leaves: |x_i| passes {gone['largest']:.0e}. The remark's own condition, dt "
            "small, is needed.",
            [row["last"] < row["sizes"][0] for f in falls for row in f["rows"] if row["dt"] > 2],
        ),
    ]


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts and a row for each step."""
    rows = [
        [
            f"{s['dt']:g}",
            f"{s['same_leaders']}/{s['decided']}",
            str(s["other_leaders"]),
            "-" if s["largest_hull_distance"] is None else f"{s['largest_hull_distance']:.2e}",
            "-" if s["most_values"] is None else str(s["most_values"]),
            f"{s['same_side']}/{s['compared']}",
            str(s["moved"]),
        ]
        for s in summary["steps"]
    ]
    heading = [
        "dt",
        "V = I: same leaders",
        "tokens with others",
        "polytopes apart",
        "triple: values",
        "same side",
        "moved",
    ]
    falls = [[f"{f['dt']:g}", f"{f['largest']:.4g}", f"{f['scaled']:.3g}", str(f["rises"])] for f in summary["falling"]]
    return "\n".join(
        [
            verdict.table(summary),
            text_table(heading, rows),
            text_table(["V = -I: dt", "largest |x| at the end", "times (2t/n)^(1/2)", "steps that raise L"], falls),
        ]
    )


def draw_figure(summary: dict[str, Any]) -> Figure:
    """Return the limit polytopes of one draw, their distance against dt, and |x| for V = -I."""
    from matplotlib.figure import Figure  # workers do not draw

    drawing = Figure(figsize=(12.5, 4.4), layout="constrained")
    of_hulls, of_order, of_fall = drawing.subplots(1, 3)
    shown = summary["shown"]
    if shown is not None:
        of_hulls.plot(*np.array(shown["tokens"]).T, ".", color="0.75", ms=5, label="t = 0")
        for k, entry in enumerate([*shown["limits"], {"dt": 0, "limit": shown["limit"]}]):
            corners = np.array(entry["limit"])
            corners = corners[Hull(corners).vertices]
            around = corners[np.argsort(np.arctan2(*(corners - corners.mean(axis=0)).T[::-1]))]
            style = {"color": "k", "ls": "--"} if entry["dt"] == 0 else {"color": f"C{k}", "ls": "-"}
            label = "continuous" if entry["dt"] == 0 else f"dt = {entry['dt']:g}"
            of_hulls.plot(*np.vstack([around, around[:1]]).T, marker="o", ms=3, lw=1.1, label=label, **style)
    of_hulls.set_aspect("equal", "datalim")
    of_hulls.set_title("V = I: limit polytopes of one draw")
    of_hulls.legend(fontsize=8)
    for rows in summary["rows"]:
        kept = [(row["dt"], row["hull_distance"]) for row in rows if row["hull_distance"]]
        if kept:
            of_order.loglog(*np.array(kept).T, "o-", ms=3.5, lw=0.9, color="C0", alpha=0.6)
    dts = np.array([s["dt"] for s in summary["steps"]])
    of_order.loglog(dts, 0.2 * dts, "k:", lw=1.2, label="slope 1")
    of_order.set_xlabel("dt")
    of_order.set_title("distance of the polytopes from continuous time")
    of_order.legend()
    for k, row in enumerate(summary["falls"][min(1, len(summary["falls"]) - 1)]["rows"]):
        t = np.arange(len(row["sizes"])) * row["every"] * row["dt"]
        of_fall.loglog(t[1:], row["sizes"][1:], color=f"C{k}", lw=1.2, label=f"dt = {row['dt']:g}")
    of_fall.set_ylim(1e-2, 1e3)
    of_fall.set_xlabel("t = k dt")
    of_fall.set_title("V = -I: largest $|x_i|$ of one draw")
    of_fall.legend(fontsize=8)
    for axes in drawing.axes:
        axes.grid(alpha=0.3)
    drawing.suptitle("Remark 3.3: discrete time beside continuous time")
    return drawing
