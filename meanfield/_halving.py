"""The compiled room of `meanfield.halving`: atoms sorted by halving their mass, axis after axis."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

DEEPEST = 60  # halvings of the unit mass


@njit(nogil=True, cache=True)
def halve(points: Array, weights: Array, axes: Indices, order: Indices) -> None:
    """Sort `order` (n,), a permutation: at each depth a part is cut where half of its share of the mass lies below.

    Shares are [0, 1], [0, 1/2], [1/2, 1], ..., whatever the atoms: two clouds cut so have parts that belong together.
    An atom belongs to the half in which the middle of its mass lies. The axis of a cut is axes[depth mod its length].
    """
    n = len(order)
    firsts, lasts = np.empty(2 * DEEPEST + 2, np.intp), np.empty(2 * DEEPEST + 2, np.intp)
    depths = np.empty(2 * DEEPEST + 2, np.intp)
    starts, lows = np.empty(2 * DEEPEST + 2), np.empty(2 * DEEPEST + 2)
    firsts[0], lasts[0], depths[0], starts[0], lows[0] = 0, n, 0, 0.0, 0.0
    waiting = 1
    while waiting > 0:
        waiting -= 1
        first, last, depth = firsts[waiting], lasts[waiting], depths[waiting]
        start, low = starts[waiting], lows[waiting]
        if last - first < 2 or depth >= DEEPEST:
            continue
        axis = axes[depth % len(axes)]
        part = order[first:last].copy()
        keys = np.empty(len(part))
        for t in range(len(part)):
            keys[t] = points[part[t], axis]
        ranks = np.argsort(keys, kind="mergesort")
        middle = low + 0.5 ** (depth + 1)
        passed, cut, mass_below = start, first, start
        for t in range(len(part)):
            atom = part[ranks[t]]
            order[first + t] = atom
            if passed + 0.5 * weights[atom] < middle:
                cut = first + t + 1
                mass_below = passed + weights[atom]
            passed += weights[atom]
        firsts[waiting], lasts[waiting], depths[waiting] = first, cut, depth + 1
        starts[waiting], lows[waiting] = start, low
        waiting += 1
        firsts[waiting], lasts[waiting], depths[waiting] = cut, last, depth + 1
        starts[waiting], lows[waiting] = mass_below, middle
        waiting += 1
