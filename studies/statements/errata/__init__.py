"""What is wrong in print, in numbers: one verdict for each printed claim, and one for what holds instead.

`estimates`: (6.5) and the denominators of Cor. 6.6; `axes`: left and right eigenvectors in Section 4 and in the
captions; `depths`: Lipschitz in depth, Def. 6.4, Remark 7.9; `rates`: W2 between n tokens and their law. "Fails" is
therefore what is expected of most. What the published scripts integrate is the study `published-scripts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from studies.contract import StudyConfig
from studies.statements.errata import axes, depths, estimates, rates
from studies.statements.errata.report import summary, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Config", "cases", "figure", "run_case", "summary", "table"]

SPEEDS = ("raw, V = I", "rescaled, V = I", "rescaled, V = I, backwards", "rescaled, V of Fig. 6")


class Config(StudyConfig):
    """Sizes of the errata."""

    draws: int = Field(40, ge=1)  # of random measures
    smallest: int = Field(12, ge=3, le=15)  # e = 10^-smallest in the counterexample to (6.5)
    heights: tuple[float, ...] = Field((0.05, 0.1, 0.3, 0.5, 1.0), min_length=1)
    powers: int = Field(12, ge=6)  # n = 2^4, ..., 2^powers
    replicas: int = Field(200, ge=10)
    gap: float = Field(10.0, gt=0)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, draws=400, powers=16, replicas=1000)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each piece of evidence."""
    sizes = [2**k for k in range(4, config.powers + 1)]
    common = {"replicas": config.replicas, "sizes": sizes}
    return [
        *({"item": "axes", "figure": figure, "seed": [config.seed, 3, figure]} for figure in (6, 12, 13)),
        *({"item": "speed", "name": name, "seed": [config.seed, 4]} for name in SPEEDS),
        {"item": "rates", "gap": 0.0, **common, "seed": [config.seed, 7, 0]},
        {"item": "rates", "gap": config.gap, **common, "seed": [config.seed, 7, 1]},
        {"item": "weak form", "seed": [config.seed, 5]},
        {"item": "two tokens", "heights": list(config.heights)},
        {"item": "counterexample", "smallest": config.smallest},
        {"item": "estimates", "draws": config.draws, "seed": [config.seed, 2]},
    ]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of one item."""
    rng, item = np.random.default_rng(case.get("seed", 0)), case["item"]
    if item == "axes":
        return axes.measured(case["figure"], rng)
    if item == "speed":
        return depths.speeds(case["name"], rng)
    if item == "rates":
        return rates.rates(rng, case["sizes"], case["replicas"], case["gap"])
    if item == "weak form":
        return depths.weak_form(rng)
    if item == "two tokens":
        return {"rows": [depths.two_tokens(height) for height in case["heights"]]}
    if item == "counterexample":
        return estimates.counterexample(case["smallest"])
    return estimates.draws(rng, case["draws"])


def figure(summary: dict[str, Any]) -> Figure:
    """Return the counterexample to (6.5), the two coordinates of Fig. 13, speeds over depth, and the rates."""
    from studies.statements.errata.drawing import drawn  # workers do not draw

    return drawn(summary)
