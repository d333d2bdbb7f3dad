"""The pruned kernel: for a block of near-by directions, only the atoms that can matter to one of them.

With L the log-sum over some of the atoms, a0 the centre of a block and g the gradient of L there, convexity gives
Λ(a) >= L(a0) + <a - a0, g> in the whole block, so that the share of atom j in any sum of the block is at most 2^b_j,

    b_j = s_j + sum_k t_k |y_jk - g_k|,   s_j = log2 w_j + <a0, y_j> - L(a0),   t the half sides of the block.

The same with a box in place of y_j discards whole nodes of the tree. Of what remains, as many of the smallest b_j are
dropped as the budget covers. The rest is packed with its shares at the centre, 2^s_j, as weights, so that only the
small exponents <a - a0, y_j - g> are left to each direction; or, in large blocks, to one series for all of them, which
stays within its part of the budget since no sum of the block is smaller than 1.

Everything is in base 2, sums have a fixed order, and the last of the `keys` are the log weights, with direction 1.
"""

import math

import numpy as np
from numba import njit

from particles.softmax._dense import clamped_sums, plain_sums
from particles.softmax._series import BATCH, series_sums
from particles.softmax._sieve import apart, below_cuts, reached, sifted
from particles.softmax._simd import (
    STEP,
    clamped,
    exp2,
    exponents,
    gathered,
    larger,
    pairs,
    peaks,
    spread,
    spread_of,
    stored,
    taken,
    totals,
    zeros,
)
from particles.softmax._tree import BEAM, beam, candidates

TILE = 512  # packed atoms that stay in the first cache while the directions of a block pass
ONE = (1.0,)  # the direction along the log weights
RAISED = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)  # bits above the least cut where others are tried
NARROW, NARROWEST = 64, 16  # directions in a block, and where it is cut because it is wide
LOOSE = 80.0  # bits by which the bounds on shares may exceed those at the centre
MANY = 2000  # atoms that are worth cutting a block for
NOTHING = -1e300  # the log weight of padding
PLAIN = 900.0  # exponents relative to the centre's that 2^s stands without a shift


@njit(nogil=True, cache=True)
def _peak(direction, keys, spans, count):
    """Return the largest exponent of the spans."""
    direction, start, tops = spread(direction), spread((0.0,)), spread((-math.inf,))
    for q in range(count):
        for j in range(spans[q, 0], spans[q, 1], STEP):
            tops = larger(tops, exponents(start, direction, keys, j))
    return peaks(tops)[0]


@njit(nogil=True, cache=True)
def _log_sum(top, direction, keys, carried, spans, count, ones, origin):
    """Return the log-sum of the spans, by powers of exponent - top; tilted means of what is carried go to `origin`."""
    start, direction = spread((-top,)), spread(direction)
    total, means = zeros((0.0,), (0.0,)), zeros((0.0,), carried)
    for q in range(count):
        for j in range(spans[q, 0], spans[q, 1], STEP):
            powers = exp2(clamped(exponents(start, direction, keys, j)))
            total = gathered(total, powers, (ones,), 0)
            means = gathered(means, powers, carried, j)
    whole = totals(total)[0]
    sums = totals(means)
    for k in range(len(origin)):
        origin[k][0] = sums[k] / whole
    return top + math.log2(whole)


@njit(nogil=True, cache=True)
def _sift(log_sum, cut, direction, halves, origin, keys, carried, spans, count, packed):
    """Copy s_j, b_j and what else is carried for the atoms with b_j beyond the cut; return their number."""
    start, direction = spread((-log_sum,)), spread(direction)
    halves, origin, cut = spread(halves), spread(origin), spread((cut,))
    at = 0
    for q in range(count):
        for j in range(spans[q, 0], spans[q, 1], STEP):
            s = exponents(start, direction, keys, j)
            distances = apart(carried, origin, j)
            b = reached(s, halves, distances)
            at = sifted(packed, at, b, cut, s + b + distances)
    return at


@njit(nogil=True, cache=True)
def _cuts(bounds, size, start, offsets, still):
    """Return the sums of all shares 2^b_j with b_j up to start + each of the offsets."""
    still, sums = spread(still), zeros((0.0,), offsets)
    for j in range(0, size, STEP):
        b = apart(bounds, still, j)
        sums = below_cuts(sums, exp2(clamped(b)), b, start, offsets)
    return totals(sums)


@njit(nogil=True, cache=True)
def _cut(start, sums, budget):
    """Return the highest start + RAISED whose sum stays within the budget."""
    for i in range(len(RAISED) - 1, -1, -1):
        if sums[i] <= budget:
            return start + RAISED[i]
    return start


@njit(nogil=True, cache=True)
def _sift_again(cut, packed, still, size):
    """Keep only the packed atoms with b_j beyond the cut; return their number."""
    cut, still = spread((cut,)), spread(still)
    at = 0
    for j in range(0, size, STEP):
        at = sifted(packed, at, apart(packed[1:2], still[:1], j), cut, apart(packed, still, j))
    return at


