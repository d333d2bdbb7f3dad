"""Atoms laid out for the kernels: centred on their box, one row a coordinate, padded.

Padding repeats the first atom, with weight zero: its exponents are as harmless as those of an atom that counts.
"""

import math

from numba import njit


@njit(nogil=True, cache=True)
def weigh(log_weights, weights):
    """Fill weights = e^(log_weights - top); return top, the least finite log weight, and how many are finite."""
    top, least, carrying = -math.inf, math.inf, 0
    for x in log_weights:
        if x > top:
            top = x
        if x > -math.inf:
            carrying += 1
            if x < least:
                least = x
    for j in range(log_weights.size):
        weights[j] = math.exp(log_weights[j] - top)
    return top, least, carrying


@njit(nogil=True, cache=True)
def _box(points, centre, halves):
    """Fill the centre and the half widths of the points' box; NaN where a coordinate is."""
    n, d = points.shape
    for k in range(d):
        low = high = points[0, k]
        for j in range(1, n):
            x = points[j, k]
            low = x if x < low or x != x else low
            high = x if x > high or x != x else high
        centre[k] = 0.5 * low + 0.5 * high
        halves[k] = 0.5 * high - 0.5 * low


@njit(nogil=True, cache=True)
def lay_out(keys, values, weights, centres, halves, key_rows, columns, value_rows):
    """Fill the rows of keys, of weights and weighted values, and of values; the first two rows of centres are theirs.

    key_rows[k, j] = keys[j, k] - centre_k, columns[0, j] = w_j, columns[1 + c, j] = w_j value_rows[c, j].
    """
    n, d = keys.shape
    channels = values.shape[1]
    _box(keys, centres[0], halves[0])
    _box(values, centres[1], halves[1])
    for k in range(d):
        row = key_rows[k]
        for j in range(n):
            row[j] = keys[j, k] - centres[0, k]
        for j in range(n, row.size):
            row[j] = row[0]
    for j in range(n):
        columns[0, j] = weights[j]
    for c in range(len(columns)):
        for j in range(0 if c > channels else n, columns.shape[1]):
            columns[c, j] = 0.0
    for c in range(channels):
        row, weighted = value_rows[c], columns[1 + c]
        for j in range(n):
            row[j] = values[j, c] - centres[1, c]
            weighted[j] = weights[j] * row[j]
        for j in range(n, row.size):
            row[j] = row[0]


@njit(nogil=True, cache=True, error_model="numpy")
def finish(sums, shifts, log_weight, a, centres, log_sums, means):
    """Turn the sums (1 + c, m) into log sums (m,) and means (m, c) of the atoms before they were centred."""
    d, channels = a.shape[1], means.shape[1]
    for i in range(shifts.size):
        lifted = 0.0
        for k in range(d):
            lifted += a[i, k] * centres[0, k]
        log_sums[i] = (math.log2(sums[0, i]) + shifts[i]) * math.log(2.0) + log_weight + lifted
        for c in range(channels):
            means[i, c] = sums[1 + c, i] / sums[0, i] + centres[1, c]
