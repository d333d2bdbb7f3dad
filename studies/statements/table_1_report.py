"""Table 1 as the paper prints it, with what was measured, and a picture of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from studies.statements import verdict
from studies.statements.enclosed import told
from studies.statements.verdict import Verdict
from studies.statements.wording import ends, ranging
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PRINTED = {
    "vertices": ("V = I", "B > 0", "vertices of convex polytope", "Theorem 3.1"),
    "hyperplanes": ("lambda_1 > 0, simple", "<Q phi_1, K phi_1> > 0", "union of 3 parallel hyperplanes", "Theorem 4.2"),
    "polytope x subspaces": ("V paranormal", "B > 0", "polytope x subspaces", "Theorem 5.2"),
    "origin": ("V = -I", "B = I", "single cluster at origin", "Theorem 8.5"),
}
_SAYS = {
    "vertices": "V = I, B > 0: rescaled tokens tend to the boundary of a polytope or to 0, almost surely to vertices.",
    "hyperplanes": "A good triple: rescaled tokens tend to at most three parallel hyperplanes.",
    "polytope x subspaces": "V = lambda I on F, smaller on G, B > 0: rescaled tokens tend to (boundary of a polytope "
    "in F, or 0) x G.",
    "origin": "V = -I, B = I: every token of (1.1) tends to 0.",
}
_DRAWN = ("tokens", "end", "corners", "levels", "left", "across")


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return verdicts, and one draw of each row."""
    found, shown = [], {}
    for name in PRINTED:
        chosen = [row for row in rows if row["row"] == name]
        known = [row for row in chosen if not row["undecided"]]
        found.append(
            Verdict.of(
                f"Table 1, {PRINTED[name][3]}",
                _SAYS[name],
                _measured(name, [row for row in known if "away" in row]) + told(known),
                [bool(row["holds"]) if not row["undecided"] else None for row in chosen],
            )
        )
        d = 3 if name == "polytope x subspaces" else 2
        draw = next((row for row in known if row["d"] == d and "end" in row), None)
        if draw is not None:
            shown[name] = {key: np.asarray(draw[key]).tolist() for key in _DRAWN if key in draw}
    return {
        "verdicts": [one.record() for one in found],
        "rows": [{key: value for key, value in row.items() if key not in _DRAWN} for row in rows],
        "shown": shown,
        "headline": {
            "undecided": sum(row["undecided"] > 0 for row in rows),
            **{f"farthest, {name}": _largest(rows, name, "away") for name in PRINTED},
            "most_hyperplanes": _largest(rows, "hyperplanes", "parts"),
            "slowest_fall": _largest(rows, "origin", "power"),
        },
    }


def _largest(rows: list[dict[str, Any]], name: str, key: str) -> float | None:
    values = [row[key] for row in rows if row["row"] == name and row.get(key) is not None]
    return max(values, default=None)


def _measured(name: str, known: list[dict[str, Any]]) -> str:
    if not known:
        return "In no draw does double precision tell all leaders."
    away = max(row["away"] for row in known)
    dims = ", ".join(str(d) for d in sorted({row["d"] for row in known}))
    start = f"d = {dims}: at most {away:.1e} of the box away"
    if name == "origin":
        powers = [row["power"] for row in known]
        return (
            f"d = {dims}: norms at t = {known[0]['t']:g} are at most {away:.2g} of the box and fall like t^p, "
            f"{ranging('p', powers, '.2f')} over the last decade."
        )
    times = [row["t"] for row in known]
    when = f"at {ranging('t', times, '.1f')}, where e^(lambda t) = 1e10"
    parts = [row["parts"] for row in known]
    error = max(row["error"] for row in known)
    tail = f"; leaders known to {error:.0e}, settled by t = {max(row['settled_at'] for row in known):.1f}."
    if name == "vertices":
        return f"{start} {when}; {ends(parts, 'd')} vertices of {known[0]['n']} tokens{tail}"
    if name == "hyperplanes":
        return f"{start.replace('of the box', 'of the levels')} {when}; {ends(parts, 'd')} hyperplanes{tail}"
    off = sum(row["off_vertices"] > 1e-6 for row in known)
    return f"{start} {when}; {ends(parts, 'd')} vertices in F, some token away from them in {off} draws{tail}"


