"""Clouds in coordinates of order one, and powers of lengths and roots of their sums without overflow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from particles.checks import Array
from particles.measure import Empirical

_EPS = float(np.finfo(float).eps)
_ROUNDINGS = 4


def carriers(mu: Empirical) -> tuple[Any, Array]:
    """Return the indices of the atoms that have mass, and their shares of it."""
    rows = np.flatnonzero(mu.weights)
    return rows, mu.weights[rows] / mu.weights.sum()


def gap_on_root(length: float, slack: float, scale: float, p: float) -> float:
    """W - (W^p - slack scale^p)^{1/p} without cancellation or overflow; at most W."""
    if slack == 0.0 or length == 0.0:
        return 0.0
    powers = p * (math.log(scale) - math.log(length))
    rounding = _ROUNDINGS * _EPS * (1 + p + abs(powers))  # near a share of 1 the root makes much of little
    log_share = math.log(slack) + powers + rounding
    return length if log_share >= 0 else -length * math.expm1(math.log1p(-math.exp(log_share)) / p)


def mean_length(steps: Array, masses: Array, p: float) -> tuple[float, float]:
    """Return (sum_k masses_k |steps_k|^p)^{1/p} without overflow, and that sum over the longest step's own power."""
    size = float(np.abs(steps).max()) or 1.0
    lengths = np.linalg.norm(steps / size, axis=1)
    longest = float(lengths.max()) or 1.0
    with np.errstate(under="ignore"):
        share = float(masses @ (lengths / longest) ** p)
    return size * longest * share ** (1 / p), share


def scaled(x: Array, y: Array, a: Array, b: Array, p: float) -> tuple[Array, Array, float]:
    """Return both clouds in coordinates of order one, and the unit of length.

    They share an origin, so that costs keep their meaning; for p = 2 each is moved to its own mean, which changes the
    cost of every coupling by the same amount. The unit is a power of 2: division by it loses nothing, so that only the
    subtractions round, by no more than eps units of length along each axis.
    """
    both = np.concatenate([x, y])
    origin = 0.5 * both.min(axis=0) + 0.5 * both.max(axis=0)
    x, y = x - origin, y - origin
    if p == 2:
        x, y = x - a @ x, y - b @ y
    both = np.concatenate([x, y])
    size = math.hypot(*(both.max(axis=0) - both.min(axis=0)))
    scale = math.ldexp(1.0, min(math.frexp(size)[1], 1023)) if size > 0 else 1.0
    return x / scale, y / scale, scale
