"""From draws to verdicts: Theorem 2.1 with Lemmas 7.2, 7.3, 7.5 to 7.8 and Remark 2.2."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from studies.statements import verdict
from studies.statements.theorem_2_1.held import LOST
from studies.statements.verdict import Verdict
from studies.statements.wording import counted, ends, ranging
from studies.text_table import text_table

BETWEEN = (4.0, 6.5)  # depths between which the way of y to theta is fitted; the end, at 7, forgets how it was set

_SAME = 1e-10  # of y(0): a larger change at the last turn, and the token is not held
_NAMED = 3  # draws that are named as undecided


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
        "verdicts": [
            v.record()
            for v in (*_of_draws(draws, decided), *_of_lemmas(by), *_growing(draws, decided, bounded), *_held(bounded))
        ],
        "headline": {
            "ranks": {str(r): sum(row["rank"] == r for row in decided) for r in (1, 2)},
            "undecided draws": len(draws) - len(decided),
            "draws decided by order": sum(row["by"] == "order" for row in decided),
            "largest error of a rate, in units of V": _most(decided, "slope_error"),
            "largest |P - P*|": _most(decided, "matrix_error"),
            "largest |y - theta| at the end": max((row["theta_error"] for row in inside), default=None),
            "slopes of log|y - theta - c e^-t|": [row["rest_slope"] for row in inside],
            "depth a start in doubles holds, predicted and seen": [[row["reach"][0], row["left_at"]] for row in inside],
            "largest difference of the starts": max((row["start_error"] for row in inside), default=None),
        },
    }


def _most(rows: Iterable[dict[str, Any]], key: str) -> float | None:
    return max((row[key] for row in rows), default=None)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in row.items()}


def _bounded_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a bounded token's numbers, with its distances to the limits of Lemma 7.8."""
    times, scaled, P = (np.asarray(row[key]) for key in ("times", "scaled", "rows"))
    limit = row["limit"]
    late = (times >= BETWEEN[0]) & (times <= BETWEEN[1])
    k = int(np.flatnonzero(late)[-1])
    kept = {key: row[key] for key in ("left", "right", "ends", "leave", "stays", "gammas", "change", "left_at")}
    kept |= {key: row[key] for key in ("reach", "restart_error", "start", "bracket", "lost")}
    kept |= {
        "times": times.tolist(),
        "scaled": scaled.tolist(),
        "start_error": None if row["bracket"] is None else max(abs(at - row["start"]) for at in row["bracket"]),
        "own": P[:, -1].tolist(),
    }
    if limit is None:  # no others end on one side: P_nn -> 1
        x = float(np.exp(-times[k]) * abs(scaled[k]))
        return {**kept, "theta": None, "row_error": float(1 - P[k, -1]), "x": x}
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
        "rank": int(np.linalg.matrix_rank(_limit_matrix(row["ends"][0], row["ends"][1], limit["row"]))),
    }


def _limit_matrix(left: int, right: int, row: list[float]) -> np.ndarray:
    """Return P* with the bounded token last: e_1, or e_n, or its own row."""
    n = left + right + 1
    P = np.zeros((n, n))
    P[:left, 0] = 1
    P[left:-1, n - 2] = 1
    P[-1] = row
    return P


def _each(draws: list[dict[str, Any]], holds: Callable[[dict[str, Any]], bool]) -> list[bool | None]:
    return [bool(holds(row)) if row["decided"] else None for row in draws]


