"""Moments of scattered atoms: the sums adjoint to Chebyshev series, with the cells and tiles of `_chebyshev`.

The last axis is a small matrix product again: rows w T_{r_1} T_{r_2} of a batch of atoms, by T_{r_3} with the degrees
across vector registers.
"""

from numba import njit

from particles.softmax._chebyshev import BATCH, TILE, basis_at, corner_of
from particles.softmax._exp import EXACT, REDUCE
from particles.softmax._lanes import constant, fma, load, outer, store, transposed
from particles.softmax._simd import LANES

WIDTH = 8  # rows of moments taken together


@njit(nogil=True, cache=True)
def moments(
    first,
    last,
    chunks,
    bounds,
    slots,
    local,
    stride,
    weights,
    degrees,
    cells,
    pairs,
    limits,
    tensor,
    size,
    partial,
    scratch,
):
    """Add sum_j w_j T_{r_1}(t_1) T_{r_2}(t_2) T_{r_3}(t_3) over a group of chunks to the tensor, or write it to a slot.

    pairs[:, (r_1, r_2, r_1 N_2 N_3 + r_2 N_3)], padded to a multiple of WIDTH by repeating the last; weights and the
    tensor hold `channels` parts, of `stride` and `size` entries.
    """
    padded = -(-degrees[2] // LANES) * LANES
    deepest = max(degrees[0], degrees[1], padded)
    step = deepest * TILE
    channels = weights.size // stride
    used = 3 * step
    basis = scratch[:used]
    front = scratch[used : used + 3 * deepest * BATCH]  # T_r of the first two axes, atoms across; w T_r of the first
    used += 3 * deepest * BATCH
    back = scratch[used : used + BATCH * padded]  # T_r of the last axis, degrees across
    used += BATCH * padded
    left = scratch[used : used + WIDTH * BATCH]
    used += WIDTH * BATCH
    sums = scratch[used : used + channels * pairs.shape[0] * padded]
    back[:] = 0.0
    missing = 3 - local.size // stride
    basis[: missing * step] = 1.0  # an axis that is missing has T_0 only
    for group in range(first, last):
        sums[:] = 0.0
        for q in range(bounds[group], bounds[group + 1]):
            for begin in range(chunks[q, 1], chunks[q, 2], BATCH):
                count = min(BATCH, chunks[q, 2] - begin)
                for tile in range(0, count, TILE):
                    for axis in range(missing, 3):
                        at = (axis - missing) * stride + begin + tile
                        basis_at(local, at, degrees[axis], 0, basis, axis * step, step)
                    for axis in range(2):
                        for r in range(degrees[axis]):
                            to, at = (axis * deepest + r) * BATCH + tile, axis * step + r * TILE
                            store(front, (to, to + LANES), load(basis, (at, at + LANES)))
                    for i in range(0, TILE, LANES):
                        for r in range(0, padded, LANES):
                            transposed(basis, 2 * step + r * TILE + i, TILE, back, (tile + i) * padded + r, padded)
                for channel in range(channels):
                    at = channel * stride + begin
                    for r in range(degrees[0]):
                        for tile in range(0, count, TILE):
                            f = r * BATCH + tile
                            w = load(weights, (at + tile, at + tile + LANES))
                            weighted = fma(w, load(front, (f, f + LANES)), constant(0.0, (0, 0)))
                            f += 2 * deepest * BATCH
                            store(front, (f, f + LANES), weighted)
                    _add_batch(
                        count,
                        front,
                        deepest,
                        back,
                        padded,
                        pairs,
                        limits,
                        left,
                        sums,
                        channel * pairs.shape[0] * padded,
                    )
        c = chunks[bounds[group], 0]
        corner = corner_of(c, cells, degrees)
        if slots[group] < 0:
            _spread_out(sums, channels, pairs, padded, degrees[2], tensor, size, corner)
        else:
            kept = partial[slots[group]]
            for i in range(sums.size):
                kept[i] = sums[i]


@njit(nogil=True, cache=True)
def collect(owners, slots, degrees, cells, pairs, tensor, channels, size, partial):
    """Add the slots to the tensor, in order."""
    padded = -(-degrees[2] // LANES) * LANES
    for q in range(owners.size):
        if slots[q] >= 0:
            c = owners[q]
            corner = corner_of(c, cells, degrees)
            _spread_out(partial[slots[q]], channels, pairs, padded, degrees[2], tensor, size, corner)


@njit(fastmath=EXACT, nogil=True, cache=True)
def _spread_out(sums, channels, pairs, padded, degree, tensor, size, corner):
    rows = pairs.shape[0]
    for channel in range(channels):
        for p in range(rows):
            if p > 0 and pairs[p, 2] == pairs[p - 1, 2]:  # padding
                continue
            to, at = channel * size + corner + pairs[p, 2], (channel * rows + p) * padded
            for r in range(degree):
                tensor[to + r] += sums[at + r]


@njit(fastmath=EXACT, nogil=True, cache=True)
def _add_batch(count, front, deepest, back, padded, pairs, limits, left, sums, to):
    """Add the moments of one batch of atoms, WIDTH pairs (r_1, r_2) by one or two packs of r_3 at a time."""
    zero = constant(0.0, (0, 0))
    for p in range(0, pairs.shape[0], WIDTH):
        for u in range(WIDTH):
            f, g = (2 * deepest + pairs[p + u, 0]) * BATCH, (deepest + pairs[p + u, 1]) * BATCH
            for tile in range(0, count, TILE):
                h = u * BATCH + tile
                both = fma(load(front, (f + tile, f + tile + LANES)), load(front, (g + tile, g + tile + LANES)), zero)
                store(left, (h, h + LANES), both)
        row = to + p * padded
        r = 0
        while r < limits[p]:
            if limits[p] - r > LANES:
                _two(left, back, padded, r, count, sums, row + r)
                r += 2 * LANES
            else:
                _one(left, back, padded, r, count, sums, row + r)
                r += LANES


@njit(nogil=True, cache=True)
def eight(start, step):
    """Return eight offsets."""
    two, four = start + 2 * step, start + 4 * step
    return start, start + step, two, two + step, four, four + step, four + 2 * step, four + 3 * step


@njit(fastmath=EXACT, nogil=True, cache=True)
def _one(left, back, padded, r, count, sums, row):
    places = eight(row, padded)
    total = load(sums, places)
    for i in range(count):
        total = outer(total, left, eight(i, BATCH), back, (i * padded + r,))
    store(sums, places, total)


@njit(fastmath=EXACT, nogil=True, cache=True)
def _two(left, back, padded, r, count, sums, row):
    half = LANES
    places = (
        row,
        row + half,
        row + padded,
        row + padded + half,
        row + 2 * padded,
        row + 2 * padded + half,
        row + 3 * padded,
        row + 3 * padded + half,
        row + 4 * padded,
        row + 4 * padded + half,
        row + 5 * padded,
        row + 5 * padded + half,
        row + 6 * padded,
        row + 6 * padded + half,
        row + 7 * padded,
        row + 7 * padded + half,
    )
    total = load(sums, places)
    for i in range(count):
        total = outer(total, left, eight(i, BATCH), back, (i * padded + r, i * padded + r + half))
    store(sums, places, total)


@njit(fastmath=REDUCE, nogil=True, cache=True)
def summary(first, last, chunks, local, weights, out):
    """Fill out[:, q] with the sums of w, w t_k and w t_k^2 over chunk q."""
    k = local.shape[0]
    for q in range(first, last):
        w = weights[chunks[q, 1] : chunks[q, 2]]
        out[0, q] = w.sum()
        for axis in range(k):
            t = local[axis, chunks[q, 1] : chunks[q, 2]]
            mean, square = 0.0, 0.0
            for i in range(w.size):
                mean += w[i] * t[i]
                square += w[i] * (t[i] * t[i])
            out[1 + axis, q] = mean
            out[1 + k + axis, q] = square
