"""The verdicts, the table and the figure of the study of Theorem 2.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from studies.statements import verdict
from studies.statements.verdict import Verdict
from studies.statements.wording import ends, ranging
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 7  # bounded tokens that are drawn
_BETWEEN = (4.0, 6.5)  # depths between which the way of y to theta is fitted; the end, at 7, forgets how it was set


def judge(by: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the summary of the results of each task."""
    bounded = [_bounded_row(row) for row in by["bounded"]]
    draws = [_plain(row) for row in by["draw"]]
    decided = [row for row in draws if row["decided"]]
    inside = [row for row in bounded if row["theta"] is not None]
    shown = max((row for row in decided if row["n"] <= 40), key=lambda row: row["n"], default=None)
    rows = [{key: value for key, value in row.items() if key not in ("times", "log_rates")} for row in draws]
    return {
        "rows": rows,
        "shown": shown,
        "bounded": bounded,
        "distances": by["distances"],
        "thresholds": by["threshold"],
        "verdicts": [v.record() for v in _verdicts(draws, decided, bounded, by)],
        "headline": {
            "ranks": {str(r): sum(row["rank"] == r for row in decided) for r in (1, 2)},
            "undecided draws": len(draws) - len(decided),
            "largest error of a rate, in units of V": max(row["slope_error"] for row in decided),
            "largest |P - P*|": max(row["matrix_error"] for row in decided),
            "largest |y - theta| at the end": max((row["theta_error"] for row in inside), default=None),
            "slopes of log|y - theta - c e^-t|": [row["rest_slope"] for row in inside],
            "depth a start in doubles holds, predicted and seen": [[row["reach"][0], row["left_at"]] for row in inside],
            "largest difference of the starts": max((row["start_error"] for row in inside), default=None),
        },
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in row.items()}


def _bounded_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a bounded token's numbers, with its distances to the limits of Lemma 7.8."""
    times, scaled, P = (np.asarray(row[key]) for key in ("times", "scaled", "rows"))
    limit = row["limit"]
    late = (times >= _BETWEEN[0]) & (times <= _BETWEEN[1])
    k = int(np.flatnonzero(late)[-1])
    kept = {key: row[key] for key in ("left", "right", "gammas", "change", "left_at", "reach", "restart_error")}
    kept |= {
        "times": times.tolist(),
        "scaled": scaled.tolist(),
        "open": row["open"],
        "start": row["start"],
        "bracket": row["bracket"],
        "start_error": None if row["bracket"] is None else max(abs(at - row["start"]) for at in row["bracket"]),
        "own": P[:, -1].tolist(),
    }
    if limit is None:  # no others on one side: P_nn -> 1
        return {**kept, "theta": None, "row_error": float(1 - P[k, -1]), "x": float(np.exp(-times[k]) * scaled[k])}
    errors = np.abs(scaled - limit["theta"])
    rest = np.abs(scaled - limit["theta"] - limit["first"] * np.exp(-times))
    return {
        **kept,
        "theta": limit["theta"],
        "row": limit["row"],
        "theta_errors": errors.tolist(),
        "theta_error": float(errors[k]),
        "rest_slope": float(np.polyfit(times[late], np.log(rest[late]), 1)[0]),
        "first": limit["first"],
        "row_error": float(np.abs(P[k] - np.array(limit["row"])).max()),
        "rank": int(np.linalg.matrix_rank(_limit_matrix(row["left"], row["right"], limit["row"]))),
    }


def _limit_matrix(left: int, right: int, row: list[float]) -> np.ndarray:
    """Return P* with the bounded token last: e_1, or e_n, or its own row."""
    n = left + right + 1
    P = np.zeros((n, n))
    P[:left, 0] = 1
    P[left:-1, n - 2] = 1
    P[-1] = row
    return P


