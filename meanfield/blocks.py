"""A cloud of atoms cut into blocks: the one of largest inertia first, across the axis along which it spreads most."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np

from particles.checks import Array


@dataclass(frozen=True, eq=False)
class Blocks:
    """Atoms sorted into blocks.

    Attributes
    ----------
    labels : (n,) array of int
        Each atom's block.
    masses : (count,) array
        Mass of each block.
    centroids : (count, d) array
        Mean of each block.
    spread : float
        sum_i m_i |x_i - c_i|^2, c_i being the centroid of the atom's block.
    """

    labels: Any
    masses: Array
    centroids: Array
    spread: float


def blocks(points: Array, masses: Array, count: int) -> Blocks:
    """Return at most `count` blocks of positive mass.

    The block of largest inertia along an axis is cut, at its mean, until there are `count` of them or all atoms of a
    block coincide.
    """
    labels = np.zeros(len(points), dtype=int)
    heap = [_block(np.arange(len(points)), points, masses, 0)]
    for label in range(1, count):
        inertia, old, members, axis, mean = heapq.heappop(heap)
        if inertia == 0.0:
            break
        far = points[members, axis] - points[members[0], axis] > mean
        labels[members[far]] = label
        heapq.heappush(heap, _block(members[~far], points, masses, old))
        heapq.heappush(heap, _block(members[far], points, masses, label))
    totals: Array = np.bincount(labels, masses).astype(float)
    centroids = sums(labels, masses[:, None] * points) / totals[:, None]
    spread = float(masses @ ((points - centroids[labels]) ** 2).sum(axis=1))
    return Blocks(labels, totals, centroids, spread)


def sums(labels: Any, values: Array) -> Array:
    """Sum the rows of values (n, d) by block."""
    return np.stack([np.bincount(labels, column) for column in values.T], axis=1)


def _block(members: Any, points: Array, masses: Array, label: int) -> tuple[float, int, Any, int, float]:
    """(- inertia along its widest axis, label, members, that axis, mean along it from the first member)."""
    own, weights = points[members] - points[members[0]], masses[members]
    mean = weights @ own / weights.sum()
    inertia = weights @ (own - mean) ** 2
    axis = int(np.argmax(inertia))
    return -float(inertia[axis]), label, members, axis, float(mean[axis])
