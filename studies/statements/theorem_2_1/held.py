"""Others on the line, and one more token that is made to stay bounded (Lemmas 7.6 to 7.8).

Whatever the others, some start keeps it: from far left it leaves to the left, from far right to the right, and from
some place in between to neither. Where the others end is not said by where they start: those of one side may all be
drawn to the other. So it is a proof that each leaves for ever (`particles.sides`) that tells whether the bounded token
is between others (Lemma 7.8) or beyond all (Lemma 7.7).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from particles import Empirical, Raw, solve
from particles.abreast import Abreast
from particles.checks import Array
from particles.leading import posed
from particles.modes import modes
from particles.sides import sides
from studies.statements.bounded_token import BoundedToken, bounded_token, root, shoot
from studies.statements.theorem_2_1.random_draws import STEPPER, line

HOLD = 7.0  # depth to which a bounded token is held; a start in doubles holds it to about 2.5
LOST = 8.0  # depth at which it is asked where the same token went, started in doubles

_TOLERANCE = 1e-12  # of the runs that tell
_STEPS = 4000  # of each at most; some 300 do
_BRACKET = 1e-9  # about the start found by going back from there, in which runs forwards look for it


def drawn(left: int, right: int, rng: np.random.Generator) -> Array:
    """Return so many others on either side, from 0.4 to 2 away from 0, in increasing order."""
    return np.concatenate([-np.sort(rng.uniform(0.4, 2.0, left))[::-1], np.sort(rng.uniform(0.4, 2.0, right))])


def numbers(others: Array) -> dict[str, Any]:
    """Hold a token among others (m,), increasing, and look for its start by runs forwards."""
    held = bounded_token(others, HOLD)
    side = ends(held)
    p, q = (int((side[:-1] == sign).sum()) for sign in (-1, 1))
    times = np.linspace(0.0, HOLD, 281)
    places, scaled = np.array([held.others(t) for t in times]), np.array([held.scaled(t) for t in times])
    middles = (times[1:] + times[:-1]) / 2
    grown = np.concatenate([[0.0], np.cumsum([held.rate(t) for t in middles]) * (times[1] - times[0])])
    whole = np.log(2.0) * np.array([53, 1000])
    reach = np.interp(whole, grown, times)
    gammas = [float(places[-1, 0]), float(places[-1, -1])]
    shot, limit = None, None
    if p and q:  # beyond all others the token leaves so slowly that runs forwards need many steps and tell nothing more
        shot = shoot(others, held, _BRACKET, float(reach[0]))
        theta = root(gammas[0], gammas[1], p, q)
        weights = np.exp(theta * np.append(np.where(side[:-1] < 0, *gammas), 0.0))
        limit = {
            "theta": theta,
            "row": (weights / weights.sum()).tolist(),
            "first": _first_term(places[-1], theta),
        }
    return {
        "left": int((others < 0).sum()),
        "right": int((others > 0).sum()),
        "ends": [p, q],
        "leave": p + q == len(others),
        "stays": bool(side[-1] == 0),
        "times": times,
        "scaled": scaled,
        "rows": np.array([held.row(t) for t in times]),
        "gammas": gammas,
        "limit": limit,
        "start": held.start,
        "change": held.change,
        "bracket": None if shot is None else [shot.below, shot.above],
        "left_at": None if shot is None else shot.left,
        "reach": reach.tolist(),
        "restart_error": _restarted(held, grown, times),
        "lost": _lost(others, held.start),
    }


def ends(held: BoundedToken) -> NDArray[np.intp]:
    """Return to which side each token leaves for ever, by a bound at the last depth, and 0 for what is on none."""
    attention = line()
    spectrum, tokens, _ = posed(attention, held.raw(held.depth)[:, None], None, 1.0, simple=True)
    B, V = attention.heads[0]
    return sides(modes(V, B, spectrum), tokens.points, tokens.log_weights).side


def _first_term(z: Array, theta: float) -> float:
    """Return c in y = theta + c e^{-t} + O(e^{-2t}), which the offsets make: z_j = gamma_j + D_j e^{-t}."""
    gammas = np.where(z < 0, z[0], z[-1])
    D, weights = (z - gammas) * np.exp(HOLD), np.exp(gammas * theta)
    return -float((weights * D) @ (1 + gammas * theta) / (weights @ gammas**2))


def _restarted(held: BoundedToken, grown: Array, times: Array) -> float:
    """Return how far runs of all tokens, begun on the way, leave it while errors grow by e^7; relative to e^-t."""
    worst, at = 0.0, 0.0
    while at < times[-1] - 1.0:
        end = float(np.interp(np.interp(at, times, grown) + 7.0, grown, times))
        end = min(end, at + 1.0, float(times[-1]) - 0.5)
        path = solve(Raw(line()), held.raw(at)[:, None], [at, end], stepper=STEPPER)
        there = held.raw(end)
        worst = max(worst, float(np.abs(path.points[-1, :, 0] - there)[-1] / np.exp(-end)))
        at += 1.5
    return worst


def _lost(others: Array, start: float) -> list[float] | None:
    """Return where the token is that starts at `start` as a double, at depth `LOST`, in runs a few roundings apart."""
    runs = Abreast.of(line(), Empirical(np.append(others, start)[:, None]), _TOLERANCE).moved(LOST, _STEPS)
    return None if runs is None else [float(tokens[-1, 0]) for tokens in runs.states]
