"""Whether the nodes of a panel resolve what the attention field needs of it.

A field is known once every tilted mean is: grad Lambda(a) = m with

    0 = sum over panels of  int g_a(y) (Phi(y) - m) dy,   g_a = rho_0 e^{<a, Phi> - Lambda(a)},

so a panel is resolved if its polynomials follow Phi, and if its rule integrates g_a (Phi - m) for every direction a
that some particle looks in. The second does not follow from the first: near a leader exponents across a panel grow
although Phi is smooth there. The weight g_a tells also how far a panel reaches: what the field would lose with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meanfield.panels import Panels, last_coefficients, shares
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.measure import Empirical

_TILTED = 0.1  # of the tolerance, for what one panel may be wrong by in a tilted mean
_PASSED_OVER = 1e-5  # of that: a panel that reaches less is not looked at
_FAINT = 1e-3  # reach below which positions may be known less well
_OVERSHOOT = 1e-4  # of a panel's image: its last coefficients may be that large at most
_ROUNDING = 16 * float(np.finfo(float).eps)
_BLOCK = 1 << 22  # pairs of panel and direction between two returns to Python


@dataclass(frozen=True, eq=False)
class Verdict:
    """How well panels are resolved.

    Attributes
    ----------
    excess : (P, d) array
        What is missed for want of nodes along each axis, in units of what is allowed; above 1 it is too much.
    reach : (P,) array
        The panel's share of the tilted mass, at worst over directions; a bound, where it is too little to look at.
    """

    excess: Array
    reach: Array

    @property
    def unresolved(self) -> NDArray[np.bool_]:
        """Which panels miss too much along some axis, shape (P,)."""
        return np.asarray(self.excess.max(axis=1) > 1)

    def take(self, chosen: NDArray[np.bool_]) -> Verdict:
        """Return the verdict on some of the panels."""
        return Verdict(self.excess[chosen], self.reach[chosen])


@dataclass(frozen=True, eq=False)
class Judge:
    """The measure at one depth, and the directions in which its particles look.

    Parameters
    ----------
    allowed : float
        Largest error of positions and tilted means, in the units of the points.
    unit : float
        That of tolerances.
    extent : float
        How far two particles may be apart.
    directions, logs, means : (K, d), (K,), (K, d) array
        a, Lambda(a) and grad Lambda(a).
    """

    allowed: float
    unit: float
    extent: float
    directions: Array
    logs: Array
    means: Array

    @classmethod
    def of(cls, law: Dynamics, t: float, nodes: Empirical, lookouts: Array, tol: float) -> Judge:
        """Return the judge for particles of the law at depth t that look from the points `lookouts` (m, d)."""
        looks = [lookouts @ B for B, _ in law.attention_at(t).heads] + [np.zeros((1, nodes.dim))]
        directions = np.ascontiguousarray(np.concatenate(looks))
        logs, means = nodes.cgf_and_mean(directions)
        extent = float(np.ptp(nodes.points, axis=0).max())
        unit = scale(nodes.points)
        return cls(tol * unit, unit, extent, directions, logs, means)

    def verdict(self, panels: Panels, positions: Array, weights: Array) -> Verdict:
        """Judge panels with nodes at `positions` (P size, d) whose masses are `weights` (P size,).

        The last Legendre coefficients c of a function on n nodes bound what its polynomial misses; a Gauss rule is
        exact to twice the degree, where a series that falls evenly has fallen to c^2 / max|f|.
        """
        errors, reach = self._tilted(panels, positions, weights)
        missed = panels.tails(positions) / self._allowed_tails(panels, positions, reach)[:, None]
        return Verdict(np.maximum(missed, errors / (_TILTED * self.allowed)), reach)

    def _allowed_tails(self, panels: Panels, positions: Array, reach: Array) -> Array:
        """Return what the last coefficients of the positions may be, shape (P,).

        Where a panel reaches little it may be known less well, but never so badly that its polynomial overshoots, for
        the outermost particle leads whatever its mass. And no panel can be known better than the rounding of its
        nodes allows, which the flow stretches as it stretches the panel.
        """
        places = positions.reshape(len(panels), panels.size, panels.dim)
        extent = np.ptp(places, axis=1).max(axis=1)
        faint = self.allowed * np.maximum(1.0, _FAINT / np.maximum(reach, 1e-300))
        coordinate = np.maximum(np.abs(panels.lower), np.abs(panels.upper))
        rounding = _ROUNDING * (coordinate / (panels.upper - panels.lower)).max(axis=1) * extent
        return np.maximum.reduce([np.full(len(panels), self.allowed), np.minimum(faint, _OVERSHOOT * extent), rounding])

    def _tilted(self, panels: Panels, positions: Array, weights: Array) -> tuple[Array, Array]:
        from meanfield import _resolution

        with np.errstate(divide="ignore"):
            log_heights = np.log(weights.reshape(len(panels), -1)) - np.log(shares(panels.orders))
        tails = np.zeros((panels.dim, 2, max(panels.orders)))
        for k, n in enumerate(panels.orders):
            rows = last_coefficients(n)
            tails[k, : len(rows), :n] = rows
        errors, reach = np.zeros((len(panels), panels.dim)), np.zeros(len(panels))
        places = np.ascontiguousarray(positions).reshape(len(panels), panels.size, panels.dim)
        block = max(2, _BLOCK // len(self.directions))
        for first in range(0, len(panels), block):
            _resolution.tilted_tails(
                first,
                min(first + block, len(panels)),
                places,
                log_heights,
                shares(panels.orders),
                tails,
                np.array(panels.orders),
                self.directions,
                self.logs,
                self.means,
                math.log(_PASSED_OVER * _TILTED * self.allowed),
                errors,
                reach,
            )
        return errors, reach


def scale(points: Array) -> float:
    """Return the unit of errors: the largest coordinate, at least 1."""
    return max(1.0, float(np.abs(points).max()))
