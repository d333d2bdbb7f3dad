"""The numbers of the study as text, and in a few lines."""

from __future__ import annotations

from typing import Any

from studies.stability.fields import TITLES
from studies.text_table import text_table

TARGET = 3.0  # the sharp exponent over the measured one, on boxes of half side 1


def headline(rows: list[dict[str, Any]], estimates: list[dict[str, Any]]) -> dict[str, Any]:
    """Return whether everything holds, and the largest ratios of sharp to measured exponents."""
    limits = [row["limit"]["status"] for row in rows]
    found: dict[str, Any] = {
        "growth_cases": len(rows),
        "bounds_hold": all(row["bounds_hold"] for row in rows),
        "estimates_hold": all(row["holds"] for row in estimates),
        "largest_exponent": max(row["c"]["atoms"] for row in rows),
        "limits_solved": limits.count("solved"),
        "limits_of_densities": len(limits) - limits.count("atoms"),
    }
    unit = [row for row in rows if row["radius"] == 1 and row["ratios"]["sharp"] is not None]
    for law in dict.fromkeys(row["law"] for row in unit):
        ratios = [row["ratios"]["sharp"] for row in unit if row["law"] == law]
        found[f"largest ratio, radius 1, {law}"] = max(ratios)
        found[f"ratios above {TARGET:g}, radius 1, {law}"] = (
            f"{sum(ratio > TARGET for ratio in ratios)} of {len(ratios)}"
        )
    return found


HEADING = (
    *("d", "V", "R", "pair", "law", "W2(0)", "limit", "W2", "moved", "sharp", "log norm", "split"),
    *("posteriori", "priori", "ratio", "bounds"),
)


def table(summary: dict[str, Any]) -> str:
    """Return all of it as plain text."""
    parts = [
        "Growth exponents c: W2(t) <= e^{c t} W2(0). ratio: 1 + (sharp - W2) / max(|W2|, 0.1)",
        text_table(HEADING, map(_cells, summary["rows"])),
        *_unsolved(summary["rows"]),
        "",
        "Largest ratios of the left side to the right one, and medians",
        text_table(("estimate", "d", "draws", "largest", "median", "verdict"), _estimates(summary["estimates"])),
        "",
        *_counterexample(summary["estimates"]),
    ]
    return "\n".join(parts)


def _cells(row: dict[str, Any]) -> list[str]:
    c = row["c"]
    return [
        str(row["dim"]),
        row["value"],
        f"{row['radius']:g}",
        row["pair"],
        row["law"],
        f"{row['initial']:.4f}",
        _number(row["measured_exponent"]) if row["limit"]["status"] == "solved" else "",
        *(_number(c[key]) for key in ("atoms", "coupled", "sharp", "log_norm", "split", "a_posteriori", "a_priori")),
        _number(row["ratios"]["sharp"]),
        "hold" if row["bounds_hold"] else "FAIL",
    ]


def _number(value: float | None) -> str:
    if value is None:
        return "inf"
    return f"{value:.3f}" if abs(value) < 1e3 else f"{value:.2e}"


def _unsolved(rows: list[dict[str, Any]]) -> list[str]:
    """Return a line for each limit that could not be solved."""
    return [
        f"limit {row['limit']['status']}: d = {row['dim']}, V = {row['value']}, R = {row['radius']:g}, {row['pair']}, "
        f"{row['law']}: {row['limit']['message']}"
        for row in rows
        if row["limit"]["status"] not in ("solved", "atoms")
    ]


def _estimates(estimates: list[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            f"{row['estimate']} {TITLES[row['estimate']]}",
            str(row["dim"]),
            str(row["draws"]),
            *(" ".join(f"{value:.3f}" for value in row[key]) for key in ("largest", "median")),
            "holds" if row["holds"] else "FAILS",
        ]
        for row in estimates
        if row["estimate"] != "counterexample"
    ]


def _counterexample(estimates: list[dict[str, Any]]) -> list[str]:
    row = next(row for row in estimates if row["estimate"] == "counterexample")
    keys = ("e", "gap", "over_W1", "over_W2", "in_ball")
    lines = zip(*(row[key] for key in keys), strict=True)
    heading = ("e", "sup over x of the gap", "over W1", "over W2", "in |x| <= 1, over (6.5)")
    title = "(1 - e) delta_0 + e delta_1 against delta_0: no constant holds on all of the line"
    return [title, text_table(heading, [[f"{value:.3g}" for value in line] for line in lines])]
