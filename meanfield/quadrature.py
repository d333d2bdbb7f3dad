"""Gauss-Legendre rules on boxes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.special import roots_legendre

from meanfield.grid import tensor_points
from particles.checks import Array


@lru_cache(maxsize=64)
def gauss_legendre(n: int) -> tuple[Array, Array, Array]:
    """Return nodes, weights and barycentric weights of the n-point rule on [-1, 1]."""
    nodes, weights = roots_legendre(n)
    signs = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
    return nodes, weights, signs * np.sqrt((1 - nodes**2) * weights)


@dataclass(frozen=True, eq=False)
class AxisRule:
    """An n-point Gauss-Legendre rule on each panel of an interval.

    Parameters
    ----------
    edges : (p + 1,) array
        Ends of the panels, increasing.
    n : int
        Nodes on each panel.
    """

    edges: Array
    n: int

    @cached_property
    def nodes(self) -> Array:
        """All nodes, increasing; shape (p n,)."""
        centres, halves = self._panels
        return (centres[:, None] + halves[:, None] * gauss_legendre(self.n)[0]).ravel()

    @cached_property
    def weights(self) -> Array:
        """Quadrature weights, summing to the length of the interval; shape (p n,)."""
        return (self._panels[1][:, None] * gauss_legendre(self.n)[1]).ravel()

    @property
    def _panels(self) -> tuple[Array, Array]:
        return 0.5 * (self.edges[:-1] + self.edges[1:]), 0.5 * np.diff(self.edges)


@dataclass(frozen=True, eq=False)
class TensorRule:
    """The tensor product of one rule per axis."""

    axes: tuple[AxisRule, ...]

    @classmethod
    def on_box(cls, lower: Array, upper: Array, n: int) -> TensorRule:
        """Return the rule with n nodes along each axis, one panel."""
        return cls(tuple(AxisRule(np.array([lo, hi]), n) for lo, hi in zip(lower, upper, strict=True)))

    @cached_property
    def points(self) -> Array:
        """Nodes, the last axis fastest; shape (N, d)."""
        return tensor_points([axis.nodes for axis in self.axes])

    @cached_property
    def weights(self) -> Array:
        """Weights, summing to the volume; shape (N,)."""
        product = self.axes[0].weights
        for axis in self.axes[1:]:
            product = np.multiply.outer(product, axis.weights)
        return product.ravel()
