"""Sums in the log domain, one pass over the atoms for each target, in blocks that stay in the first cache.

The running maximum `top` and the running sums are rescaled when a block brings a larger exponent, so nothing
overflows whatever the exponents. Everything is in base 2 and structure-of-arrays; every sum has a fixed order.
"""

import math

from numba import njit

from particles.softmax._exp import EXACT, REDUCE, exp2, maximum

BLOCK = 512


@njit(fastmath=EXACT, nogil=True, cache=True)
def _largest(exponents):
    """Return the maximum, NaN if any is NaN."""
    top = exponents[0]
    for j in range(exponents.size):
        top = maximum(top, exponents[j])
    return top


@njit(fastmath=EXACT, nogil=True, cache=True)
def _exponents(directions, row, keys, log_weights, start, exponents):
    """Write log2 w_j + <a, y_j> for the atoms of one block."""
    weights = log_weights[start : start + exponents.size]
    for j in range(exponents.size):
        exponents[j] = weights[j]
    for k in range(keys.shape[0]):
        a = directions[k, row]
        key = keys[k, start : start + exponents.size]
        for j in range(exponents.size):
            exponents[j] += a * key[j]


@njit(fastmath=REDUCE, nogil=True, cache=True)
def _powers(exponents, top):
    """Replace each exponent s by 2^(s - top); return their sum."""
    total = 0.0
    for j in range(exponents.size):
        e = exp2(exponents[j] - top)
        exponents[j] = e
        total += e
    return total


@njit(fastmath=REDUCE, nogil=True, cache=True)
def dot(left, right):
    total = 0.0
    for j in range(left.size):
        total += left[j] * right[j]
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def log_sums_and_means(first, last, directions, keys, log_weights, values, log_sums, means, scratch):
    """Fill log_sums[i] = log2 sum_j 2^s_ij and means[:, i] = sum_j 2^s_ij v_j / sum_j 2^s_ij for first <= i < last."""
    n = keys.shape[1]
    for i in range(first, last):
        top = -math.inf
        total = 0.0
        for c in range(values.shape[0]):
            means[c, i] = 0.0
        for start in range(0, n, BLOCK):
            exponents = scratch[: min(BLOCK, n - start)]
            _exponents(directions, i, keys, log_weights, start, exponents)
            peak = _largest(exponents)
            if peak == -math.inf:  # atoms that carry nothing
                continue
            if not peak <= top:  # also when peak is NaN
                shrink = exp2(top - peak)
                total *= shrink
                for c in range(values.shape[0]):
                    means[c, i] *= shrink
                top = peak
            total += _powers(exponents, top)
            for c in range(values.shape[0]):
                means[c, i] += dot(exponents, values[c, start : start + exponents.size])
        log_sums[i] = top + math.log2(total)
        for c in range(values.shape[0]):
            means[c, i] /= total


@njit(nogil=True, cache=True)
def batches(first, last, directions, keys, log_weights, values, log_sums, means, scratch):
    """Do `log_sums_and_means` for one set of keys under many sets of weights and values, first <= b < last.

    A set of weights that carries nothing gets log sums of -inf and means of 0.
    """
    m = directions.shape[1]
    for b in range(first, last):
        log_sums_and_means(0, m, directions, keys, log_weights[b], values[b], log_sums[b], means[b], scratch)
        for i in range(m):
            if log_sums[b, i] == -math.inf:
                for c in range(values.shape[1]):
                    means[b, c, i] = 0.0
