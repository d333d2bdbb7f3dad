"""Products of many points in the plane or in space with one matrix."""

from numba import njit

from particles.softmax._exp import EXACT


@njit(fastmath=EXACT, nogil=True, cache=True)
def turn_in_plane(first, last, points, matrix, out):
    """Fill out = points matrix, rows first..last."""
    a, b, c, d = matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1]
    for i in range(first, last):
        x, y = points[i, 0], points[i, 1]
        out[i, 0] = x * a + y * c
        out[i, 1] = x * b + y * d


@njit(fastmath=EXACT, nogil=True, cache=True)
def turn_in_space(first, last, points, matrix, out):
    """Fill out = points matrix, rows first..last."""
    m = matrix
    a, b, c, d, e, f, g, h, k = m[0, 0], m[0, 1], m[0, 2], m[1, 0], m[1, 1], m[1, 2], m[2, 0], m[2, 1], m[2, 2]
    for i in range(first, last):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        out[i, 0] = x * a + y * d + z * g
        out[i, 1] = x * b + y * e + z * h
        out[i, 2] = x * c + y * f + z * k
