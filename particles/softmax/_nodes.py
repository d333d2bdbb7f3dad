"""From sums at the nodes of a lattice's axes to the means at its points: axis after axis, quotients at the end.

The sums are kept in panels of TILE columns, (d + 1, panels, N_1, N_0, TILE), N_1 = 1 in two dimensions: first the sums
themselves, then those weighted with the coordinates, the last one first.
"""

import math

import numpy as np
from numba import njit

from particles.softmax._product import ROWS, TILE, product
from particles.softmax._quotients import line_of_means
from particles.softmax._simd import LANES

__all__ = ["LANES", "ROWS", "TILE", "WIDTH", "interpolate"]

WIDTH = 4 * TILE  # columns at a time: what all channels have of ROWS lines stays in the first cache
_ZERO, _TILE, _WIDTH = np.int64(0), np.int64(TILE), np.int64(WIDTH)  # for a literal numba compiles a callee anew


@njit(nogil=True, cache=True)
def _lines(sums, rows, depth, width, columns, offsets, last, tile, spare, totals, means, first_line, least):
    """Interpolate `rows` lines along the last axis and divide; sums has rows of `width` for each channel."""
    used, d = len(last) - LANES, len(offsets) + 1
    channel, height = ROWS * WIDTH, len(sums) // (d + 1)
    for i in range(0, rows, ROWS):
        count = min(ROWS, rows - i)
        for q in range(0, used, WIDTH):
            some = min(WIDTH, used - q)
            for c in range(d + 1):
                left = c * height + i * width
                product(sums, left, width, columns, q * depth, tile, c * channel, _WIDTH, _TILE, count, depth, some)
            for r in range(count):
                to = (first_line + i + r) * used + q
                least = line_of_means(tile, r * WIDTH, channel, some, offsets, last, q, means, to * d, spare, least)
                if len(totals) > 0:
                    for t in range(some):
                        totals[to + t] = tile[r * WIDTH + t]
    return least


@njit(nogil=True, cache=True)
def interpolate(first, last, sums, front, middle, columns, offsets, ends, near, lines, tile, spare, totals, means):
    """Fill the means, and totals unless empty, for pieces first..last of ROWS of the first axis; return the least sum.

    `front` (M_0, N_0) and `middle` (M_1, N_1) interpolate from nodes to points, `columns` (N_2, M_2) in panels; `ends`
    is the last offset over and over. Near and lines are scratch: (d + 1, panels, ROWS, N_1, TILE) and
    (d + 1, M_1, panels TILE), M_1 = ROWS in two dimensions.
    """
    channels, panels, between, nodes, _ = sums.shape
    S, E, M, C = sums.reshape(-1), front.reshape(-1), middle.reshape(-1), columns.reshape(-1)
    depth, width, line = columns.shape[1], panels * TILE, between * TILE
    flat = channels == 3
    least = math.inf
    for piece in range(first, last):
        start = piece * ROWS
        rows = min(ROWS, len(front) - start)
        for c in range(channels):
            for panel in range(panels):
                at = (c * panels + panel) * line * nodes
                out, to = (
                    (lines, c * ROWS * width + panel * TILE) if flat else (near, (c * panels + panel) * ROWS * line)
                )
                product(E, start * nodes, nodes, S, at, out, to, width if flat else line, _TILE, rows, nodes, line)
        for i in range(1 if flat else rows):
            if not flat:
                for c in range(channels):
                    for panel in range(panels):
                        at, to = ((c * panels + panel) * ROWS + i) * line, c * len(middle) * width + panel * TILE
                        product(M, _ZERO, between, near, at, lines, to, width, _ZERO, len(middle), between, _TILE)
            height, to = (rows, start) if flat else (len(middle), (start + i) * len(middle))
            least = _lines(lines, height, depth, width, C, offsets, ends, tile, spare, totals, means, to, least)
    return least
