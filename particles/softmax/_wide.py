"""The streamed kernel for many coordinates: a panel of targets and a block of atoms at a time, as two matrix products.

The running sums of `_dense` would no longer fit the registers. Here the exponents of a panel, one target a lane, are
one product, and the sums of the columns under their powers another; `_panels` has packed them all. Where the bound on
a target's exponents allows it the shift is zero, as in `_dense`; else it is their running maximum, rounded up, so that
to raise it is exact.
"""

import math

import numpy as np
from numba import njit

from particles.softmax._dense import first_shifts
from particles.softmax._exp import exp2 as power
from particles.softmax._panels import BLOCK, PANEL, fill_panel, laid_out, panel_at, panels_of, room
from particles.softmax._simd import LANES, below, clamped, exp2, loaded, stored
from particles.softmax._strips import HIGH, LOW, MIDDLE, PACKS, height, higher, set_apart, strip

__all__ = ["covariances", "laid_out", "weighted_sums"]

PANELS = 16  # in a tile: the more, the less often the atoms are fetched
ROOM = 4608  # coordinates and columns of all panels in a tile
_FEW, _MANY = (0.0,) * 4, (0.0,) * MIDDLE  # packs that go on abreast


@njit(nogil=True, cache=True)
def _exponents(keys, k, first, count, own, at, lanes, scores):
    """Fill scores[j lanes + t] = <a_t, y_j> for the panel of directions at `at` and `count` atoms."""
    for j in range(0, count, MIDDLE):
        left, to = (first + j) * k, j * lanes
        if lanes == LANES:
            strip(True, MIDDLE, 1, keys, left, own, at, k, scores, to)
        else:
            strip(True, MIDDLE, PACKS, keys, left, own, at, k, scores, to)


@njit(nogil=True, cache=True)
def _powers(scores, size):
    """Replace each exponent s by 2^s."""
    for j in range(0, size, MIDDLE * LANES):
        stored((scores,), j, exp2(loaded(scores, j, _MANY)))


@njit(nogil=True, cache=True)
def _powers_below(tops, at, period, scores, size):
    """Replace each exponent s by 2^(s - top), the tops of the panel at `at` written out for MIDDLE atoms."""
    for start in range(0, size, period):
        for j in range(0, period, 4 * LANES):
            s = below(loaded(scores, start + j, _FEW), loaded(tops, at + j, _FEW))
            stored((scores,), start + j, exp2(clamped(s)))


@njit(nogil=True, cache=True)
def _raise(tops, at, lanes, scores, size, factors):
    """Raise the tops of the panel at `at` to the exponents that exceed them; return whether any did.

    Fill factors[t] = 2^(old - new). A NaN may be passed over here, as its power will be NaN.
    """
    period = MIDDLE * lanes
    for t in range(lanes):
        factors[t] = tops[at + t]
    for j in range(0, period, MIDDLE * LANES):
        highest = loaded(tops, at + j, _MANY)
        for start in range(0, size, period):
            highest = higher(highest, loaded(scores, start + j, _MANY))
        stored((tops,), at + j, highest)
    raised = False
    for t in range(lanes):
        top = factors[t]
        for j in range(t, period, lanes):
            top = max(top, np.ceil(tops[at + j]))
        for j in range(t, period, lanes):
            tops[at + j] = top
        raised |= factors[t] != top
        factors[t] = power(factors[t] - top)
    return raised


@njit(nogil=True, cache=True)
def _scale(found, to, width, lanes, factors):
    for start in range(to, to + width * lanes, lanes):
        for t in range(lanes):
            found[start + t] *= factors[t]


@njit(nogil=True, cache=True)
def _add_sums(scores, lanes, columns, at, count, width, found, to):
    """Add sum_j scores[j lanes + t] columns[c, j] to found[to + c lanes + t], for the block of columns at `at`."""
    c = 0
    while c < width:
        rows = height(width - c)
        if lanes == LANES:
            if rows == MIDDLE:
                strip(False, MIDDLE, 1, columns, at, scores, 0, count, found, to)
            elif rows == LOW:
                strip(False, LOW, 1, columns, at, scores, 0, count, found, to)
            else:
                strip(False, HIGH, 1, columns, at, scores, 0, count, found, to)
        elif rows == MIDDLE:
            strip(False, MIDDLE, PACKS, columns, at, scores, 0, count, found, to)
        elif rows == LOW:
            strip(False, LOW, PACKS, columns, at, scores, 0, count, found, to)
        else:
            strip(False, HIGH, PACKS, columns, at, scores, 0, count, found, to)
        at, to, c = at + rows * count, to + rows * lanes, c + rows


@njit(nogil=True, cache=True)
def _sorted(first, last, shifts):
    """Return the targets, those with shifts of zero first, and how many these are."""
    targets, near, far = np.empty(last - first, np.int64), 0, last - first
    for i in range(first, last):
        if shifts[i] == 0.0:
            targets[near] = i
            near += 1
        else:
            far -= 1
            targets[far] = i
    return targets, near


