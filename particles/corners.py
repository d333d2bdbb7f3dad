"""The limits of pi_F z where V = lambda I on F (Theorem 5.2; V = I), by a bound that needs no leaders.

`settle` asks whom each token follows, and double precision does not always tell: leaders that are close to each other
may share a follower for longer than a run lasts. Near which vertex of the limit polytope a token ends does not depend
on it. Here a run goes on until the tokens are in groups of which `particles.groups` proves that none ever attends to
another: then each token's limit lies in the hull of its group, which has a vertex of the polytope. Tokens that are
still on their way come nearer like e^{-lambda t}, and hulls get narrow.
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
from particles.groups import Parted, groups, widths
from particles.modes import Modes
from particles.narrowed import TRUST, narrowed
from particles.settled import SETTLED, UNDECIDED


@dataclass(frozen=True, eq=False)
class Corners:
    """In which narrow group each token ends, and with it near which vertex of the limit polytope K in F.

    Attributes
    ----------
    attention : Attention
        The attention that moved the tokens.
    depth : float
        t*, from which on the bound holds.
    tokens : (n, d) array
        Raw tokens x at that depth.
    left : (p, d) array
        pi_F, in an orthonormal basis of F.
    places : (n, p) array
        pi_F z_i = e^{-lambda t*} pi_F x_i there.
    group : (n,) array of int
        In which group the limit of each token is, in order of first tokens; -1 if that is not known.
    centres : (m, p) array
        The mean place of each group.
    widths : (m,) array
        The largest distance of two places in each group, widened by ten times `error` at either end: two limits of a
        group are no farther apart, nor is a limit from a vertex of K.
    error : float
        The largest distance between places and those of runs with hundred times the tolerance, from tokens moved by a
        few roundings; NaN if the groups are not known.
    status : str
        "settled", or "undecided" if some token has group -1.
    message : str
        How many tokens are undecided.
    """

    attention: Attention
    depth: float
    tokens: Array
    left: Array
    places: Array
    group: NDArray[np.intp]
    centres: Array
    widths: Array
    error: float
    status: str
    message: str

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Which tokens are known to end in a group; shape (n,)."""
        return self.group >= 0

    @property
    def width(self) -> float:
        """The width of the widest group over the largest |pi_F z|; NaN if the groups are not known."""
        return float(self.widths.max() / np.linalg.norm(self.places, axis=1).max()) if self.widths.size else np.nan


def corners(attention: Attention, tokens: Any, *, until: float | None = None) -> Corners:
    """Move tokens by (1.1) until it is proven near which vertex of the limit polytope each ends.

    Parameters
    ----------
    attention : Attention
        One head, whose V has a real, positive and semisimple eigenvalue of larger modulus than all others.
    tokens : (n, d) array or Empirical
        The tokens at depth 0.
    until : float, optional
        Depth at which to stop; 16 / lambda if left out. Later, rounding has a say in who leads within a group, which
        the bound does not ask, and parts in G of nearly the same rate have more time to fade.

    Returns
    -------
    Corners
        At the first depth at which all tokens are in groups narrower than 1e-5 of the largest |pi_F z|; if a run gets
        to none, where they are narrowest.

    Raises
    ------
    ValueError
        If an argument is not as described; every problem on a line.

    Notes
    -----
    The bound is a proof for the tokens that a run has reached. How far these are from where they should be is judged as
    in `settle`: the run is repeated from tokens moved by a few roundings, and groups are known if they hold in all
    runs. It is a bound for all tokens or for none: one that stays at 0, or on a divide, may go anywhere, and leaves all
    undecided.

    Examples
    --------
    >>> from particles import Attention
    >>> eye = [[1, 0], [0, 1]]
    >>> late = corners(Attention(Q=eye, K=eye, V=eye), [[3, 3], [-3, 3], [-3, -3], [3, -3], [2, 1], [-1, 0.5]])
    >>> late.status, late.group.tolist()
    ('settled', [0, 1, 2, 3, 0, 1])
    """
    return narrowed(attention, tokens, until, _looked_at, simple=False)


def _looked_at(split: Modes, runs: Abreast) -> Corners:
    """Judge the tokens of all runs at one depth."""
    parted = [Parted(split, points, runs.start.log_weights) for points in runs.states]
    group = groups(parted[0])
    if group is not None and not all(one.hold(group) for one in parted[1:]):
        group = None
    seen = np.exp(-split.value * runs.depth) * np.array([one.places for one in parted])
    count, n = (0 if group is None else int(group.max()) + 1), len(seen[0])
    error = float(np.linalg.norm(seen - seen[0], axis=2).max()) if count else float("nan")
    wide = np.empty(0)
    if group is None:
        group = np.full(n, -1)
    else:
        wide = np.max([widths(places, group) for places in seen], axis=0) + 2 * TRUST * error
    return Corners(
        attention=runs.law.attention,
        depth=runs.depth,
        tokens=checks.frozen(runs.states[0]),
        left=checks.frozen(split.left),
        places=checks.frozen(seen[0]),
        group=group,
        centres=np.array([seen[0][group == k].mean(axis=0) for k in range(count)]).reshape(count, seen.shape[2]),
        widths=wide,
        error=error,
        status=SETTLED if count else UNDECIDED,
        message="" if count else f"near which vertices {n} tokens end is not decided",
    )
