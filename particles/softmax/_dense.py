"""The streamed kernel: exponents and sums in registers, two targets at a time, nothing of size n x m in memory.

Everything is in base 2; keys and columns are tables with one row a coordinate. For target i the exponents are s_ij =
<a_i, y_j>, and all that is ever needed are sums over j of 2^(s_ij - shift_i) times some columns: the weights and the
weighted values. Atoms are padded to a multiple of STEP with copies of the first atom whose columns are zero.

The shift is the cheapest that is safe. On the box |y_k| <= half_k no exponent exceeds bound_i = sum_k |a_ik| half_k;
up to SAFE the shift is zero. Beyond, bound_i - ROOM keeps the sums from overflow, and exponents so far below the
bound that 2^(s - shift) would underflow are clamped to nothing. Where the bound was so poor that nearly the whole sum
underflows, the row is done again from its exact maximum. All this depends on the row alone, so its bits do not depend
on its partner.

The number of coordinates and of columns must be known when the code is compiled: `halves` and `width` are tuples as
long.
"""

import math

from numba import njit

from particles.softmax._layout import lay_out
from particles.softmax._simd import (
    STEP,
    below,
    clamped,
    column,
    exp2,
    exponents,
    gathered,
    larger,
    pairs,
    peaks,
    spread,
    spread_of,
    totals,
    zeros,
)
from particles.softmax.kernels import aligned

PADDING = STEP, 1  # atoms and columns are padded to multiples of these
BLOCK = 512  # atoms whose columns stay in the first cache
TILE = 32  # targets that share them
SAFE = 800.0
ROOM = 500.0
LARGE = 1e12  # beyond, a bound and the exponents it bounds round apart
LOST = 2.0**-840  # a sum below this may have lost terms that matter, or be made up of what was clamped


