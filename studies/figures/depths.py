"""Rescaled tokens at any depth: solved while tokens still choose whom to follow, explicit afterwards.

    z_i(t) = z_L(i) + e^{-(t - t*)V} (z_i(t*) - z_L(i)),   t >= t*

`settle` finds the depth t* from which every token attends to one leader alone, to rounding. Beyond it the direct
solution has nothing to add, and where e^{2 lambda t} eps |x|^2 passes 1 its exponents are rounding errors: the panels
at t = 40 are not computed that way. Where both exist their distance is reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from particles import Adaptive, Attention, Rescaled, solve
from particles.checks import Array
from particles.settled import Settled, settle

STEPPER = Adaptive(1e-10, 1e-12)


@dataclass(frozen=True, eq=False)
class Followed:
    """Tokens over depth.

    Attributes
    ----------
    times : (m,) array
        Depths t.
    points : (m, n, d) array
        Rescaled tokens z.
    explicit : (m,) array of bool
        Where they come from the explicit form and not from the solver. Tokens whose leader is not decided are not
        known there.
    settled : Settled
        What was certified, and at which depth.
    difference : float
        Largest distance of a token between both ways, at those of the depths where both are right; -1 if there is none.
    """

    times: Array
    points: Array
    explicit: NDArray[np.bool_]
    settled: Settled
    difference: float


def follow(attention: Attention, tokens: Array, times: Array, *, compare: bool = True) -> Followed:
    """Return the rescaled tokens (3.1) at `times`, of which the first is 0.

    Parameters
    ----------
    attention : Attention
        One head whose V has a real, positive leading eigenvalue.
    tokens : (n, d) array
        Initial tokens.
    times : (m,) array
        Depths t, increasing from 0.
    compare : bool
        Whether to solve beyond the settled depth too, as far as double precision goes, to compare.

    Raises
    ------
    ArithmeticError
        If no token settles, or the solver stops.
    """
    times = np.asarray(times, dtype=float)
    settled = settle(attention, tokens)
    trusted = trusted_depth(attention, tokens)
    if not settled.decided.any():
        raise ArithmeticError(settled.message)
    explicit = ((times >= settled.depth) & (settled.status == "settled")) | (times > trusted)
    solved = ~explicit | (compare & (times <= trusted))
    path = solve(Rescaled(attention), tokens, times[solved], stepper=STEPPER)
    if path.status != "finished":
        raise ArithmeticError(path.message)
    points = np.empty((len(times), *np.shape(tokens)))
    points[solved] = path.points
    difference = -1.0
    for k in np.flatnonzero(explicit):
        found = settled.rescaled(float(times[k]))
        if solved[k]:
            difference = max(difference, float(np.linalg.norm(found - points[k], axis=1).max()))
        points[k] = found
    return Followed(times, points, explicit, settled, difference)


def trusted_depth(attention: Attention, tokens: Array) -> float:
    """Return the depth at which rounding of the exponents, eps e^{2 lambda t} |B| |x|^2, reaches 1."""
    growth = float(np.linalg.eigvals(attention.U).real.max())
    size = float(np.linalg.norm(attention.B, 2)) * float((tokens**2).sum(axis=1).max())
    return float(-np.log(np.finfo(float).eps * size) / (2 * growth))
