"""Props. 6.2 and 6.3, Def. 6.4 and Remark 7.9: what is wrong in print about the motion.

- Solutions are called Lipschitz on R. The speed of (1.1) with V > 0 grows like e^t; that of (3.1) like e^{-t min Re
  lambda} if V has an eigenvalue with negative real part, and backwards in depth always: with V = I, z = e^{-t} x and
  x -> 0 only like a power of |t| as t -> -inf. Locally in t all are Lipschitz.
- Def. 6.4 integrates <grad g, X[mu_t]> dmu_s over s; it must be X[mu_s].
- Remark 7.9: from (1, +-e) with V = Q = K = I, d = 2 the tokens are x = (e^t, +-b), b' = b tanh b^2. So they move
  apart, and the rescaled ones tend to (1, +-beta), not to (1, 0):

    log beta = log e - int_e^inf (coth u^2 - 1) / u du,    about -1 / (2 e^2).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import quad

from particles import Adaptive, Attention, Empirical, Raw, solve
from particles.checks import Array
from studies.statements.setups import SETUPS

_STEPPER = Adaptive(1e-10, 1e-12)


def speeds(name: str, rng: np.random.Generator) -> dict[str, Any]:
    """Return the largest speed over depth, and the slope of its logarithm over the second half."""
    forward = name != "rescaled, V = I, backwards"
    setup = SETUPS[6] if "Fig. 6" in name else SETUPS[5]
    V, tokens = setup.V, setup.tokens(rng)
    # backwards in depth (1.1) is (1.1) with -V
    law = Raw(setup.attention if forward else Attention(Q=setup.attention.Q, K=setup.attention.K, V=-V))
    span = 8.0 if "Fig. 6" not in name else 10.0
    path = solve(law, tokens, np.linspace(0, span, 41), stepper=_STEPPER)
    fastest = []
    for t, x in zip(path.times, path.points, strict=True):
        raw = setup.attention.field(Empirical(x), x)
        moving = raw if name.startswith("raw") else _back(V, t if forward else -t, raw - x @ V.T)
        fastest.append(float(np.linalg.norm(moving, axis=1).max()))
    half = len(fastest) // 2
    slope = float(np.polyfit(path.times[half:], np.log(np.maximum(fastest[half:], 1e-300)), 1)[0])
    return {"name": name, "times": path.times.tolist(), "speed": fastest, "slope": slope}


def _back(V: Array, t: float, x: Array) -> Array:
    """Return e^{-tV} x for each row."""
    values, vectors = np.linalg.eig(V)
    frame = (vectors * np.exp(-t * values)) @ np.linalg.inv(vectors)
    return np.asarray(x @ frame.real.T)


def weak_form(rng: np.random.Generator) -> dict[str, float]:
    """Return how far the weak form is from holding with X[mu_s] and, as printed, X[mu_t]; g(x) = sin x, d = 1."""
    one = Attention(Q=[[1.0]], K=[[1.0]], V=[[1.0]])
    tokens = rng.uniform(-1, 1, (20, 1))
    nodes, weights = np.polynomial.legendre.leggauss(24)
    times = np.concatenate([[0.0], (nodes + 1) / 2, [1.0]])
    path = solve(Raw(one), tokens, times, stepper=_STEPPER)
    gained = float((np.sin(path.points[-1]) - np.sin(path.points[0])).mean())
    last = path[len(times) - 1]
    sums = {"now": 0.0, "printed": 0.0}
    for weight, x in zip(weights / 2, path.points[1:-1], strict=True):
        for key, mu in (("now", Empirical(x)), ("printed", last)):
            sums[key] += float(weight * (np.cos(x) * one.field(mu, x)).mean())
    return {key: abs(value - gained) for key, value in sums.items()}


def two_tokens(height: float) -> dict[str, float]:
    """Return how the distance of (1, +-height) grows, how well (a, +-b) obeys the reduced law, and log beta."""
    eye = np.eye(2)
    head = Attention(Q=eye, K=eye, V=eye)
    path = solve(Raw(head), [[1.0, height], [1.0, -height]], np.linspace(0.0, 3.0, 13), stepper=_STEPPER)
    apart = path.points[:, 0, 1] - path.points[:, 1, 1]
    reduced = [
        np.abs(head.field(Empirical(x), x) - np.stack([x[:, 0], x[:, 1] * np.tanh(x[:, 1] ** 2)], axis=1)).max()
        / np.abs(x).max()
        for x in path.points
    ]
    return {
        "height": height,
        "apart": float(apart[-1] / apart[0]),
        "least_step": float((np.diff(apart) / apart[1:]).min()),
        "residual": float(max(reduced)),
        "log_beta": log_beta(height),
    }


def log_beta(height: float) -> float:
    """Return log beta, the limit of log(b e^{-t}); beta itself is 1e-22 for e = 0.1.

    With c = b^2, and what is singular at c = 0 integrated by hand,

        log beta = log e - int_{e^2}^inf f dc,    f(c) = 1 / (c (e^{2c} - 1)),
                 = (1 - 1/e^2) / 2 - int_{e^2}^1 (f - 1 / (2c^2) + 1 / (2c)) dc - int_1^inf f dc.
    """

    def regular(c: float) -> float:
        if c < 1e-2:
            return 1 / 6 - c * c / 90
        return float(1 / (c * np.expm1(2 * c)) - 1 / (2 * c * c) + 1 / (2 * c))

    tail = quad(lambda c: 1 / (c * np.expm1(2 * c)), 1.0, 40.0)[0]
    return float(0.5 * (1 - height**-2) - quad(regular, height**2, 1.0)[0] - tail)