def laid_out(keys, values, weights, centres, halves):
    """Return keys (k, n), the weights and the weighted values (1 + c, n), and values (c, n), padded; see `lay_out`."""
    (n, k), c = keys.shape, values.shape[1]
    padded = -(-n // STEP) * STEP
    rows = aligned((k + 1 + 2 * c) * padded).reshape(-1, padded)
    tables = rows[:k], rows[k : k + 1 + c], rows[k + 1 + c :]
    lay_out(keys, values, weights, centres, halves, *tables)
    return tables


@njit(nogil=True, cache=True)
def plain_sums(starts, directions, keys, columns, width, first, last):
    """Return sum_j 2^(start + s_j) columns[c, j] over first <= j < last, target after target; no exponent past 1020."""
    starts, directions = spread(starts), spread(directions)
    sums = zeros(starts, width)
    for j in range(first, last, STEP):
        sums = gathered(sums, exp2(exponents(starts, directions, keys, j)), columns, j)
    return totals(sums)


@njit(nogil=True, cache=True)
def clamped_sums(starts, directions, keys, columns, width, first, last):
    """Do `plain_sums` where exponents may lie far below zero."""
    starts, directions = spread(starts), spread(directions)
    sums = zeros(starts, width)
    for j in range(first, last, STEP):
        sums = gathered(sums, exp2(clamped(exponents(starts, directions, keys, j))), columns, j)
    return totals(sums)


@njit(nogil=True, cache=True)
def _sums_below(top, direction, keys, columns, width, first, last):
    """Return sum_j 2^(s_j - top) columns[c, j] for one target whose exponents, rounded as in `_peak`, reach the top."""
    directions, tops = spread(direction), spread((top,))
    starts, sums = zeros(tops, tops), zeros(tops, width)
    for j in range(first, last, STEP):
        sums = gathered(sums, exp2(clamped(below(exponents(starts, directions, keys, j), tops))), columns, j)
    return totals(sums)


@njit(nogil=True, cache=True)
def _peak(direction, keys):
    """Return the largest exponent of one target; NaN if any is NaN."""
    directions, tops = spread(direction), spread((-math.inf,))
    starts = zeros(tops, tops)
    for j in range(0, keys.shape[1], STEP):
        tops = larger(tops, exponents(starts, directions, keys, j))
    return peaks(tops)[0]


@njit(nogil=True, cache=True)
def _add_sums(i, last, directions, halves, shifts, keys, columns, width, start, end, sums):
    """Add the terms start <= j < end to the sums of rows i and i + 1; of row i alone if it is the last."""
    partner = min(i + 1, last - 1)
    starts = (-shifts[i], -shifts[partner])
    both = column(directions, i, halves) + column(directions, partner, halves)
    if shifts[i] == 0.0 and shifts[partner] == 0.0:
        found = plain_sums(starts, both, keys, columns, width, start, end)
    else:
        found = clamped_sums(starts, both, keys, columns, width, start, end)
    for c in range(len(width)):
        sums[c, i] += found[c]
        if partner > i:
            sums[c, partner] += found[len(width) + c]


@njit(nogil=True, cache=True)
def _redo(i, directions, halves, keys, columns, width, shifts, sums):
    """Do row i from its exact maximum."""
    n = keys.shape[1]
    direction = column(directions, i, halves)
    shifts[i] = _peak(direction, keys)
    for c in range(len(width)):
        sums[c, i] = 0.0
    for start in range(0, n, BLOCK):
        found = _sums_below(shifts[i], direction, keys, columns, width, start, min(start + BLOCK, n))
        for c in range(len(width)):
            sums[c, i] += found[c]


@njit(nogil=True, cache=True)
def first_shifts(first, last, directions, halves, shifts):
    """Fill the shifts that the bound on a row's exponents asks for."""
    for i in range(first, last):
        bound = 0.0
        for k in range(len(halves)):
            bound += abs(directions[k, i]) * halves[k]
        shifts[i] = 0.0 if bound <= SAFE else bound - ROOM


@njit(nogil=True, cache=True)
def poor(total, shift):
    """Return whether a row must be done again from its exact maximum."""
    return total < LOST or shift > LARGE


@njit(nogil=True, cache=True)
def weighted_sums(first, last, directions, halves, keys, columns, width, shifts, sums):
    """Fill sums[c, i] = sum_j 2^(s_ij - shifts[i]) columns[c, j] and shifts[i], for first <= i < last."""
    n = keys.shape[1]
    first_shifts(first, last, directions, halves, shifts)
    for c in range(len(width)):
        for i in range(first, last):
            sums[c, i] = 0.0
    for tile in range(first, last, TILE):
        tile_end = min(tile + TILE, last)
        for start in range(0, n, BLOCK):
            end = min(start + BLOCK, n)
            for i in range(tile, tile_end, 2):
                _add_sums(i, tile_end, directions, halves, shifts, keys, columns, width, start, end, sums)
    for i in range(first, last):
        if poor(sums[0, i], shifts[i]):
            _redo(i, directions, halves, keys, columns, width, shifts, sums)


@njit(nogil=True, cache=True)
def _spreads(top, direction, keys, columns, mean, values, first, last):
    """Return sum_j 2^(s_j - top) w_j (v_jp - mean_p) (v_jq - mean_q), q <= p, for one target."""
    tops, directions, means = spread((top,)), spread(direction), spread(mean)
    starts, sums = zeros(tops, tops), zeros(tops, pairs(means))
    for j in range(first, last, STEP):
        powers = exp2(clamped(below(exponents(starts, directions, keys, j), tops)))
        sums = spread_of(sums, powers, columns, means, values, j)
    return totals(sums)


@njit(nogil=True, cache=True)
def covariances(first, last, directions, halves, keys, columns, width, values, logs, means, covs):
    """Fill covs[i], (c, c), from the known means (1 + c, m) and logs[i] = log2 sum_j 2^s_ij w_j.

    The first row of `means` is the weight's own, 1.
    """
    n, channels = keys.shape[1], len(width) - 1
    for i in range(first, last):
        direction, mean = column(directions, i, halves), column(means, i, width)[1:]
        covs[i] = 0.0
        for start in range(0, n, BLOCK):
            found = _spreads(logs[i], direction, keys, columns, mean, values, start, min(start + BLOCK, n))
            at = 0
            for p in range(channels):
                for q in range(p + 1):
                    covs[i, p, q] += found[at]
                    at += 1
        for p in range(channels):
            for q in range(p):
                covs[i, q, p] = covs[i, p, q]