@njit(nogil=True, cache=True)
def _fill_sums(targets, near, directions, keys, columns, shifts, sums):
    """Fill the sums, and the shifts of those targets beyond the first `near`."""
    k, n, width = keys.shape[1], len(keys) * MIDDLE, len(sums)
    rows = columns.size // n
    most = PANEL * min(PANELS, max(1, ROOM // (k + rows)), -(-len(targets) // PANEL))
    own, found, tops = room(most * k), room(most * rows), room(most * MIDDLE)
    flat, scores, factors = keys.reshape(keys.size), room(BLOCK * PANEL), np.empty(PANEL)
    start = 0
    while start < len(targets):
        plain = start < near
        here = min(most, (near if plain else len(targets)) - start)
        parts, whole = panels_of(here)
        found[:] = 0.0
        tops[:] = -math.inf
        for p in range(parts):
            t, lanes = panel_at(p, whole)
            fill_panel(targets, start + t, here - t, lanes, directions, own, t * k)
        for first in range(0, n, BLOCK):
            count = min(BLOCK, n - first)
            for p in range(parts):
                t, lanes = panel_at(p, whole)
                _exponents(flat, k, first, count, own, t * k, lanes, scores)
                if plain:
                    _powers(scores, count * lanes)
                else:
                    if _raise(tops, t * MIDDLE, lanes, scores, count * lanes, factors):
                        _scale(found, t * rows, rows, lanes, factors)
                    _powers_below(tops, t * MIDDLE, MIDDLE * lanes, scores, count * lanes)
                _add_sums(scores, lanes, columns, first * rows, count, width, found, t * rows)
        for p in range(parts):
            t, lanes = panel_at(p, whole)
            for lane in range(min(lanes, here - t)):
                i = targets[start + t + lane]
                if not plain:
                    shifts[i] = tops[t * MIDDLE + lane]
                for c in range(width):
                    sums[c, i] = found[t * rows + c * lanes + lane]
        start += here


def weighted_sums(first, last, directions, halves, keys, columns, width, shifts, sums):
    """Fill sums[c, i] = sum_j 2^(s_ij - shifts[i]) columns[c, j] and shifts[i], for first <= i < last."""
    first_shifts(first, last, directions, halves, shifts)
    _fill_sums(*_sorted(first, last, shifts), directions, keys, columns, shifts, sums)


@njit(nogil=True, cache=True)
def _transpose(values, first, count, lines):
    """Fill lines with the values of a block of atoms in strips of LANES channels, packed by the atom."""
    for c in range(len(values)):
        at = c // LANES * LANES * count + c % LANES
        for j in range(count):
            lines[at + j * LANES] = values[c, first + j]


@njit(nogil=True, cache=True)
def _add_products(lines, weights, centre, count, away, carried, found, to):
    """Add sum_j weights[j] (v_jp - centre_p) (v_jq - centre_q), in tiles of LANES x LANES, q <= p."""
    strips, size = len(centre) // LANES, count * LANES
    for p in range(strips):
        for j in range(count):
            set_apart(lines, p * size + j * LANES, centre, p * LANES, weights[j], away, carried)
    for p in range(strips):
        for q in range(p + 1):
            strip(False, MIDDLE, 1, carried, p * size, away, q * size, count, found, to)
            to += LANES * LANES


@njit(nogil=True, cache=True)
def covariances(first, last, directions, halves, keys, columns, width, values, logs, means, covs):
    """Fill covs[i], (c, c), from the known means (1 + c, m) and logs[i] = log2 sum_j 2^s_ij w_j."""
    k, channels, n, m = keys.shape[1], len(values), len(keys) * MIDDLE, last - first
    rows, high, strips = columns.size // n, height(1 + channels), -(-channels // LANES)
    size = strips * (strips + 1) // 2 * LANES * LANES
    line = strips * LANES
    lines, away, carried, centre = room(line * BLOCK), room(line * BLOCK), room(line * BLOCK), np.zeros(line)
    tops, scores, weights, found = room(MIDDLE * LANES), room(BLOCK * LANES), np.empty(BLOCK), room(LANES * size)
    targets, own, flat = np.arange(first, last), room((m + LANES) * k), keys.reshape(keys.size)
    for start in range(0, m, LANES):
        here = min(LANES, m - start)
        fill_panel(targets, start, here, LANES, directions, own, start * k)
        for at in range(len(tops)):
            tops[at] = logs[first + start + min(at % LANES, here - 1)]
        found[:] = 0.0
        for block in range(0, n, BLOCK):
            count = min(BLOCK, n - block)
            _exponents(flat, k, block, count, own, start * k, LANES, scores)
            _powers_below(tops, 0, len(tops), scores, count * LANES)
            _transpose(values, block, count, lines)
            for t in range(here):
                for j in range(count):
                    weights[j] = scores[j * LANES + t] * columns[block * rows + j * high]
                for c in range(channels):
                    centre[c] = means[1 + c, first + start + t]
                _add_products(lines, weights, centre, count, away, carried, found, t * size)
        for t in range(here):
            cov = covs[first + start + t]
            for p in range(channels):
                for q in range(p + 1):
                    tile = p // LANES * (p // LANES + 1) // 2 + q // LANES
                    cov[p, q] = cov[q, p] = found[t * size + (tile * LANES + p % LANES) * LANES + q % LANES]