def _of_draws(draws: list[dict[str, Any]], decided: list[dict[str, Any]]) -> list[Verdict]:
    """Theorem 2.1 and Remark 2.2."""
    ranks = [sum(row["rank"] == r for row in decided) for r in (1, 2)]
    error = _most(decided, "matrix_error")
    apart = f"differs from that P* by at most {error:.0e}" if error else "is that P* to the last bit"
    by_order = [row for row in decided if row["by"] == "order"]
    rates = "No rate is measured."
    if decided:
        rates = (
            "log(-log(1 - P_iL)) grows at the rate V where another token has the same leader, 2V where none has: "
            f"fitted rates differ from that by at most {_most(decided, 'slope_error'):.1e} V, where "
            f"-log(1 - P_iL) is between {min(row['least_exponent'] for row in decided):.0f} and "
            f"{_most(decided, 'largest_exponent'):.0e}."
        )
    return [
        Verdict.of(
            "Theorem 2.1",
            "d = 1, V > 0, QK > 0, distinct tokens: P(t) -> P* with rows e_1, then at most one other, then e_n.",
            f"In {len(decided)} of {len(draws)} random draws the leaders are certain: only the first and the last "
            f"token, and in order. P of a direct run {apart}.{_ordered(by_order)}{_named(draws)} The other row comes "
            "with a bounded token (Lemma 7.8).",
            _each(draws, lambda row: row["in_class"] and row["matrix_error"] < 1e-12),
        ),
        Verdict.of(
            "Remark 2.2, rank",
            "For almost all initial tokens P* has rank 1 or 2.",
            f"Rank 1 in {ranks[0]}, rank 2 in {ranks[1]} of {len(decided)} draws, and numpy's rank of P at the end of "
            "the direct run is the same.",
            _each(draws, lambda row: row["rank"] in (1, 2) and row["rank_direct"] == row["rank"]),
        ),
        Verdict.of(
            "Remark 2.2, rate",
            "The convergence is doubly exponential outside the row of asterisks.",
            rates,
            _each(draws, lambda row: row["rates_hold"]),
        ),
    ]


def _ordered(rows: list[dict[str, Any]]) -> str:
    """Return what is said of draws in which the first two tokens, or the last two, are too close for `settle`."""
    if not rows:
        return ""
    latest, widest = max(row["V"] * row["bound_at"] for row in rows), max(row["width"] for row in rows)
    return (
        f" In {len(rows)} of them all tokens travel together and rounding hides who is in front: a bound at Vt ="
        f" {latest:.1f} shows that each tends to the level of the first or of the last, known to {widest:.0e} of it;"
        " order, which is kept, says which row of P* that is; and gaps, followed as unknowns of their own, give P and"
        " the rate."
    )


def _named(draws: list[dict[str, Any]]) -> str:
    """Return which draws are undecided, and why."""
    said = ""
    for k, row in [(k, row) for k, row in enumerate(draws) if not row["decided"]][:_NAMED]:
        where = f"n = {row['n']}, V = {row['V']:g}, QK = {row['QK']:g}"
        said += f" Draw {k} ({where}) is undecided: {row['why']}."
    return said


def _of_lemmas(by: dict[str, list[dict[str, Any]]]) -> list[Verdict]:
    """Lemmas 7.2 and 7.3."""
    distances, thresholds = by["distances"], by["threshold"]
    factors = [end for row in thresholds for end in row["c1"] if end is not None]
    return [
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
    ]


def _growing(
    draws: list[dict[str, Any]], decided: list[dict[str, Any]], bounded: list[dict[str, Any]]
) -> list[Verdict]:
    """Lemmas 7.5 and 7.6."""
    grown = "No draw is decided."
    unbounded = grown
    if decided:
        found = decided[0]
        grown = (
            f"In one draw gamma_1 = {found['gammas'][0]:.6f}, gamma_n = {found['gammas'][1]:.6f}. The distance "
            "of x_i e^(-Vt) in the direct run to one of the two exceeds |D_i| e^(-Vt), D_i constant, by at most "
            f"{max(row['gamma_error'] for row in decided):.0e} of their size."
        )
        unbounded = (
            "In random draws none does: every |x_i| grows at last by a factor of at least "
            f"{min(row['least_growth'] for row in decided):.3f} in a time 1/V."
        )
    left = sum(row["leave"] for row in bounded)
    lost = [row["lost"] for row in bounded if row["lost"] is not None]
    parted = sum(min(row) < 0 < max(row) for row in lost)
    gone = min((abs(x) for row in lost for x in row), default=float("nan"))
    return [
        Verdict.of(
            "Lemma 7.5",
            "An unbounded x_i is gamma_i e^(Vt) + o(e^(Vt)), gamma_i being gamma_1 or gamma_n.",
            grown,
            # a thousand times the steps' tolerance; and where a bound encloses gamma, it lies there
            _each(draws, lambda row: row["gamma_error"] < 1e-8 and row.get("enclosed", True)),
        ),
        Verdict.of(
            "Lemma 7.6",
            "At most one token stays bounded.",
            f"{unbounded} Where one was made to stay, a bound for all later depths shows that all others leave, in "
            f"{left} of {len(bounded)} draws. Left to itself from its start in doubles that one leaves too: by t = "
            f"{LOST:g} it is at least {gone:.1f} away from 0, and in {parted} of {len(lost)} draws on different sides "
            "in runs that are a few roundings apart.",
            [
                *_each(draws, lambda row: row["least_growth"] > 2),
                *(True if row["leave"] and row["stays"] else None for row in bounded),
            ],
        ),
    ]


