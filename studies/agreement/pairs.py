"""Every pair of methods that solve one problem, against the sum of what both say that they may be wrong by.

    W2(mu, nu) <= error of mu + error of nu + error of the distance

and, in more than one dimension, where the last is that of atoms in place of densities, also Gelbrich's bound on W2 from
below, which needs no atoms, against the first two alone.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from meanfield.wasserstein import gelbrich
from studies.agreement.distance import compared
from studies.agreement.problems import TITLES, Sizes, Solution, solutions
from studies.text_table import text_table

AGREE, DISAGREE = "agree", "DISAGREE"


def cases(depth: float, cells: tuple[int, int, int]) -> list[dict[str, Any]]:
    """Return one case for each problem."""
    return [{"pairs": name, "depth": depth, "cells": list(cells)} for name in TITLES]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return the methods with their stated errors, and W2 of every two of them."""
    first, second, third = case["cells"]
    found = solutions(case["pairs"], Sizes(case["depth"], (first, second, third)))
    dim = found[0].measure.dim
    atoms = case["cells"][dim - 1] ** dim
    return {
        "methods": [solution.method for solution in found],
        "errors": [solution.error for solution in found],
        "pairs": [_pair(mu, nu, atoms) for mu, nu in combinations(found, 2)],
    }


def _pair(mu: Solution, nu: Solution, atoms: int) -> dict[str, Any]:
    distance, blur = compared(mu.measure, nu.measure, atoms)
    below = gelbrich(mu.measure, nu.measure) if mu.measure.dim > 1 else None
    return {"A": mu.method, "B": nu.method, "W2": distance, "blur": blur, "below": below}


def rows(name: str, result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the pairs of one problem with their bars, ratios and verdicts."""
    errors = dict(zip(result["methods"], result["errors"], strict=True))
    found = []
    for pair in result["pairs"]:
        stated = errors[pair["A"]] + errors[pair["B"]]
        bar = stated + pair["blur"]
        sharp = None if pair["below"] is None else pair["below"] / stated
        ratio = pair["W2"] / bar
        agree = ratio <= 1 and (sharp is None or sharp <= 1)
        # NaN is no agreement: it would not pass either comparison
        found.append(
            {
                "problem": name,
                **pair,
                "stated": stated,
                "bar": bar,
                "ratio": ratio,
                "sharp": sharp,
                "verdict": AGREE if agree else DISAGREE,
            }
        )
    return found


def headline(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how many pairs there are, how many disagree, and the largest ratios."""
    return {
        "pairs": len(pairs),
        "disagreements": sum(pair["verdict"] != AGREE for pair in pairs),
        "largest ratio of W2 to its bar": float(np.max([pair["ratio"] for pair in pairs])),
        "largest ratio from below": float(np.max([pair["sharp"] for pair in pairs if pair["sharp"] is not None])),
    }


HEADING = ("problem", "method A", "method B", "W2", "stated", "bar", "W2/bar", "from below", "verdict")


def cells_of(pair: dict[str, Any]) -> list[str]:
    """Return a pair as the cells of a table."""
    return [
        pair["problem"],
        pair["A"],
        pair["B"],
        *(f"{pair[key]:.2e}" for key in ("W2", "stated", "bar")),
        f"{pair['ratio']:.3f}",
        "" if pair["sharp"] is None else f"{pair['sharp']:.3f}",
        pair["verdict"],
    ]


def table(pairs: list[dict[str, Any]]) -> str:
    """Return the pairs as plain text."""
    titles = [f"{name}: {title}" for name, title in TITLES.items()]
    return "\n".join(["Pairs of methods, W2 at the end", *titles, text_table(HEADING, map(cells_of, pairs))])
