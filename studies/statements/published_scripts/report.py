"""From differences to verdicts on what Section 11 and Fig. 11 say was computed."""

from __future__ import annotations

from typing import Any

from studies.statements import verdict
from studies.statements.verdict import Verdict
from studies.statements.wording import counted
from studies.text_table import text_table

_SEEN = 0.01  # of the hull's diagonal: a reader sees a difference of a hundredth


def summary(config: Any, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return verdicts, a row for each figure and initial sequence, and the headline."""
    from studies.statements.published_scripts import cases

    rows: list[dict[str, Any]] = []
    for case, result in zip(cases(config), results, strict=True):
        listed = {key: value.tolist() if hasattr(value, "tolist") else value for key, value in result.items()}
        rows.append({**case, **listed})
    stepped = [row for row in rows if row["kind"] == "stepping"]
    free = [row for row in rows if row["kind"] == "linear"]
    largest = {way: max(row["ways"][way]["largest"] for row in stepped) for way in ("euler", "rk4")}
    return {
        "verdicts": [found.record() for found in _verdicts(stepped, free)],
        "rows": rows,
        "headline": {
            "largest_difference": largest,
            "euler_elsewhere": sum(row["ways"]["euler"]["elsewhere"] for row in stepped),
            "rk4_elsewhere": sum(row["ways"]["rk4"]["elsewhere"] for row in stepped),
            "other_ranks": sum(_other_ranks(row, "euler") for row in stepped),
            "values_linear": [row["values_linear"] for row in free],
            "values_true": [row["values_true"] for row in free],
        },
    }


def _verdicts(stepped: list[dict[str, Any]], free: list[dict[str, Any]]) -> list[Verdict]:
    found = [_verdict(way, stepped) for way in ("euler", "rk4")]
    ranks = [None if row["rank_true"][-1] is None else row["rank_linear"][-1] == row["rank_true"][-1] for row in free]
    levels = ", ".join(f"{row['values_linear']} against {row['values_true']} in d = {row['d']}" for row in free[:3])
    off = max(row["off"] for row in free)
    common = sum(row["leaders_in_common"] for row in free)
    leading = sum(len(row["leaders_true"]) for row in free)
    return [
        *found,
        Verdict.of(
            "Fig. 11, tokens",
            "P(t) is that of tokens that follow (1.1).",
            f"The script moves them by x' = Vx, under which rescaled tokens stand still: they have {levels} values of "
            f"phi_1^*(z) to a thousandth of the spread, and are up to {off:.2f} of it from where (1.1) takes them.",
            [None if row["undecided"] else row["off"] < _SEEN for row in free],
        ),
        Verdict.of(
            "Fig. 11, rank at t = 10",
            "The rank of P(t) falls to 2, as in Theorem 2.1.",
            "The last rank without attention is "
            + ", ".join(str(row["rank_linear"][-1]) for row in free[:3])
            + ", with it "
            + ", ".join("undecided" if row["rank_true"][-1] is None else str(row["rank_true"][-1]) for row in free[:3])
            + f" in d = {', '.join(str(row['d']) for row in free[:3])}; {common} of {leading} leaders agree.",
            ranks,
        ),
    ]


def _verdict(way: str, rows: list[dict[str, Any]]) -> Verdict:
    every = [row["ways"][way] for row in rows]
    elsewhere, others = sum(one["elsewhere"] for one in every), sum(one["other_leader"] for one in every)
    ranks = sum(_other_ranks(row, way) for row in rows)
    worst: dict[int, float] = {}
    for row in sorted(rows, key=_figure):
        worst[_figure(row)] = max(worst.get(_figure(row), 0.0), row["ways"][way]["largest"])
    by = ", ".join(f"Fig. {number}: {largest:.2g}" for number, largest in worst.items())
    name = "forward Euler, as published" if way == "euler" else "Runge-Kutta, as written"
    return Verdict.of(
        f"Section 11, step 0.1 by {name}",
        "The figures show the solution: no token is a hundredth of the hull's diagonal away from it at any depth "
        "at which double precision knows its exponents.",
        f"Largest differences of each figure over the diagonal: {by}. "
        f"{counted(elsewhere, 'token ends', 'tokens end')} in another cluster, "
        f"{counted(others, 'attends', 'attend')} to another token where the true ones settled, and ranks "
        f"in the panels differ in {ranks} of {len(rows)} runs.",
        [None if row["undecided"] else row["ways"][way]["largest"] < _SEEN for row in rows],
    )


def _ranks(ranks: list[int | None]) -> str:
    return " ".join("?" if rank is None else str(rank) for rank in ranks)


def _other_ranks(row: dict[str, Any], way: str) -> bool:
    """Return whether a rank differs from the true one where both are known."""
    return any(
        rank is not None and true is not None and rank != true
        for rank, true in zip(row["ranks"][way], row["ranks"]["reference"], strict=True)
    )


def _figure(row: dict[str, Any]) -> int:
    return int(row["figure"])


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, a row for each figure, and one for each dimension of Fig. 11."""
    stepped = [row for row in summary["rows"] if row["kind"] == "stepping"]
    free = [row for row in summary["rows"] if row["kind"] == "linear"]
    lines = [
        [
            f"Fig. {row['figure']}",
            f"{row['settled']:.1f}",
            *(f"{row['ways'][way][key]:.2g}" for way in ("euler", "rk4") for key in ("largest", "last")),
            *(str(row["ways"][way]["elsewhere"]) for way in ("euler", "rk4")),
            *(_ranks(row["ranks"][way]) for way in ("euler", "rk4", "reference")),
        ]
        for row in sorted(stepped, key=_figure)
    ]
    heading = ["", "settled", "Euler", "at end", "RK4", "at end", "elsewhere", "RK4", "ranks by Euler", "RK4", "true"]
    without = [
        [
            f"d = {row['d']}",
            " ".join(f"{t:g}" for t in row["times"]),
            _ranks(row["rank_linear"]),
            _ranks(row["rank_true"]),
            str(row["values_linear"]),
            str(row["values_true"]),
            str(row["leaders_in_common"]),
        ]
        for row in free
    ]
    return "\n".join(
        [
            verdict.table(summary),
            "dt = 0.1: differences from the solution over the hull's diagonal, the largest where exponents are known "
            "and the one at the end; tokens that end elsewhere; ranks at the panels, ? where they would be rounding",
            text_table(heading, lines),
            "Fig. 11 with x' = Vx and with attention",
            text_table(["", "t", "ranks, x' = Vx", "true", "values, x' = Vx", "true", "leaders in common"], without),
        ]
    )
