"""Where tokens are late in a direct run with several heads, and whether they are still on their way.

Raw tokens are moved, which keeps the relative error of what grows fastest, and seen in the frame of U = sum_h V_h.
A token has come to rest if its rescaled speed is small beside the size of what it moves in; only then does the run tell
where it rests. Where heads pull a token back and forth between two others, it stays where they balance, its weights
never become 0 or 1, and they answer ever faster: the equation is stiff like e^{2t}. Such a run ends early, undecided.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from particles import Adaptive, Attention, Empirical, Euler, Raw, solve
from particles.checks import Array
from particles.geometry import Hull, clusters

DEPTH, STEPS = 10.0, 20  # e^{2 10} = 5e8 and 4^20 = 1e12: rounding takes at most 1e-2 off an exponent
NEAR = 1e-2  # of the size: closer than this is there; e^-10 = 5e-5 is what the depth leaves
_AT_REST = 1e-3  # of the size, in a unit of depth
_TOL = 1e-10
_MOST_STEPS = 150  # in a unit of depth; some 10 to 50 are usual


@dataclass(frozen=True)
class Late:
    """Tokens at the end of a run, rescaled by the growth of U's leading eigenvalue 1, and their speed there."""

    reached: float
    places: Array
    speeds: Array


def late(attention: Attention, tokens: Array, onto: Array, *, discrete: bool) -> Late:
    """Return the coordinates onto (k, d) of the tokens, in whose directions U is the identity, at the depth reached."""
    law, x, reached = Raw(attention), tokens, 0.0
    growth, depth, step = (2.0, STEPS, 1.0) if discrete else (float(np.exp(1.0)), DEPTH, 1.0)
    while reached < depth:
        stepper = Euler(1.0) if discrete else Adaptive(_TOL, _TOL * float(np.abs(x).max()), most_steps=_MOST_STEPS)
        run = solve(law, x, [reached, reached + step], stepper=stepper)
        if run.status != "finished":
            break
        x, reached = run.points[-1], reached + step
    scale = growth**reached
    pull = law.velocity(0.0, x, Empirical(x)) - x @ attention.U.T
    return Late(reached, (x / scale) @ onto.T, (pull / scale) @ onto.T / (2 if discrete else 1))


def levels(found: Late) -> tuple[int, float, bool | None]:
    """Return the number of levels, the largest distance from (max, 0, min) over their size, and if that is 0."""
    a = found.places[:, 0]
    size = float(np.abs(a).max())
    ends = np.array([a.max() if a.max() > 0 else 0.0, 0.0, a.min() if a.min() < 0 else 0.0])
    away = float(np.abs(a[:, None] - ends).min(axis=1).max()) / size
    moving = float(np.abs(found.speeds).max()) / size
    count = len(np.unique(clusters(found.places, NEAR * size)))
    return count, away, _judged(away, moving)


def polytope(found: Late) -> tuple[int, float, float, bool | None]:
    """Return clusters, the largest distances from the hull's vertices and from its boundary or 0, over its size."""
    z = found.places
    size = float(np.linalg.norm(z, axis=1).max())
    labels = clusters(z, NEAR * size)
    centres = np.array([z[labels == k].mean(axis=0) for k in np.unique(labels)])
    hull = Hull(centres)
    corners = centres[hull.vertices]
    from_corner = np.linalg.norm(z[:, None] - corners, axis=2).min(axis=1)
    away = np.minimum(hull.boundary_distance(z), np.linalg.norm(z, axis=1))
    moving = float(np.linalg.norm(found.speeds, axis=1).max()) / size
    return len(centres), float(from_corner.max()) / size, float(away.max()) / size, _judged(away.max() / size, moving)


def _judged(away: float, moving: float) -> bool | None:
    """Return whether nothing is away, None if that may change: nearer than `NEAR` counts while speeds are as small."""
    if away <= NEAR:
        return True if moving <= NEAR else None
    return False if moving <= _AT_REST else None
