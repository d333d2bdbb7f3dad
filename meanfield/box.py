"""Functions that live on a box."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from particles.checks import Array


def on_box(function: Callable[[Array], Array], lower: Array, upper: Array, x: Array) -> Array:
    """Return function(x) inside the box, 0 outside and NaN where x is NaN; x (m, d), shape (m,)."""
    inside = ((x >= lower) & (x <= upper)).all(axis=1)
    values = np.where(np.isnan(x).any(axis=1), np.nan, 0.0)
    values[inside] = function(x[inside])
    return values


def corners(lower: Array, upper: Array) -> Array:
    """Return the 2^d corners of a box, shape (2^d, d)."""
    choice = np.indices((2,) * lower.size).reshape(lower.size, -1).T
    return np.where(choice, upper, lower)
