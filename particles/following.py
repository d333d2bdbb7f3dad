"""Tokens that follow leaders, and whether they do so for ever.

If token i gives all its attention to a leader L(i), who gives it to himself, then with E(s) = e^{s (V - lambda)}, where
lambda is the leading eigenvalue of V, and q = e^{-lambda s}

    e^{-lambda s} x_i = E(s) X_i + q D_i,    X_i = x_{L(i)}(0),    D_i = x_i(0) - X_i constant.

The gap of exponents to another token j is then, divided by e^{2 lambda s},

    g_ij = <B^T (E X_i + q D_i), E (X_i - X_j) - q D_j> + q^2 log(w_{L(i)} / w_j),

where E (X_i - X_j) is 0 if the two have the same leader. E(s) tends to Pi, the spectral projector of lambda. So

    g_ij / q -> -<B^T Pi X, D_j>           if i and j have the same leader, at X, and
    g_ij -> <B^T Pi X_i, Pi (X_i - X_j)>   if not.

A limit that outweighs twice all that is left of E - Pi and q decides everything from there on: before that, gaps are
looked at in steps of `_STEP` over the norm of V - lambda. Differences are formed before they meet large factors, and
nothing overflows, however late.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from particles.checks import Array
from particles.frame import Exponential

GAP = 45.0  # e^-45 = 3e-20: a million other tokens together weigh less than rounding

_STEP = 0.05
_LATEST = 300.0  # in units of 1 / lambda: q^2 is still a number there


@dataclass(frozen=True, eq=False)
class Following:
    """Tokens and whom they follow.

    Parameters
    ----------
    B : (d, d) array
        Q^T K.
    points : (n, d) array
        Raw tokens x.
    leaders : (n,) array of int
        L(i); L(L(i)) = L(i).
    log_weights : (n,) array
        log w_i, -inf for tokens that are not attended to.
    """

    B: Array
    points: Array
    leaders: NDArray[np.intp]
    log_weights: Array

    @cached_property
    def places(self) -> Array:
        """X_i, the leaders of all tokens."""
        return self.points[self.leaders]

    @cached_property
    def offsets(self) -> Array:
        """D_i = x_i - X_i."""
        return self.points - self.places

    @cached_property
    def same(self) -> NDArray[np.bool_]:
        """Which two tokens have the same leader."""
        return self.leaders[:, None] == self.leaders

    @cached_property
    def rivals(self) -> NDArray[np.bool_]:
        """Which tokens j could draw i away from its leader: not the leader himself, nor one without weight."""
        rivals = np.tile(np.isfinite(self.log_weights), (len(self.points), 1))
        rivals[np.arange(len(self.points)), self.leaders] = False
        return rivals

    @cached_property
    def _handicap(self) -> Array:
        weights = np.where(np.isfinite(self.log_weights), self.log_weights, 0.0)
        return weights[self.leaders][:, None] - weights

    @cached_property
    def _leading(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Who leads, and which of them each token follows."""
        lead, which = np.unique(self.leaders, return_inverse=True)
        return lead, which

    @cached_property
    def _sizes(self) -> tuple[Array, Array, Array]:
        """|X_i| (n, 1), |D_j| (n,) and |X_i - X_j| (n, n)."""
        far = np.linalg.norm(self.places[:, None] - self.places, axis=2)
        return np.linalg.norm(self.places, axis=1)[:, None], np.linalg.norm(self.offsets, axis=1), far

    @cached_property
    def _form(self) -> float:
        return float(np.linalg.norm(self.B, 2))

    def gaps(self, turned: Array | None = None, q: float = 1.0) -> Array:
        """Return g_ij for E = `turned` (now, if left out); shape (n, n), and inf where j is no rival."""
        places = self.places if turned is None else self.places @ turned.T
        towards = (places + q * self.offsets) @ self.B
        found = self._apart(towards, places) - towards @ (q * self.offsets).T + q * q * self._handicap
        found[~self.rivals] = np.inf
        return found

    def doubt(self, errors: Array) -> Array:
        """Return how far off the gaps may be now if token i is off by errors[i]; shape (n, n)."""
        own = self._form * errors[:, None] * (self._sizes[0] + np.linalg.norm(self.points, axis=1))
        return own + np.linalg.norm(self.points @ self.B, axis=1)[:, None] * (errors[self.leaders][:, None] + errors)

    def lasts(self, V: Array, value: float, onto: Array, least: float) -> NDArray[np.bool_]:
        """Return which tokens keep gaps of at least `least` at all later depths; shape (n,).

        V, its leading eigenvalue `value` and the spectral projector `onto` decide how leaders move.
        """
        drift, size = V - value * np.eye(len(V)), float(np.linalg.norm(onto, 2))
        ds = _STEP / max(value, float(np.linalg.norm(drift, 2)))
        once, turned, s, largest = Exponential(drift).at(ds), np.eye(len(V)), 0.0, 1.0
        limits = self._limits(onto)
        good = (limits > 0) | ~self.rivals
        open_ = good & self.rivals
        while open_.any() and s * value < _LATEST:
            s, turned = s + ds, turned @ once
            q, rest = float(np.exp(-value * s)), float(np.linalg.norm(turned - onto, 2))
            largest = max(largest, rest)
            good &= ~open_ | (self.gaps(turned, q) >= least * q * q)
            open_ &= good
            if rest <= 0.5:  # E - Pi is a semigroup: from here on it stays below rest times the largest so far
                sure = limits - self._left(rest * largest, q, size)
                open_ &= sure < np.maximum(0.5 * limits, np.where(self.same, q, q * q) * least)
        lasting: NDArray[np.bool_] = np.all(good & ~open_, axis=1)
        return lasting

    def _apart(self, towards: Array, places: Array) -> Array:
        """<towards_i, places_i - places_j>, and 0 for two with the same leader."""
        lead, which = self._leading
        products = np.einsum("id,ikd->ik", towards, places[:, None] - places[lead])
        return np.where(self.same, 0.0, products[:, which])

    def _limits(self, onto: Array) -> Array:
        end = self.places @ onto.T
        towards = end @ self.B
        return np.where(self.same, -(towards @ self.offsets.T), self._apart(towards, end))

    def _left(self, rest: float, q: float, size: float) -> Array:
        """Bound what E - Pi, at most `rest` in norm, and q can still change of the limits."""
        place, offset, far = self._sizes
        moved = rest * place + q * offset[:, None]
        within = moved * offset
        between = moved * ((size + rest) * far + q * offset) + size * place * (rest * far + q * offset)
        small = q * q / np.where(self.same, q, 1.0) * np.abs(self._handicap)
        return self._form * np.where(self.same, within, between) + small
