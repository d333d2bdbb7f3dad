"""The constant of (6.6) a priori: from the matrices and the radius of the supports alone.

On the ball of radius R_t that holds both supports, with M_t = |Q||K| R_t^2 ((6.3), (6.5)):

    C(t) = sum_heads |V| (|B| R_t^2 + e^{2 M_t} (1 + 2 M_t)) + |linear term of the law|
    R_t  = |F(t)^{-1}| R e^{t sum |V|}

all in the law's own frame F: for the raw law F = I and the linear term is 0, for the rescaled one it is -U.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from meanfield.gaussian import Gaussian
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.measure import Empirical, Measure


def a_priori_exponent(law: Dynamics, radius: float, times: Array) -> Array:
    """int_0^t C(s) ds for supports that lie in the ball of the given radius at depth 0; inf where it overflows."""
    from scipy.integrate import quad_vec  # takes a quarter of a second to import

    constant = a_priori_rate(law, radius)
    total, exponents = 0.0, [0.0]
    with np.errstate(over="ignore", invalid="ignore"):
        for start, end in pairwise(times):
            finite = np.isfinite(total) and np.isfinite(constant(end))
            piece = quad_vec(constant, start, end, epsrel=1e-8)[0] if finite else np.inf
            total += piece if np.isfinite(piece) else np.inf
            exponents.append(total)
    return np.array(exponents)


def a_priori_rate(law: Dynamics, radius: float) -> Callable[[float], float]:
    """Return C as a function of depth."""
    growth = sum(norm(V) for _, V in law.attention_at(0.0).heads)
    origin = np.zeros((1, law.dim))

    def constant(t: float) -> float:
        with np.errstate(over="ignore"):
            square = (norm(np.linalg.inv(law.frame(t))) * radius * np.exp(growth * t)) ** 2
            linear = norm(law.jacobian(t, origin, Empirical(origin))[0])  # one atom: the tilted covariance is 0
            seen = law.attention_at(t)
            queries, keys = (m.reshape(-1, *m.shape[-2:]) for m in (seen.Q, seen.K))
            total = linear
            for (B, V), Q, K in zip(seen.heads, queries, keys, strict=True):
                M = _times(norm(Q) * norm(K), square)
                total += _times(norm(V), _times(norm(B), square) + np.exp(2 * M) * (1 + 2 * M))
        return float(total)

    return constant


def _times(a: float, b: float) -> float:
    """The product, 0 where a is, even if b is inf."""
    return a * b if a > 0 else 0.0


def norm(matrix: Any) -> float:
    """The operator norm."""
    return float(np.linalg.norm(matrix, ord=2))


def radius_of(*measures: Measure) -> float:
    """Radius of a ball round 0 that holds the supports of all; inf for Gaussians."""
    return max(map(_reach, measures))


def _reach(mu: Any) -> float:
    if isinstance(mu, Gaussian):
        return np.inf
    if isinstance(mu, Empirical):
        return float(np.linalg.norm(mu.points, axis=1).max())
    return float(np.linalg.norm(np.maximum(np.abs(mu.lower), np.abs(mu.upper))))
