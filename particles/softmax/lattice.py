"""Recognising points that fill a lattice, from the points alone.

a(i_1, ..., i_d) = a_0 + t_1[i_1] m_1 + ... + t_d[i_d] m_d, the last index fastest: the image of a tensor grid under a
linear map. The walls of a grid's cells are such points, and so are their images B^T x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from particles.checks import Array

_LEAST = 16  # fewer points are not worth it
_LEAST_ANGLE = 1e-6  # between one axis and the next
_ROUNDING = 16 * np.finfo(float).eps  # of the largest coordinate: how far points may lie off the lattice
_PROBE = 4096  # points looked at first, to find where a line ends


@dataclass(frozen=True, eq=False)
class Lattice:
    """Points start + sum_k steps[k][i_k] directions[k], the last index fastest.

    Parameters
    ----------
    points : (m, d) array
        The points themselves.
    shape : tuple of d ints
        Number of points along each axis.
    """

    points: Array
    shape: tuple[int, ...]

    @cached_property
    def _lines(self) -> list[Array]:
        """The points with all other indices 0, for each axis."""
        strides = np.cumprod((1, *self.shape[:0:-1]))[::-1]
        return [self.points[: n * stride : stride] for n, stride in zip(self.shape, strides, strict=True)]

    @property
    def start(self) -> Array:
        """The first point, shape (d,)."""
        return self.points[0]

    @cached_property
    def directions(self) -> Array:
        """From the first point to the farthest along each axis, shape (d, d), one a row."""
        relative = [line - self.start for line in self._lines]
        return np.stack([r[np.argmax((r * r).sum(axis=1))] for r in relative])

    @cached_property
    def steps(self) -> list[Array]:
        """Multiples of the directions along each axis."""
        return [(line - self.start) @ m / (m @ m) for line, m in zip(self._lines, self.directions, strict=True)]

    @cached_property
    def columns(self) -> tuple[int, ...] | None:
        """The one coordinate that changes along each axis, if the lattice is a tensor grid."""
        moving = self.directions != 0
        if (moving.sum(axis=0) != 1).any() or (moving.sum(axis=1) != 1).any():
            return None
        return tuple(int(c) for c in moving.argmax(axis=1))

    @property
    def axes(self) -> list[Array]:
        """The values of each coordinate, if the lattice is a tensor grid."""
        assert self.columns is not None
        return [self._lines[self.columns.index(c)][:, c].copy() for c in range(len(self.shape))]

    def _holds(self) -> bool:
        """Whether all points lie where they should."""
        d = len(self.shape)
        points = self.points.reshape(*self.shape, d)
        if self.columns is not None:
            axes = self.axes
            return all(
                bool((points[..., c] == axes[c].reshape(_along(k, d))).all()) for k, c in enumerate(self.columns)
            )
        size = _ROUNDING * np.abs(self.points).max()
        for c in range(d):
            expected = self.start[c] + self.steps[0].reshape(_along(0, d)) * self.directions[0, c]
            for k in range(1, d):
                expected = expected + self.steps[k].reshape(_along(k, d)) * self.directions[k, c]
            expected -= points[..., c]
            if max(expected.max(), -expected.min()) > size:
                return False
        return True


def _along(k: int, d: int) -> tuple[int, ...]:
    return tuple(-1 if j == k else 1 for j in range(d))


def lattice(a: Array) -> Lattice | None:
    """Return the lattice that the finite points a (m, d) fill in order, or None if they do not."""
    m, d = a.shape
    if d == 1 or m < _LEAST:
        return None
    shape: tuple[int, ...] = ()
    heads = a
    for _ in range(d - 1):
        run = _line(heads)
        if run < 2 or len(heads) % run or run == len(heads):
            return None
        shape, heads = (run, *shape), heads[::run]
    if _line(heads) < len(heads):
        return None
    found = Lattice(a, (len(heads), *shape))
    return found if found._holds() else None


def _line(points: Array) -> int:
    """Return how many of the first points lie on the line through the first two; 0 if these are one point."""
    for stop in (_PROBE, len(points)):
        relative = points[:stop] - points[0]
        u = relative[1] if len(relative) > 1 else relative[0]
        size = float(u @ u)
        if not size > 0:
            return 0
        off = relative - np.outer(relative @ u / size, u)
        turned = (off * off).sum(axis=1) > _LEAST_ANGLE**2 * (relative * relative).sum(axis=1)
        if turned.any():
            return int(turned.argmax())
    return len(points)
