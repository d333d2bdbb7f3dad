"""Distances that never fall (Lemma 7.2), and a threshold beyond which the last token leaves (Lemma 7.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import lambertw

from particles import Attention, Raw, solve
from particles.march import FINISHED
from particles.settled import settle
from studies.statements.theorem_2_1.random_draws import STEPPER, line


def distances(dim: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return the largest fall of a distance along a run, and of its derivative, with what rounding can do."""
    d, n = dim, 12
    attention = Attention(Q=np.eye(d), K=np.eye(d), V=np.eye(d))
    path = solve(Raw(attention), rng.uniform(-2, 2, (n, d)), np.linspace(0, 4, 81), stepper=STEPPER)
    apart = np.linalg.norm(path.points[:, :, None] - path.points[:, None], axis=3)
    sizes = np.abs(path.points).max(axis=(1, 2))
    steps = path.stats["steps"]
    derivatives, rounding = [], []
    for k in range(len(path)):
        x, v = path.points[k], attention.field(path[k], path.points[k])
        derivatives.append(float(((v[:, None] - v) * (x[:, None] - x)).sum(axis=2).min()))
        rounding.append(1e-11 * float(np.abs(v).max() * np.abs(x).max()))  # the field's own relative error is 1e-12
    return {
        "dim": d,
        "finished": path.status == FINISHED,
        "largest_fall": float(-np.diff(apart, axis=0).min()),
        # a step's error, as a root mean square over n d coordinates, is below atol + rtol |x|
        "fall_allowed": float(2 * np.sqrt(n * d) * steps * (STEPPER.atol + STEPPER.rtol * sizes[-1])),
        "least_derivative": min(derivatives),
        "derivative_holds": bool((np.array(derivatives) >= -np.array(rounding)).all()),
    }


def threshold(n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return c_1 of Lemma 7.3 for x_n(0) just above A, the others where they pull it back most, or at random."""
    A = float(np.sqrt(lambertw(n * n).real))
    top = 1.001 * A
    crowd = -1 / top + 1e-3 * np.sort(rng.uniform(-1, 1, n - 1))
    ends = []
    for others in (crowd, rng.uniform(-3, top - 1e-3, n - 1)):
        late = settle(line(), np.append(others, top)[:, None], until=10.0)
        ends.append(float(late.limit[-1, 0]) if late.decided[-1] and late.leaders[-1] == n - 1 else float("nan"))
    return {"n": n, "A": A, "c1": [end if np.isfinite(end) else None for end in ends]}
