"""The late motion in closed form, from the depth on at which every token has its leader.

Suppose that from depth t* on token i gives all its attention to a leader L(i), who gives it to himself. Then

    x_i' = V x_{L(i)},    x_L' = V x_L,    hence    x_i(t) = e^{(t - t*) V} x_{L(i)}(t*) + D_i

with D_i = x_i(t*) - x_{L(i)}(t*), and, in the frame of (3.1),

    z_i(t) = z_{L(i)}(t*) + e^{-t V} D_i.

Leaders stand still there, and what follows them keeps its distance in raw space. `Following` checks the supposition on
this very motion: the exponent of the leader has to exceed all others by `GAP`, now and at every later depth, so that
all other weights together are below rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from particles import checks
from particles.abreast import Abreast
from particles.attention import Attention
from particles.checks import Array
from particles.following import GAP, Following
from particles.frame import Exponential
from particles.leading import Leading, posed
from particles.measure import Empirical

SETTLED = "settled"
UNDECIDED = "undecided"

_TOLERANCE = 1e-12  # of the run whose tokens are returned; a hundredfold for those it is compared with
_TRUST = 10.0  # by how much a gap has to exceed its own error
_EVERY = 0.5  # of a time 1 / lambda: how often tokens are looked at while they still move
_STEPS = 400  # at most, from one look to the next: what balances on a divide asks for e^{lambda t} of them, or more
_LATEST = 16.0  # in units of 1 / lambda
_LOST = 1e-2  # of the size of the tokens: an error after which the run tells nothing more


@dataclass(frozen=True, eq=False)
class Settled:
    """Tokens whose leaders are known from one depth on; exact at every later depth.

    Attributes
    ----------
    attention : Attention
        The attention that moved them.
    depth : float
        t*, from which on the closed form holds.
    tokens : (n, d) array
        Raw tokens x at that depth.
    leaders : (n,) array of int
        L(i); a token that leads has itself.
    decided : (n,) array of bool
        Whether the leader is certain: at t* and, on the motion in closed form, at all later depths. What is undecided
        is taken to stay where it is in the rescaled frame, as a leader of its own.
    margin : float
        Least gap of exponents between a leader and the next token at t*, over decided tokens; NaN if there is none.
    error : float
        Largest error of the rescaled leaders of decided tokens at t*, as the difference to runs with hundred times
        the tolerance from tokens moved by a few roundings; NaN if there is none.
    status : str
        "settled", or "undecided" if some token is.
    message : str
        Which tokens are undecided.
    """

    attention: Attention
    depth: float
    tokens: Array
    leaders: NDArray[np.intp]
    decided: NDArray[np.bool_]
    margin: float
    error: float
    status: str
    message: str

    @property
    def leading(self) -> NDArray[np.intp]:
        """The decided tokens that lead, in increasing order."""
        return np.unique(self.leaders[self.decided])

    @property
    def offsets(self) -> Array:
        """D_i = x_i - x_{L(i)}, constant from t* on; shape (n, d)."""
        return self.tokens - self.tokens[self.leaders]

    @cached_property
    def limit(self) -> Array:
        """z_{L(i)}, the resting place of each token's leader; shape (n, d).

        It is the limit of z_i along every eigenvector of V whose eigenvalue has a positive real part.
        """
        return checks.frozen((self.tokens @ self._exponential.at(-self.depth).T)[self.leaders])

    @property
    def matrix(self) -> Array:
        """P*, the limit of the self-attention matrix (1.2): row i is e_{L(i)}, or NaN if undecided; shape (n, n)."""
        matrix = np.eye(len(self.tokens))[self.leaders]
        matrix[~self.decided] = np.nan
        return matrix

    def raw(self, t: float) -> Array:
        """x_i(t) = e^{(t - t*)V} x_{L(i)} + D_i, shape (n, d).

        Raises
        ------
        ValueError
            If t lies before t*.
        FloatingPointError
            If an entry of e^{(t - t*)V} leaves the range of double precision; `rescaled` goes further.
        """
        return self.tokens[self.leaders] @ self._grown(self._later(t) - self.depth, t).T + self.offsets

    def rescaled(self, t: float) -> Array:
        """z_i(t) = z_{L(i)} + e^{-tV} D_i, shape (n, d).

        Raises
        ------
        ValueError
            If t lies before t*.
        FloatingPointError
            If an entry of e^{-tV} leaves the range of double precision.
        """
        return self.limit + self.offsets @ self._grown(-self._later(t), t).T

    @cached_property
    def _exponential(self) -> Exponential:
        return Exponential(self.attention.heads[0][1])

    def _later(self, t: float) -> float:
        if not t >= self.depth:
            raise ValueError(f"`t` must be at least {self.depth:.6g}, where the leaders are settled; got {t}.")
        return float(t)

    def _grown(self, s: float, t: float) -> Array:
        matrix = self._exponential.at(s)
        if not np.isfinite(matrix).all():
            raise FloatingPointError(f"e^{{tV}} leaves the range of double precision at t = {t:.6g}")
        return matrix


def settle(attention: Attention, tokens: Any, *, until: float | None = None) -> Settled:
    """Move tokens by (1.1) until each has its leader for good, and return them with the closed form of what follows.

    Parameters
    ----------
    attention : Attention
        One head, whose V has a real, positive and semisimple eigenvalue of larger real part than all others.
    tokens : (n, d) array or Empirical
        The tokens at depth 0.
    until : float, optional
        Depth at which to stop if some token is still undecided; 16 / lambda if left out, as e^16 times the error of
        a run begins to hide gaps. Sooner if double precision tells nothing more.

    Returns
    -------
    Settled
        At the first depth at which all tokens are decided, or the first at which as many are as ever; at the last depth
        reached if none ever is.

    Raises
    ------
    ValueError
        If an argument is not as described; every problem on a line.

    Notes
    -----
    The run is repeated twice with hundred times the tolerance, from tokens moved by a few roundings to either side: a
    token that balances on a divide falls off it to one side in one run and to the other in the other. A token counts
    as decided if all runs give it the same leader, and every gap exceeds ten times the error that the difference of the
    runs makes in it.

    Examples
    --------
    >>> late = settle(Attention(Q=[[1.0]], K=[[1.0]], V=[[1.0]]), [[-1.0], [0.5], [2.0]])
    >>> late.status, late.leaders.tolist()
    ('settled', [0, 2, 2])
    >>> late.rescaled(1e3).round(6).ravel().tolist()
    [-0.915177, 1.986356, 1.986356]
    """
    spectrum, start, horizon = posed(attention, tokens, until, _LATEST)
    # tokens at the same place move as one, to the last bit
    places, which = np.unique(start.points, axis=0, return_inverse=True)
    which = which.reshape(-1)
    together = Empirical(places, np.bincount(which, start.weights, len(places)))
    return _settled(attention, _run(attention, spectrum, together, horizon), which)


@dataclass(frozen=True)
class _Found:
    """What is known at one depth; tokens in raw space."""

    depth: float
    tokens: Array
    leaders: NDArray[np.intp]
    decided: NDArray[np.bool_]
    gaps: Array  # (n,), the least of each token
    errors: Array  # (n,)


def _run(attention: Attention, spectrum: Leading, start: Empirical, horizon: float) -> _Found:
    """Return the first depth with the most decided."""
    runs, step = Abreast.of(attention, start, _TOLERANCE), _EVERY / spectrum.value
    best = _looked_at(attention, spectrum, runs, -1)
    while not best.decided.all() and runs.depth + step <= horizon:
        further = runs.moved(step, _STEPS)
        if further is None:
            break
        runs = further
        found = _looked_at(attention, spectrum, runs, int(best.decided.sum()))
        if found.decided.sum() > best.decided.sum() or not best.decided.any():
            best = found
        if np.median(found.errors) > _LOST * np.abs(found.tokens).max():
            break
    return best


def _looked_at(attention: Attention, spectrum: Leading, runs: Abreast, known: int) -> _Found:
    """Judge the tokens at one depth; whether gaps last only if that could decide more tokens than are `known`."""
    B, V = attention.heads[0]
    (x, *moved), log_weights = runs.states, runs.start.log_weights
    apart = np.max([np.linalg.norm(x - points, axis=1) for points in moved], axis=0)
    errors = apart + np.finfo(float).eps * np.linalg.norm(x, axis=1)
    first, *seconds = (np.argmax(points @ B @ points.T + log_weights, axis=1) for points in runs.states)
    certain = (first[first] == first) & np.all([first == second for second in seconds], axis=0)
    lasting = False
    while True:
        leaders = np.where(certain, first, np.arange(len(x)))
        followings = [Following(B, points, leaders, log_weights) for points in runs.states]
        following = followings[0]
        # a token that is not certain is where it is in each of the runs
        asked = GAP + _TRUST * following.doubt(np.where(certain, errors, 0.0))
        kept = np.all([(one.gaps() >= asked).all(axis=1) for one in followings], axis=0)
        if lasting:
            kept &= following.lasts(V, spectrum.value, spectrum.onto, GAP)
        still = certain & kept & (certain & kept)[leaders]
        if np.array_equal(still, certain):
            if lasting or still.sum() <= known:
                decided = still if lasting else np.zeros_like(still)
                return _Found(runs.depth, x, leaders, decided, following.gaps().min(axis=1), errors)
            lasting = True
        certain = still


def _settled(attention: Attention, found: _Found, which: NDArray[np.intp]) -> Settled:
    """Return what was found, for tokens of which several may have been at the same place."""
    first = np.unique(which, return_index=True)[1]
    decided = found.decided[which]
    count = int((~decided).sum())
    some = ", ".join(map(str, np.flatnonzero(~decided)[:8])) + (", ..." if count > 8 else "")
    shrunk = Exponential(attention.heads[0][1]).at(-found.depth)
    errors = np.linalg.norm(shrunk, 2) * found.errors[found.leaders[found.decided]]
    return Settled(
        attention=attention,
        depth=found.depth,
        tokens=checks.frozen(found.tokens[which]),
        leaders=first[found.leaders[which]],
        decided=decided,
        margin=float(found.gaps[found.decided].min()) if count < len(which) else float("nan"),
        error=float(errors.max()) if count < len(which) else float("nan"),
        status=UNDECIDED if count else SETTLED,
        message=f"double precision does not decide whom {count} tokens follow: {some}" if count else "",
    )
