"""P(t) on the line becomes Boolean (Theorem 2.1), with Lemmas 7.2, 7.3, 7.5 to 7.8 and Remark 2.2.

d = 1, V > 0, b = QK > 0, tokens x_1 < ... < x_n. Of random tokens it is decided whom each follows for ever, which is
P*, and a direct run shows how P comes to it (`random_draws`, `spaced`). The exceptional token that stays bounded is
made on purpose, from the end to the beginning (`held`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from studies.contract import StudyConfig
from studies.statements.theorem_2_1 import held, lemmas, random_draws
from studies.statements.theorem_2_1.report import judge, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Config", "cases", "figure", "run_case", "summary", "table"]

# n, and the interval the tokens are uniform on
_TOKENS = ((40, -5.0, 5.0), (2, -3.0, 3.0), (5, -5.0, 5.0), (40, -0.2, 0.2), (100, -5.0, 5.0), (5, -0.3, 1.0))
_SCALARS = ((1.0, 1.0), (2.0, 0.5), (0.5, 3.0), (1.0, 0.2))  # V, QK
_TASKS = ("bounded", "draw", "distances", "threshold")


def _not_alone(sides: tuple[int, int]) -> tuple[int, int]:
    if min(sides) < 0 or sum(sides) == 0:
        raise ValueError(f"there must be others on one side or on both; got {sides[0]} left and {sides[1]} right")
    return sides


Sides = Annotated[tuple[int, int], AfterValidator(_not_alone)]  # how many others are left and right of 0


class Config(StudyConfig):
    """Sizes of the study of Theorem 2.1."""

    draws: int = Field(12, ge=1)
    bounded: tuple[Sides, ...] = Field(((1, 1), (2, 3), (3, 0)), min_length=1)
    distances: int = Field(3, ge=1)
    thresholds: int = Field(4, ge=1)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        some = ((1, 1), (2, 2), (2, 3), (3, 0), (1, 4), (6, 4), (10, 10), (20, 20), (9, 0))
        edge = tuple((2 + k % 9, 0) for k in range(98))
        # in one of 12 of these all others end on one side: with `some`, more than 100 are left for Lemma 7.8
        between = tuple((1 + k % 10, 1 + k // 10 % 10) for k in range(110))
        return cls(seed=seed, draws=144, bounded=(*some, *edge, *between), distances=100, thresholds=60)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return draws of tokens; tokens of which one stays bounded; tokens in d = 1, 2, 3; tokens just above A."""
    return [
        *({"task": "bounded", "sides": sides, "seed": [config.seed, 1, k]} for k, sides in enumerate(config.bounded)),
        *(
            {"task": "draw", "tokens": k % 6, "scalars": k % 4, "seed": [config.seed, 0, k]}
            for k in range(config.draws)
        ),
        *({"task": "distances", "dim": 1 + k % 3, "seed": [config.seed, 2, k]} for k in range(config.distances)),
        *({"task": "threshold", "n": (2, 5, 40)[k % 3], "seed": [config.seed, 3, k]} for k in range(config.thresholds)),
    ]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return one case's numbers."""
    rng, task = np.random.default_rng(case["seed"]), case["task"]
    if task == "bounded":
        left, right = case["sides"]
        found = held.numbers(held.drawn(left, right, rng))
    elif task == "draw":
        n, low, high = _TOKENS[case["tokens"]]
        found = random_draws.numbers(np.sort(rng.uniform(low, high, n)), *_SCALARS[case["scalars"]])
    elif task == "distances":
        found = lemmas.distances(case["dim"], rng)
    else:
        found = lemmas.threshold(case["n"], rng)
    return {"task": task, **found}


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows of each task and the verdicts."""
    return judge({name: [result for result in results if result["task"] == name] for name in _TASKS})


def figure(summary: dict[str, Any]) -> Figure:
    """Return the rates of random tokens, and a bounded token's way, row and loss."""
    from studies.statements.theorem_2_1.drawing import drawn  # workers do not draw

    return drawn(summary)