def _verdicts(
    draws: list[dict[str, Any]],
    decided: list[dict[str, Any]],
    bounded: list[dict[str, Any]],
    by: dict[str, list[dict[str, Any]]],
) -> list[Verdict]:
    def each(key: Any) -> list[bool | None]:
        return [bool(key(row)) if row["decided"] else None for row in draws]

    inside = [row for row in bounded if row["theta"] is not None]
    edge = [row for row in bounded if row["theta"] is None]
    ranks = [sum(row["rank"] == r for row in decided) for r in (1, 2)]
    found = decided[0]
    error = max(row["matrix_error"] for row in decided)
    apart = f"differs from that P* by at most {error:.0e}" if error else "is that P* to the last bit"
    distances, thresholds = by["distances"], by["threshold"]
    factors = [end for row in thresholds for end in row["c1"] if end is not None]
    starts = max((row["start_error"] for row in inside), default=float("nan"))
    verdicts = [
        Verdict.of(
            "Theorem 2.1",
            "d = 1, V > 0, QK > 0, distinct tokens: P(t) -> P* with rows e_1, then at most one other, then e_n.",
            f"In {len(decided)} of {len(draws)} random draws the leaders are certain: only the first and the last "
            f"token, and in order. P of a direct run {apart}. The other row comes with a bounded token (Lemma 7.8).",
            each(lambda row: row["in_class"] and row["matrix_error"] < 1e-12),
        ),
        Verdict.of(
            "Remark 2.2, rank",
            "For almost all initial tokens P* has rank 1 or 2.",
            f"Rank 1 in {ranks[0]}, rank 2 in {ranks[1]} of {len(decided)} draws, and numpy's rank of P at the end of "
            "the direct run is the same.",
            each(lambda row: row["rank"] in (1, 2) and row["rank_direct"] == row["rank"]),
        ),
        Verdict.of(
            "Remark 2.2, rate",
            "The convergence is doubly exponential outside the row of asterisks.",
            "log(-log(1 - P_iL)) grows at the rate V where another token has the same leader, 2V where none has: "
            f"fitted rates differ from that by at most {max(row['slope_error'] for row in decided):.1e} V, where "
            f"-log(1 - P_iL) is between {min(row['least_exponent'] for row in decided):.0f} and "
            f"{max(row['largest_exponent'] for row in decided):.0e}.",
            each(lambda row: row["rates_hold"]),
        ),
        Verdict.of(
            "Lemma 7.2",
            "V = Q = K = I, any d: |x_i(t) - x_j(t)| never falls.",
            f"Over {len(distances)} runs in d = 1, 2, 3 the largest fall between two times is "
            f"{max(max(row['largest_fall'] for row in distances), 0.0):.0e} and the least <x_i' - x_j', x_i - x_j> is "
            f"{min(row['least_derivative'] for row in distances):.0e}: the errors of steps and sums.",
            [
                (row["largest_fall"] <= row["fall_allowed"] and row["derivative_holds"]) if row["finished"] else None
                for row in distances
            ],
        ),
        Verdict.of(
            "Lemma 7.3",
            "x_n(t_0) > A, A^2 = n^2 e^(-A^2), implies x_n >= c_1 e^t later on.",
            f"From 1.001 A, the others where they pull it back most or at random, c_1 is at least "
            f"{min(factors, default=float('nan')):.2f}.",
            [None if end is None else end > 0 for row in thresholds for end in row["c1"]],
        ),
        Verdict.of(
            "Lemma 7.5",
            "An unbounded x_i is gamma_i e^(Vt) + o(e^(Vt)), gamma_i being gamma_1 or gamma_n.",
            f"In the first draw gamma_1 = {found['gammas'][0]:.6f}, gamma_n = {found['gammas'][1]:.6f}. The distance "
            "of x_i e^(-Vt) in the direct run to one of the two exceeds |D_i| e^(-Vt), D_i constant, by at most "
            f"{max(row['gamma_error'] for row in decided):.0e} of their size.",
            each(lambda row: row["gamma_error"] < 1e-8),  # a thousand times the steps' tolerance
        ),
        Verdict.of(
            "Lemma 7.6",
            "At most one token stays bounded.",
            f"In random draws none does: every |x_i| grows at last by a factor of at least "
            f"{min(row['least_growth'] for row in decided):.3f} in a time 1/V. Where one was made to stay, all others "
            f"leave; whom that one follows from its start in doubles is undecided in "
            f"{sum(row['open']['own'] for row in bounded)} of {len(bounded)} runs.",
            [*each(lambda row: row["least_growth"] > 2), *(None if row["open"]["others"] else True for row in bounded)],
        ),
    ]
    if edge:
        verdicts.append(
            Verdict.of(
                "Lemma 7.7",
                "If x_n stays bounded, P_nn -> 1.",
                f"1 - P_nn is {max(row['row_error'] for row in edge):.1e} at t = {_BETWEEN[1]:g}, where x_n is "
                f"{max(row['x'] for row in edge):.1e}: x_n behaves as 2t e^(-t)/|gamma_1|, so this row of P* is e_n, "
                "reached exponentially and not doubly so.",
                [row["row_error"] < 1e-3 and row["change"] < 1e-10 for row in edge],
            )
        )
    if inside:
        slopes = [row["rest_slope"] for row in inside]
        reach = [row["reach"] for row in inside]
        verdicts.append(
            Verdict.of(
                "Lemma 7.8",
                "A bounded token between others has x e^t -> theta, sum_j gamma_j e^(gamma_j theta) = 0, and its row "
                "of P tends to some alpha.",
                f"Held to t = {_BETWEEN[1]:g}, e^t x is within {max(row['theta_error'] for row in inside):.1e} of "
                f"theta (the offsets make c e^(-t) of it, what is left falls as e^(st), {ranging('s', slopes, '.2f')}) "
                "and the row within "
                f"{max(row['row_error'] for row in inside):.1e} of alpha_j = e^(gamma_j theta)/(1 + sum), 1 for "
                f"itself; P* has rank {max(row['rank'] for row in inside)}. A start in doubles holds it to t = "
                f"{ends((r[0] for r in reach), '.2f')} only, one of 1000 bits to "
                f"{ends((r[1] for r in reach), '.2f')}: errors grow as exp of an integral "
                f"of order e^(2t). Shooting forwards finds the same start to {starts:.0e}. (The g of the proof tends "
                "to gamma_1 and gamma_n, not to infinity, which is enough.)",
                [
                    row["theta_error"] < 0.02
                    and row["row_error"] < 0.02
                    and abs(row["rest_slope"] + 2) < 0.3  # the next term is of order e^{-3t}
                    and row["restart_error"] < 1e-5
                    for row in inside
                ],
            )
        )
    return verdicts


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, a row for each draw and a row for each bounded token."""
    rows = [
        [
            f"n = {row['n']}, V = {row['V']:g}, QK = {row['QK']:g}",
            *(
                [
                    str(row["rank"]),
                    *(f"{gamma:.5f}" for gamma in row["gammas"]),
                    f"{min(row['slopes']):.4f}",
                    f"{max(row['slopes']):.4f}",
                    f"{row['matrix_error']:.0e}",
                ]
                if row["decided"]
                else ["undecided", *[""] * 5]
            ),
        ]
        for row in summary["rows"]
    ]
    heading = ["draw", "rank", "gamma_1", "gamma_n", "least rate/V", "largest", "|P - P*|"]
    held = [
        [
            f"{row['left']} left, {row['right']} right",
            f"{row['start']:.12f}",
            "-" if row["start_error"] is None else f"{row['start_error']:.0e}",
            "-" if row["theta"] is None else f"{row['theta']:.6f}",
            "-" if row["theta"] is None else f"{row['theta_error']:.1e}",
            f"{row['row_error']:.1e}",
            "-" if row["left_at"] is None else f"{row['left_at']:.2f}",
            f"{row['reach'][0]:.2f}",
            f"{'> ' * (row['reach'][1] >= row['times'][-1])}{row['reach'][1]:.2f}",
        ]
        for row in summary["bounded"]
    ]
    titles = ["bounded", "start", "by shooting", "theta", "error", "of alpha", "left at t", "predicted", "1000 bits"]
    return "\n".join([verdict.table(summary), text_table(heading, rows), text_table(titles, held)])


def draw_figure(summary: dict[str, Any]) -> Figure:
    """Return the rates of random tokens, and a bounded token's way, row and loss."""
    from matplotlib.figure import Figure  # workers do not draw

    drawing = Figure(figsize=(10.2, 7.4), layout="constrained")
    (of_rates, of_slopes), (of_y, of_errors) = drawing.subplots(2, 2)
    shown = summary["shown"]
    if shown is not None:
        times, logs = np.array(shown["times"]), np.array(shown["log_rates"])
        of_rates.plot(times, logs, color="C0", lw=0.7, alpha=0.6)
        V = shown["V"]
        anchor = float(np.median(logs[-1]))
        of_rates.plot(times[-21:], anchor + V * (times[-21:] - times[-1]), "k--", lw=1.4, label=f"slope V = {V:g}")
        of_rates.set_title(f"one draw, n = {shown['n']}: $\\log(-\\log(1 - P_{{iL(i)}}))$, every row")
        of_rates.set_xlabel("depth t")
        of_rates.legend()
    for k, row in enumerate(row for row in summary["rows"] if row["decided"]):
        slopes, expected = np.array(row["slopes"]), np.array(row["expected"])
        for value, color in ((1, "C0"), (2, "C3")):
            here = slopes[expected == value]
            of_slopes.plot(np.full(len(here), k), here, ".", color=color, ms=4)
    for value, color, text in ((1, "C0", "others have the same leader"), (2, "C3", "none has")):
        of_slopes.axhline(value, color=color, lw=0.8, ls=":")
        of_slopes.plot([], [], ".", color=color, label=text)
    of_slopes.set_ylim(0.8, 2.2)
    of_slopes.set_title("fitted rates over V, every row of every draw")
    of_slopes.set_xlabel("draw")
    of_slopes.legend(fontsize=9)
    for k, row in enumerate([row for row in summary["bounded"] if row["theta"] is not None][:_SHOWN]):
        times = np.array(row["times"])
        label = f"{row['left']} left, {row['right']} right"
        kept = times <= _BETWEEN[1]
        of_y.plot(times[kept], np.array(row["scaled"])[kept], color=f"C{k}", lw=1.4, label=label)
        of_y.axhline(row["theta"], color=f"C{k}", ls=":", lw=0.9)
        of_y.axvline(row["left_at"], color=f"C{k}", ls="--", lw=0.8)
        of_errors.semilogy(times[kept], np.array(row["theta_errors"])[kept], color=f"C{k}", lw=1.4, label=label)
    count = sum(row["theta"] is not None for row in summary["bounded"])
    of_errors.set_title("$|e^t x - \\theta|$" + (f", {_SHOWN} of {count} draws" if count > _SHOWN else ""))
    of_y.set_title("bounded token: $e^t x$, $\\theta$ (dotted); doubles lose it (dashed)")
    of_errors.set_ylim(1e-8, 10)
    for axes in (of_y, of_errors):
        axes.set_xlabel("depth t")
        axes.legend(fontsize=8)
    for axes in drawing.axes:
        axes.grid(alpha=0.3)
    drawing.suptitle("Theorem 2.1: P becomes Boolean, doubly exponentially; at most one token stays bounded")
    return drawing
