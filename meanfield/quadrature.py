"""Gauss-Legendre rules on boxes, in panels, and the interpolation that belongs to their nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.polynomial.legendre import legvander
from scipy.linalg import block_diag
from scipy.special import roots_legendre

from meanfield.grid import tensor_points
from particles.checks import Array

_ROWS = 1024  # points interpolated at a time, to bound memory


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

    @cached_property
    def last_coefficients(self) -> Array:
        """The matrix (p, 2, p n) that takes values at the nodes to the last two Legendre coefficients of each panel."""
        nodes, weights, _ = gauss_legendre(self.n)
        degrees = np.arange(max(self.n - 2, 0), self.n)
        rows = legvander(nodes, self.n - 1)[:, degrees].T * weights * (degrees[:, None] + 0.5)
        panels = len(self.edges) - 1
        return np.einsum("pq,ci->pcqi", np.eye(panels), rows).reshape(panels, len(degrees), -1)

    def interpolation(self, y: Array) -> Array:
        """Return the matrix (m, p n) that takes values at the nodes to the panel-wise polynomial at y (m,)."""
        panel = np.clip(np.searchsorted(self.edges, y, side="right") - 1, 0, len(self.edges) - 2)
        centres, halves = self._panels
        local = (y - centres[panel]) / halves[panel]
        nodes, _, barycentric = gauss_legendre(self.n)
        gaps = local[:, None] - nodes
        hit = gaps == 0.0
        terms = barycentric / np.where(hit, 1.0, gaps)
        rows = np.where(hit.any(axis=1, keepdims=True), hit, terms / terms.sum(axis=1, keepdims=True))
        if len(self.edges) == 2:
            return rows
        matrix = np.zeros((len(y), len(self.edges) - 1, self.n))
        matrix[np.arange(len(y)), panel] = rows
        return matrix.reshape(len(y), -1)

    @cached_property
    def differentiation(self) -> Array:
        """The matrix (p n, p n) that takes values at the nodes to the polynomials' derivatives there."""
        nodes, _, barycentric = gauss_legendre(self.n)
        gaps = nodes[:, None] - nodes + np.eye(self.n)
        local = barycentric / barycentric[:, None] / gaps
        np.fill_diagonal(local, 0.0)
        np.fill_diagonal(local, -local.sum(axis=1))
        return block_diag(*(local / half for half in self._panels[1]))


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

    def interpolate(self, values: Array, y: Array) -> Array:
        """Return the interpolating polynomial of values (N, c) at the points y (m, d); shape (m, c)."""
        shape = [len(axis.nodes) for axis in self.axes]
        tensor = values.reshape(*shape, values.shape[1])
        parts = [self._rows(tensor, block) for block in _blocks(y)]
        return np.concatenate(parts) if parts else np.empty((0, values.shape[1]))

    def slopes(self, values: Array) -> Array:
        """Return the derivatives along each axis, at the nodes, of the polynomial with values (N, c); (N, c, d)."""
        tensor = values.reshape(*(len(axis.nodes) for axis in self.axes), values.shape[1])
        along = [
            np.moveaxis(np.tensordot(axis.differentiation, tensor, axes=(1, k)), 0, k)
            for k, axis in enumerate(self.axes)
        ]
        return np.stack(along, axis=-1).reshape(*values.shape, len(self.axes))

    def tail(self, values: Array) -> float:
        """Return the largest of the last two Legendre coefficients of values (N, c), along any axis, on any panel.

        Where it is small against the values the nodes resolve them, and interpolation may be trusted.
        """
        tensor = values.reshape(*(len(axis.nodes) for axis in self.axes), values.shape[1])
        return max(
            float(np.abs(np.tensordot(axis.last_coefficients, tensor, axes=(2, k))).max())
            for k, axis in enumerate(self.axes)
        )

    def _rows(self, tensor: Array, y: Array) -> Array:
        matrices = [axis.interpolation(y[:, k]) for k, axis in enumerate(self.axes)]
        partial = (matrices[0] @ tensor.reshape(len(tensor), -1)).reshape(len(y), *tensor.shape[1:])
        for matrix in matrices[1:]:
            partial = np.einsum("mj,mj...->m...", matrix, partial)
        return partial


def _blocks(y: Array) -> Iterator[Array]:
    for start in range(0, len(y), _ROWS):
        yield y[start : start + _ROWS]
