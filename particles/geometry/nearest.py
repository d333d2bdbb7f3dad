"""The point of conv{q_1, ..., q_n} nearest to the origin, by Wolfe's active set method, in any dimension.

A set of corners is kept whose affine hull has its nearest point p inside their simplex. While some q_j has
<p, q_j> < |p|² it enters, and corners whose coefficient would become negative leave. Each round lowers |p|, so it ends
after finitely many, and it says itself how wrong it is: with h = min_j <p, q_j>, the distance lies in [h/|p|, |p|].

Source: P. Wolfe, Finding the nearest point in a polytope, Math. Programming 11 (1976) 128-149.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from particles.checks import Array

_GAP = 8 * np.finfo(float).eps  # of max |q_j|: what rounding leaves of |p| - h/|p|
_ROUNDS = 50  # times n: never met; a bound on what rounding could do


def nearest(points: Array) -> tuple[Array, Array]:
    """Return the coefficients (n,), nonnegative with sum 1, of the nearest point to 0, and that point (d,)."""
    sizes = np.linalg.norm(points, axis=1)
    scale = float(sizes.max())
    corners: NDArray[np.intp] = np.array([int(np.argmin(sizes))])
    weights = np.ones(1)
    p = points[corners[0]].copy()
    for _ in range(_ROUNDS * len(points)):
        size = float(np.linalg.norm(p))
        products = points @ p
        j = int(np.argmin(products))
        if size * size - products[j] <= _GAP * scale * size or j in corners:
            break
        kept, found = _minor(points, np.append(corners, j), np.append(weights, 0.0))
        closer = found @ points[kept]
        if float(np.linalg.norm(closer)) >= size:
            break
        corners, weights, p = kept, found, closer
    coefficients = np.zeros(len(points))
    coefficients[corners] = weights
    return coefficients, p


def _minor(points: Array, corners: NDArray[np.intp], weights: Array) -> tuple[NDArray[np.intp], Array]:
    """Drop corners until the nearest point of their affine hull lies in their simplex."""
    while True:
        best = affine_weights(points[corners])
        low = best <= 0
        if not low.any():
            return corners, best
        # the furthest step from the old weights to the new ones that stays in the simplex
        falls = low & (weights > best)
        if not falls.any():  # a corner that has no weight, old or new
            keep = ~low
            corners, weights = corners[keep], weights[keep] / weights[keep].sum()
            continue
        ratio = np.full(len(best), np.inf)
        ratio[falls] = weights[falls] / (weights[falls] - best[falls])
        k = int(np.argmin(ratio))
        weights = weights + ratio[k] * (best - weights)
        keep = weights > 0
        keep[k] = False
        corners, weights = corners[keep], weights[keep]
        weights = weights / weights.sum()


def affine_weights(points: Array) -> Array:
    """Return coefficients (n,) with sum 1 of the projection of 0 onto the affine hull of points (n, d)."""
    base, others = points[0], points[1:]
    if not len(others):
        return np.ones(1)
    rest = np.linalg.lstsq((others - base).T, -base, rcond=None)[0]
    return np.concatenate(([1.0 - rest.sum()], rest))


def lengths(rows: Array) -> Array:
    """Return the Euclidean norms of the last axis, also where squares overflow or vanish."""
    size = np.abs(rows).max(axis=-1, initial=0.0, keepdims=True)
    size = np.where(size > 0, size, 1.0)
    norms: Array = size[..., 0] * np.linalg.norm(rows / size, axis=-1)
    return norms