@njit(nogil=True, cache=True)
def _spreads(top, direction, keys, columns, mean, values, size):
    """Return sum_j 2^(s_j - top) w_j (v_jp - mean_p) (v_jq - mean_q), q <= p."""
    starts, direction, means = spread((-top,)), spread(direction), spread(mean)
    sums = zeros(starts, pairs(means))
    for j in range(0, size, STEP):
        powers = exp2(clamped(exponents(starts, direction, keys, j)))
        sums = spread_of(sums, powers, columns, means, values, j)
    return totals(sums)


@njit(nogil=True, cache=True)
def _block_sums(rows, steps, keys, columns, size, sums):
    """Fill sums[c, t] for a block whose exponents need no shift."""
    width = len(columns)
    sums[:, :rows] = 0.0
    for first in range(0, size, TILE):
        last = min(size, first + TILE)
        for t in range(0, rows - 1, 2):
            both = taken(steps, t) + taken(steps, t + 1)
            found = plain_sums((0.0, 0.0), both, keys, columns, columns, first, last)
            for c in range(width):
                sums[c, t] += found[c]
                sums[c, t + 1] += found[width + c]
        if rows % 2:
            single = plain_sums((0.0,), taken(steps, rows - 1), keys, columns, columns, first, last)
            for c in range(width):
                sums[c, rows - 1] += single[c]


@njit(nogil=True, cache=True)
def _wide_sums(rows, steps, keys, columns, spans, size, tops, sums):
    """Do the same for a block so wide that every direction needs its own maximum."""
    spans[0, 0], spans[0, 1] = 0, size
    for t in range(rows):
        tops[t] = _peak(taken(steps, t), keys, spans, 1)
        found = clamped_sums((-tops[t],), taken(steps, t), keys, columns, columns, 0, size)
        for c in range(len(columns)):
            sums[c, t] = found[c]


@njit(nogil=True, cache=True)
def _box(directions, first, last, centre, halves, steps):
    """Write the centre of a block, its half sides and the steps from the centre."""
    for k in range(directions.shape[0]):
        low = high = directions[k, first]
        for i in range(first, last):
            low = min(low, directions[k, i])
            high = max(high, directions[k, i])
        centre[k] = 0.5 * low + 0.5 * high
        halves[k][0] = max(high - centre[k], centre[k] - low)
        for i in range(first, last):
            steps[k][i - first] = directions[k, i] - centre[k]


