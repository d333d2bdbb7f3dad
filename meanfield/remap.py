"""Conservative remap along characteristics, one axis at a time.

With the field's component X_k frozen, mass moves along the lines parallel to axis k. The mass of a new cell is that of
the piece of the old line from which it came: the new walls are followed back along the characteristics s' = X_k(s), and
the density is integrated between where they started, from parabolas on the old cells that are nowhere negative. So
mass is kept to rounding, no cell turns negative, and a wall may cross any number of cells.

The field is sampled once, at the nodes of a tensor grid, and taken from cubics between them.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from meanfield.grid import tensor_points
from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.kernels import read_only

LEAST_NODES = 4  # along an axis, for the cubics

_PER_SUBSTEP = 40  # interactions of a softmax kernel in the time of one Runge-Kutta step


@dataclass(frozen=True, eq=False)
class Sampled:
    """A velocity field by its values on a tensor grid of equally spaced nodes, at least four along each axis.

    Parameters
    ----------
    lower : (d,) array
        The first node.
    spacing : (d,) array
        Distance of nodes along each axis.
    values : (m_1, ..., m_d, d) array
        The field at the nodes.
    """

    lower: Array
    spacing: Array
    values: Array

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.lower.size

    @cached_property
    def _lines(self) -> list[Array]:
        """X_k in nodes per unit of depth, axis k last, with one node along axes that are not there."""
        lines = []
        for k in range(self.dim):
            across = np.moveaxis(self.values[..., k], k, -1)
            shape = (1,) * (3 - self.dim) + across.shape
            lines.append(np.ascontiguousarray(across / self.spacing[k]).reshape(shape))
        return lines

    def fastest(self) -> Array:
        """Return the largest |X_k| for each k, shape (d,)."""
        return np.abs(self.values).max(axis=tuple(range(self.dim)))

    def carried(self, points: Array, k: int, duration: float) -> Array:
        """Return where the motion along axis k alone takes points (m, d)."""
        at = (points - self.lower) / self.spacing
        arrived = np.empty(len(points))
        across = self._across(np.delete(at, k, axis=1))
        start = np.ascontiguousarray(at[:, k])
        _shared("carry", len(points), 1, self._lines[k], across, start, duration, arrived)
        moved = points.copy()
        # the displacement, not the place: a point that does not move keeps its bits
        moved[:, k] += (_found(arrived, k) - start) * self.spacing[k]
        return moved

    def remapped(self, masses: Array, old: list[Array], k: int, ends: tuple[float, float], duration: float) -> Array:
        """Return the masses of the cells between `ends` along axis k after the motion along this axis.

        Parameters
        ----------
        masses : (n_1, ..., n_d) array
            Masses of cells.
        old : list of d arrays
            Their walls along each axis, equally spaced.
        k : int
            The axis.
        ends : pair of floats
            Between them lie n_k new cells; mass that arrives beyond goes into the first and the last.
        duration : float
            How long the field acts.
        """
        n = masses.shape[k]
        lines, across = self._lines_through(masses, old, k)
        new = self._nodes(np.linspace(*ends, n + 1), k)
        start, end = self._nodes(old[k][[0, -1]], k)
        result = np.empty_like(lines)
        geometry = duration, float(start), float(end - start) / n
        _shared("remap", len(lines), n, self._lines[k], across, lines, new, *geometry, result)
        shape = np.moveaxis(masses, k, -1).shape
        return np.moveaxis(_found(result, k).reshape(shape), -1, k)

    def mean(self, masses: Array, walls: list[Array]) -> Array:
        """Return the mean of the field over the centres of cells with the given masses, shape (d,)."""
        means = np.empty(self.dim)
        for k in range(self.dim):
            lines, across = self._lines_through(masses, walls, k)
            at = self._nodes(0.5 * (walls[k][1:] + walls[k][:-1]), k)
            sums = np.empty(len(lines))
            _shared("pull", len(lines), len(at), self._lines[k], across, lines, at, sums)
            means[k] = sums.sum() * self.spacing[k]
        return means

    def _lines_through(self, masses: Array, walls: list[Array], k: int) -> tuple[Array, Array]:
        """Return masses as lines along axis k (l, n_k), and where these lines are, in nodes (l, 2)."""
        lines = np.ascontiguousarray(np.moveaxis(masses, k, -1)).reshape(-1, masses.shape[k])
        aside = [self._nodes(0.5 * (w[1:] + w[:-1]), j) for j, w in enumerate(walls) if j != k]
        return lines, self._across(tensor_points(aside) if aside else np.empty((1, 0)))

    def _nodes(self, coordinates: Array, k: int) -> Array:
        return (coordinates - self.lower[k]) / self.spacing[k]

    def _across(self, others: Array) -> Array:
        """Coordinates of lines (l, 2), in nodes, padded in front."""
        return np.concatenate([np.zeros((len(others), 2 - others.shape[1])), others], axis=1)


def _found(result: Array, k: int) -> Array:
    """Return a kernel's result, unless it gave up."""
    if not np.isfinite(result).all():
        raise ArithmeticError(f"the field along axis {k} is too steep to be followed in one step: take a shorter `dt`")
    return result


def _shared(kernel: str, rows: int, points: int, nodes: Array, *arguments: Any) -> None:
    """Run a kernel over the rows of its last argument; the others it only reads."""
    work = getattr(importlib.import_module("meanfield._remap"), kernel)
    inputs = [read_only(a) if isinstance(a, np.ndarray) else a for a in (nodes, *arguments[:-1])]
    out = arguments[-1]
    cost = _PER_SUBSTEP * (points + nodes.shape[2])
    share_rows(lambda first, last: work(first, last, *inputs, out), rows, cost)
