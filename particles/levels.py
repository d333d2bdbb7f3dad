"""The limits of levels phi^*(z_i) where V has a simple leading eigenvalue, by a bound that needs no leaders.

`settle` asks whom each token follows, and double precision does not always tell: two leaders may share a follower for
ever, or for longer than a run lasts, while their own levels agree better and better. To which level a token tends does
not depend on it. Here a run goes on until every token is on a side, above or below 0, from where `particles.sides`
proves that it tends to the very level to which the highest token tends, or the lowest. That level is then enclosed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from particles import checks
from particles.abreast import Abreast
from particles.attention import Attention
from particles.checks import Array
from particles.modes import Modes
from particles.narrowed import TRUST, narrowed
from particles.settled import SETTLED, UNDECIDED
from particles.sides import sides


@dataclass(frozen=True, eq=False)
class Levels:
    """To which of two levels each token tends.

    Attributes
    ----------
    attention : Attention
        The attention that moved the tokens.
    depth : float
        t*, from which on the bound holds.
    tokens : (n, d) array
        Raw tokens x at that depth.
    left : (d,) array
        phi^*, with <phi^*, phi> = 1, |phi| = 1 and the largest entry of phi positive.
    levels : (n,) array
        phi^*(z_i) = e^{-lambda t*} phi^*(x_i) there.
    side : (n,) array of int
        1 if phi^*(z_i) tends to b, the limit of the highest level, -1 if to a, the limit of the lowest; 0 if it is not
        known to do either.
    ends : (2, 2) array
        Lower and upper bounds of a and of b; NaN for a side without tokens.
    hull : (2,) array
        Between which levels those of all tokens stay at all later depths (Lemma 9.1).
    error : float
        The largest difference between levels of decided tokens and those of runs with hundred times the tolerance, from
        tokens moved by a few roundings; NaN if there is none. `ends` and `hull` are widened by ten such differences.
    status : str
        "settled", or "undecided" if some token has side 0.
    message : str
        Which tokens are undecided.
    """

    attention: Attention
    depth: float
    tokens: Array
    left: Array
    levels: Array
    side: NDArray[np.intp]
    ends: Array
    hull: Array
    error: float
    status: str
    message: str

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Which tokens are known to tend to a or b; shape (n,)."""
        return self.side != 0

    @property
    def width(self) -> float:
        """How well a and b are known: the larger of both widths over the largest level; NaN if none is decided."""
        widths = np.ptp(self.ends, axis=1)
        known = widths[np.isfinite(widths)]
        return float(known.max() / np.abs(self.levels).max()) if known.size else float("nan")


def levels(attention: Attention, tokens: Any, *, until: float | None = None) -> Levels:
    """Move tokens by (1.1) until it is proven to which level each tends.

    Parameters
    ----------
    attention : Attention
        One head, whose V has a real, positive and simple eigenvalue of larger modulus than all others.
    tokens : (n, d) array or Empirical
        The tokens at depth 0.
    until : float, optional
        Depth at which to stop; 16 / lambda if left out.

    Returns
    -------
    Levels
        At the first depth at which all tokens are decided and both ends known to 1e-5 of the largest level; if a run
        gets to none, where most are decided, and of such depths where the ends are narrowest.

    Raises
    ------
    ValueError
        If an argument is not as described; every problem on a line.

    Notes
    -----
    The bound is a proof for the tokens that a run has reached. How far these are from where they should be is judged as
    in `settle`: the run is repeated from tokens moved by a few roundings, and a token is decided if all runs agree.

    Examples
    --------
    >>> from particles import Attention
    >>> attention = Attention(Q=[[1, 0], [0, 1]], K=[[1, 0], [0, 1]], V=[[1, 0], [0, -0.5]])
    >>> late = levels(attention, [[-2, 1], [-1, -2], [3, 1], [3, -1]])
    >>> late.status, late.side.tolist()
    ('settled', [-1, -1, 1, 1])
    """
    return narrowed(attention, tokens, until, _looked_at, simple=True)


def _looked_at(split: Modes, runs: Abreast) -> Levels:
    """Judge the tokens of all runs at one depth."""
    judged = [sides(split, points, runs.start.log_weights) for points in runs.states]
    shrunk = np.exp(-split.value * runs.depth)
    side = np.where(np.all([one.side == judged[0].side for one in judged], axis=0), judged[0].side, 0)
    seen = shrunk * np.array([one.levels for one in judged])
    apart = np.abs(seen - seen[0]).max(axis=0)
    error = float(apart[side != 0].max()) if side.any() else float("nan")
    ends = shrunk * np.array([one.ends for one in judged])
    ends = _widened(ends[..., 0].min(axis=0), ends[..., 1].max(axis=0), error)
    ends[[not (side == sign).any() for sign in (-1, 1)]] = np.nan
    lows, highs = seen.min(axis=1), seen.max(axis=1)
    hull = _widened(lows.min(), highs.max(), max(float(np.ptp(lows)), float(np.ptp(highs))))
    count = int((side == 0).sum())
    return Levels(
        attention=runs.law.attention,
        depth=runs.depth,
        tokens=checks.frozen(runs.states[0]),
        left=checks.frozen(split.left[0]),
        levels=checks.frozen(seen[0]),
        side=side,
        ends=ends,
        hull=hull,
        error=error,
        status=UNDECIDED if count else SETTLED,
        message=f"to which level {count} tokens tend is not decided" if count else "",
    )


def _widened(low: Any, high: Any, error: float) -> Array:
    return np.stack([low - TRUST * error, high + TRUST * error], axis=-1)
