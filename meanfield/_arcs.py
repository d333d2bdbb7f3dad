"""The compiled room of the transport program: the cheapest arcs of each atom, and prices that come to rest."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

CHUNK = 128  # columns whose costs are computed before they are looked at
_SWEEPS = 1000


@njit(nogil=True, cache=True)
def _priced(
    x: Array, i: int, y: Array, start: int, stop: int, prices: Array, p: float, reach: float, out: Array
) -> None:
    """Fill min(|x_i - y_j|, reach)^p - price_j for start <= j < stop."""
    at, row = x[0, i], y[0][start:stop]
    m = len(row)
    for t in range(m):
        step = at - row[t]
        out[t] = step * step
    for c in range(1, len(y)):
        at, row = x[c, i], y[c][start:stop]
        for t in range(m):
            step = at - row[t]
            out[t] += step * step
    if reach < np.inf:
        for t in range(m):
            out[t] = min(out[t], reach * reach)
    if p == 1.0:
        for t in range(m):
            out[t] = np.sqrt(out[t])
    elif p != 2.0:
        for t in range(m):
            out[t] = out[t] ** (0.5 * p)
    row = prices[start:stop]
    for t in range(m):
        out[t] -= row[t]


@njit(nogil=True, cache=True)
def table(first: int, last: int, x: Array, y: Array, p: float, reach: float, costs: Array) -> None:
    """Fill rows first <= i < last of `costs` (n, m) with min(|x_i - y_j|, reach)^p."""
    m = y.shape[1]
    free = np.zeros(m)
    for i in range(first, last):
        _priced(x, i, y, 0, m, free, p, reach, costs[i])


@njit(nogil=True, cache=True)
def _below(values: Array, m: int, worst: float) -> int:
    count = 0
    for t in range(m):
        count += 1 if values[t] < worst else 0
    return count


@njit(nogil=True, cache=True)
def cheapest(
    first: int, last: int, x: Array, y: Array, prices: Array, p: float, reach: float, costs: Array, columns: Indices
) -> None:
    """Fill rows first <= i < last of `costs` (n, k), ascending, with the least `_priced` values; `columns`: their j.

    Points are x (d, n) and y (d, m), with at least k columns. Of equal costs the lower column comes first.
    """
    m = y.shape[1]
    k = costs.shape[1]
    reduced = np.empty(CHUNK)
    for i in range(first, last):
        best, where = costs[i], columns[i]
        for r in range(k):
            best[r] = np.inf
            where[r] = -1
        for start in range(0, m, CHUNK):
            width = min(CHUNK, m - start)
            _priced(x, i, y, start, start + width, prices, p, reach, reduced)
            if _below(reduced, width, best[k - 1]) == 0:
                continue
            for t in range(width):
                value = reduced[t]
                if value < best[k - 1]:
                    r = k - 1
                    while r > 0 and best[r - 1] > value:
                        best[r] = best[r - 1]
                        where[r] = where[r - 1]
                        r -= 1
                    best[r] = value
                    where[r] = start + t


@njit(nogil=True, cache=True)
def settle(
    i: Indices,
    j: Indices,
    costs: Array,
    rows: Indices,
    columns: Indices,
    paid: Array,
    u: Array,
    v: Array,
    least: float,
) -> bool:
    """Change prices until u_i + v_j <= c_ij on the arcs, with equality on the plan's: shortest paths (Bellman, Ford).

    Ends when no price moves by more than `least`, or after `_SWEEPS` sweeps; returns whether they came to rest.
    """
    for _ in range(_SWEEPS):
        moved = 0.0
        for e in range(len(costs)):
            over = u[i[e]] + v[j[e]] - costs[e]
            if over > 0.0:
                v[j[e]] = costs[e] - u[i[e]]
                moved = max(moved, over)
        for e in range(len(paid)):
            under = paid[e] - u[rows[e]] - v[columns[e]]
            if under > 0.0:
                u[rows[e]] = paid[e] - v[columns[e]]
                moved = max(moved, under)
        if moved <= least:
            return True
    return False


@njit(nogil=True, cache=True)
def settle_table(costs: Array, columns: Indices, u: Array, v: Array, least: float) -> bool:
    """Change prices as `settle` does, on all arcs of the table and for the plan that sends row i to columns[i]."""
    for _ in range(_SWEEPS):
        before = v.copy()
        for i in range(len(u)):
            row, at = costs[i], u[i]
            for j in range(len(v)):
                v[j] = min(v[j], row[j] - at)
        moved = (before - v).max()
        for i in range(len(u)):
            paid = costs[i, columns[i]] - v[columns[i]]
            moved = max(moved, paid - u[i])
            u[i] = max(u[i], paid)
        if moved <= least:
            return True
    return False
