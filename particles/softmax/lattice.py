"""Recognising points that fill a lattice, from the points alone.

a(i_1, ..., i_d) = a_0 + t_1[i_1] m_1 + ... + t_d[i_d] m_d, the last index fastest: the image of a tensor grid under a
linear map. The walls of a grid's cells are such points, and so are their images B^T x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.kernels import opened, read_only

_LEAST = 16  # fewer points are not worth it
_LEAST_ANGLE = 1e-6  # between one axis and the next
_LEAST_LENGTH = 1e-100  # of an axis
_WIDER = 1.04  # how much a box is larger than its points, so that it may hold the walls across another axis too
_SAME = 1e-14  # of a direction: how far another frame's may be off it
_ROUNDING = 16 * np.finfo(float).eps  # of the largest coordinate: how far points may lie off the lattice


@dataclass(frozen=True, eq=False)
class Frame:
    """Points start + sum_k steps[k][i_k] directions[k], the last index fastest.

    Parameters
    ----------
    start : (d,) array
        Where all steps are 0.
    directions : (d, d) array
        One a row.
    steps : list of d arrays
        Multiples of the directions.
    """

    start: Array
    directions: Array
    steps: list[Array]

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(len(t) for t in self.steps)

    @property
    def columns(self) -> tuple[int, ...] | None:
        """The one coordinate that changes along each axis, if the points are a tensor grid."""
        moving = self.directions != 0
        if (moving.sum(axis=0) != 1).any() or (moving.sum(axis=1) != 1).any():
            return None
        return tuple(int(c) for c in moving.argmax(axis=1))

    def turned(self, matrix: Array) -> Frame:
        """Return the frame of the points times a matrix."""
        return Frame(self.start @ matrix, self.directions @ matrix, self.steps)

    def points(self) -> Array:
        """Return all points, shape (prod(shape), d)."""
        points = self.start
        for t, m in zip(self.steps, self.directions, strict=True):
            points = points[..., None, :] + np.multiply.outer(t, m)
        return points.reshape(-1, len(self.steps))

    def box(self) -> Frame:
        """Return the frame in which these points lie in [-1, 1]^d, and a little beyond, with no steps yet."""
        ends = np.array([(t.min(), t.max()) for t in self.steps])
        middle, half = 0.5 * ends.sum(axis=1), 0.5 * _WIDER * np.ptp(ends, axis=1)
        return Frame(self.start + middle @ self.directions, half[:, None] * self.directions, [])

    def seen_from(self, other: Frame) -> list[Array] | None:
        """Return these points' steps along another's directions; None unless their directions are parallel to these."""
        lengths = (other.directions**2).sum(axis=1)
        multiples = (self.directions * other.directions).sum(axis=1) / lengths
        shift = np.linalg.solve(other.directions.T, self.start - other.start)
        far = np.array([np.abs(t).max() for t in self.steps])
        aside = (far[:, None] * np.abs(self.directions - multiples[:, None] * other.directions)).max()
        away = np.abs(other.start + shift @ other.directions - self.start).max()
        if not max(aside, away) <= _SAME * np.sqrt(lengths.max()):
            return None
        return [s + t * by for s, t, by in zip(shift, self.steps, multiples, strict=True)]

    @property
    def is_full(self) -> bool:
        """Whether the points extend along all axes, and these are not nearly dependent."""
        lengths = np.sqrt((self.directions**2).sum(axis=1))
        if not (lengths.min() > _LEAST_LENGTH and min(np.ptp(t) for t in self.steps) > _LEAST_LENGTH):
            return False
        return bool(np.abs(np.linalg.det(self.directions / lengths[:, None])) > _LEAST_ANGLE)


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
    def frame(self) -> Frame:
        """The axes; their directions reach from the first point to the farthest along each."""
        relative = [line - self.start for line in self._lines]
        directions = np.stack([r[np.argmax((r * r).sum(axis=1))] for r in relative])
        return Frame(self.start, directions, [r @ m / (m @ m) for r, m in zip(relative, directions, strict=True)])

    @cached_property
    def columns(self) -> tuple[int, ...] | None:
        """The one coordinate that changes along each axis, if the lattice is a tensor grid."""
        return self.frame.columns

    @property
    def axes(self) -> list[Array]:
        """The values of each coordinate, if the lattice is a tensor grid."""
        assert self.columns is not None
        return [self._lines[self.columns.index(c)][:, c].copy() for c in range(len(self.shape))]

    def _holds(self) -> bool:
        """Whether all points lie where they should."""
        d, n = len(self.shape), self.shape[-1]
        allowed = 0.0
        if self.columns is None:
            parts = [np.multiply.outer(t, m) for t, m in zip(self.frame.steps, self.frame.directions, strict=True)]
            parts[0] += self.start
            allowed = _ROUNDING * float(sum(np.abs(part).max(axis=0) for part in parts).max())
        else:
            parts = [np.zeros((size, d)) for size in self.shape]
            for part, line, c in zip(parts, self._lines, self.columns, strict=True):
                part[:, c] = line[:, c]
        starts = parts[0]
        for part in parts[1:-1]:
            starts = (starts[:, None] + part).reshape(-1, d)
        kernel, strays = opened("_lattice"), list[int]()
        flat = self.points.reshape(-1), starts.reshape(-1), parts[-1].reshape(-1)

        def work(first: int, last: int) -> None:
            strays.append(kernel.strays(first, last, *flat, d, np.empty(kernel.TOGETHER * d), allowed))

        share_rows(work, len(starts), n * d)
        return sum(strays) == 0


def lattice(a: Array) -> Lattice | None:
    """Return the lattice that the points a (m, d) fill in order, or None if they do not, or are not finite."""
    m, d = a.shape
    if d == 1 or m < _LEAST:
        return None
    a = read_only(np.ascontiguousarray(a))
    kernel, step = opened("_lattice"), 1
    shape: tuple[int, ...] = ()
    for _ in range(d - 1):
        count, run = m // step, kernel.turn(a, step, _LEAST_ANGLE)
        if run < 2 or count % run or run == count:
            return None
        shape, step = (run, *shape), step * run
    if kernel.turn(a, step, _LEAST_ANGLE) < m // step:
        return None
    found = Lattice(a, (m // step, *shape))
    return found if all(np.isfinite(line).all() for line in found._lines) and found._holds() else None
