"""The study's numbers, from its rows and verdicts."""

from __future__ import annotations

from typing import Any

from studies.statements.mean_field import rows, verdicts
from studies.statements.mean_field.gathered import NEAR
from studies.statements.mean_field.moved import PARTICLES
from studies.statements.mean_field.rows import Pairs, masses_of
from studies.statements.mean_field.verdicts import agrees, decay, sharpness
from studies.statements.verdict import table as verdict_table
from studies.text_table import text_table


def summary(pairs: Pairs) -> dict[str, Any]:
    """Return a row for each problem and method, for each problem and number of tokens, and for each shape."""
    measures = [rows.measure_row(case, result) for case, result in pairs if case["kind"] == "measure"]
    reference = {row["problem"]: row for row in measures if row["by"] == PARTICLES}
    tokens = [rows.token_row(case, result, reference) for case, result in pairs if case["kind"] == "tokens"]
    agreement = rows.agreement([pair for pair in pairs if pair[0]["kind"] == "measure"], reference)
    shapes = [rows.shape_row(case, result) for case, result in pairs if case["kind"] == "shape"]
    growth = rows.growth(shapes)
    found = [
        *verdicts.gathering(measures),
        *verdicts.shrinking(measures),
        *verdicts.sharp(measures, tokens),
        *verdicts.decaying(measures),
        *verdicts.agreeing(agreement),
        *verdicts.towards(tokens),
        *verdicts.polytope(growth, shapes),
    ]
    return {
        "verdicts": [verdict.record() for verdict in found],
        "measures": measures,
        "tokens": tokens,
        "agreement": agreement,
        "shapes": shapes,
        "growth": growth,
        "headline": _headline(reference, tokens, growth, agreement),
    }


def _headline(
    reference: dict[str, Any],
    tokens: list[dict[str, Any]],
    growth: list[dict[str, Any]],
    agreement: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "agree": sum(agrees(row) is True for row in agreement),
        "pairs": len(agreement),
        **{f"points, {name}": len(row["places"]) for name, row in reference.items()},
        **{f"upper mass, {name}": float(masses_of(row)[-1]) for name, row in reference.items()},
        **{f"99 % at, {name}": row["gathered_at"][2] for name, row in reference.items()},
        **{f"slope of the gap, {name}": sharpness(row)[0] for name, row in reference.items() if "gaps" in row},
        **{
            f"size times root of 2t/d, {name}": decay(row)
            for name, row in reference.items()
            if row["statement"] == "Theorem 8.5"
        },
        **{f"slope of leaders, {row['shape']}": row["slope"] for row in growth},
        "undecided tokens": sum(row.get("undecided", 0) for row in tokens),
    }


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, then n = 40 to infinity, the methods' agreement and the shapes."""
    gathering = []
    for name in dict.fromkeys(row["problem"] for row in summary["measures"]):
        for row in summary["tokens"]:
            if row["problem"] == name and "shares" in row:
                gathering.append(
                    [
                        name,
                        str(row["n"]),
                        f"{row['leaders']:.1f}",
                        _share(row["shares"], row["shares_spread"]),
                        *_at(row),
                    ]
                )
        for row in summary["measures"]:
            if row["problem"] == name and row["statement"] != "Theorem 8.5":
                gathering.append([name, row["by"], str(len(row["places"])), _share(masses_of(row)), *_at(row)])
    heading = ["problem", "n, or method", "leaders", "masses", "50 % at", "90 % at", "99 % at"]
    near = [
        [
            row["problem"],
            row["by"],
            *(f"{a:.3f} <= {b:.3f}" for a, b in zip(row["w1"], row["w1_allowed"], strict=True)),
            "-" if row["mass"] is None else f"{row['mass']:.4f} <= {row['mass_allowed']:.4f}",
        ]
        for row in summary["agreement"]
    ]
    shapes = [[row["shape"], str(row["n"]), f"{row['leaders']:.2f} +- {row['error']:.2f}"] for row in summary["shapes"]]
    return "\n".join(
        [
            verdict_table(summary),
            f"Gathered: within {NEAR:g} of the width of mu_0 of a limit point",
            text_table(heading, gathering),
            "W1 of projections between grid and particles at three depths, and masses, each beside the errors stated",
            text_table(["problem", "grid", "first", "second", "third", "masses"], near),
            "Tokens that lead, of n drawn from a shape",
            text_table(["shape", "n", "leaders"], shapes),
        ]
    )


def _share(masses: Any, spread: Any = None) -> str:
    if spread is None:
        return " ".join(f"{mass:.4f}" for mass in masses)
    return " ".join(f"{mass:.2f}+-{s:.2f}" for mass, s in zip(masses, spread, strict=True))


def _at(row: dict[str, Any]) -> list[str]:
    spread = row.get("gathered_spread", [None] * len(row["gathered_at"]))
    return [
        "-" if t is None else f"{t:.2f}" if s is None else f"{t:.2f}+-{s:.2f}"
        for t, s in zip(row["gathered_at"], spread, strict=True)
    ]
