"""Initial sequences of tokens: independent, quasi-random, by quantiles, on the sphere.

Independent draws from any measure are its own `sample(n, rng)`; those here are shapes of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from particles import checks
from particles.checks import Array


def on_box(n: int, lower: Any, upper: Any, rng: np.random.Generator) -> Array:
    """Return n independent uniform tokens on the box [lower, upper], shape (n, d).

    Raises
    ------
    ValueError
        If n is not positive or the box is empty.
    """
    low, high = _checked_box(n, lower, upper)
    return rng.uniform(low, high, (n, low.size))


def quasi_random(n: int, lower: Any, upper: Any, rng: np.random.Generator) -> Array:
    """Return n points of a scrambled Sobol sequence on the box [lower, upper], shape (n, d).

    Their distance to the uniform measure falls faster than that of independent tokens; powers of 2 are best.
    """
    from scipy.stats import qmc  # takes a second to import

    low, high = _checked_box(n, lower, upper)
    whole = int(np.ceil(np.log2(n))) if n > 1 else 0
    return low + (high - low) * qmc.Sobol(low.size, rng=rng).random_base2(whole)[:n]


def by_quantiles(n: int, quantile: Callable[[Array], Array]) -> Array:
    """Return the n tokens q((i + 1/2)/n) on the line, shape (n, 1), for a quantile function q of (n,) -> (n,).

    They minimise W1 to the law among n equal atoms.
    """
    problems = checks.Problems()
    checks.count("n", n, problems)
    problems.raise_if_any()
    return np.asarray(quantile((np.arange(n) + 0.5) / n), dtype=float).reshape(n, 1)


def on_sphere(n: int, dim: int, rng: np.random.Generator, radius: float = 1.0) -> Array:
    """Return n independent tokens, uniform on the sphere of the given radius in R^dim, shape (n, dim)."""
    problems = checks.Problems()
    checks.count("n", n, problems)
    checks.count("dim", dim, problems)
    checks.positive("radius", radius, problems)
    problems.raise_if_any()
    directions = rng.standard_normal((n, dim))
    return radius * directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _checked_box(n: int, lower: Any, upper: Any) -> tuple[Array, Array]:
    problems = checks.Problems()
    checks.count("n", n, problems)
    box = checks.box(lower, upper, problems)
    problems.raise_if_any()
    assert box is not None
    return box
