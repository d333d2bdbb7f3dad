"""Gauss-Legendre rules on panels: boxes that tile the support, smaller where a function is harder to follow.

On a panel a function is known by its values at the tensor product of n Gauss nodes along each axis: that gives its
integral, its interpolating polynomial and, by the last Legendre coefficients, whether the nodes resolve it. On panels
where they do not, and a caller says so, a function is read linearly between them instead: never out of their hull.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.polynomial.legendre import legvander
from numpy.typing import NDArray

from meanfield.grid import Grid, tensor_points
from meanfield.quadrature import gauss_legendre
from particles.checks import Array

Indices = NDArray[np.intp]

_ROWS = 1 << 12  # points interpolated at a time, to bound memory
_MOST_PIGEONHOLES = 1 << 22  # cells of the table that finds the panel of a point


@dataclass(frozen=True, eq=False)
class Panels:
    """Tensor Gauss-Legendre rules on P boxes that do not overlap.

    Parameters
    ----------
    lower, upper : (P, d) array
        Opposite corners of the panels.
    orders : tuple of d ints
        Nodes along each axis of a panel; the same for all of them.
    """

    lower: Array
    upper: Array
    orders: tuple[int, ...]

    @classmethod
    def on_box(cls, lower: Array, upper: Array, n: int) -> Panels:
        """Return one panel with n nodes along each axis."""
        return cls(lower[None, :], upper[None, :], (n,) * lower.size)

    @classmethod
    def on_cells(cls, grid: Grid, orders: tuple[int, ...]) -> Panels:
        """Return one panel for each cell of a grid."""
        walls = [grid.edges(k) for k in range(grid.dim)]
        return cls(tensor_points([wall[:-1] for wall in walls]), tensor_points([wall[1:] for wall in walls]), orders)

    def __len__(self) -> int:
        """Return the number of panels P."""
        return len(self.lower)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.lower.shape[1]

    @property
    def size(self) -> int:
        """Nodes on one panel, prod(orders)."""
        return int(np.prod(self.orders))

    @cached_property
    def points(self) -> Array:
        """Nodes, panel by panel, the last axis fastest; shape (P size, d)."""
        unit = tensor_points([gauss_legendre(n)[0] for n in self.orders])
        centres, halves = 0.5 * (self.lower + self.upper), 0.5 * (self.upper - self.lower)
        return (centres[:, None, :] + halves[:, None, :] * unit).reshape(-1, self.dim)

    @cached_property
    def weights(self) -> Array:
        """Weights, summing to the volume; shape (P size,)."""
        volumes = np.prod(self.upper - self.lower, axis=1)
        return np.multiply.outer(volumes, shares(self.orders)).ravel()

    def with_orders(self, orders: tuple[int, ...]) -> Panels:
        """Return the same panels with other numbers of nodes."""
        return Panels(self.lower, self.upper, orders)

    def take(self, chosen: Indices | NDArray[np.bool_]) -> Panels:
        """Return some of the panels."""
        return Panels(self.lower[chosen], self.upper[chosen], self.orders)

    def by_panel(self, values: Array) -> Array:
        """Return values (P size, c) at the nodes as an array (P, *orders, c)."""
        return values.reshape(len(self), *self.orders, -1)

    def tails(self, values: Array) -> Array:
        """Return the largest of the last two Legendre coefficients of values (P size, c) along each axis; (P, d)."""
        tensor = self.by_panel(values)
        found = np.empty((len(self), self.dim))
        for k, n in enumerate(self.orders):
            last = np.tensordot(last_coefficients(n), tensor, axes=(1, k + 1))
            found[:, k] = np.abs(last).max(axis=tuple(a for a in range(last.ndim) if a != 1))
        return found

    def slopes(self, values: Array, rough: NDArray[np.bool_] | None = None) -> Array:
        """Return the derivatives along each axis, at the nodes, of what `interpolate` reads; (.., c, d)."""
        tensor, rough = self.by_panel(values), self._none if rough is None else rough
        along = []
        for k, n in enumerate(self.orders):
            slope = np.moveaxis(np.tensordot(differentiation(n), tensor, axes=(1, k + 1)), 0, k + 1)
            slope[rough] = np.moveaxis(np.tensordot(differences(n), tensor[rough], axes=(1, k + 1)), 0, k + 1)
            halves = 0.5 * (self.upper[:, k] - self.lower[:, k])
            along.append(slope / halves.reshape(-1, *(1,) * (tensor.ndim - 1)))
        return np.stack(along, axis=-1).reshape(*values.shape, self.dim)

    def interpolate(self, values: Array, y: Array, rough: NDArray[np.bool_] | None = None) -> Array:
        """Return the panels' polynomials with values (P size, c) at the points y (m, d); shape (m, c).

        On `rough` panels (P,) values are linear between the nodes and constant beyond the outermost. A point outside
        all panels is taken to the nearest place of a panel.
        """
        tensor, result = self.by_panel(values), np.empty((len(y), values.shape[1]))
        rough = self._none if rough is None else rough
        if self.dim == 1:
            for start in range(0, len(y), _ROWS):
                block = slice(start, start + _ROWS)
                held = self.find(y[block])
                local, linear = self._local(held, y[block])[:, 0], rough[held]
                basis = lagrange(self.orders[0], local)
                basis[linear] = hats(self.orders[0], local[linear])
                result[block] = np.einsum("mj,mjc->mc", basis, tensor[held])
            return result
        for panel, rows in self._visits(y):
            local, basis_of = self._local(panel, y[rows]), hats if rough[panel] else lagrange
            result[rows] = _at(tensor[panel], [basis_of(n, local[:, k]) for k, n in enumerate(self.orders)])
        return result

    @property
    def _none(self) -> NDArray[np.bool_]:
        return np.zeros(len(self), dtype=bool)

    def _local(self, panel: int | Indices, y: Array) -> Array:
        """Return the coordinates of y (m, d) on panels scaled to [-1, 1]."""
        low, high = self.lower[panel], self.upper[panel]
        return np.clip(2 * (y - low) / (high - low) - 1, -1.0, 1.0)

    def halved(self, panel: int, axis: int) -> Panels:
        """Return the two halves of a panel."""
        lower, upper = np.repeat(self.lower[[panel]], 2, axis=0), np.repeat(self.upper[[panel]], 2, axis=0)
        upper[0, axis] = lower[1, axis] = 0.5 * (lower[0, axis] + upper[0, axis])
        return Panels(lower, upper, self.orders)

    def find(self, y: Array) -> Indices:
        """Return the panel that holds each point y (m, d), the nearest one where none does; shape (m,)."""
        if len(self) == 1:
            return np.zeros(len(y), dtype=np.intp)
        if self._table is None:
            found = np.full(len(y), -1, dtype=np.intp)
        else:
            walls, table = self._table
            cell = [np.clip(np.searchsorted(w, y[:, k], "right") - 1, 0, len(w) - 2) for k, w in enumerate(walls)]
            found = table[tuple(cell)]
        lost = np.flatnonzero(found < 0)
        for start in range(0, len(lost), 256):
            rows = lost[start : start + 256]
            gap = np.maximum(self.lower - y[rows, None], y[rows, None] - self.upper).clip(min=0.0)
            found[rows] = (gap**2).sum(axis=2).argmin(axis=1)
        return found

    @cached_property
    def _table(self) -> tuple[list[Array], NDArray[np.intp]] | None:
        """All walls along each axis, and the panel of each cell between them; None if the table would be large."""
        walls = [np.unique([self.lower[:, k], self.upper[:, k]]) for k in range(self.dim)]
        shape = [len(wall) - 1 for wall in walls]
        if np.prod(np.array(shape, dtype=float)) > _MOST_PIGEONHOLES:
            return None
        table = np.full(shape, -1, dtype=np.intp)
        first = [np.searchsorted(wall, self.lower[:, k]) for k, wall in enumerate(walls)]
        last = [np.searchsorted(wall, self.upper[:, k]) for k, wall in enumerate(walls)]
        for p in range(len(self)):
            table[tuple(slice(a[p], b[p]) for a, b in zip(first, last, strict=True))] = p
        return walls, table

    def _visits(self, y: Array) -> Iterator[tuple[int, Indices]]:
        """Yield each panel that holds points of y, with their rows."""
        panel = self.find(y)
        order = np.argsort(panel, kind="stable")
        starts = np.flatnonzero(np.diff(panel[order], prepend=-1))
        for begin, rows in zip(starts, np.split(order, starts[1:]), strict=False):
            for part in range(0, len(rows), _ROWS):
                yield int(panel[order[begin]]), rows[part : part + _ROWS]


def joined(parts: list[Panels]) -> Panels:
    """Return the panels of all parts in one."""
    return Panels(
        np.concatenate([part.lower for part in parts]), np.concatenate([part.upper for part in parts]), parts[0].orders
    )


@lru_cache(maxsize=64)
def shares(orders: tuple[int, ...]) -> Array:
    """Weights of the tensor rule on a panel of volume 1, the last axis fastest; shape (prod(orders),)."""
    product = np.ones(1)
    for n in orders:
        product = np.multiply.outer(product, 0.5 * gauss_legendre(n)[1]).ravel()
    return product


@lru_cache(maxsize=64)
def last_coefficients(n: int) -> Array:
    """The matrix (2, n) that takes values at n Gauss nodes to the last two Legendre coefficients."""
    nodes, weights, _ = gauss_legendre(n)
    degrees = np.arange(max(n - 2, 0), n)
    return np.ascontiguousarray(legvander(nodes, n - 1)[:, degrees].T * weights * (degrees[:, None] + 0.5))


@lru_cache(maxsize=64)
def differentiation(n: int) -> Array:
    """The matrix (n, n) that takes values at n Gauss nodes on [-1, 1] to the polynomial's derivatives there."""
    nodes, _, barycentric = gauss_legendre(n)
    matrix = barycentric / barycentric[:, None] / (nodes[:, None] - nodes + np.eye(n))
    np.fill_diagonal(matrix, 0.0)
    np.fill_diagonal(matrix, -matrix.sum(axis=1))
    return matrix


