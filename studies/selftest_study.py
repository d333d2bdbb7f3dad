"""What `meanfield selftest` runs: tokens under (1.1), and the spectrum of a random matrix.

Small, but with all that could change bits: this project's kernels, linear algebra, random numbers, arrays and NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from particles import Attention, Raw, solve
from studies.contract import StudyConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Config(StudyConfig):
    """How many cases, of how many tokens, with matrices of which size."""

    count: int = Field(12, ge=1)
    tokens: int = Field(400, ge=1)
    size: int = Field(200, ge=1)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return cases that differ in their place alone."""
    sizes = {"tokens": config.tokens, "size": config.size}
    return [{"place": place, "seed": config.seed, **sizes} for place in range(config.count)]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return where the tokens end, the spectrum, and numbers of either."""
    rng = np.random.default_rng([case["seed"], case["place"]])
    eye = np.eye(3)
    path = solve(Raw(Attention(Q=eye, K=eye, V=eye)), rng.standard_normal((case["tokens"], 3)), [0.0, 0.5])
    matrix = rng.standard_normal((case["size"], case["size"]))
    spectrum = np.linalg.eigvalsh(matrix @ matrix.T)
    return {
        "points": path.points[-1],
        "spectrum": spectrum,
        "spread": float(path.points[-1].var()),
        "nothing": float("nan"),
    }


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means over the cases."""
    return {
        "headline": float(np.mean([result["spread"] for result in results])),
        "centre": np.mean([result["points"].mean(axis=0) for result in results], axis=0),
        "spectrum": np.mean([result["spectrum"] for result in results], axis=0),
    }


def table(summary: dict[str, Any]) -> str:
    """Return the headline."""
    return f"mean spread {summary['headline']!r}"


def figure(summary: dict[str, Any]) -> Figure:
    """Return the mean spectrum."""
    from matplotlib.figure import Figure  # workers do not draw

    drawing = Figure(figsize=(3, 2))
    drawing.add_subplot().plot(summary["spectrum"])
    return drawing
