"""Piecewise tensor-product Chebyshev series on a box, summed at scattered points.

    f(x) = sum_r C[I, r] T_{r_1}(t_1) ... T_{r_k}(t_k),    x in cell I,  t = its local coordinates in [-1, 1]^k

The box is cut into equal cells, the points are sorted by cell, and tiles of points of one cell share its
coefficients. Gradient and Hessian are those of the series itself. Cost per point about p^k multiplications for each
order of derivative along the last axis; memory O(points).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.kernels import aligned, opened, read_only

Integers = NDArray[np.int64]

_BLOCKS = 1 << 13, 1 << 16  # fewest and most points that are sorted at a time, whatever the number of threads
_ENOUGH = 64  # points of a cell in a block that is sorted by itself
_LONGEST = 2048  # points of a chunk


@dataclass(frozen=True, eq=False)
class Sorted:
    """Points in the order of their cells, block by block where a block holds many points of each cell.

    Place p holds point order[p], with local coordinates local[:, p] and what it carries, carried[:, p]; both have spare
    room behind. Point i stands at place places[i]. Chunks are rows (cell, begin, end) of places, none empty.
    """

    order: NDArray[np.int32]
    places: NDArray[np.int32]
    local: Array
    carried: Array
    chunks: Integers

    @property
    def stride(self) -> int:
        """Length of a row of `local`."""
        return self.local.shape[1]

    def numbers(self, cells: Cells) -> Array:
        """Return how many points lie in each cell, in the shape of the cells."""
        cell, begin, end = self.chunks.T
        counts = np.bincount(cell, end - begin, int(np.prod(cells.counts)))
        return counts.reshape(cells.counts).astype(float)


@dataclass(frozen=True, eq=False)
class Cells:
    """A box cut into counts[0] x ... x counts[k-1] equal cells, k = 1, 2, 3.

    Parameters
    ----------
    lower, upper : (k,) arrays
        The box.
    counts : (k,) array of int
        Cells along each axis.
    """

    lower: Array
    upper: Array
    counts: Integers

    @cached_property
    def scale(self) -> Array:
        """Cells per unit length, (k,); 0 along an axis without extent."""
        width = self.upper - self.lower
        return np.divide(self.counts, width, out=np.zeros(len(width)), where=width > 0)

    @cached_property
    def three(self) -> Integers:
        """Cells along three axes."""
        return _three(self.counts)

    def sort(self, points: Array, origin: Array | None = None, carried: Array | None = None) -> Sorted:
        """Return the points (m, k), relative to an origin, sorted by cell; those outside belong to the nearest cell.

        carried : (channels, m) array, put into the same order.
        """
        kernel = opened("_chebyshev")
        m, k = points.shape
        cells = int(np.prod(self.counts))
        block = min(max(_BLOCKS[0], _ENOUGH * cells), _BLOCKS[1])
        blocks, apart = -(-m // block), _ENOUGH * cells <= block
        carried = np.empty((0, m)) if carried is None else carried
        origin = np.zeros(k) if origin is None else origin
        counts = np.zeros((blocks, cells), np.int64)
        starts = np.empty((blocks if apart else 1) * cells + 1, np.int64)
        order, places = np.empty(m, np.int32), np.zeros(m, np.int32)
        room = m + kernel.BATCH
        local, at_places = np.empty((k, room)), np.empty((len(carried), room))
        local[:, m:] = 0.0
        at_places[:, m:] = 0.0
        where = (read_only(points), origin, self.lower, self.scale, np.asarray(self.counts, np.int64))
        cost = 20 * min(m, block)
        share_rows(lambda a, b: kernel.count_points(a, b, blocks, *where, places, counts), blocks, cost)
        kernel.starts_of(counts, apart, starts)
        share_rows(lambda a, b: kernel.place(a, b, blocks, places, counts, order), blocks, cost)
        share_rows(lambda a, b: kernel.gather(a, b, order, *where, carried, local, at_places), m, 20)
        chunks = np.empty((len(starts) + m // _LONGEST, 3), np.int64)
        chunks = chunks[: kernel.chunks_of(starts, cells, _LONGEST, chunks)]
        return Sorted(order, places, local, at_places, chunks)


@dataclass(frozen=True, eq=False)
class Truncation:
    """Which terms of a series over a cell count: r_3 < limits[r_1, r_2] (three axes, the missing ones first)."""

    limits: Integers

    @classmethod
    def full(cls, degrees: Integers) -> Truncation:
        """Return the truncation that keeps all terms r_k < degrees[k]."""
        three = _three(degrees)
        return cls(np.full(three[:2], three[2], np.int64))

    @property
    def degrees(self) -> Integers:
        """Terms along three axes, of which at least one keeps every index."""
        return np.array([*self.limits.shape, self.limits.max()], np.int64)

    @cached_property
    def kept(self) -> int:
        """How many terms count."""
        return int(self.limits.sum())

    @cached_property
    def rows(self) -> tuple[Integers, Integers, Integers]:
        """Pairs (r_1, r_2) with any terms, those with most first: r_1, r_2, limit."""
        r1, r2 = (r.astype(np.int64) for r in np.nonzero(self.limits))
        limit = self.limits[r1, r2]
        by = np.argsort(-limit, kind="stable")
        return r1[by], r2[by], limit[by]

    @cached_property
    def counts(self) -> Integers:
        """For each r_1 the number of r_2 with any terms."""
        return np.count_nonzero(self.limits, axis=1)


@dataclass(frozen=True, eq=False)
class Series:
    """Piecewise Chebyshev series for several functions (channels).

    Parameters
    ----------
    cells : Cells
        The box and its cells, k axes.
    truncation : Truncation
        The terms of each cell; `Truncation.full(degrees)` for all.
    coefficients : (channels, N_1, ..., N_k) array
        N_i = cells_i degrees_i; along each axis the degrees of the first cell, then those of the second, and so on.

    Examples
    --------
    The function x^2 = (T_0 + T_2) / 2 on [-1, 1], one cell of three terms:

    >>> cells = Cells(np.array([-1.0]), np.array([1.0]), np.array([1]))
    >>> series = Series(cells, Truncation.full(np.array([3])), np.array([[0.5, 0.0, 0.5]]))
    >>> value, gradient = series.value_and_gradient(np.array([[0.5], [1.0]]))
    >>> value, gradient
    (array([[0.25, 1.  ]]), array([[[1.],
            [2.]]]))
    """

    cells: Cells
    truncation: Truncation
    coefficients: Array

    def values(self, points: Array) -> Array:
        """Return the functions at points (m, k), shape (channels, m)."""
        return self._unsorted(points, 0)[:, 0]

    def value_and_gradient(self, points: Array) -> tuple[Array, Array]:
        """Return the functions at points (m, k), shape (channels, m), and their gradients (channels, m, k)."""
        answers = self._unsorted(points, 1)
        slopes = answers[:, 1:] * (2.0 * self.cells.scale)[:, None]
        return answers[:, 0], np.moveaxis(slopes, 1, -1)

    def hessian(self, points: Array) -> Array:
        """Return the second derivatives at points (m, k), shape (channels, m, k, k)."""
        k = len(self.cells.counts)
        answers = self._unsorted(points, 2)
        rate = 2.0 * self.cells.scale
        out = np.empty((*answers.shape[::2], k, k))
        for row, (i, j) in enumerate(_second(k), 1 + k):
            out[..., i, j] = out[..., j, i] = answers[:, row] * (rate[i] * rate[j])
        return out

    def _unsorted(self, points: Array, order: int) -> Array:
        places = self.cells.sort(points)
        answers = self.at(places, order)
        out = np.empty_like(answers)
        out[:, :, places.order] = answers
        return out

    def at(self, points: Sorted, order: int) -> Array:
        """Return derivatives in local coordinates at sorted points, shape (channels, rows, m), in their sorted order.

        Rows: the value, for order >= 1 the k first derivatives, for order 2 the second (i, j), i <= j, i slowest.
        """
        kernel = opened("_chebyshev")
        k = len(self.cells.counts)
        truncation, cells = self.truncation, self.cells.three
        table, answers = _table(k, order)
        degrees = truncation.degrees
        flat = self.coefficients.reshape(-1)
        size = flat.size // len(self.coefficients)
        out = np.empty((len(self.coefficients), answers, len(points.order)))
        scratch = (12 * max(*degrees, 2) + answers) * kernel.TILE

        def work(first: int, last: int) -> None:
            kernel.series(
                first, last, points.chunks, points.local.reshape(-1), points.stride, cells, degrees,
                truncation.limits, truncation.counts, order, table, flat, size, out, aligned(scratch),
            )  # fmt: skip

        work_each = 40 + truncation.kept * (order + 1) * len(out) // 8
        share_rows(work, len(points.chunks), work_each * (1 + len(points.order) // max(1, len(points.chunks))))
        return out


def moments(cells: Cells, truncation: Truncation, points: Sorted) -> Array:
    """Return M[channel, (cell, r)] = sum_j w[channel, j] T_{r_1}(t_1) ... T_{r_k}(t_k) over the points of a cell.

    The weights are what the points carry; the shape is that of the coefficients of a `Series`.
    """
    kernel = opened("_moments")
    k = len(cells.counts)
    counts, degrees = cells.three, truncation.degrees
    width2, width3 = counts[1] * degrees[1], counts[2] * degrees[2]
    r1, r2, limit = _padded(truncation.rows, kernel.WIDTH)
    pairs = np.stack([r1, r2, (r1 * width2 + r2) * width3], axis=1)
    padded = -(-degrees[2] // kernel.LANES) * kernel.LANES
    channels = len(points.carried)
    tensor = np.zeros((channels, *(counts * degrees)[3 - k :]))
    size = tensor.size // channels
    chunks, bounds = _groups(points.chunks)
    owners = chunks[bounds[:-1], 0]
    shared = np.zeros(len(owners), np.bool_)
    shared[1:] = owners[1:] == owners[:-1]
    shared[:-1] |= shared[1:]
    slots = np.where(shared, np.cumsum(shared) - 1, -1)
    partial = np.empty((np.count_nonzero(shared), channels * len(pairs) * padded))
    deepest = max(*degrees, padded)
    batch = kernel.BATCH
    scratch = 3 * deepest * kernel.TILE + (3 * deepest + padded + kernel.WIDTH) * batch + channels * len(pairs) * padded
    flat = tensor.reshape(-1)

    def work(first: int, last: int) -> None:
        kernel.moments(
            first, last, chunks, bounds, slots, points.local.reshape(-1), points.stride, points.carried.reshape(-1),
            degrees, counts, pairs, limit, flat, size, partial, aligned(scratch),
        )  # fmt: skip

    each = 1 + len(points.order) // max(1, len(owners))
    share_rows(work, len(owners), (40 + truncation.kept * channels // 8) * each)
    if len(partial):
        kernel.collect(owners, slots, degrees, counts, pairs, flat, channels, size, partial)
    return tensor


def summary(cells: Cells, points: Sorted) -> Array:
    """Return, for each cell, sums of w, w t_k and w t_k^2 over its points: shape (1 + 2 k, cells)."""
    k = len(cells.counts)
    of_chunks = np.empty((1 + 2 * k, len(points.chunks)))
    where = (points.chunks, points.local, points.carried[0], of_chunks)
    each = 1 + len(points.order) // max(1, len(points.chunks))
    share_rows(lambda a, b: opened("_moments").summary(a, b, *where), len(points.chunks), 4 * each)
    size = int(np.prod(cells.counts))
    return np.array([np.bincount(points.chunks[:, 0], row, size) for row in of_chunks])


def _groups(chunks: Integers) -> tuple[Integers, Integers]:
    """Return the chunks ordered by cell, and bounds of groups of them, of one cell and about _LONGEST points each."""
    chunks = chunks[np.argsort(chunks[:, 0], kind="stable")]
    cells, counts = chunks[:, 0], chunks[:, 2] - chunks[:, 1]
    new = np.ones(len(chunks), np.bool_)
    new[1:] = cells[1:] != cells[:-1]
    before = np.cumsum(counts) - counts
    of_cell = before - np.maximum.accumulate(np.where(new, before, 0))
    new[1:] |= of_cell[1:] // _LONGEST != of_cell[:-1] // _LONGEST
    return chunks, np.append(np.flatnonzero(new), len(chunks))


def _padded(rows: tuple[Integers, ...], multiple: int) -> tuple[Integers, ...]:
    """Repeat the last entry up to a multiple."""
    return tuple(np.concatenate([row, np.repeat(row[-1:], -len(row) % multiple)]) for row in rows)


def _three(counts: Integers) -> Integers:
    return np.array([1] * (3 - len(counts)) + [int(c) for c in counts], np.int64)


def _second(k: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(k) for j in range(i, k)]


@cache
def _table(k: int, order: int) -> tuple[Integers, int]:
    """Return the row of each multi-index of derivatives, -1 if it is not wanted, and the number of rows."""
    table = np.full((3, 3, 3), -1, np.int64)
    table[0, 0, 0] = 0
    unit = np.eye(3, dtype=int)[3 - k :]
    wanted = [unit[i] for i in range(k)] if order > 0 else []
    wanted += [unit[i] + unit[j] for i, j in _second(k)] if order > 1 else []
    for row, index in enumerate(wanted, 1):
        table[tuple(index)] = row
    return table, 1 + len(wanted)
