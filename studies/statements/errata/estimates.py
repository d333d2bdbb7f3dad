"""Prop. 6.5 and Cor. 6.6: what is wrong in print about the field's dependence on the measure.

(6.5) bounds the difference of two fields by C_R W2 with the supremum over all of R^d. For mu = (1 - e) delta_0 + e
delta_1, nu = delta_0, Q = K = V = 1 the difference at x is e exp(x) / (1 - e + e exp(x)), which tends to 1, and W2 =
e^{1/2}.

The proof of Cor. 6.6 says that int exp(<Qx, Ky>) dmu(y) is at least 1. Its logarithm is Lambda_mu(B^T x) = <B^T x,
mean> + ..., so it is below 0 on one side of 0 unless B maps the mean to 0. It is at least -M, M = |Q||K| R^2, and
with that

    |DX| <= |V||B| R^2,    |X| <= |V| R,    |X[mu](x) - X[nu](x)| <= e^{2M} (1 + 2M) |V| W1(mu, nu)     on |x| <= R.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import meanfield
from meanfield.stability_bounds import norm
from particles import Attention, Empirical
from particles.checks import Array
from studies.stability import fields

_POINTS = 64
_ROUNDING = 1e-9


def counterexample(smallest: int) -> dict[str, Any]:
    """Return the fields' difference over W2 for e = 10^-1, ..., 10^-smallest, on all of R and on |x| <= 1."""
    found = fields.counterexample(smallest)
    shares, everywhere, inside = (found[key] for key in ("e", "over_W2", "in_ball_over_W2"))
    slope = float(np.polyfit(np.log(shares), np.log(everywhere), 1)[0])
    return {"shares": shares, "everywhere": everywhere, "in_ball": inside, "slope": slope}


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """Return the least denominator on the ball, and the ratios of both sides of the estimates, for random measures."""
    d = int(rng.integers(1, 4))
    R = float(np.exp(rng.uniform(np.log(0.3), np.log(1.5))))
    Q, K, V = rng.uniform(-1, 1, (3, d, d))
    attention = Attention(Q=Q, K=K, V=V)
    mu, nu = (Empirical(fields.in_ball(rng, 6, d, R), rng.dirichlet(np.ones(6))) for _ in range(2))
    x = np.concatenate(
        [fields.in_ball(rng, _POINTS, d, R), fields.on_sphere(rng, _POINTS, d, R), _worst(attention, mu, R)]
    )
    M = norm(Q) * norm(K) * R * R
    logs = mu.cgf(x @ attention.B)
    apart = np.linalg.norm(attention.field(mu, x) - attention.field(nu, x), axis=1).max()
    w1 = meanfield.wasserstein(mu, nu, p=1)
    slopes = max(norm(slope) for slope in attention.jacobian(mu, x))
    return {
        "denominator": float(np.exp(logs.min())),
        "over_bound": float(logs.min() / -M),
        "6.3": slopes / (norm(V) * norm(attention.B) * R * R),
        "6.4": float(np.linalg.norm(attention.field(mu, x), axis=1).max()) / (norm(V) * R),
        "6.5": float(apart / (np.exp(2 * M) * (1 + 2 * M) * norm(V) * w1)),
    }


def draws(rng: np.random.Generator, count: int) -> dict[str, Any]:
    """Return `draw` count times, each number as an array."""
    found = [draw(rng) for _ in range(count)]
    return {key: np.array([one[key] for one in found]) for key in found[0]}


def held(values: Array) -> list[bool]:
    """Return which ratios are at most 1, to rounding."""
    return [bool(value <= 1 + _ROUNDING) for value in values]


def _worst(attention: Attention, mu: Empirical, R: float) -> Array:
    """Return points against the mean's direction, where the denominator is below 1: x with B^T x along -mean."""
    direction = -(attention.B @ mu.mean)
    return np.outer(np.linspace(0.05, 1.0, 20), R * direction / np.linalg.norm(direction))
