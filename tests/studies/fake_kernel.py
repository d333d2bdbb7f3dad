"""A kernel on several threads for the fake study."""

import numpy as np
from numba import njit, prange


@njit(parallel=True, cache=True)
def rows(matrix):
    sums = np.empty(matrix.shape[0])
    for i in prange(matrix.shape[0]):
        total = 0.0
        for j in range(matrix.shape[1]):
            total += np.exp(matrix[i, j])
        sums[i] = total
    return sums
