"""Which tokens end at the highest level, and which at the lowest: a bound that holds at every later depth.

V has a simple leading eigenvalue lambda, with V phi = lambda phi and phi^* V = lambda phi^*, <phi^*, phi> = 1. From
depth t* on, s = t - t*,

    a_i(s) = e^{-lambda s} phi^*(x_i),    a_i' = lambda sum_j P_ij (a_j - a_i),

and other coordinates u_ik, their rates nu_k and the bounds R_k, W_k of a set that attends to none outside it are those
of `particles.modes`. By averaging max a over such a set does not grow. With index 1 for phi, b_kl = <Q phi_k, K phi_l>,
r_k = e^{-(lambda - nu_k) s}, and m the token of the set with the largest a, the exponents w of token i obey

    e^{-2 lambda s} (w_im - w_ij) >= (a_m - a_j) (b_11 a_i - sum_k |b_k1| R_k r_k)
                                     - a_i sum_l |b_1l| W_l r_l - sum_kl |b_kl| R_k W_l r_k r_l.

So, as long as a_i >= alpha, token i attends to no j with a_j < a_m - eta(s),

    eta(s) = ((G + lambda s) e^{-2 lambda s} + alpha sum_l |b_1l| W_l r_l + sum_kl |b_kl| R_k W_l r_k r_l) / kappa,
    kappa = b_11 alpha - sum_k |b_k1| R_k > 0,

where G = `GAP` and the largest ratio of weights, in logarithms; all that lies lower weighs less than rounding, summed
over all depths. Hence a_i' >= lambda (a_m - eta - a_i). For i = m this is a_m' >= -lambda eta: a_m loses at most

    D = ((G + 1/2) / 2 + alpha sum_l |b_1l| W_l lambda / (lambda - nu_l)
         + sum_kl |b_kl| R_k W_l lambda / (2 lambda - nu_k - nu_l)) / kappa >= lambda int eta.

Now let M be the largest and alpha_0 the least of the levels a_i > 0 at t*, and alpha = min(alpha_0, M / 2). If
D + eta(0) <= M / 2, then a_i' >= 0 wherever a_i = alpha, so that a_i >= alpha for ever. As a_m falls to some b and eta
to 0,

    **every a_i tends to b itself, and M - D <= b <= M**.

The same holds below 0. Tokens above attend to none below for as long as eta(0) <= M - D for W_k taken over all tokens;
then each side is such a set. If some tokens are on neither side, R_k and W_k are those of all tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from particles.checks import Array
from particles.following import GAP
from particles.modes import Modes


@dataclass(frozen=True, eq=False)
class Sides:
    """What is known of the limits of levels, at one depth.

    Attributes
    ----------
    levels : (n,) array
        phi^*(x_i) at that depth.
    side : (n,) array of int
        1 for what tends to the highest level, -1 for what tends to the lowest, 0 for what is not known to do either.
    ends : (2, 2) array
        Lower and upper bounds of the lowest limit and of the highest; NaN for a side without tokens.
    """

    levels: Array
    side: NDArray[np.intp]
    ends: Array


def sides(modes: Modes, points: Array, log_weights: Array) -> Sides:
    """Return to which side each token belongs for ever; tokens of small levels are left out until the bound holds.

    `points` are raw tokens x (n, d), `log_weights` log w_i, -inf for tokens that are not attended to.
    """
    levels, u = points @ modes.left[0], points @ modes.others.T
    bounded = modes.slower and modes.pairing[0, 0] > 0
    side = np.sign(levels).astype(np.intp) if bounded else np.zeros(len(points), dtype=np.intp)
    while True:
        bounds = {sign: _Bound(modes, side, sign, levels, u, log_weights) for sign in (-1, 1) if (side == sign).any()}
        lost = [sign for sign, bound in bounds.items() if bound.ends is None]
        if not lost:
            break
        side[np.argmin(np.where(np.isin(side, lost), np.abs(levels), np.inf))] = 0
    ends = [bounds[sign].ends if sign in bounds else (np.nan, np.nan) for sign in (-1, 1)]
    return Sides(levels, side, np.array(ends))


@dataclass(frozen=True, eq=False)
class _Bound:
    """Whether the tokens of one side stay there, and where they end."""

    modes: Modes
    side: NDArray[np.intp]
    sign: int
    levels: Array
    u: NDArray[np.complex128]
    log_weights: Array

    @cached_property
    def ends(self) -> tuple[float, float] | None:
        """Lower and upper bound of the limit; None if the bound does not hold."""
        a, members, heavy = self.sign * self.levels, self.side == self.sign, np.isfinite(self.log_weights)
        if not (members & heavy).any():
            return None
        top, least = float(a[members & heavy].max()), float(a[members].min())
        own = members if self.side.all() else np.ones_like(members)
        R, W, across = self.modes.largest(np.abs(self.u[own])), self._spread(self.u[own]), self._spread(self.u)
        first = self._at(min(least, 0.5 * top), R, W)
        if first is None or sum(first) > 0.5 * top:
            return None
        other = self._at(min(least, 0.5 * top), R, across)
        better = self._at(min(least, top - sum(first)), R, W)
        assert other is not None and better is not None  # alpha, hence kappa, is no smaller
        if other[0] > top - first[1]:
            return None
        low, high = sorted((self.sign * (top - better[1]), self.sign * top))
        return low, high

    def _at(self, alpha: float, R: Array, W: Array) -> tuple[float, float] | None:
        """Return eta(0) and D, or None if kappa is not positive."""
        modes, value, nu = self.modes, self.modes.value, self.modes.rates
        kappa = float(modes.pairing[0, 0]) * alpha - float(np.abs(modes.after[:, 0]) @ R)
        if not kappa > 0:
            return None
        gap = GAP + float(np.ptp(self.log_weights[np.isfinite(self.log_weights)]))
        one, two = alpha * np.abs(modes.before[0]) * W, modes.between * R[:, None] * W
        eta = gap + one.sum() + two.sum()
        D = gap / 2 + 0.25 + (one * value / (value - nu)).sum() + (two * value / (2 * value - nu[:, None] - nu)).sum()
        return float(eta) / kappa, float(D) / kappa

    def _spread(self, u: NDArray[np.complex128]) -> Array:
        """Return W, from the largest |u_ik - u_jk|."""
        return self.modes.largest(np.abs(u[:, None] - u))
