"""Fig. 11: the script integrates x' = V x, in which no token attends to any other.

Then z = e^{-tV} x does not move at all. P(t) becomes Boolean all the same, as e^{2 lambda_1 t} grows: its rank falls
although nothing clusters. With y = e^{t(V - lambda_1)} x_0 the exponents are e^{2 lambda_1 t} <y_i, y_j>, and their
gaps are compared in logarithms, so that nothing overflows (lambda_1 t reaches 400).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from particles import Adaptive, Attention, Empirical, Raw, geometry, solve
from particles.checks import Array
from particles.frame import Exponential
from particles.settled import settle
from particles.spectrum import good_triple

TIMES = {10: (0.0, 0.2, 1.0, 10.0), 40: (0.0, 0.5, 5.0, 10.0), 80: (0.0, 0.5, 1.0, 10.0)}
_SAME = 1e-3  # of the spread: levels this close are one value


def compared(d: int, n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return ranks of P at the panels' depths, leaders, and levels phi_1^*(z_i), by x' = V x and by (1.1)."""
    V, tokens = rng.uniform(0, 1, (d, d)), rng.uniform(-5, 5, (n, d))
    attention = Attention(Q=np.eye(d), K=np.eye(d), V=V)
    triple = good_triple(attention)
    late = settle(attention, tokens, until=20 / triple.value)
    levels = {"linear": tokens @ triple.left, "true": late.limit @ triple.left}
    spread = float(np.ptp(levels["linear"]))
    final = linear_matrix(V, tokens, triple.value, TIMES[d][-1])
    shared = set(late.leading.tolist()) & set(np.unique(np.argmax(final, axis=1)).tolist())
    return {
        "d": d,
        "value": triple.value,
        "settled": late.depth,
        "undecided": int((~late.decided).sum()),
        "times": list(TIMES[d]),
        "rank_linear": [geometry.numerical_rank(linear_matrix(V, tokens, triple.value, t)) for t in TIMES[d]],
        "rank_true": [_true_rank(attention, tokens, late, t) for t in TIMES[d]],
        "values_linear": len(np.unique(geometry.clusters(levels["linear"][:, None], _SAME * spread))),
        "values_true": len(np.unique(geometry.clusters(levels["true"][:, None], _SAME * spread))),
        "leaders_linear": np.unique(np.argmax(final, axis=1)).tolist(),
        "leaders_true": late.leading.tolist(),
        "leaders_in_common": len(shared),
        "off": float(np.abs(levels["linear"] - levels["true"]).max() / spread),
        "levels_linear": levels["linear"],
        "levels_true": levels["true"],
    }


def linear_matrix(V: Array, tokens: Array, value: float, t: float) -> Array:
    """Return P of the tokens e^{tV} x_0, whatever the depth."""
    y = tokens @ Exponential(V - value * np.eye(len(V))).at(t).T
    products = y @ y.T
    below = products.max(axis=1, keepdims=True) - products
    with np.errstate(divide="ignore", over="ignore"):
        weights = np.exp(-np.exp(2 * value * t + np.log(below)))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _true_rank(attention: Attention, tokens: Array, late: Any, t: float) -> int | None:
    """Return the rank of P at depth t; None if tokens are undecided and the depth is beyond the settled one."""
    if t >= late.depth and t > 0:
        return None if not late.decided.all() else geometry.numerical_rank(late.matrix)
    if t == 0:
        return geometry.numerical_rank(attention.matrix(Empirical(tokens)))
    path = solve(Raw(attention), tokens, [0.0, t], stepper=Adaptive(1e-10, 1e-10))
    return geometry.numerical_rank(attention.matrix(path[-1]))