@njit(nogil=True, cache=True)
def _padded(rows, size, step):
    """Fill the rows with zeros up to a multiple of the step; return it."""
    whole = -(-size // step) * step
    for row in rows:
        row[size:whole] = 0.0
    return whole


@njit(nogil=True, cache=True)
def _thin(budget, log_sum, direction, sides, origin, keys, carried, spans, count, room):
    """Pack the atoms of the spans that matter to a block around `direction`.

    Returns their padded number, and by how much exponents may exceed those at the centre. An eighth of the budget is
    for what lies far below, half for the smallest shares 2^b_j of the rest.
    """
    packed, still = room[0], room[-1]
    length = 0
    for q in range(count):
        length += spans[q, 1] - spans[q, 0]
    start = math.log2(budget) - 3.0 - math.log2(length)
    kept = _sift(log_sum, start, direction, sides, origin, keys, carried, spans, count, packed)
    size = -(-kept // STEP) * STEP
    packed[0][kept:size] = packed[1][kept:size] = NOTHING
    cut = _cut(start, _cuts(packed[1:2], size, start, RAISED, still[:1]), 0.5 * budget)
    kept = _sift_again(cut, packed, still, size)
    size = -(-kept // STEP) * STEP
    for row in packed:
        row[kept:size] = 0.0
    packed[0][kept:size] = packed[1][kept:size] = NOTHING  # weighs nothing, and looks no wider than the others
    spans[0, 0], spans[0, 1] = 0, size
    return size, _peak((-1.0, 1.0), packed[:2], spans, 1)


@njit(nogil=True, cache=True)
def _from_tree(budget, centre, atoms, tree, spans, ones, room):
    """Pack the atoms that matter to a block; return how many were met, what `_thin` does, and the centre's log-sum."""
    keys, carried, _, reach = atoms
    starts, lows, highs, masses, offsets = tree
    _, _, _, halves, origin, at_centre, _ = room
    box = np.empty((3, reach.size))
    slack = 0.0
    for k in range(reach.size):
        box[0, k], box[1, k], at_centre[k][0] = centre[k], halves[k][0], centre[k]
        slack += 1e-15 * (abs(centre[k]) + halves[k][0]) * reach[k]  # what rounding may do to an exponent
    budget *= 2.0**-slack
    direction = taken(at_centre, 0)
    count = beam(box[0], starts, lows, highs, masses, spans)
    log_sum = _log_sum(_peak(direction, keys, spans, count), direction, keys, carried, spans, count, ones, origin)
    for k in range(reach.size):
        box[2, k] = origin[k][0]
    limit = log_sum + math.log2(budget) - 3.0
    count, farthest = candidates(box[0], box[1], box[2], limit, starts, lows, highs, offsets, spans)
    met = 0
    for q in range(count):
        met += spans[q, 1] - spans[q, 0]
    top = log_sum
    if farthest - log_sum > PLAIN:
        top = _peak(direction, keys, spans, count)
    log_sum = _log_sum(top, direction, keys, carried, spans, count, ones, origin)
    sides, here = taken(halves, 0), taken(origin, 0)
    size, widest = _thin(budget, log_sum, direction, sides, here, keys, carried, spans, count, room)
    return met, size, widest, log_sum


@njit(nogil=True, cache=True)
def _product(left, right, target):
    for p in range(target.size):
        target[p] = left[p] * right[p]


@njit(nogil=True, cache=True)
def _weigh(wide, logs, plain, columns, size):
    """Fill the columns 2^s_j and 2^s_j v_j; in a wide block s_j stays an exponent."""
    if wide:
        for j in range(size):
            columns[0][j] = 1.0 if logs[j] > NOTHING else 0.0
    else:
        start, one = spread((0.0,)), spread((1.0,))
        for j in range(0, size, STEP):
            stored(columns[:1], j, exp2(clamped(exponents(start, one, (logs,), j))))
    for c in range(len(plain)):
        _product(columns[0][:size], plain[c][:size], columns[1 + c][:size])


@njit(nogil=True, cache=True)
def _covariance(top, total, direction, keys, columns, mean, plain, size, cov):
    """Fill one (c, c) matrix."""
    found = _spreads(top, direction, keys, columns, mean, plain, size)
    at = 0
    for p in range(len(plain)):
        for q in range(p + 1):
            cov[p, q] = cov[q, p] = found[at] / total
            at += 1


@njit(nogil=True, cache=True, error_model="numpy")
def evaluate(first, last, width, trial, directions, atoms, tree, budget, room, work, log_sums, means, covs, counts):
    """Fill log sums (base 2), means and, unless `covs` is None, covariances for the blocks first <= block < last.

    Blocks of more than NARROW directions are tried with one series, and cut up where that does not pay, or left out in
    a `trial`. Others are cut where they look wide. `counts` gets the numbers of atoms met and packed, and of directions
    evaluated by series.
    """
    offset, reach = atoms[2], 0.0
    for x in atoms[3]:
        reach = max(reach, x)
    packed, near, plain, halves, origin, _, _ = room
    columns, steps, mean, tops, sums, centre, series = work
    dim, channels, m = len(steps), len(columns) - 1, directions.shape[1]
    ones, units, far = np.ones(STEP), (np.ones(NARROW),), near + packed[:1]
    spans = np.empty((tree[0][1] + BEAM, 2), np.int64)
    begin, take = first * width, width
    while begin < min(m, last * width):
        block, rows, whole = begin // width, min(m, begin + take) - begin, take > NARROW
        _box(directions, begin, begin + rows, centre, halves, steps)
        met, size, widest, log_sum = _from_tree(budget, centre, atoms, tree, spans, ones, room)
        counts[block, 0] += met
        wide = widest > PLAIN
        if take == NARROW and widest > LOOSE and size > MANY:
            take = NARROWEST
            continue
        _weigh(wide, packed[0], plain, columns, size)
        tops[:rows] = 0.0
        if whole:
            full = -(-size // BATCH) * BATCH
            packed[0][size:full] = NOTHING
            for row in near + columns:
                row[size:full] = 0.0
            size = full
            if wide or not series_sums(
                rows, steps, centre, packed[0], near, columns, offset == 0, size, 0.125 * budget, reach, series, sums
            ):
                if trial:
                    break
                take = NARROW
                continue
            counts[block, 2] += rows
        elif wide:
            _wide_sums(rows, steps + units, far, columns, spans, size, tops, sums)
        else:
            _block_sums(rows, steps, near, columns, size, sums)
        counts[block, 1] += size
        for t in range(rows):
            i = begin + t
            log_sums[i] = log_sum + tops[t] + math.log2(sums[0, t])
            for k in range(dim):
                log_sums[i] += steps[k][t] * origin[k][0]
            for c in range(channels):
                mean[c][0] = sums[1 + c, t] / sums[0, t]
                means[c, i] = mean[c][0] + origin[offset + c][0]
            if covs is not None:
                step, average = taken(steps, t), taken(mean, 0)
                if wide:
                    _covariance(tops[t], sums[0, t], step + ONE, far, columns, average, plain, size, covs[i])
                else:
                    _covariance(0.0, sums[0, t], step, near, columns, average, plain, size, covs[i])
        begin += rows
        if begin % NARROW == 0:
            take = NARROW
        if begin % width == 0:
            take = width
