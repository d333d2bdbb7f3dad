"""How atoms and targets are packed for `_wide`: by what the products there run over, each in the order it is read in.

Keys come in groups of MIDDLE atoms, (groups, k, MIDDLE); columns in blocks of BLOCK atoms (the last may be shorter),
and inside a block in strips of columns, packed by the atom. Targets come in panels, packed by the coordinate.
"""

import numpy as np
from numba import njit

from particles.softmax._registers import LANES
from particles.softmax._strips import MIDDLE, PACKS, height, heights
from particles.softmax.kernels import aligned

BLOCK = 128  # atoms whose powers stay in the first cache
PANEL = PACKS * LANES  # targets whose sums for a strip of columns stay in the registers


def laid_out(keys, values, weights, centres, halves):
    """Return keys (n, k), and the weights with the weighted values (n, c), as the kernels take them, and values (c, n).

    All are centred, and padded with copies of the first atom whose columns are zero; fill two rows of boxes.
    """
    k, c = keys.shape[1], values.shape[1]
    groups = -(-len(keys) // MIDDLE)
    packed_keys = aligned(groups * k * MIDDLE).reshape(groups, k, MIDDLE)
    packed_columns = aligned(groups * MIDDLE * heights(1 + c))
    centred = np.empty((groups * MIDDLE, c))
    for at, points in enumerate((keys, values)):
        _fill_box(points, centres[at], halves[at])
    _pack_keys(keys, centres[0], packed_keys)
    _pack_columns(values, centres[1], weights, centred, packed_columns)
    return packed_keys, packed_columns, centred.T


@njit(nogil=True, cache=True)
def _fill_box(points, centre, halves):
    """Fill the centre and the half widths of the points' box, as `_layout` does, along the rows."""
    n, d = points.shape
    lows, highs = points[0].copy(), points[0].copy()
    for j in range(1, n):
        for k in range(d):
            x, low, high = points[j, k], lows[k], highs[k]
            lows[k] = x if x < low or x != x else low
            highs[k] = x if x > high or x != x else high
    for k in range(d):
        centre[k] = 0.5 * lows[k] + 0.5 * highs[k]
        halves[k] = 0.5 * highs[k] - 0.5 * lows[k]


@njit(nogil=True, cache=True)
def _pack_keys(keys, centre, packed):
    groups, k, _ = packed.shape
    for j in range(groups * MIDDLE):
        own = keys[j if j < len(keys) else 0]
        for c in range(k):
            packed[j // MIDDLE, c, j % MIDDLE] = own[c] - centre[c]


@njit(nogil=True, cache=True)
def _pack_columns(values, centre, weights, centred, packed):
    n, channels = centred.shape
    line = np.zeros(heights(1 + channels))
    for j in range(n):
        own = values[j if j < len(values) else 0]
        line[0] = weights[j] if j < len(values) else 0.0
        for c in range(channels):
            centred[j, c] = own[c] - centre[c]
            line[1 + c] = line[0] * centred[j, c]
        first = j // BLOCK * BLOCK
        count, c = min(BLOCK, n - first), 0
        while c < len(line):
            rows = height(1 + channels - c)
            at = first * len(line) + c * count + (j - first) * rows
            for r in range(rows):
                packed[at + r] = line[c + r]
            c += rows


@njit(nogil=True, cache=True)
def room(size):
    """Return zeros that start at a cache line."""
    room = np.zeros(size + LANES)
    skip = -(room.ctypes.data // 8) % LANES
    return room[skip : skip + size]


@njit(nogil=True, cache=True)
def panels_of(count):
    """Return how many panels so many targets make up, and how many of these are of PANEL lanes; the last have LANES."""
    whole = (count + LANES - 1) // PANEL
    return whole - (whole * PANEL - count) // LANES, whole


@njit(nogil=True, cache=True)
def panel_at(p, whole):
    """Return where a panel starts and how many lanes it has."""
    return (p * PANEL, PANEL) if p < whole else (whole * PANEL + (p - whole) * LANES, LANES)


@njit(nogil=True, cache=True)
def fill_panel(targets, first, count, lanes, directions, own, at):
    """Pack the directions of a panel of targets by the coordinate; the last of them fill it up."""
    for c in range(len(directions)):
        for t in range(lanes):
            own[at + c * lanes + t] = directions[c, targets[first + min(t, count - 1)]]
