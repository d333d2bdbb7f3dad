"""Initial sequences of tokens: independent, quasi-random, by quantiles, by quadrature, on the sphere.

Independent draws from any measure are its own `sample(n, rng)`; those here are shapes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from particles import checks
from particles.checks import Array
from particles.measure import Empirical


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


def by_quantile_products(n: int, quantiles: Sequence[Callable[[Array], Array]]) -> Array:
    """Return n = m^d tokens in R^d, the products of m quantiles of each of d laws on the line; shape (n, d).

    They are equal atoms for the product of the laws, at a distance of order 1/m. The last coordinate runs fastest.

    Parameters
    ----------
    n : int
        A d-th power.
    quantiles : sequence of d callables
        Quantile functions, (m,) -> (m,).

    Raises
    ------
    ValueError
        If n is not a d-th power, or there is no quantile function.

    Examples
    --------
    >>> by_quantile_products(4, [lambda u: u, lambda u: 4 * u])
    array([[0.25, 1.  ],
           [0.25, 3.  ],
           [0.75, 1.  ],
           [0.75, 3.  ]])
    """
    problems = checks.Problems()
    count, dim = checks.count("n", n, problems), len(quantiles)
    if dim == 0:
        problems.add("`quantiles` must hold at least one quantile function; got none.")
    problems.raise_if_any()
    assert count is not None
    m = int(count ** (1 / dim) + 1e-9)  # the root of a power may fall short by rounding
    if m**dim != count:
        raise ValueError(f"`n` must be the power {dim} of an integer, {m**dim} or {(m + 1) ** dim}; got {n}.")
    return _products([by_quantiles(m, quantile)[:, 0] for quantile in quantiles])


def by_quadrature(n: int, lower: Any, upper: Any, pdf: Callable[[Array], Array] | None = None) -> Empirical:
    """Return n^d weighted tokens, Gauss-Legendre nodes on the box [lower, upper].

    Weights are those of the rule times the density, so that integrals against the law, and with them the field,
    converge faster than any power of n where the density is analytic.

    Parameters
    ----------
    n : int
        Nodes along each axis.
    lower, upper : (d,) array
        Opposite corners of the box.
    pdf : callable, optional
        A density (m, d) -> (m,), up to a factor; the uniform one if left out.

    Raises
    ------
    ValueError
        If n is not positive, the box is empty, or the density is negative, not finite or zero at all nodes.
    """
    low, high = _checked_box(n, lower, upper)
    nodes, rule = np.polynomial.legendre.leggauss(n)
    points = _products([a + 0.5 * (b - a) * (1 + nodes) for a, b in zip(low, high, strict=True)])
    weights = _products([rule] * low.size).prod(axis=1)
    if pdf is not None:
        heights = np.asarray(pdf(points), dtype=float)
        sound = heights.shape == weights.shape and np.isfinite(heights).all() and (heights >= 0).all()
        if not (sound and heights.any()):
            raise ValueError("`pdf` must return a finite density >= 0 for each of (m, d) points, not 0 at all of them.")
        weights = weights * heights
    return Empirical(points, weights / weights.sum())


def on_sphere(n: int, dim: int, rng: np.random.Generator, radius: float = 1.0) -> Array:
    """Return n independent tokens, uniform on the sphere of the given radius in R^dim, shape (n, dim)."""
    problems = checks.Problems()
    checks.count("n", n, problems)
    checks.count("dim", dim, problems)
    checks.positive("radius", radius, problems)
    problems.raise_if_any()
    directions = rng.standard_normal((n, dim))
    return radius * directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _products(axes: Sequence[Array]) -> Array:
    """Return all points with a coordinate from each axis, the last fastest; shape (prod of lengths, d)."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def _checked_box(n: int, lower: Any, upper: Any) -> tuple[Array, Array]:
    problems = checks.Problems()
    checks.count("n", n, problems)
    box = checks.box(lower, upper, problems)
    problems.raise_if_any()
    assert box is not None
    return box
