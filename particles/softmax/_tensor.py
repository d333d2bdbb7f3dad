"""Sums over a tensor grid by products with the axes' matrices e^{a_i y_j}, and the quotients at the end.

The sums over the inner axes, for each atom of the first axis, are kept in panels of TILE columns, (panels, N_0, TILE).
First come the panels of the sums themselves, then those weighted with the coordinates summed over, the last axis first:
so many channels, of as many panels each. Every line of the middle axis begins a new panel.
"""

import math

import numpy as np
from numba import njit

from particles.softmax._exp import EXACT
from particles.softmax._product import ROWS, TILE, product
from particles.softmax._quotients import front, line_of_means
from particles.softmax._simd import LANES

__all__ = ["HEIGHT", "LANES", "ROWS", "TILE", "WIDTH", "add_odd_series", "channels", "lines", "planes", "quotients"]

BATCH = 192  # numbers whose series are summed together: a multiple of 2 and 3
HEIGHT = 8 * ROWS  # rows in a piece of work
WIDTH = 4 * TILE  # columns in it
_ZERO, _TILE, _WIDTH = np.int64(0), np.int64(TILE), np.int64(WIDTH)  # for a literal numba compiles a callee anew


@njit(nogil=True, cache=True)
def lines(first, last, weights, matrices, sums):
    """Sum the pieces first..last of HEIGHT rows of the weights (N_0, N_1) over their last axis."""
    rows, n = weights.shape
    start, stop = first * HEIGHT, min(last * HEIGHT, rows)
    A, B, C = weights.reshape(-1), matrices.reshape(-1), sums.reshape(-1)
    columns = len(matrices) * TILE
    product(A, start * n, n, B, _ZERO, C, start * TILE, _TILE, rows * TILE, stop - start, n, columns)


@njit(nogil=True, cache=True)
def planes(first, last, weights, powers, weighted, matrices, scratch, sums):
    """Sum the slabs first..last of the weights (N_0, N_1, N_2) over their last two axes."""
    slabs, rows, n = weights.shape
    targets, panels = len(powers), len(matrices) // 2
    A, B, C, D = weights.reshape(-1), matrices.reshape(-1), sums.reshape(-1), scratch.reshape(-1)
    E, F = powers.reshape(-1), weighted.reshape(-1)
    step = slabs * TILE  # from one panel to the next
    channel, line, columns = targets * panels * step, panels * step, panels * TILE
    for i in range(first, last):
        out = i * TILE
        product(A, i * rows * n, n, B, _ZERO, D, _ZERO, _TILE, rows * TILE, rows, n, 2 * columns)
        product(E, _ZERO, rows, D, _ZERO, C, out, line, step, targets, rows, columns)
        product(E, _ZERO, rows, D, rows * columns, C, out + channel, line, step, targets, rows, columns)
        product(F, _ZERO, rows, D, _ZERO, C, out + 2 * channel, line, step, targets, rows, columns)


@njit(nogil=True, cache=True)
def quotients(first, last, sums, powers, weighted, offsets, tile, spare, totals, means):
    """Sum over the first axis and divide; return the least sum.

    Totals (T_0, R, Q), or nothing (0, 0, 0); means (T_0, R, Q, d), with the axes' offsets added. Pieces first..last are
    HEIGHT rows of WIDTH columns, rows fastest.
    """
    targets, lines, used, d = means.shape
    n, panels, pieces_across = sums.shape[1], -(-used // TILE), -(-used // WIDTH)
    blocks = -(-targets // HEIGHT)
    E, F, C, D, M = powers.reshape(-1), weighted.reshape(-1), sums.reshape(-1), tile.reshape(-1), means.reshape(-1)
    channel = ROWS * WIDTH
    least = math.inf
    for piece in range(first, last):
        across, start = piece // blocks, (piece % blocks) * HEIGHT
        line, q = across // pieces_across, (across % pieces_across) * WIDTH
        panel = line * panels + q // TILE
        count = min(WIDTH, used - q)
        for i in range(start, min(start + HEIGHT, targets), ROWS):
            rows = min(ROWS, targets - i)
            for c in range(d):
                at = (c * lines * panels + panel) * n * TILE
                product(E, i * n, n, C, at, D, c * channel, _WIDTH, _TILE, rows, n, count)
            product(F, i * n, n, C, panel * n * TILE, D, d * channel, _WIDTH, _TILE, rows, n, count)
            for r in range(rows):
                at, out = r * WIDTH, (((i + r) * lines + line) * used + q) * d
                added = front(offsets, i + r, line)
                least = line_of_means(D, at, channel, count, added, offsets[-1], q, M, out, spare, least)
                if len(totals) > 0:
                    for t in range(count):
                        totals[i + r, line, q + t] = D[at + t]
    return least


@njit(nogil=True, cache=True)
def channels(first, last, sums, powers, weighted, out):
    """Sum over the first axis, for pieces first..last of HEIGHT rows; out (d + 1, T_0, R, at least Q).

    In the order of the channels, those weighted with the first coordinate last. Rows of `out` have room for packs.
    """
    n = sums.shape[1]
    count, targets, lines, room = out.shape
    panels = len(sums) // ((count - 1) * lines)
    E, F, C, D = powers.reshape(-1), weighted.reshape(-1), sums.reshape(-1), out.reshape(-1)
    for piece in range(first, last):
        i = piece * HEIGHT
        rows = min(HEIGHT, targets - i)
        for line in range(lines):
            for c in range(count):
                left, source = (F, 0) if c == count - 1 else (E, c)
                to = ((c * targets + i) * lines + line) * room
                at = (source * lines + line) * panels * n * TILE
                product(left, i * n, n, C, at, D, to, lines * room, _TILE, rows, n, room)


@njit(fastmath=EXACT, nogil=True, cache=True)
def add_odd_series(first, last, means, a, scale, coefficients):
    """Add scale_k s sum_n coefficients[n] s^{2n}, s = scale_k a_k, to the rows first..last of the means."""
    d = means.shape[1]
    A, M = a.reshape(-1), means.reshape(-1)
    s, t = np.empty(BATCH), np.empty(BATCH)
    factors = np.empty(BATCH)
    for i in range(BATCH):
        factors[i] = scale[i % d]
    for start in range(first * d, last * d, BATCH):
        count = min(BATCH, last * d - start)
        for i in range(count):
            s[i] = (A[start + i] * factors[i]) ** 2
            t[i] = coefficients[-1]
        for k in range(len(coefficients) - 2, -1, -1):
            for i in range(BATCH):
                t[i] = t[i] * s[i] + coefficients[k]
        for i in range(count):
            M[start + i] += factors[i] * factors[i] * A[start + i] * t[i]
