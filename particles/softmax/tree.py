"""Atoms in the order of a balanced tree, with a box and a weight for every node.

The leaves are runs of 32 atoms that lie close together, and every further level joins eight nodes into one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from particles.checks import Array
from particles.softmax.kernels import opened


def arranged(points: Array, leaf: int) -> NDArray[np.int64]:
    """Return the order (n,) that puts near-by points into the same run of `leaf`."""
    if points.shape[1] == 1:
        return np.argsort(points[:, 0], kind="stable")
    order = np.arange(len(points))
    opened("_tree").arrange(points.copy(), order, leaf)
    return order


@dataclass(frozen=True, eq=False)
class Tree:
    """The nodes over atoms that stand in tree order.

    Attributes
    ----------
    starts : (levels + 1,) int array
        Where each level begins among the nodes; leaves first, at most eight nodes in the last.
    lows, highs : (k, nodes) arrays
        The boxes.
    masses : (nodes,) array
        Base-2 logarithms of the weights.
    sizes : (nodes,) array
        Numbers of atoms.
    """

    starts: NDArray[np.int64]
    lows: Array
    highs: Array
    masses: Array
    sizes: Array

    @staticmethod
    def over(columns: Array, logs: Array) -> Tree:
        """Build the tree over ordered atoms: columns (k, n) and base-2 logarithms of the weights (n,)."""
        compiled = opened("_tree")
        n = len(logs)
        runs, counts = [compiled.LEAF], [-(-n // compiled.LEAF)]
        while counts[-1] > compiled.FAN:
            runs.append(runs[-1] * compiled.FAN)
            counts.append(-(-n // runs[-1]))
        starts = np.concatenate([[0], np.cumsum(counts)])
        lows, highs = np.empty((len(columns), starts[-1])), np.empty((len(columns), starts[-1]))
        compiled.boxes(columns, starts, compiled.LEAF, lows, highs)
        masses, sizes = np.empty(starts[-1]), np.empty(starts[-1])
        compiled.masses(logs, starts, masses)
        for run, (first, last) in zip(runs, pairwise(starts), strict=True):
            sizes[first:last] = np.diff(np.minimum(np.arange(last - first + 1) * run, n))
        return Tree(starts, lows, highs, masses, sizes)
