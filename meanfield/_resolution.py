"""Compiled: how well the nodes of each panel resolve the tilted measures."""

import math

import numpy as np
from numba import njit, prange


@njit(parallel=True, cache=True, nogil=True, error_model="numpy")
def tilted_tails(
    first, last, positions, log_heights, shares, tails, orders, directions, logs, means, floor, errors, reach
):
    """Fill errors (P, d) and reach (P,) for panels first <= p < last: see `meanfield.resolution.tilted`."""
    size, dim = positions.shape[1], positions.shape[2]
    for p in prange(first, last):
        f = np.empty(size)
        tilt = np.empty(size)
        low, high = np.empty(dim), np.empty(dim)
        for c in range(dim):
            low[c], high[c] = positions[p, :, c].min(), positions[p, :, c].max()
        ceiling, passed_over = log_heights[p].max(), -np.inf
        for k in range(len(directions)):
            most, apart, amount = ceiling - logs[k], 0.0, 0.0
            for c in range(dim):
                a = directions[k, c]
                most += max(a * low[c], a * high[c])
                apart = max(apart, means[k, c] - low[c], high[c] - means[k, c])
            if most + math.log(apart + 1e-300) <= floor:
                passed_over = max(passed_over, most)
                continue
            for q in range(size):
                exponent = log_heights[p, q] - logs[k]
                for c in range(dim):
                    exponent += directions[k, c] * positions[p, q, c]
                tilt[q] = math.exp(exponent)
                amount += shares[q] * tilt[q]
            reach[p] = max(reach[p], amount)
            for c in range(dim):
                top = 0.0
                for q in range(size):
                    f[q] = tilt[q] * (positions[p, q, c] - means[k, c])
                    top = max(top, abs(f[q]))
                if top == 0.0:
                    continue
                stride = size
                for axis in range(dim):
                    n = orders[axis]
                    stride //= n
                    tail = 0.0
                    for line in range(size // n):
                        begin = (line // stride) * (stride * n) + line % stride
                        for row in range(2):
                            coefficient = 0.0
                            for i in range(n):
                                coefficient += tails[axis, row, i] * f[begin + i * stride]
                            tail = max(tail, abs(coefficient))
                    errors[p, axis] = max(errors[p, axis], tail * (tail / top))
        reach[p] = max(reach[p], min(1.0, math.exp(min(passed_over, 0.0))))
