"""Costs |x_i - y_j|^p from coordinate differences, and roots of their sums, without cancellation or overflow."""

from __future__ import annotations

import math

import numpy as np

from particles.checks import Array


def gap_on_root(length: float, slack: float, scale: float, p: float) -> float:
    """W - (W^p - slack scale^p)^{1/p} without cancellation or overflow; at most W."""
    if slack == 0.0 or length == 0.0:
        return 0.0
    log_share = math.log(slack) + p * (math.log(scale) - math.log(length))
    return length if log_share >= 0 else -length * math.expm1(math.log1p(-math.exp(log_share)) / p)


def lengths(steps: Array) -> tuple[Array, float]:
    """Return Euclidean lengths over s, and s, about the largest of them, so that no square overflows."""
    size = float(np.abs(steps).max())
    return np.linalg.norm(steps / (size or 1.0), axis=1), size


def scaled_costs(x: Array, y: Array, a: Array, b: Array, p: float) -> tuple[Array, float]:
    """|x_i - y_j|^p in units of scale^p, from differences; for p = 2 up to terms f_i + g_j."""
    from scipy.spatial.distance import cdist  # slow to import, and not needed on the line

    both = np.concatenate([x, y])
    origin = 0.5 * both.min(axis=0) + 0.5 * both.max(axis=0)
    x, y = x - origin, y - origin
    if p == 2:
        x, y = x - a @ x, y - b @ y
    both = np.concatenate([x, y])
    scale = math.hypot(*(both.max(axis=0) - both.min(axis=0))) or 1.0
    if p == 2:
        return cdist(x / scale, y / scale, "sqeuclidean"), scale
    cost = cdist(x / scale, y / scale)
    return (cost if p == 1 else cost**p), scale
