"""Clusters under a leading pair of complex eigenvalues a +- ib, a > 0, which `particles.settled` does not take.

Here a cluster never settles on a leader: the difference D of two tokens is constant while both follow a third, but
the direction in which the exponents <x, D> look at it turns with the pair. What can settle is the cluster. Let psi be
the left eigenvector of the pair, and let the plane of psi(z) hold clusters that are narrow against their distances.
If every token attends within its own cluster alone, each cluster moves like one token X_c, and

    x_c(t* + s) = e^{sV} X_c,    g_cc'(s) = <B^T E X_c, E (X_c - X_c')>,    E(s) = e^{s(V - a)},

is e^{-2as} times the gap of exponents between a token's own cluster and another one (`particles.following`, with one
token of each cluster for X_c). E does not grow or decay along the pair but turns. The gaps are looked at over `_SPAN`
/ a and at least two whole turns; on the last all but the pair has died out of E and g is periodic: what holds there
with a margin, twice what two turns differ by and the largest step between two looks, holds for ever.

That a cluster's tokens have a limit in common is not proved by this: its width, which is measured, falls as e^{-at}
while they see the same leader. Clusters are certain; that they shrink to points is the conjecture's easy half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from particles import Adaptive, Attention, Raw, geometry, solve
from particles.checks import Array
from particles.following import Following

_GAP = 45.0  # e^-45: everybody else together weighs less than rounding
_TRUST = 10.0
_TOLERANCES = (1e-9, 1e-7)
_EVERY = 0.5  # of 1/a: how often tokens are looked at
_LINK = 0.02  # of the largest |psi(z)|: tokens this close are of one cluster
_NARROW = 0.1  # of the least distance between clusters, more than which none may be wide
_TURN = 96  # looks in a turn
_SPAN = 40.0
_MOST = 8192  # looks: a pair that turns too slowly for it stays undecided
_STEPS = 3000  # of the solver, between two looks


@dataclass(frozen=True, eq=False)
class Turning:
    """What is known of the clusters.

    Attributes
    ----------
    depth : float
        t*, or the last depth reached.
    tokens : (n, d) array
        Raw tokens there.
    clusters : (n,) array of int
        One token of each token's cluster; of use if `decided`.
    width : float
        Of the widest cluster, over the least distance between two, in the plane of the pair; 0 if there is one only.
    decided : bool
        Whether every token stays in its cluster, now and at all later depths.
    """

    depth: float
    tokens: Array
    clusters: NDArray[np.intp]
    width: float
    decided: bool


def settle_turning(attention: Attention, tokens: Array, until: float) -> Turning:
    """Move tokens by (1.1) until each has its cluster for good, at most to depth `until`."""
    B, V = attention.heads[0]
    values, vectors = np.linalg.eig(V.T)
    chosen = int(np.argmax(values.real))
    pair, psi = complex(values[chosen]), vectors[:, chosen]
    law, size = Raw(attention), float(np.abs(tokens).max())
    steppers = [Adaptive(tol, tol * size, most_steps=_STEPS) for tol in _TOLERANCES]
    x = coarse = tokens
    depth, step = 0.0, _EVERY / pair.real
    clusters, width = np.arange(len(tokens)), float("inf")
    while depth + step <= until:
        times = [depth, depth + step]
        runs = [solve(law, start, times, stepper=stepper) for start, stepper in zip((x, coarse), steppers, strict=True)]
        if any(run.status != "finished" for run in runs):
            break
        (x, coarse), depth = (run.points[-1] for run in runs), times[-1]
        clusters, width = _clusters(x @ psi)
        if width > _NARROW:
            continue
        errors = np.linalg.norm(x - coarse, axis=1) + np.finfo(float).eps * np.linalg.norm(x, axis=1)
        following = Following(B, x, clusters, np.zeros(len(x)))
        if _within(B, following, errors) and _lasts(following, V, pair):
            return Turning(depth, x, clusters, width, True)
    return Turning(depth, x, clusters, width, False)


def _clusters(seen: NDArray[np.complex128]) -> tuple[NDArray[np.intp], float]:
    """Return the first token of each one's cluster, and how wide clusters are against their distances."""
    plane = np.stack([seen.real, seen.imag], axis=1)
    labels = geometry.clusters(plane, _LINK * float(np.linalg.norm(plane, axis=1).max()))
    first = np.array([int(np.argmax(labels == label)) for label in labels], dtype=np.intp)
    far = np.linalg.norm(plane[:, None] - plane, axis=2)
    same = first[:, None] == first
    if same.all():
        return first, 0.0
    return first, float(far[same].max() / far[~same].min())


def _within(B: Array, following: Following, errors: Array) -> bool:
    """Return whether every token attends within its cluster alone, whatever the errors."""
    x, same = following.points, following.same
    exponents = x @ B @ x.T
    inside = np.where(same, exponents, -np.inf).max(axis=1)[:, None]
    doubt = np.linalg.norm(B, 2) * (errors[:, None] + errors) * 2 * np.linalg.norm(x, axis=1).max()
    return bool((inside - exponents >= _GAP + _TRUST * doubt)[~same].all())


def _lasts(following: Following, V: Array, pair: complex) -> bool:
    """Return whether the gaps between clusters stay where they have to be at all later depths."""
    other = ~following.same
    if not other.any():
        return True
    a, turn = pair.real, 2 * np.pi / abs(pair.imag)
    turns = max(2, int(np.ceil(_SPAN / a / turn)))
    if turns * _TURN > _MOST:
        return False
    once, E = expm(turn / _TURN * (V - a * np.eye(len(V)))), np.eye(len(V))
    last: list[Array] = []
    for k in range(1, turns * _TURN + 1):
        E = E @ once
        q = float(np.exp(-a * k * turn / _TURN))
        gaps = following.gaps(E, q)[other]
        if not (gaps >= _GAP * q * q).all():
            return False
        if k > (turns - 2) * _TURN:
            last.append(gaps)
    before, after = np.array(last[:_TURN]), np.array(last[_TURN:])
    between = np.abs(np.diff(after, axis=0, prepend=before[-1:])).max(axis=0)
    change = np.abs(after - before).max(axis=0)
    return bool((after.min(axis=0) > 2 * change + between).all())
