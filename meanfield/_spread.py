"""Atoms spread over boxes, cell by cell."""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def spread(points, weights, half, lower, widths, shape, masses):
    """Add to masses (cells in order, the last axis fastest) what each cell gets of boxes round the points."""
    n, d = points.shape
    first, last = np.zeros(3, np.intp), np.zeros(3, np.intp)
    for i in range(n):
        for k in range(d):
            first[k] = min(max(int(np.floor((points[i, k] - half - lower[k]) / widths[k])), 0), shape[k] - 1)
            last[k] = min(max(int(np.floor((points[i, k] + half - lower[k]) / widths[k])), 0), shape[k] - 1)
        for a in range(first[0], last[0] + 1):
            part = weights[i] * _share(points[i, 0], half, lower[0], widths[0], a)
            for b in range(first[1], last[1] + 1):
                strip = part if d < 2 else part * _share(points[i, 1], half, lower[1], widths[1], b)
                row = a if d < 2 else a * shape[1] + b
                for c in range(first[2], last[2] + 1):
                    cell = row if d < 3 else row * shape[2] + c
                    masses[cell] += strip if d < 3 else strip * _share(points[i, 2], half, lower[2], widths[2], c)


@njit(nogil=True, cache=True)
def _share(x, half, lower, width, cell):
    """Share of [x - half, x + half] in a cell."""
    low = max(x - half, lower + cell * width)
    high = min(x + half, lower + (cell + 1) * width)
    return max(high - low, 0.0) / (2.0 * half)
