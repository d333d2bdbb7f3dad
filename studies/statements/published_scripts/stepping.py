"""The published figures stepped three ways from the same tokens: forward Euler, Runge-Kutta, and an adaptive method.

All four stages of the scripts' "fourth-order Runge-Kutta" are evaluated at the same point, k1 = k2 = k3 = k4, so that

    x + dt (k1 + 2 k2 + 2 k3 + k4) / 6 = x + dt k1:

it is forward Euler with dt = 0.1. The reference is `Adaptive` until tokens have settled, and their closed form from
then on.

Steps in the frame of (3.1) are right as long as exponents are: where eps e^{2 lambda t} |x|^2 passes 1 (t = 16 in
Figs. 12 and 13, which go to 40) P of a fixed-step run is rounding, and its rank there is not given.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from particles import RK4, Adaptive, Empirical, Euler, Raw, Rescaled, geometry, solve
from particles.checks import Array
from particles.settled import SETTLED, Settled, settle
from particles.spectrum import growing
from studies.figures.depths import trusted_depth
from studies.statements.setups import SETUPS, Setup

DT = 0.1
_REFERENCE = Adaptive(1e-8, 1e-10)
WAYS = {"euler": Euler(DT), "rk4": RK4(DT)}


def compared(figure: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return differences over depth from the reference, ranks at the panels, and tokens that end elsewhere."""
    setup = SETUPS[figure]
    law, tokens = setup.law, setup.tokens(rng)
    times: Array = np.array([DT * k for k in range(round(setup.times[-1] / DT) + 1)])
    late = settle(law.attention, tokens)
    trusted = trusted_depth(law.attention, tokens)
    reference = _reference(law, tokens, times, late)
    widths = np.array([np.linalg.norm(np.ptp(points, axis=0)) for points in reference])
    L = growing(setup.V)[1]
    resting = late.limit[late.leading] @ L.T
    places = geometry.distinct(resting, 1e-6 * float(np.abs(resting).max()))
    panels = [round(t / DT) for t in setup.times]
    early = min(int(np.ceil(late.depth / DT)), len(times) - 1)
    known = times <= trusted

    def rank(m: int, points: Array, explicit: bool = False) -> int | None:
        if explicit and times[m] >= late.depth and late.status == SETTLED:
            return geometry.numerical_rank(late.matrix)
        return geometry.numerical_rank(_matrix(law, times[m], points)) if known[m] else None

    found: dict[str, Any] = {
        "figure": figure,
        "settled": late.depth,
        "trusted": trusted,
        "undecided": int((~late.decided).sum()),
        "ranks": {"reference": [rank(m, reference[m], True) for m in panels]},
        "times": times,
        "ways": {},
    }
    home = _home(setup, times[-1], reference[-1], L, places)
    whom = np.argmax(_matrix(law, times[early], reference[early]), axis=1)
    for name, stepper in WAYS.items():
        points = solve(law, tokens, times, stepper=stepper).points
        off = np.abs(points - reference).max(axis=(1, 2)) / widths
        other = np.argmax(_matrix(law, times[early], points[early]), axis=1) != whom
        found[f"off_{name}"] = off
        found["ranks"][name] = [rank(m, points[m]) for m in panels]
        found["ways"][name] = {
            "largest": float(off[known].max()),
            "last": float(off[-1]),
            "elsewhere": int((_home(setup, times[-1], points[-1], L, places) != home).sum()),
            "other_leader": int(other.sum()),
        }
    return found


def _reference(law: Raw | Rescaled, tokens: Array, times: Array, late: Settled) -> Array:
    """Return the tokens at all times, from the adaptive method and then from the closed form."""
    explicit = (times >= late.depth) & (late.status == SETTLED)
    path = solve(Raw(law.attention), tokens, times[~explicit], stepper=_REFERENCE)
    if isinstance(law, Raw):
        return np.stack([*path.points, *(late.raw(t) for t in times[explicit])])
    seen = [law.rescaled_points(t, x) for t, x in zip(path.times, path.points, strict=True)]
    return np.stack([*seen, *(late.rescaled(t) for t in times[explicit])])


def _matrix(law: Raw | Rescaled, t: float, points: Array) -> Array:
    """Return P(t) of the tokens, in whichever frame they are."""
    return law.attention_at(t).matrix(Empirical(points))


def _home(setup: Setup, t: float, points: Array, L: Array, places: Array) -> Array:
    """Return which limit is nearest to each token's growing part."""
    z = points @ L.T
    if not setup.rescaled:  # on the line
        z = np.exp(-t * setup.V[0, 0]) * z
    return np.asarray(np.argmin(np.linalg.norm(z[:, None] - places, axis=2), axis=1))
