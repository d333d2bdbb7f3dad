"""Where tokens are late in a direct run with several heads, and whether they are still on their way.

Tokens are seen in the frame of U = sum_h V_h, as u = e^{-t} x, or u = 2^{-k} x with steps dt = 1. They have come to
rest if their speed is small beside the size of what they move in. A second run has to be judged as the first: from
tokens moved by 1e-9 with steps, with a tolerance a hundred times as large in continuous time
(`studies.statements.stiff`, as a token between two others that balance is stiff like e^{2t}).

Not all come to rest. Where the heads of a token follow different ones for ever, A_h the 0-1 matrices of whom they
follow, raw tokens grow with the leading eigenvalue of sum_h A_h x V_h (plus I with steps), and not with that of U, to
which it comes down if all A_h are the same or only one cluster is left.

A head with <Q_h phi, K_h phi> < 0 can also draw tokens to the other side until its exponents balance, so that they grow
more slowly still, or stand. What then comes to rest is not u but its *shape*: in a unit of depth u becomes e^c u, or
-e^c u, but for `_AT_REST` of its size, or for `NEAR` if that halves over half of the last looks. If c < -`_AWAY`, and
this has been the rate over the last looks, tokens *fall*: along every eigenvector of U they tend to 0. If c > `_AWAY`,
or if log |u| grows at such a rate in the first half of the last looks and hardly less in the second, they *diverge*. A
fall may also pass, until tokens are so close that no head tells them apart, and they go on as one: hence the great
depths. Which of two tokens is followed that are closer than rounding is chance then, and moves nothing by more than
that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from particles import Attention
from particles.checks import Array
from particles.geometry import Hull, clusters
from studies.statements.stiff import Stiff, pull

DEPTH, STEPS = 40.0, 60  # at most; 4^60 = 1e36 is a sharpness of the exponents, not a size of tokens
_FIRST = 10.0  # the first depth at which rest is believed; e^-10 = 5e-5 is what the depth leaves
NEAR = 1e-2  # of the size: closer than this is there
_AT_REST = 1e-3  # of the size, in a unit of depth
_STANDS = 1e-4  # the same, to end a run before the last depth: what fades slowly can hold a token where it cannot stay
_STEADY = 0.05  # of the rate of a fall, in the first half of the last looks, by which it may differ in the second
_TOLERANCES = (1e-9, 1e-7)
_MOVED = 1e-9  # of each coordinate
_AWAY, _HARDLY = 0.01, 0.8
_PACED = {True: 20, False: 8}  # looks, with steps and in continuous time: a passing growth ends before


@dataclass(frozen=True)
class Late:
    """Tokens at the end of a run, in U's frame.

    Parameters
    ----------
    reached : float
        Depth, or number of steps.
    places, speeds : (n, k) arrays
        Where tokens are and how fast they move.
    sizes : sequence of float
        Logarithms of the largest |u| at the last looks, in which growth is looked for.
    rate, bending : float
        c, and how far tokens are from where their shape has them, over the largest |u|.
    closing : bool
        Whether that has halved over half of these looks.
    other : Late, optional
        The second run.
    """

    reached: float
    places: Array
    speeds: Array
    sizes: Sequence[float] = (0.0,)
    rate: float = 0.0
    bending: float = np.inf
    closing: bool = False
    other: Late | None = None

    @property
    def pace(self) -> float:
        """The rate at which log |u| grew in the last half of these looks."""
        half = len(self.sizes) // 2
        return (self.sizes[-1] - self.sizes[-1 - half]) / half if half else 0.0

    @property
    def diverges(self) -> bool:
        """Whether tokens grow faster than U."""
        if self.shaped and self.rate > _AWAY:
            return True
        return self._before > _AWAY and self.pace > _HARDLY * self._before

    @property
    def _before(self) -> float:
        half = len(self.sizes) // 2
        return (self.sizes[-1 - half] - self.sizes[-1 - 2 * half]) / half if half else 0.0

    @property
    def shaped(self) -> bool:
        """Whether the shape of all tokens is at rest."""
        return self.bending <= (NEAR if self.closing else _AT_REST)

    @property
    def falls(self) -> bool:
        """Whether tokens keep their shape and grow more slowly than U, so that all tend to 0 in its frame."""
        steady = abs(self.pace - self._before) <= _STEADY * abs(self._before)
        return self.shaped and steady and self.rate < -_AWAY

    @property
    def moving(self) -> float:
        """The largest speed over the size."""
        speed, size = (float(np.linalg.norm(some, axis=1).max()) for some in (self.speeds, self.places))
        return speed / size


def late(attention: Attention, tokens: Array, onto: Array, *, discrete: bool) -> Late:
    """Return the coordinates onto (k, d) of the tokens, in whose directions U is the identity, at the depth reached."""
    law, reached, looks = Stiff(attention, 1.0), 0.0, _PACED[discrete] + 1
    aside = 1 + _MOVED * discrete * np.cos(1.0 + np.arange(tokens.size)).reshape(tokens.shape)
    runs, sizes, bent = [tokens, tokens * aside], [[0.0], [0.0]], [[np.inf], [np.inf]]
    last = STEPS if discrete else DEPTH
    found = Late(reached, tokens @ onto.T, np.full((len(tokens), len(onto)), np.inf))
    while reached < last:
        if discrete:
            moved = [_step(attention, u, reached) for u in runs]
        else:
            both = zip(runs, _TOLERANCES, strict=True)
            moved = [v for v in (law.moved(u, reached, reached + 1, tol) for u, tol in both) if v is not None]
        if len(moved) < len(runs):
            break
        before, runs, reached = runs, moved, reached + 1
        for u, known in zip(runs, sizes, strict=True):
            known.append(float(np.log(np.abs(u).max())))
        speeds = [
            _step(attention, u, reached) - u if discrete else law.velocity(reached, u.ravel()).reshape(u.shape)
            for u in runs
        ]
        found, other = (
            Late(reached, u @ onto.T, speed @ onto.T, known[-looks:], *_shape(u, earlier, bends, looks // 2))
            for u, speed, known, earlier, bends in zip(runs, speeds, sizes, before, bent, strict=True)
        )
        found = replace(found, other=other)
        still = max(found.moving, other.moving) <= _STANDS or max(found.bending, other.bending) <= _STANDS
        if reached >= _FIRST and not discrete and still:
            break
    return found


def _shape(u: Array, before: Array, bends: list[float], looks: int) -> tuple[float, float, bool]:
    """Return the rate at which tokens grew together in a unit of depth, how far they are from that, and if that closes.

    `bends` are the distances of earlier looks, to which this one's is added.
    """
    ratio = float((u * before).sum() / (before**2).sum())
    size = float(np.linalg.norm(u, axis=1).max())
    bends.append(float(np.linalg.norm(u - ratio * before, axis=1).max()) / size)
    closing = len(bends) > looks and 2 * bends[-1] <= bends[-1 - looks]
    return float(np.log(max(abs(ratio), np.finfo(float).tiny))), bends[-1], closing


def _step(attention: Attention, u: Array, k: float) -> Array:
    """Return u after a step dt = 1."""
    return (u + pull(attention, float(4.0**k), u)) / 2


def levels(found: Late) -> tuple[int, float, bool | None]:
    """Return the number of levels, the largest distance from (max, 0, min) over their size, and if that is 0."""
    a = found.places[:, 0]
    size = float(np.abs(a).max())
    ends = np.array([a.max() if a.max() > 0 else 0.0, 0.0, a.min() if a.min() < 0 else 0.0])
    away = float(np.abs(a[:, None] - ends).min(axis=1).max()) / size
    holds = _judged(found, away)
    if found.other is not None and levels(found.other)[-1] != holds:
        holds = None
    if holds and found.falls:  # all to 0
        return 1, 0.0, holds
    return len(np.unique(clusters(found.places, NEAR * size))), away, holds


def polytope(found: Late) -> tuple[int, float, float, bool | None]:
    """Return clusters, the largest distances from the hull's vertices and from its boundary or 0, over its size."""
    z = found.places
    size = float(np.linalg.norm(z, axis=1).max())
    labels = clusters(z, NEAR * size)
    centres = np.array([z[labels == k].mean(axis=0) for k in np.unique(labels)])
    hull = Hull(centres)
    corners = centres[hull.vertices]
    from_corner = float(np.linalg.norm(z[:, None] - corners, axis=2).min(axis=1).max()) / size
    away = float(np.minimum(hull.boundary_distance(z), np.linalg.norm(z, axis=1)).max()) / size
    holds = _judged(found, away)
    if found.other is not None and polytope(found.other)[-1] != holds:
        holds = None
    return len(centres), from_corner, away, holds


def _judged(found: Late, away: float) -> bool | None:
    """Return whether nothing is away, None if that may change: nearer than `NEAR` counts while speeds are as small."""
    if found.moving <= _AT_REST:
        return away <= NEAR
    if found.falls:
        return True
    if found.diverges:
        return False
    return True if away <= NEAR and found.moving <= NEAR else None
