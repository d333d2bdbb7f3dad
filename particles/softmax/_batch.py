"""Many small systems in one call: each laid out, summed and finished by the streamed kernel, one after the other."""

import numpy as np
from numba import njit

from particles.softmax._dense import PADDING, weighted_sums
from particles.softmax._layout import finish, lay_out
from particles.softmax._simd import column


@njit(nogil=True, cache=True)
def log_sums_and_means(first, last, points, weights, log_weight, a, scale, width, log_sums, means):
    """Fill log_sums[r] and means[r] for the replicas first <= r < last of points (R, n, d) at a (R, m, d).

    `scale` is the base-2 logarithm of e, and `width` a tuple of 1 + d numbers.
    """
    _, n, d = points.shape
    m = a.shape[1]
    padded = -(-n // PADDING[0]) * PADDING[0]
    keys, columns = np.empty((d, padded)), np.empty((1 + d, padded))
    centres, halves = np.empty((2, d)), np.empty((2, d))
    directions, shifts, sums = np.empty((d, m)), np.empty(m), np.empty((1 + d, m))
    for r in range(first, last):
        lay_out(points[r], points[r], weights, centres, halves, keys, columns, keys)
        for k in range(d):
            for i in range(m):
                directions[k, i] = scale * a[r, i, k]
        half = column(halves.T, 0, width[1:])
        weighted_sums(0, m, directions, half, keys, columns, width, shifts, sums)
        finish(sums, shifts, log_weight, a[r], centres, log_sums[r], means[r])
