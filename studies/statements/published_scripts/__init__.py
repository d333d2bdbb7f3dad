"""What the authors' scripts integrate, and how far it is from the equations.

Section 11 says "a fourth order Runge-Kutta scheme with a step size of 0.1". In the published scripts all four stages
coincide, which is forward Euler (`stepping`), and the script behind Fig. 11 has no attention in it at all (`linear`).
Here the figures whose matrices were published are stepped by Euler and by Runge-Kutta with dt = 0.1 and compared with
a solution to eight digits, and Fig. 11's linear motion is set beside the true one. No code of theirs is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from studies.contract import StudyConfig
from studies.statements.published_scripts import linear, stepping
from studies.statements.published_scripts.report import summary, table
from studies.statements.setups import SETUPS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Config", "cases", "figure", "run_case", "summary", "table"]


class Config(StudyConfig):
    """Sizes of the study of the published scripts."""

    draws: int = Field(1, ge=1)  # initial sequences for each figure
    dims: tuple[Literal[10, 40, 80], ...] = Field((10,), min_length=1)  # of Fig. 11
    tokens: int = Field(40, ge=2)  # of Fig. 11

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, draws=4, dims=(10, 40, 80))


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each figure and initial sequence."""
    stepped = [
        {"kind": "stepping", "figure": figure, "seed": [config.seed, figure, k]}
        for k in range(config.draws)
        for figure in reversed(SETUPS)
    ]
    free = [
        {"kind": "linear", "d": d, "n": config.tokens, "seed": [config.seed, 11, d, k]}
        for k in range(config.draws)
        for d in config.dims
    ]
    return [*stepped, *free]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return one figure's numbers."""
    rng = np.random.default_rng(case["seed"])
    if case["kind"] == "linear":
        return linear.compared(case["d"], case["n"], rng)
    return stepping.compared(case["figure"], rng)


def figure(summary: dict[str, Any]) -> Figure:
    """Return differences over depth for Euler and Runge-Kutta, and Fig. 11's levels with and without attention."""
    from studies.statements.published_scripts.drawing import drawn  # workers do not draw

    return drawn(summary)
