"""Lines through a region with a boundary of facets, and the cells that the facets run through.

Whether a line meets a facet is asked so that neighbours agree on their common points, as if the line were shifted by
infinitely little: the number of crossings is then always even, and a point cannot be taken for outside by rounding.
"""

import numpy as np
from numba import njit

PIECES = 2  # points on a facet for each cell it crosses, along each side


@njit(nogil=True, cache=True)
def _left(points, p, q, x, y):
    """Whether (x, y) lies to the left of the line from p to q, the same answer from both sides of an edge."""
    swapped = points[q, 0] < points[p, 0] or (points[q, 0] == points[p, 0] and points[q, 1] < points[p, 1])
    if swapped:
        p, q = q, p
    area = (points[q, 0] - points[p, 0]) * (y - points[p, 1]) - (points[q, 1] - points[p, 1]) * (x - points[p, 0])
    return (area >= 0.0) != swapped


@njit(nogil=True, cache=True)
def crossings_plane(points, facets, x, counts, found):
    """Count for each line x_0 = x[i] its crossings; with room in `found` for as many, write where along the last axis.

    counts (lines + 1,) holds in its first entries where each line's crossings begin when they are to be written.
    """
    write = found.size > 0
    for f in range(facets.shape[0]):
        p, q = facets[f, 0], facets[f, 1]
        if points[p, 0] > points[q, 0]:
            p, q = q, p
        i = np.searchsorted(x, points[p, 0])
        while i < x.size and x[i] < points[q, 0]:
            if write:
                share = (x[i] - points[p, 0]) / (points[q, 0] - points[p, 0])
                found[counts[i]] = points[p, 1] + share * (points[q, 1] - points[p, 1])
            counts[i] += 1
            i += 1


@njit(nogil=True, cache=True)
def crossings_space(points, facets, x, y, counts, found):
    """Do as `crossings_plane` for the lines through (x[i], y[j]), line i * y.size + j."""
    write = found.size > 0
    for f in range(facets.shape[0]):
        a, b, c = facets[f, 0], facets[f, 1], facets[f, 2]
        low, high = min(points[a, 0], points[b, 0], points[c, 0]), max(points[a, 0], points[b, 0], points[c, 0])
        front, back = min(points[a, 1], points[b, 1], points[c, 1]), max(points[a, 1], points[b, 1], points[c, 1])
        u, v = points[b] - points[a], points[c] - points[a]
        n0, n1, n2 = u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]
        first = np.searchsorted(y, front)
        i = np.searchsorted(x, low)
        while i < x.size and x[i] <= high:
            j = first
            while j < y.size and y[j] <= back:
                side = _left(points, a, b, x[i], y[j])
                if side == _left(points, b, c, x[i], y[j]) and side == _left(points, c, a, x[i], y[j]):
                    line = i * y.size + j
                    if write:
                        lean = n0 * (x[i] - points[a, 0]) + n1 * (y[j] - points[a, 1])
                        found[counts[line]] = points[a, 2] - (lean / n2 if n2 != 0.0 else 0.0)
                    counts[line] += 1
                j += 1
            i += 1


@njit(nogil=True, cache=True)
def fill(starts, found, z, inside):
    """Set inside[line, k] for the z[k] with an odd number of crossings before them; crossings of a line are sorted."""
    for line in range(starts.size - 1):
        here = np.sort(found[starts[line] : starts[line + 1]])
        at = 0
        for k in range(z.size):
            while at < here.size and here[at] <= z[k]:
                at += 1
            inside[line, k] = at % 2 == 1


@njit(nogil=True, cache=True)
def samples(points, facets, widths, found):
    """Count points of facets, PIECES for each cell along them; with room in `found` write them."""
    d = points.shape[1]
    write = found.size > 0
    count = 0
    for f in range(facets.shape[0]):
        longest = 0.0
        for a in range(d):
            for k in range(d):
                longest = max(longest, abs(points[facets[f, a], k] - points[facets[f, a - 1], k]) / widths[k])
        pieces = int(np.ceil(PIECES * longest))
        for i in range(1, pieces):
            for j in range(1 if d == 2 else pieces - i + 1):  # barycentric coordinates i, j and the rest, in pieces
                if write:
                    for k in range(d):
                        origin = points[facets[f, 0], k]
                        at = origin + i / pieces * (points[facets[f, 1], k] - origin)
                        if d > 2:
                            at += j / pieces * (points[facets[f, d - 1], k] - origin)
                        found[count, k] = at
                count += 1
    return count
