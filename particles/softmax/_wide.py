"""The streamed kernel for many coordinates: a tile of targets and a block of atoms at a time, as two matrix products.

The running sums of `_dense` would no longer fit the registers. Here the exponents of a tile are one product, their
powers another with the columns. Shifts are as in `_dense`. Keys and columns come in panels, as `_product` wants them.
"""

import math

import numpy as np
from numba import njit

from particles.softmax._dense import first_shifts, poor
from particles.softmax._online import dot
from particles.softmax._product import PACKS, TILE, product
from particles.softmax._simd import below, clamped, exp2, loaded, spread, stored

ROWS = 64  # targets of a tile
BLOCK = 8 * TILE  # atoms of a block
PADDING = BLOCK, TILE  # atoms and columns are padded to multiples of these
_PANEL = (0.0,) * PACKS


def panels(keys, columns):
    """Return keys (k, n) as (blocks, panels, k, TILE) and columns (c, n) as (blocks, panels, BLOCK, TILE)."""
    k, n = keys.shape
    blocks = n // BLOCK
    keys = keys.reshape(k, blocks, BLOCK // TILE, TILE).transpose(1, 2, 0, 3)
    columns = columns.reshape(-1, TILE, blocks, BLOCK).transpose(2, 0, 3, 1)
    return np.ascontiguousarray(keys), np.ascontiguousarray(columns)


@njit(nogil=True, cache=True)
def _tile_of(directions, first, last):
    """Return the directions of a tile, one row a target, flat."""
    k = directions.shape[0]
    tile = np.empty((last - first) * k)
    for i in range(last - first):
        for c in range(k):
            tile[i * k + c] = directions[c, first + i]
    return tile


@njit(nogil=True, cache=True)
def _exponents(tile, count, keys, block, scores):
    """Fill scores[i BLOCK + j] = <a_i, y_j> for the targets of a tile and the atoms of a block."""
    k = keys.shape[2]
    product(tile, 0, k, keys.reshape(keys.size), block * k * BLOCK, scores, 0, BLOCK, TILE, count, k, BLOCK)


@njit(nogil=True, cache=True)
def _powers(row, shift):
    """Replace each exponent s by 2^(s - shift)."""
    shifts = spread((shift,))
    for j in range(0, row.size, TILE):
        stored((row,), j, exp2(clamped(below(loaded(row, j, _PANEL), shifts))))


@njit(nogil=True, cache=True)
def _fill_sums(first, last, directions, shifts, keys, columns, sums):
    """Fill the sums of the rows first <= i < last, all of one tile."""
    count = last - first
    width = columns.shape[1] * TILE
    tile, scores = _tile_of(directions, first, last), np.empty(ROWS * BLOCK)
    found, found_all = np.empty(ROWS * width), np.zeros(ROWS * width)
    for block in range(keys.shape[0]):
        _exponents(tile, count, keys, block, scores)
        for i in range(count):
            _powers(scores[i * BLOCK : (i + 1) * BLOCK], shifts[first + i])
        flat = columns.reshape(columns.size)
        product(scores, 0, BLOCK, flat, block * width * BLOCK, found, 0, width, TILE, count, BLOCK, width)
        for at in range(count * width):
            found_all[at] += found[at]
    for i in range(count):
        for c in range(sums.shape[0]):
            sums[c, first + i] = found_all[i * width + c]


@njit(nogil=True, cache=True)
def _peak(directions, i, keys):
    """Return the largest exponent of one target; NaN if any is NaN."""
    top, scores, tile = -math.inf, np.empty(BLOCK), _tile_of(directions, i, i + 1)
    for block in range(keys.shape[0]):
        _exponents(tile, 1, keys, block, scores)
        for s in scores:
            if not s <= top:
                top = s
            if s != s:
                return s
    return top


@njit(nogil=True, cache=True)
def weighted_sums(first, last, directions, halves, keys, columns, width, shifts, sums):
    """Fill sums[c, i] = sum_j 2^(s_ij - shifts[i]) columns[c, j] and shifts[i], for first <= i < last."""
    first_shifts(first, last, directions, halves, shifts)
    for tile in range(first, last, ROWS):
        _fill_sums(tile, min(tile + ROWS, last), directions, shifts, keys, columns, sums)
    for i in range(first, last):
        if poor(sums[0, i], shifts[i]):
            shifts[i] = _peak(directions, i, keys)
            _fill_sums(i, i + 1, directions, shifts, keys, columns, sums)


@njit(nogil=True, cache=True)
def covariances(first, last, directions, halves, keys, columns, width, values, logs, means, covs):
    """Fill covs[i], (c, c), from the known means (1 + c, m) and logs[i] = log2 sum_j 2^s_ij w_j."""
    channels = values.shape[0]
    scores, carried, away = np.empty(BLOCK), np.empty(BLOCK), np.empty((channels, BLOCK))
    for i in range(first, last):
        tile = _tile_of(directions, i, i + 1)
        covs[i] = 0.0
        for block in range(keys.shape[0]):
            _exponents(tile, 1, keys, block, scores)
            _powers(scores, logs[i])
            start = block * BLOCK
            for p in range(channels):
                for j in range(BLOCK):
                    away[p, j] = values[p, start + j] - means[1 + p, i]
                    carried[j] = scores[j] * columns[block, 0, j, 0] * away[p, j]
                for q in range(p + 1):
                    covs[i, p, q] += dot(carried, away[q])
        for p in range(channels):
            for q in range(p):
                covs[i, q, p] = covs[i, p, q]
