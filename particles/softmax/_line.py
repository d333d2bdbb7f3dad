"""Piecewise Chebyshev series along one axis, and their moments, at points in any order.

Along one axis all coefficients fit into the fastest memory. So nothing is sorted: a register holds points of different
cells, each takes its coefficient from its own cell, and moments are added to the cells' rows point by point.
"""

import math

import numpy as np
from numba import njit

from particles.softmax._chebyshev import located
from particles.softmax._exp import EXACT, log
from particles.softmax._lanes import (
    add,
    added_at,
    chebyshev,
    constant,
    fma,
    load,
    negated,
    picked_at,
    store,
    turned,
)
from particles.softmax._simd import LANES

TOGETHER = 1024  # points handled together


@njit(nogil=True, cache=True)
def _placed(points, origin, lower, rate, cells, terms, within, cell, starts):
    """Fill in the cells of points (1, n), their coordinates in [-1, 1] there, and where their cells' terms start."""
    located(points, origin, lower, rate, cells, cell, within)
    for i in range(points.shape[1]):
        starts[i] = cell[i] * terms


@njit(nogil=True, cache=True)
def moments(first, last, pieces, keys, origin, lower, rate, cells, padded, weights, partial):
    """Add sum_j weights[channel, j] T_r(t_j) to the rows (channel, cell) of partial[piece], of `padded` terms each."""
    n = keys.size
    within, cell, starts = np.zeros((1, TOGETHER)), np.zeros(TOGETHER, np.int32), np.zeros(TOGETHER, np.int64)
    carried = np.zeros(TOGETHER)
    for piece in range(first, last):
        end = n * (piece + 1) // pieces
        for begin in range(n * piece // pieces, end, TOGETHER):
            stop = min(begin + TOGETHER, end)
            _placed(keys[:, begin:stop], origin, lower, rate, cells, padded, within, cell, starts)
            for channel in range(weights.shape[0]):
                given, to = weights[channel, begin:stop], channel * cells[0] * padded
                for i in range(given.size):
                    carried[i] = given[i]
                for i in range(given.size, TOGETHER):  # the rest of the last register adds nothing
                    carried[i] = 0.0
                for i in range(0, given.size, LANES):
                    _add_moments(carried, within[0], starts, i, padded, partial[piece], to)


@njit(fastmath=EXACT, nogil=True, cache=True)
def _add_moments(weights, within, starts, i, padded, rows, to):
    w, t = load(weights, (i,)), load(within, (i,))
    before, now, twice = w, fma(w, t, constant(0.0, (0,))), add(t, t)
    for r in range(0, padded, LANES):
        terms = chebyshev(before, now, twice)
        added_at(rows, starts, i, to + r, turned(terms))
        before, now = (terms[LANES],), (terms[-1],)


@njit(fastmath=EXACT, nogil=True, cache=True)
def _series(table, to, starts, within, i, terms, out):
    """Sum a series at a few points."""
    at = (i, i + LANES)
    t = load(within, at)
    before, now, twice = constant(1.0, at), t, add(t, t)
    total = picked_at(table, starts, at, to)
    for r in range(1, terms):
        total = fma(picked_at(table, starts, at, to + r), now, total)
        before, now = now, fma(twice, now, negated(before))
    store(out, at, total)


@njit(fastmath=EXACT, nogil=True, cache=True)
def _series_and_slope(table, starts, within, i, terms, out, slope_out):
    """Sum a series and its derivative at a few points."""
    at = (i, i + LANES)
    t = load(within, at)
    two = constant(2.0, at)
    before, now, twice = constant(1.0, at), t, add(t, t)
    slope_before, slope = constant(0.0, at), constant(1.0, at)
    total, slopes = picked_at(table, starts, at, 0), constant(0.0, at)
    for r in range(1, terms):
        c = picked_at(table, starts, at, r)
        total, slopes = fma(c, now, total), fma(c, slope, slopes)
        slope_before, slope = slope, fma(twice, slope, fma(two, now, negated(slope_before)))
        before, now = now, fma(twice, now, negated(before))
    store(out, at, total)
    store(slope_out, at, slopes)


@njit(fastmath=EXACT, nogil=True, cache=True, error_model="numpy")
def _finished(directions, within, cell, alpha, tilts, offsets, shift, least, sums, log_sums, certain):
    """Turn sums into log sums and mark those that are large enough."""
    for i in range(directions.size):
        c = cell[i]
        z = sums[i]
        certain[i] = (z >= least[c]) & (z < math.inf)
        log_sums[i] = log(z) + (offsets[c] + (alpha * tilts[c] * within[i] + directions[i] * shift))


@njit(nogil=True, cache=True, error_model="numpy")
def answers(
    first, last, directions, lower, rate, cells, terms, table, slopes, alpha, tilts, shift, offsets, least, log_sums,
    means, certain,
):  # fmt: skip
    """Fill log sums, means and certain[i] for blocks of TOGETHER directions.

    table[channel, cell, term]; with `slopes` the one channel's derivative makes the mean, otherwise the others.
    """
    within, cell, starts = np.zeros((1, TOGETHER)), np.zeros(TOGETHER, np.int32), np.zeros(TOGETHER, np.int64)
    origin, t = np.zeros(1), within[0]
    sums, more = np.zeros(TOGETHER), np.zeros(TOGETHER)
    for block in range(first, last):
        begin, stop = block * TOGETHER, min((block + 1) * TOGETHER, directions.size)
        here = directions[:, begin:stop]
        count = stop - begin
        _placed(here, origin, lower, rate, cells, terms, within, cell, starts)
        for i in range(0, count, 2 * LANES):
            if slopes:
                _series_and_slope(table, starts, t, i, terms, sums, more)
            else:
                _series(table, 0, starts, t, i, terms, sums)
        for channel in range(means.shape[1]):
            if slopes:
                for i in range(count):
                    means[begin + i, 0] = more[i] / sums[i] * (1.0 / alpha) + (tilts[cell[i]] + shift)
            else:
                for i in range(0, count, 2 * LANES):
                    _series(table, (1 + channel) * cells[0] * terms, starts, t, i, terms, more)
                for i in range(count):
                    means[begin + i, channel] = more[i] / sums[i]
        _finished(
            here[0], t, cell, alpha, tilts, offsets, shift, least, sums, log_sums[begin:stop],
            certain[begin:stop],
        )  # fmt: skip