def _held(bounded: list[dict[str, Any]]) -> list[Verdict]:
    """Lemmas 7.7 and 7.8, each of those draws whose others end as it asks."""
    inside = [row for row in bounded if row["theta"] is not None]
    edge = [row for row in bounded if row["theta"] is None]
    crossed = sum(row["left"] > 0 and row["right"] > 0 for row in edge)
    return [*([_beyond(edge, crossed)] if edge else []), *([_between(inside, crossed)] if inside else [])]


def _beyond(edge: list[dict[str, Any]], crossed: int) -> Verdict:
    drawn = counted(crossed, "draw", "draws")
    also = f" In {drawn} others started on both sides and were all drawn to one." if crossed else ""
    return Verdict.of(
        "Lemma 7.7",
        "If x_n stays bounded, P_nn -> 1.",
        f"1 - P_nn is {max(row['row_error'] for row in edge):.1e} at t = {BETWEEN[1]:g}, where x_n is "
        f"{max(row['x'] for row in edge):.1e}: x_n behaves as 2t e^(-t)/|gamma_1|, so this row of P* is e_n, "
        f"reached exponentially and not doubly so.{also}",
        [_if_held(row, row["row_error"] < 1e-3) for row in edge],
    )


def _between(inside: list[dict[str, Any]], crossed: int) -> Verdict:
    slopes = [row["rest_slope"] for row in inside]
    reach = [row["reach"] for row in inside]
    starts = max(row["start_error"] for row in inside)
    drawn = counted(crossed, "draw is", "draws are")
    also = f" {drawn} counted with Lemma 7.7, as all others end on one side." if crossed else ""
    return Verdict.of(
        "Lemma 7.8",
        "A bounded token between others has x e^t -> theta, sum_j gamma_j e^(gamma_j theta) = 0, and its row "
        "of P tends to some alpha.",
        f"Held to t = {BETWEEN[1]:g}, e^t x is within {max(row['theta_error'] for row in inside):.1e} of "
        f"theta (the offsets make c e^(-t) of it, what is left falls as e^(st), {ranging('s', slopes, '.2f')}) "
        "and the row within "
        f"{max(row['row_error'] for row in inside):.1e} of alpha_j = e^(gamma_j theta)/(1 + sum), 1 for "
        f"itself; P* has rank {max(row['rank'] for row in inside)}. A start in doubles holds it to t = "
        f"{ends((r[0] for r in reach), '.2f')} only, one of 1000 bits to "
        f"{ends((r[1] for r in reach), '.2f')}: errors grow as exp of an integral "
        f"of order e^(2t). Shooting forwards finds the same start to {starts:.0e}.{also} (The g of the proof tends "
        "to gamma_1 and gamma_n, not to infinity, which is enough.)",
        [
            _if_held(
                row,
                row["theta_error"] < 0.02
                and row["row_error"] < 0.02
                and abs(row["rest_slope"] + 2) < 0.3  # the next term is of order e^{-3t}
                and row["restart_error"] < 1e-5,
            )
            for row in inside
        ],
    )


def _if_held(row: dict[str, Any], holds: bool) -> bool | None:
    """Return the outcome for a token that is held among others that are known to leave, None if it is not."""
    return bool(holds) if row["leave"] and row["change"] < _SAME else None


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, a row for each draw and a row for each bounded token."""
    rows = [
        [
            f"n = {row['n']}, V = {row['V']:g}, QK = {row['QK']:g}",
            *(
                [
                    f"{row['rank']}{' by order' * (row['by'] == 'order')}",
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
            "{}, {}".format(*row["ends"]),
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
    titles = ["bounded", "end", "start", "by shooting", "theta", "error", "of alpha", "left at t", "predicted"]
    return "\n".join([verdict.table(summary), text_table(heading, rows), text_table([*titles, "1000 bits"], held)])