def table(summary: dict[str, Any]) -> str:
    """Return the paper's table with the columns measured and verdict."""
    found = verdict.verdicts(summary)
    rows = [
        [
            *PRINTED[name][:2],
            PRINTED[name][2],
            PRINTED[name][3],
            _cell(summary["headline"][f"farthest, {name}"]),
            one.text,
        ]
        for name, one in zip(PRINTED, found, strict=True)
    ]
    heading = ["Value", "Key and Query", "Limit geometry", "Reference", "Farthest", "Verdict"]
    printed = text_table(heading, rows)
    return "\n".join(
        [verdict.table(summary), "Table 1, with the largest distance from the limit, over the box:", printed]
    )


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"


_HEADINGS = {
    "vertices": ("V = I, B > 0", "vertices of convex polytope"),
    "hyperplanes": (
        r"$\lambda_1 > 0$, simple, $\langle Q\varphi_1, K\varphi_1\rangle > 0$",
        "union of 3 parallel hyperplanes",
    ),
    "polytope x subspaces": ("V paranormal, B > 0", "polytope \u00d7 subspaces"),
    "origin": ("V = \u2212I, B = I", "single cluster at origin"),
}


def figure(summary: dict[str, Any]) -> Figure:
    """Return one draw in the plane of each row: initial tokens, final tokens, the limit."""
    from matplotlib.figure import Figure  # workers do not draw

    drawing = Figure(figsize=(10.0, 10.0), layout="constrained")
    for k, (one, (name, printed)) in enumerate(zip(verdict.verdicts(summary), PRINTED.items(), strict=True)):
        drawn = {key: np.array(value) for key, value in summary["shown"].get(name, {}).items()}
        axes = drawing.add_subplot(2, 2, k + 1, projection="3d" if "across" in drawn else None)
        setting, geometry = _HEADINGS[name]
        axes.set_title(f"{setting}:\n{geometry}\n{printed[3]} {one.text}", fontsize=9.5)
        if drawn:
            _draw(axes, name, drawn)
    drawing.suptitle(
        "Table 1, one draw of each row; rescaled tokens where $e^{\\lambda t}$ = 1000, "
        "in the last row raw ones at t = 100"
    )
    return drawing


def _draw(axes: Any, name: str, drawn: dict[str, Any]) -> None:
    """Draw initial tokens, final tokens and the limit they are to be on."""
    tokens, end = drawn["tokens"], drawn["end"]
    axes.plot(*tokens.T, ".", color="0.5", ms=5, label="initial tokens")
    if name == "vertices":
        axes.fill(*drawn["corners"].T, facecolor="#1f77b41c", edgecolor="C0", lw=1.1, label="limit: polytope")
    for k, level in enumerate(np.unique(drawn.get("levels", ()))):
        if level != 0:
            foot = level * drawn["left"] / (drawn["left"] @ drawn["left"])
            along = np.array([-drawn["left"][1], drawn["left"][0]])
            axes.axline(foot, foot + along, color="C0", lw=1.1, label="limit: hyperplanes" if k == 0 else None)
    if name == "polytope x subspaces":
        corners, way = drawn["corners"], drawn["across"][0]
        half = float(np.abs(end @ way).max())
        for k, corner in enumerate(corners):
            line = corner + np.outer([-half, half], way)
            axes.plot(*line.T, color="C0", lw=1.1, label="limit: vertices \u00d7 line" if k == 0 else None)
        axes.plot(*np.vstack([corners, corners[:1]]).T, color="C0", lw=0.8, ls=":", label="polytope in F")
    axes.plot(*end.T, "o", color="C1", ms=6, mfc="none", label="final tokens")
    if name != "polytope x subspaces":
        reach = 1.15 * np.maximum(np.abs(tokens).max(axis=0), np.abs(end).max(axis=0) if name == "hyperplanes" else 0)
        axes.set(xlim=(-reach[0], reach[0]), ylim=(-reach[1], reach[1]))
        axes.set_aspect("equal")
        axes.legend(fontsize=8, loc="best")
        return
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.get_major_locator().set_params(nbins=4)
    axes.tick_params(labelsize=8, pad=1)
    axes.view_init(22, -50)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(-0.12, 1.0))
