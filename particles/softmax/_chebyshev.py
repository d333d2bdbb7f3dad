"""Piecewise tensor-product Chebyshev series at scattered points, sorted by cell.

There are always three axes; those that are missing stand in front with one cell and one term. Points are sorted by
cell and held as local coordinates t in [-1, 1]. The basis T_r(t) of a tile of points lies in vector registers across
points; the last axis is a small matrix product of rows (r_1, r_2) of coefficients with it, and of each row only the
first `limits[row]` terms count.
"""

import math

import numpy as np
from numba import njit

from particles.softmax._exp import EXACT
from particles.softmax._lanes import constant, fma, load, negated, outer, store
from particles.softmax._simd import LANES

TILE = 2 * LANES  # points whose series are summed together
BATCH = 64  # points whose moments are summed together
TOGETHER = 2048  # points located together


@njit(fastmath=EXACT, nogil=True, cache=True, error_model="numpy")
def located(points, origin, lower, scale, cells, index, within):
    """Fill index with the cells of points, one row an axis, and within with their coordinates in [-1, 1] there."""
    for axis in range(points.shape[0]):
        own, start, rate, most = origin[axis], lower[axis], scale[axis], cells[axis] - 1.0
        many, along, to = np.int32(cells[axis] if axis > 0 else 0), points[axis], within[axis]
        for i in range(along.size):
            x = (along[i] - own - start) * rate
            q = x if x > 0.0 else 0.0  # and for NaN
            q = math.floor(q if q < most else most)
            to[i] = 2.0 * (x - q) - 1.0
            index[i] = index[i] * many + np.int32(q)