@lru_cache(maxsize=64)
def differences(n: int) -> Array:
    """The matrix (n, n) that takes values at n Gauss nodes on [-1, 1] to differences between both neighbours there."""
    nodes, eye = gauss_legendre(n)[0], np.eye(n)
    after, before = np.minimum(np.arange(n) + 1, n - 1), np.maximum(np.arange(n) - 1, 0)
    return (eye[after] - eye[before]) / np.maximum(nodes[after] - nodes[before], np.finfo(float).tiny)[:, None]


def hats(n: int, u: Array) -> Array:
    """The matrix (m, n) that takes values at n Gauss nodes to their linear interpolation at u (m,), from [-1, 1]."""
    nodes = gauss_legendre(n)[0]
    if n == 1:
        return np.ones((len(u), 1))
    left = np.clip(np.searchsorted(nodes, u, "right") - 1, 0, n - 2)
    share = np.clip((u - nodes[left]) / (nodes[left + 1] - nodes[left]), 0.0, 1.0)[:, None]
    eye = np.eye(n)
    return (1 - share) * eye[left] + share * eye[left + 1]


def lagrange(n: int, u: Array) -> Array:
    """The matrix (m, n) that takes values at n Gauss nodes to the polynomial at u (m,), from [-1, 1]."""
    nodes, _, barycentric = gauss_legendre(n)
    gaps = u[:, None] - nodes
    hit = gaps == 0.0
    terms = barycentric / np.where(hit, 1.0, gaps)
    return np.where(hit.any(axis=1, keepdims=True), hit, terms / terms.sum(axis=1, keepdims=True))


def _at(tensor: Array, rows: list[Array]) -> Array:
    """Contract a tensor (*orders, c) with one row (m, n_k) for each point and axis; shape (m, c)."""
    partial = (rows[0] @ tensor.reshape(len(tensor), -1)).reshape(len(rows[0]), *tensor.shape[1:])
    for matrix in rows[1:]:
        partial = np.einsum("mj,mj...->m...", matrix, partial)
    return partial
