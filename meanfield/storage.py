"""Measures as plain arrays, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from meanfield.density import Density
from meanfield.gaussian import Gaussian
from meanfield.grid import Grid
from meanfield.panels import Panels
from meanfield.push_forward import PushForward
from meanfield.quadrature import TensorRule
from meanfield.smooth import Smooth
from meanfield.uniform import Uniform
from particles.checks import Array
from particles.measure import Empirical, Measure


def pack(mu: Measure) -> tuple[str, dict[str, Array]]:
    """Return the kind of a measure and the arrays that determine it.

    A `Smooth` is kept as its density at its own Gauss nodes.

    Raises
    ------
    TypeError
        If the measure is of a kind that cannot be stored.
    """
    match mu:
        case Empirical():
            return "Empirical", {"points": mu.points, "weights": mu.weights}
        case Gaussian():
            return "Gaussian", {"mean": mu.mean, "cov": mu.cov}
        case Uniform():
            return "Uniform", {"lower": mu.lower, "upper": mu.upper}
        case Density():
            return "Density", {"lower": mu.lower, "upper": mu.upper, "masses": mu.masses}
        case Smooth():
            heights = mu.pdf(TensorRule.on_box(mu.lower, mu.upper, mu.nodes).points)
            return "Smooth", {
                "lower": mu.lower,
                "upper": mu.upper,
                "heights": np.asarray(heights, dtype=float),
            }
        case PushForward():
            kind, source = pack(mu.source)
            parts: dict[str, Any] = {f"source.{name}": array for name, array in source.items()}
            parts |= {"panels.lower": mu.panels.lower, "panels.upper": mu.panels.upper}
            parts |= {"orders": np.array(mu.panels.orders), "source": np.array(kind)}
            parts |= {} if mu.growth is None else {"growth": mu.growth}
            return "PushForward", parts | {"points": mu.nodes.points, "weights": mu.nodes.weights}
    raise TypeError(f"a {type(mu).__name__} cannot be stored.")


def unpack(kind: str, arrays: dict[str, Array]) -> Measure:
    """Return the measure of the given kind."""
    match kind:
        case "Empirical":
            return Empirical(arrays["points"], arrays["weights"])
        case "Gaussian":
            return Gaussian(arrays["mean"], arrays["cov"])
        case "Uniform":
            return Uniform(arrays["lower"], arrays["upper"])
        case "Density":
            masses = arrays["masses"]
            return Density(Grid(arrays["lower"], arrays["upper"], masses.shape), masses)
        case "Smooth":
            return _tabulated(arrays["lower"], arrays["upper"], arrays["heights"])
        case "PushForward":
            source = unpack(str(arrays["source"]), _under("source.", arrays))
            assert isinstance(source, Uniform | Smooth | Density)
            panels = Panels(arrays["panels.lower"], arrays["panels.upper"], tuple(arrays["orders"].tolist()))
            return PushForward(source, panels, Empirical(arrays["points"], arrays["weights"]), arrays.get("growth"))
    raise ValueError(f"`path` holds a measure of unknown kind {kind!r}.")


def _under(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _tabulated(lower: Array, upper: Array, heights: Array) -> Smooth:
    """Return the density that interpolates heights at Gauss nodes, cut off at 0."""
    panel = Panels.on_box(lower, upper, round(len(heights) ** (1 / lower.size)))

    def pdf(x: Array) -> Array:
        return np.maximum(panel.interpolate(heights[:, None], x)[:, 0], 0.0)

    return Smooth.trusted(pdf, lower, upper, panel.orders[0])
