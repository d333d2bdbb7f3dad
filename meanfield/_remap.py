"""The compiled room of `meanfield.remap`: plain arrays in, nothing checked, one line of cells at a time.

A line's field is known at equally spaced nodes, in nodes per unit of depth, and its points are counted in nodes. Each
line is done whole by one thread, so bits do not depend on the number of threads.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

MOST_SUBSTEPS = 10_000  # more would be a field that takes points through thousands of cells, there and back
LARGEST_TURN = 0.25  # Lipschitz constant of the field times a substep: Runge-Kutta errs by 1e-5 of the motion
STEEPEST = 1.5  # of a cubic through four values, over their largest difference
GHOSTS = 2  # cells beyond either end of a line


@njit(nogil=True, cache=True)
def stencil(at: float, size: int) -> tuple[int, float, float, float, float]:
    """Return the first of four nodes and their weights: the cubic through them.

    Beyond the ends a straight line, but no farther than the nodes themselves reach: then constant.
    """
    if at <= 0.0:
        s = max(at, 1.0 - size)
        return 0, 1.0 - s, s, 0.0, 0.0
    if at >= size - 1:
        s = min(at - (size - 1), size - 1.0)
        return size - 4, 0.0, 0.0, -s, 1.0 + s
    first = min(max(int(at) - 1, 0), size - 4)
    s = at - first
    a, b, c = s - 1.0, s - 2.0, s - 3.0
    return first, -a * b * c / 6.0, s * b * c / 2.0, -s * a * c / 2.0, s * a * b / 6.0


@njit(nogil=True, cache=True)
def value(line: Array, at: float) -> float:
    """Return the field between the nodes of a line."""
    first, a, b, c, d = stencil(at, len(line))
    return a * line[first] + b * line[first + 1] + c * line[first + 2] + d * line[first + 3]


@njit(nogil=True, cache=True)
def gather(nodes: Array, p: float, q: float, line: Array) -> None:
    """Fill the field along the line at (p, q), counted in nodes, from nodes (P, Q, m); P, Q may be 1."""
    P, Q, _ = nodes.shape
    i, wi = 0, (1.0, 0.0, 0.0, 0.0)
    j, wj = 0, (1.0, 0.0, 0.0, 0.0)
    if P > 1:
        i, a, b, c, d = stencil(p, P)
        wi = (a, b, c, d)
    if Q > 1:
        j, a, b, c, d = stencil(q, Q)
        wj = (a, b, c, d)
    line[:] = 0.0
    for u in range(4):
        for v in range(4):
            w = wi[u] * wj[v]
            if w != 0.0:
                row = nodes[i + u, j + v]
                for k in range(len(line)):
                    line[k] += w * row[k]


@njit(nogil=True, cache=True)
def substeps(line: Array, duration: float) -> int:
    """Return how many Runge-Kutta steps keep neighbours in order; 0 if too many."""
    steepest = 0.0
    for k in range(len(line) - 1):
        steepest = max(steepest, abs(line[k + 1] - line[k]))
    wanted = STEEPEST * steepest * abs(duration) / LARGEST_TURN
    return max(1, math.ceil(wanted)) if wanted <= MOST_SUBSTEPS else 0


@njit(nogil=True, cache=True)
def traced(line: Array, at: float, duration: float, steps: int) -> float:
    """Return where the characteristic through a point is after `duration`: classical Runge-Kutta steps."""
    h = duration / steps
    for _ in range(steps):
        a = value(line, at)
        b = value(line, at + 0.5 * h * a)
        c = value(line, at + 0.5 * h * b)
        d = value(line, at + h * c)
        at += h / 6.0 * (a + 2.0 * b + 2.0 * c + d)
    return at


@njit(nogil=True, cache=True)
def carry(first: int, last: int, nodes: Array, across: Array, at: Array, duration: float, out: Array) -> None:
    """Fill where points at[i] of the lines at across[i] (n, 2) arrive; NaN where the field is too steep."""
    line = np.empty(nodes.shape[2])
    for i in range(first, last):
        gather(nodes, across[i, 0], across[i, 1], line)
        steps = substeps(line, duration)
        out[i] = traced(line, at[i], duration, steps) if steps > 0 else math.nan


@njit(nogil=True, cache=True)
def integral(left: float, right: float, bend: float, share: float) -> float:
    """Return the integral over the first `share` of a cell of width 1 of the parabola with these end values."""
    return share * (left + share * (0.5 * (right - left + bend) - bend * share / 3.0))


@njit(nogil=True, cache=True)
def parabolas(heights: Array, padded: Array, left: Array, right: Array) -> None:
    """Fill the values at both ends of each cell of parabolas with the given means that are nowhere negative.

    The ends take the cubic-exact mean of their four neighbours, ghosts beyond the line's own ends being extrapolated.
    Where a parabola would be negative, it is drawn towards its mean until it touches 0.
    """
    n = len(heights)
    padded[GHOSTS : GHOSTS + n] = heights
    degree = min(n, 4)
    for g in range(GHOSTS):
        low, high = GHOSTS - 1 - g, GHOSTS + n + g
        if degree == 4:
            padded[low] = 4 * padded[low + 1] - 6 * padded[low + 2] + 4 * padded[low + 3] - padded[low + 4]
            padded[high] = 4 * padded[high - 1] - 6 * padded[high - 2] + 4 * padded[high - 3] - padded[high - 4]
        elif degree == 3:
            padded[low] = 3 * padded[low + 1] - 3 * padded[low + 2] + padded[low + 3]
            padded[high] = 3 * padded[high - 1] - 3 * padded[high - 2] + padded[high - 3]
        elif degree == 2:
            padded[low] = 2 * padded[low + 1] - padded[low + 2]
            padded[high] = 2 * padded[high - 1] - padded[high - 2]
        else:
            padded[low], padded[high] = padded[low + 1], padded[high - 1]
    before = 0.0
    for i in range(n + 1):
        k = i + GHOSTS
        end = max(0.0, (7.0 * (padded[k - 1] + padded[k]) - padded[k - 2] - padded[k + 1]) / 12.0)
        if i > 0:
            left[i - 1], right[i - 1] = drawn_in(heights[i - 1], before, end)
        before = end


@njit(nogil=True, cache=True)
def drawn_in(mean: float, left: float, right: float) -> tuple[float, float]:
    """Return the end values, drawn towards the mean as far as the parabola needs to be nowhere negative."""
    bend = 6.0 * mean - 3.0 * (left + right)  # the parabola is left + s (right - left + bend (1 - s))
    least = min(left, right)
    if bend < 0.0 and abs(right - left) < -bend:
        least = left + (right - left + bend) ** 2 / (4.0 * bend)
    if least >= 0.0:
        return left, right
    share = mean / (mean - least)
    return mean + share * (left - mean), mean + share * (right - mean)


@njit(nogil=True, cache=True)
def remap(
    first: int,
    last: int,
    nodes: Array,
    across: Array,
    masses: Array,
    new: Array,
    duration: float,
    start: float,
    width: float,
    out: Array,
) -> None:
    """Fill the masses of a line's new cells, for lines first <= l < last.

    `new` holds the new walls, and the old ones are start + i width, all counted in nodes. What lies beyond the new
    walls goes into the cells at the ends. NaN where the field is too steep.
    """
    n = masses.shape[1]
    line = np.empty(nodes.shape[2])
    left, right, padded = np.empty(n), np.empty(n), np.empty(n + 2 * GHOSTS)
    for row in range(first, last):
        gather(nodes, across[row, 0], across[row, 1], line)
        steps = substeps(line, duration)
        if steps == 0:
            out[row] = math.nan
            continue
        old = masses[row]
        parabolas(old, padded, left, right)
        cell, done = 0, 0.0  # the old cell that is being shared out, and what of it has been
        for j in range(n - 1):
            back = (traced(line, new[j + 1], -duration, steps) - start) / width
            at = min(max(back, 0.0), float(n))
            gained = 0.0
            while cell < n and cell + 1 <= at:
                gained += old[cell] - done
                cell, done = cell + 1, 0.0
            if cell < n and at > cell:
                bend = 6.0 * old[cell] - 3.0 * (left[cell] + right[cell])
                upto = min(max(integral(left[cell], right[cell], bend, at - cell), done), old[cell])
                gained += upto - done
                done = upto
            out[row, j] = gained
        gained = 0.0
        for i in range(cell, n):
            gained += old[i] - done
            done = 0.0
        out[row, n - 1] = gained


@njit(nogil=True, cache=True)
def pull(first: int, last: int, nodes: Array, across: Array, masses: Array, at: Array, out: Array) -> None:
    """Fill the sums of a line's masses times the field at their places at[j], for lines first <= l < last."""
    line = np.empty(nodes.shape[2])
    for row in range(first, last):
        gather(nodes, across[row, 0], across[row, 1], line)
        total = 0.0
        for j in range(len(at)):
            total += masses[row, j] * value(line, at[j])
        out[row] = total
