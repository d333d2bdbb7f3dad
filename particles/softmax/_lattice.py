"""Looking at points that may fill a lattice: where a line of them turns, and how many are not where they should be."""

import math

from numba import njit

TOGETHER = 32  # points looked at together


@njit(nogil=True, cache=True)
def turn(points, step, angle):
    """Return the first of every step-th point that is off the line through the first two of them, else how many.

    0 if these two are one point; `angle` is how far off, seen from the first one.
    """
    m, d = points.shape
    count = -(-m // step)
    size = 0.0
    for k in range(d):
        size += (points[step, k] - points[0, k]) ** 2
    if not size > 0:
        return 0
    for i in range(2, count):
        along, length, off = 0.0, 0.0, 0.0
        for k in range(d):
            x = points[i * step, k] - points[0, k]
            along += x * (points[step, k] - points[0, k])
            length += x * x
        for k in range(d):
            x = points[i * step, k] - points[0, k] - (along / size) * (points[step, k] - points[0, k])
            off += x * x
        if not off <= angle * angle * length:
            return i
    return count


@njit(nogil=True, cache=True)
def _far(points, line, start, allowed):
    count = 0
    for i in range(points.size):
        count += not math.fabs(points[i] - (line[i] + start[i])) <= allowed
    return count


@njit(nogil=True, cache=True)
def strays(first, last, points, starts, line, d, start, allowed):
    """Return how many coordinates are farther than `allowed` from starts[i] + line[j], for the lines first..last.

    All arrays are flat: points (lines, n, d), starts (lines, d), line (n, d), and start, which is scratch for some d
    numbers. NaN is far from everything.
    """
    count = 0
    for i in range(first, last):
        for j in range(0, start.size, d):
            for k in range(d):
                start[j + k] = starts[i * d + k]
        for at in range(0, line.size, start.size):
            stop = min(line.size, at + start.size)
            count += _far(points[i * line.size + at : i * line.size + stop], line[at:stop], start, allowed)
    return count