@njit(nogil=True, cache=True)
def count_points(first, last, blocks, points, origin, lower, scale, cells, index, counts):
    """Fill index[i] with the cell of point i, and counts[b, c] for blocks first <= b < last."""
    n, k = points.shape
    within = np.empty((k, TOGETHER))
    for b in range(first, last):
        end = n * (b + 1) // blocks
        for begin in range(n * b // blocks, end, TOGETHER):
            stop = min(begin + TOGETHER, end)
            found = index[begin:stop]
            located(points[begin:stop].T, origin, lower, scale, cells, found, within)
            for c in found:
                counts[b, c] += 1


@njit(nogil=True, cache=True)
def starts_of(counts, apart, starts):
    """Replace counts[b, c] by the place of the first point of block b in cell c, and fill starts with those of runs.

    A run is a cell of all points, or, where blocks stand apart, of one block; the last entry is the number of points.
    """
    blocks, cells = counts.shape
    place = 0
    if apart:
        for b in range(blocks):
            for c in range(cells):
                starts[b * cells + c] = place
                place += counts[b, c]
                counts[b, c] = starts[b * cells + c]
    else:
        for c in range(cells):
            starts[c] = place
            for b in range(blocks):
                count = counts[b, c]
                counts[b, c] = place
                place += count
    starts[starts.size - 1] = place


@njit(nogil=True, cache=True)
def place(first, last, blocks, index, places, order):
    """Fill order[p] with the point that stands at place p, and replace index[i] by the place of point i."""
    n = index.size
    for b in range(first, last):
        for i in range(n * b // blocks, n * (b + 1) // blocks):
            c = index[i]
            p = places[b, c]
            places[b, c] = p + 1
            index[i] = p
            order[p] = i


@njit(nogil=True, cache=True)
def gather(first, last, order, points, origin, lower, scale, cells, carried, local, sorted_):
    """Fill local[:, p] with the coordinates of the point at place p, sorted_[:, p] with what it carries."""
    k = points.shape[1]
    given, index = np.empty((k, TOGETHER)), np.zeros(TOGETHER, np.int32)
    for begin in range(first, last, TOGETHER):
        stop = min(begin + TOGETHER, last)
        there = order[begin:stop]
        for i in range(there.size):
            for axis in range(k):
                given[axis, i] = points[there[i], axis]
        located(given[:, : there.size], origin, lower, scale, cells, index, local[:, begin:stop])
        for channel in range(carried.shape[0]):
            to = sorted_[channel, begin:stop]
            for i in range(there.size):
                to[i] = carried[channel, there[i]]


@njit(nogil=True, cache=True)
def chunks_of(starts, cells, longest, chunks):
    """Cut the runs into chunks (cell, begin, end); return their number."""
    found = 0
    for r in range(starts.size - 1):
        count = starts[r + 1] - starts[r]
        pieces = (count + longest - 1) // longest
        for q in range(pieces):
            chunks[found, 0] = r % cells
            chunks[found, 1] = starts[r] + count * q // pieces
            chunks[found, 2] = starts[r] + count * (q + 1) // pieces
            found += 1
    return found


@njit(nogil=True, cache=True)
def corner_of(c, cells, degrees):
    """Return where the first coefficient of cell c stands in a tensor (cells_1 degrees_1, ..., cells_3 degrees_3)."""
    c3, c2, c1 = c % cells[2], (c // cells[2]) % cells[1], c // (cells[2] * cells[1])
    return (c1 * degrees[0] * cells[1] * degrees[1] + c2 * degrees[1]) * cells[2] * degrees[2] + c3 * degrees[2]


@njit(fastmath=EXACT, nogil=True, cache=True)
def basis_at(local, at, degree, order, basis, to, step):
    """Write the o-th derivatives of T_r at a tile of points to basis[to + o step + r TILE], o <= order."""
    half = LANES
    t = load(local, (at, at + half))
    one, two, four = constant(1.0, (0, 0)), constant(2.0, (0, 0)), constant(4.0, (0, 0))
    zero = constant(0.0, (0, 0))
    twice = fma(two, t, zero)
    before, now = one, t
    store(basis, (to, to + half), before)
    store(basis, (to + TILE, to + TILE + half), now)
    slope_before, slope = zero, one
    bend_before, bend = zero, zero
    if order > 0:
        store(basis, (to + step, to + step + half), slope_before)
        store(basis, (to + step + TILE, to + step + TILE + half), slope)
    if order > 1:
        store(basis, (to + 2 * step, to + 2 * step + half), bend_before)
        store(basis, (to + 2 * step + TILE, to + 2 * step + TILE + half), bend)
    for r in range(2, degree):
        here = to + r * TILE
        if order > 0:
            if order > 1:
                after = fma(twice, bend, fma(four, slope, negated(bend_before)))
                bend_before, bend = bend, after
                store(basis, (here + 2 * step, here + 2 * step + half), bend)
            after = fma(twice, slope, fma(two, now, negated(slope_before)))
            slope_before, slope = slope, after
            store(basis, (here + step, here + step + half), slope)
        after = fma(twice, now, negated(before))
        before, now = now, after
        store(basis, (here, here + half), now)


@njit(fastmath=EXACT, nogil=True, cache=True)
def _rows(coefficients, at, width, count, limit, order, basis, to, step, sums, row):
    """Sum four rows of coefficients over the last axis, for its derivatives up to `order`.

    Row r_2 goes to sums[row + (o count + r_2) TILE]; a row beyond the last repeats it.
    """
    half = LANES
    last = count - 1 - row
    d1, d2, d3 = min(1, last), min(2, last), min(3, last)
    c0 = at + row * width
    c1, c2, c3 = c0 + d1 * width, c0 + d2 * width, c0 + d3 * width
    s0 = row * TILE
    s1, s2, s3 = s0 + d1 * TILE, s0 + d2 * TILE, s0 + d3 * TILE
    deep = count * TILE
    if order == 0:
        few = constant(0.0, (0, 0, 0, 0, 0, 0, 0, 0))
        for r in range(limit):
            b = to + r * TILE
            few = outer(few, coefficients, (c0 + r, c1 + r, c2 + r, c3 + r), basis, (b, b + half))
        store(sums, (s0, s0 + half, s1, s1 + half, s2, s2 + half, s3, s3 + half), few)
        return
    total = constant(0.0, (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    for r in range(limit):
        b = to + r * TILE
        columns = (b, b + half, b + step, b + step + half)
        total = outer(total, coefficients, (c0 + r, c1 + r, c2 + r, c3 + r), basis, columns)
    e0, e1, e2, e3 = s0 + deep, s1 + deep, s2 + deep, s3 + deep
    store(
        sums,
        (
            s0, s0 + half, e0, e0 + half, s1, s1 + half, e1, e1 + half,
            s2, s2 + half, e2, e2 + half, s3, s3 + half, e3, e3 + half,
        ),
        total,
    )  # fmt: skip
    if order == 2:
        bent = constant(0.0, (0, 0, 0, 0, 0, 0, 0, 0))
        for r in range(limit):
            b = to + 2 * step + r * TILE
            bent = outer(bent, coefficients, (c0 + r, c1 + r, c2 + r, c3 + r), basis, (b, b + half))
        f0, f1, f2, f3 = e0 + deep, e1 + deep, e2 + deep, e3 + deep
        store(sums, (f0, f0 + half, f1, f1 + half, f2, f2 + half, f3, f3 + half), bent)


@njit(fastmath=EXACT, nogil=True, cache=True)
def _last_axis(coefficients, at, width, limits, count, order, basis, to, step, sums):
    """sums[o count + r_2] = sum_r coefficients[r_2, r] T_r^(o), for one r_1."""
    for row in range(0, count, 4):
        _rows(coefficients, at, width, count, limits[row], order, basis, to, step, sums, row)


@njit(fastmath=EXACT, nogil=True, cache=True)
def _values(at, width, limits, counts, basis, step, sums, coefficients, tile):
    """Sum the series of one tile and channel."""
    half = LANES
    zero = constant(0.0, (0, 0))
    value = zero
    for r1 in range(limits.shape[0]):
        count = counts[r1]
        _last_axis(coefficients, at + r1 * width[0], width[1], limits[r1], count, 0, basis, 6 * step, step, sums)
        plain, other = zero, zero
        for r2 in range(0, count - 1, 2):
            b, s = 3 * step + r2 * TILE, r2 * TILE
            plain = fma(load(basis, (b, b + half)), load(sums, (s, s + half)), plain)
            b, s = b + TILE, s + TILE
            other = fma(load(basis, (b, b + half)), load(sums, (s, s + half)), other)
        if count % 2 == 1:
            b, s = 3 * step + (count - 1) * TILE, (count - 1) * TILE
            plain = fma(load(basis, (b, b + half)), load(sums, (s, s + half)), plain)
        b = r1 * TILE
        t = load(basis, (b, b + half))
        value = fma(t, plain, fma(t, other, value))
    _keep(tile, 0, value)


@njit(fastmath=EXACT, nogil=True, cache=True)
def _values_and_slopes(at, width, limits, counts, table, basis, step, sums, coefficients, tile):
    """Sum the series of one tile and channel and its first derivatives."""
    half = LANES
    zero = constant(0.0, (0, 0))
    value, slope1, slope2, slope3 = zero, zero, zero, zero
    for r1 in range(limits.shape[0]):
        count = counts[r1]
        _last_axis(coefficients, at + r1 * width[0], width[1], limits[r1], count, 1, basis, 6 * step, step, sums)
        plain, second, third = zero, zero, zero
        deep = count * TILE
        for r2 in range(count):
            b, s = 3 * step + r2 * TILE, r2 * TILE
            t = load(basis, (b, b + half))
            plane = load(sums, (s, s + half))
            plain = fma(t, plane, plain)
            second = fma(load(basis, (b + step, b + step + half)), plane, second)
            third = fma(t, load(sums, (s + deep, s + deep + half)), third)
        b = r1 * TILE
        t = load(basis, (b, b + half))
        value = fma(t, plain, value)
        slope1 = fma(load(basis, (b + step, b + step + half)), plain, slope1)
        slope2 = fma(t, second, slope2)
        slope3 = fma(t, third, slope3)
    _keep(tile, table[0, 0, 0], value)
    _keep(tile, table[1, 0, 0], slope1)
    _keep(tile, table[0, 1, 0], slope2)
    _keep(tile, table[0, 0, 1], slope3)


@njit(fastmath=EXACT, nogil=True, cache=True)
def _keep(tile, row, packs):
    if row >= 0:
        store(tile, (row * TILE, row * TILE + LANES), packs)


@njit(fastmath=EXACT, nogil=True, cache=True)
def _to_second_order(at, width, limits, counts, table, basis, step, sums, coefficients, tile):
    """Sum the series of one tile and channel and its derivatives up to the second."""
    half = LANES
    zero = constant(0.0, (0, 0))
    tile[:] = 0.0
    for r1 in range(limits.shape[0]):
        count = counts[r1]
        _last_axis(coefficients, at + r1 * width[0], width[1], limits[r1], count, 2, basis, 6 * step, step, sums)
        for o3 in range(3):
            for o2 in range(3 - o3):
                total = zero
                s, b = o3 * count * TILE, (3 + o2) * step
                for _ in range(count):
                    total = fma(load(basis, (b, b + half)), load(sums, (s, s + half)), total)
                    b += TILE
                    s += TILE
                for o1 in range(3 - o3 - o2):
                    row = table[o1, o2, o3]
                    if row >= 0:
                        b, to = o1 * step + r1 * TILE, row * TILE
                        more = fma(load(basis, (b, b + half)), total, load(tile, (to, to + half)))
                        store(tile, (to, to + half), more)


@njit(nogil=True, cache=True)
def series(
    first, last, chunks, local, stride, cells, degrees, limits, counts, order, table, coefficients, size, out, scratch
):
    """Fill out[channel, table[o], p] with derivatives of the series of each channel, in local coordinates.

    Chunks first <= q < last; `size` is the number of coefficients of a channel, which stand as a tensor of shape
    (cells_1 degrees_1, cells_2 degrees_2, cells_3 degrees_3).
    """
    step = max(degrees[0], degrees[1], degrees[2], 2) * TILE
    answers = out.shape[1]
    basis = scratch[: 9 * step]
    sums = scratch[9 * step : (9 + 3) * step]
    tile = scratch[12 * step : 12 * step + answers * TILE]
    width2, width3 = cells[1] * degrees[1], cells[2] * degrees[2]
    width = (width2 * width3, width3)
    missing = 3 - local.size // stride
    for axis in range(missing):  # T_0 only
        basis[axis * 3 * step : (axis * 3 + 1) * step] = 1.0
        basis[(axis * 3 + 1) * step : (axis * 3 + 3) * step] = 0.0
    for q in range(first, last):
        c = chunks[q, 0]
        corner = corner_of(c, cells, degrees)
        for begin in range(chunks[q, 1], chunks[q, 2], TILE):
            for axis in range(missing, 3):
                at = (axis - missing) * stride + begin
                basis_at(local, at, degrees[axis], order, basis, axis * 3 * step, step)
            for channel in range(out.shape[0]):
                at = channel * size + corner
                if order == 0:
                    _values(at, width, limits, counts, basis, step, sums, coefficients, tile)
                elif order == 1:
                    _values_and_slopes(at, width, limits, counts, table, basis, step, sums, coefficients, tile)
                else:
                    _to_second_order(at, width, limits, counts, table, basis, step, sums, coefficients, tile)
                for row in range(answers):
                    for i in range(min(TILE, chunks[q, 2] - begin)):
                        out[channel, row, begin + i] = tile[row * TILE + i]
