"""Which tokens end at the highest level, and which at the lowest: a bound that holds at every later depth.

V has a simple leading eigenvalue lambda, with V phi = lambda phi and phi^* V = lambda phi^*, <phi^*, phi> = 1. In other
coordinates, those of the eigenvectors phi_k of all other eigenvalues, u_k = phi_k^*(x). From depth t* on, s = t - t*,

    a_i(s) = e^{-lambda s} phi^*(x_i),    a_i' = lambda sum_j P_ij (a_j - a_i),    u_ik' = lambda_k sum_j P_ij u_jk.

Let the tokens of a set attend to none outside it. Then, by averaging (Lemmas 9.1 and 9.3, and so for differences),

    max a does not grow,   |u_ik| <= R_k e^{nu_k s},   |u_ik - u_jk| <= W_k e^{nu_k s},

with nu_k = |lambda_k|, R_k the largest |u_ik| and W_k the largest |u_ik - u_jk| of the set at t*. With index 1 for phi,
b_kl = <Q phi_k, K phi_l>, r_k = e^{-(lambda - nu_k) s}, and m the token of the set with the largest a, the exponents w
of token i obey

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

Where eigenvectors are missing, or nearly, u are coordinates in which V is triangular and small off the diagonal; its
largest sum of a row is then nu_k for all k, and R_k, W_k are the largest of all k.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import rsf2csf, schur

from particles.checks import Array
from particles.following import GAP
from particles.leading import Leading

_CONDITION = 1e4  # of the eigenvectors, above which a triangular form serves instead
_ABOVE = 0.05  # of lambda - rho: what the part of a triangular form above the diagonal may add to its rate


@dataclass(frozen=True, eq=False)
class Modes:
    """V and B in coordinates (a, u): the leading eigenvalue apart from all others.

    Attributes
    ----------
    value : float
        lambda.
    left : (d,) array
        phi^*, for phi of norm 1 with its largest entry positive.
    others : (d - 1, d) array
        L, complex.
    rates : (d - 1,) array
        nu_k.
    coupled : bool
        Whether V mixes the coordinates u.
    pairing : float
        b_11 = <Q phi, K phi>.
    before, after : (d - 1,) arrays
        |b_1l| and |b_k1|.
    between : (d - 1, d - 1) array
        |b_kl|.
    """

    value: float
    left: Array
    others: NDArray[np.complex128]
    rates: Array
    coupled: bool
    pairing: float
    before: Array
    after: Array
    between: Array

    @property
    def bounded(self) -> bool:
        """Whether the bound can hold at all: b_11 > 0 and all nu_k < lambda."""
        return bool(self.pairing > 0 and (self.rates < self.value).all())


def modes(V: Array, B: Array, spectrum: Leading) -> Modes:
    """Return V and B = Q^T K in coordinates that set the simple leading eigenvalue apart."""
    values, vectors = np.linalg.eig(V)
    first = int(np.argmax(values.real))
    rest = np.arange(len(V)) != first
    right = vectors[:, first].real / np.linalg.norm(vectors[:, first].real)
    right *= np.sign(right[np.argmax(np.abs(right))])
    coupled = bool(np.linalg.cond(vectors) > _CONDITION)
    if coupled:
        beside, rates = _triangular(V, spectrum)
    else:
        beside, rates = vectors[:, rest].astype(complex), np.abs(values[rest])
    basis = np.column_stack([right, beside])
    b = np.abs(basis.T @ B @ basis)
    left, others, pairing = right @ spectrum.onto, np.linalg.inv(basis)[1:], float(right @ B @ right)
    return Modes(spectrum.value, left, others, rates, coupled, pairing, b[0, 1:], b[1:, 0], b[1:, 1:])


def _triangular(V: Array, spectrum: Leading) -> tuple[NDArray[np.complex128], Array]:
    """Return columns that span what is not leading, in which V is triangular and nearly diagonal, and one rate."""
    d = len(V)
    off = np.eye(d) - spectrum.onto
    span = np.linalg.svd(off)[0][:, : d - 1]
    T, U = rsf2csf(*schur(span.T @ V @ span))
    radius = float(np.abs(np.diag(T)).max(initial=0.0))
    above = float(np.abs(np.triu(T, 1)).max(initial=0.0)) * d
    scale = min(1.0, _ABOVE * (spectrum.value - radius) / above) if above > 0 else 1.0
    powers = scale ** np.arange(d - 1)
    rate = float(np.abs(T / powers[:, None] * powers).sum(axis=1).max(initial=0.0))
    return span @ U * powers, np.full(d - 1, rate)


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
    levels, u = points @ modes.left, points @ modes.others.T
    side = np.sign(levels).astype(np.intp) if modes.bounded else np.zeros(len(points), dtype=np.intp)
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
        R, W, across = np.abs(self.u[own]).max(axis=0), _spread(self.u[own]), _spread(self.u)
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
        if modes.coupled:
            R, W = np.full_like(R, R.max()), np.full_like(W, W.max())
        kappa = modes.pairing * alpha - float(modes.after @ R)
        if not kappa > 0:
            return None
        gap = GAP + float(np.ptp(self.log_weights[np.isfinite(self.log_weights)]))
        one, two = alpha * modes.before * W, modes.between * R[:, None] * W
        eta = gap + one.sum() + two.sum()
        D = gap / 2 + 0.25 + (one * value / (value - nu)).sum() + (two * value / (2 * value - nu[:, None] - nu)).sum()
        return float(eta) / kappa, float(D) / kappa


def _spread(u: NDArray[np.complex128]) -> Array:
    """Return the largest |u_ik - u_jk| for each k."""
    spread: Array = np.abs(u[:, None] - u).max(axis=(0, 1))
    return spread
