"""Tokens on the line by their gaps: two that travel close together stay apart to all digits.

d = 1, V > 0, b = QK > 0, x_1 < ... < x_n. Order is kept and gaps never shrink (Lemma 7.2). Tokens that leave to one
side are at e^{Vt} gamma, a growing number, and their gaps D, which do not grow any more, are lost in its rounding:
where D is 1e-5 of gamma, before b x_n D tells the first from the second. So the unknowns are x_1 and log D_i,
D_i = x_{i+1} - x_i. With the rows p of x_i and q of x_{i+1}, and q_m / q_l = e^{b D_i (x_m - x_l)} p_m / p_l,

    D_i' = V sum_lm p_l q_m (x_m - x_l) = V sum_{l < m} p_l q_m (x_m - x_l) (1 - e^{-b D_i (x_m - x_l)}),

a sum without a negative term, in which every difference is a sum of gaps: each D_i is known to all its digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from particles.checks import Array
from particles.following import GAP
from particles.march import FINISHED, March, march
from particles.steppers import Stepper

_EVERY = 0.5  # of a time 1/V: how often it is asked whether all tokens have their leader


@dataclass(frozen=True)
class Spaced:
    """The motion of x_1 and of log D_i on the line.

    Parameters
    ----------
    V, QK : float
        Both positive.
    """

    V: float
    QK: float

    def velocity(self, t: float, state: Array) -> Array:
        """Return (x_1', D_i'/D_i) for the state (x_1, log D_i), both of shape (n,); it does not depend on t."""
        gaps, ahead = np.exp(state[1:]), np.triu(-differences(state))  # x_m - x_l in row l, column m > l
        rows = self.matrix(state)
        first = state[0] + rows[0] @ ahead[0]
        lost = -np.expm1(-self.QK * gaps[:, None, None] * ahead)
        grown = np.einsum("il,lm,ilm,im->i", rows[:-1], ahead, lost, rows[1:])
        return self.V * np.append(first, grown / gaps)

    def settled(self, state: Array, until: float, stepper: Stepper) -> tuple[float, Array, float] | None:
        """Move on until every token gives all but rounding to the first or the last, as it does ever after.

        Returns
        -------
        tuple or None
            The depth t*, the state there, and the least gap of exponents; None if there is no such depth up to
            `until`, or the run fails.

        Notes
        -----
        Let b |x_i| (x_n - x_{n-1}), or b |x_i| (x_2 - x_1) if x_i < 0, exceed `GAP` for all i. Then x_i' is V x_n or
        V x_1, |x_i| grows and gaps do not shrink: so it stays. It is a proof for the tokens that the run has reached;
        whether rounding has put one of them on the wrong side of 0 is not asked here.
        """
        t, step = 0.0, _EVERY / self.V
        while True:
            x, gaps = places(state), np.exp(state[1:])
            least = float((self.QK * np.abs(x) * np.where(x < 0, gaps[0], gaps[-1])).min())
            if least >= GAP:
                return t, state, least
            if t + step > until:
                return None
            run = self.run(state, np.array([t, t + step]), stepper)
            if run.status != FINISHED:
                return None
            t, state = t + step, run.states[-1]

    def run(self, state: Array, times: Array, stepper: Stepper) -> March:
        """Return the states at each of `times`, from the one at the first of them."""
        return march(self.velocity, state, times, stepper, row="gap")

    def matrix(self, state: Array) -> Array:
        """P of (1.2), shape (n, n), from exponents formed from gaps."""
        x, gaps = places(state), np.exp(state[1:])
        logs = self.QK * x[:, None] * np.where(x[:, None] < 0, _from_first(gaps), _from_last(gaps))
        found: Array = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
        return found


def state_of(points: Array) -> Array:
    """Return (x_1, log D_i) of increasing tokens (n,).

    Raises
    ------
    ValueError
        If there are fewer than two, or one is not larger than the one before it.
    """
    gaps = np.diff(points)
    if points.ndim != 1 or len(points) < 2 or not (gaps > 0).all():
        raise ValueError(f"`points` must be two or more increasing numbers; got {points.tolist()}.")
    return np.append(points[0], np.log(gaps))


def places(state: Array) -> Array:
    """Return x, shape (n,)."""
    found: Array = state[0] + _from_first(np.exp(state[1:]))
    return found


def differences(state: Array) -> Array:
    """Return x_i - x_j, shape (n, n), as sums of gaps."""
    gaps = np.exp(state[1:])
    n = len(state)
    found = np.zeros((n, n))
    found[:-1, 1:] = np.triu(-np.cumsum(np.triu(np.broadcast_to(gaps, (n - 1, n - 1))), axis=1))
    return found - found.T


def _from_first(gaps: Array) -> Array:
    """x_j - x_1."""
    return np.append(0.0, np.cumsum(gaps))


def _from_last(gaps: Array) -> Array:
    """x_j - x_n."""
    return -_from_first(gaps[::-1])[::-1]
