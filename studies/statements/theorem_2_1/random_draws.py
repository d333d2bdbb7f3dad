"""What becomes of random tokens: P*, and the rate at which P comes to it.

Whom each token follows is decided by `settle`. Where the first two tokens, or the last two, travel so close together
that double precision does not tell whom all others follow, their levels are enclosed (`particles.levels`): every token
tends to a level of the first or of the last that is not 0, and as order is kept and gaps do not shrink (Lemma 7.2), its
row tends to e_1 or e_n. Such tokens are moved by their gaps (`spaced`), which gives the numbers `settle` would.

The rate is measured in a second run. With L(i) the token that row i tends to,

    1 - P_iL = sum_{j != L} e^{-g_ij} / (1 + ...),    g_ij = b x_i (x_L - x_j),

is formed from the exponents g, never as a difference to 1. As x_i ~ gamma e^{Vt}, and x_L - x_j is constant if j
follows L too, and of order e^{Vt} if not,

    log(-log(1 - P_iL)) grows at the rate V if some other token follows L, and at the rate 2V if none does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from particles import Adaptive, Attention, Raw, solve
from particles.checks import Array
from particles.geometry import numerical_rank
from particles.levels import Levels, levels
from particles.march import FINISHED
from particles.settled import SETTLED, Settled, settle
from studies.statements.theorem_2_1.spaced import Spaced, differences, places, state_of
from studies.statements.wording import counted

STEPPER = Adaptive(rtol=1e-11, atol=1e-13)
UNTIL = 80.0  # times 1/V: where tokens are given up as undecided

_FINER = Adaptive(rtol=1e-12, atol=1e-14)
_LATER = 9.0, 5.0  # times 1/V after P* is certain: the length of the direct run, and where the fit of the rate begins
_NAMED = 3  # tokens that are named as undecided


def line(V: float = 1.0, QK: float = 1.0) -> Attention:
    """Return the attention on the line."""
    return Attention(Q=[[QK]], K=[[1.0]], V=[[V]])


def numbers(tokens: Array, V: float, QK: float, until: float = UNTIL) -> dict[str, Any]:
    """Return P* of increasing tokens (n,) and how P comes to it; why not, if it is not decided by `until` / V."""
    base = {"n": len(tokens), "V": V, "QK": QK}
    late = settle(line(V, QK), tokens[:, None], until=until / V)
    if late.status == SETTLED:
        return {**base, **_direct(tokens, V, QK, late, None)}
    on = levels(line(V, QK), tokens[:, None], until=until / V)
    ordered = by_order(tokens, V, QK, on, until)
    if ordered is None:
        return {**base, "decided": False, "why": _why(on)}
    ends = on.ends[np.isfinite(on.ends[:, 0])]
    gammas = ordered.limit[ordered.leading, 0]
    inside = (ends[:, 0] <= gammas) & (gammas <= ends[:, 1])
    found = _direct(tokens, V, QK, ordered, Spaced(V, QK))
    return {**base, **found, "enclosed": bool(inside.all()), "width": on.width, "bound_at": on.depth}


def by_order(tokens: Array, V: float, QK: float, on: Levels, until: float = UNTIL) -> Settled | None:
    """Return what `settle` would of tokens that all tend to a level of the first or the last; None if they may not."""
    if not on.decided.all():
        return None
    spaced = Spaced(V, QK)
    found = spaced.settled(state_of(tokens), until / V, _FINER)
    if found is None:
        return None
    depth, state, margin = found
    x = places(state)
    if not np.array_equal(np.sign(x), on.side):
        return None
    everyone = np.ones(len(x), dtype=bool)
    leaders = np.where(x < 0, 0, len(x) - 1)
    return Settled(line(V, QK), depth, x[:, None], leaders, everyone, margin, on.error, SETTLED, "")


def _why(on: Levels) -> str:
    """Return why P* is not decided: which tokens may yet go to either side, or that gaps are too small."""
    which = np.flatnonzero(~on.decided)
    if not which.size:
        return "the first two tokens, or the last two, do not part far enough"
    some = ", ".join(f"x_{i + 1} = {on.tokens[i, 0]:.1e}" for i in which[:_NAMED]) + ", ..." * (len(which) > _NAMED)
    return f"up to t = {on.depth:.1f} no bound puts {counted(len(which), 'token', 'tokens')} on a side ({some})"


@dataclass(frozen=True, eq=False)
class _Way:
    """A run: x (T, n), x_L(i) - x_j (T, n, n), and P (n, n) at its end."""

    x: Array
    ahead: Array
    matrix: Array


def _direct(tokens: Array, V: float, QK: float, late: Settled, spaced: Spaced | None) -> dict[str, Any]:
    """Return what a run shows that goes on from the start to some time after P* is certain."""
    first, last = late.depth + _LATER[1] / V, late.depth + _LATER[0] / V
    times = np.concatenate([np.linspace(0.0, first, 21), np.linspace(first, last, 21)[1:]])
    leaders = late.leaders
    way = _run(tokens, V, QK, leaders, times) if spaced is None else _by_gaps(spaced, tokens, leaders, times)
    if way is None:
        return {"decided": False, "why": f"the direct run does not get to t = {last:.1f}"}
    gamma, scaled = late.limit[:, 0], way.x[-1] * np.exp(-V * last)
    apart = np.abs(scaled - gamma) - np.abs(late.offsets[:, 0]) * np.exp(-V * last)
    log_rates = np.array([log_rate(QK * x, ahead, leaders) for x, ahead in zip(way.x, way.ahead, strict=True)])
    return {
        "decided": True,
        "by": "leaders" if spaced is None else "order",
        "leaders": leaders,
        "in_class": in_class(leaders),
        "rank": len(late.leading),
        "rank_direct": numerical_rank(way.matrix),
        "matrix_error": float(np.abs(way.matrix - late.matrix).max()),
        "gammas": [float(gamma[0]), float(gamma[-1])],
        "gamma_error": float(apart.max() / np.abs(gamma).max()),
        "least_growth": float((np.abs(way.x[-1]) / np.abs(way.x[20])).min() ** (1 / (_LATER[0] - _LATER[1]))),
        "times": times,
        "log_rates": log_rates,
        **_rates(late, V, way.x[20], times[20:], log_rates[20:]),
    }


def _run(tokens: Array, V: float, QK: float, leaders: NDArray[np.intp], times: Array) -> _Way | None:
    attention = line(V, QK)
    path = solve(Raw(attention), tokens[:, None], times, stepper=STEPPER)
    if path.status != FINISHED:
        return None
    x = path.points[:, :, 0]
    return _Way(x, x[:, leaders][:, :, None] - x[:, None], attention.matrix(path[-1]))


def _by_gaps(spaced: Spaced, tokens: Array, leaders: NDArray[np.intp], times: Array) -> _Way | None:
    run = spaced.run(state_of(tokens), times, STEPPER)
    if run.status != FINISHED:
        return None
    ahead = np.array([differences(state)[leaders] for state in run.states])
    return _Way(np.array([places(state) for state in run.states]), ahead, spaced.matrix(run.states[-1]))


def in_class(leaders: NDArray[np.intp]) -> bool:
    """Whether the rows are e_1 down to some row and e_n from there on (Fig. 2)."""
    last = len(leaders) - 1
    return bool(np.isin(leaders, [0, last]).all() and (np.diff(leaders) >= 0).all())


def log_rate(turned: Array, ahead: Array, leaders: NDArray[np.intp]) -> Array:
    """Return log(-log(1 - P_iL)) for each row, from b x_i and x_L(i) - x_j."""
    gaps = turned[:, None] * ahead
    own = np.zeros_like(gaps)
    own[np.arange(len(leaders)), leaders] = np.inf
    missing = logsumexp(-(gaps + own), axis=1)  # of 1 - P_iL over P_iL
    found: Array = np.log(np.logaddexp(0.0, -missing))
    return found


def _rates(late: Settled, V: float, x: Array, times: Array, logs: Array) -> dict[str, Any]:
    """Fit the rate of each row over the late part of the direct run, which begins at x."""
    leaders, n = late.leaders, len(x)
    slopes = np.polyfit(times, logs, 1)[0] / V
    followers = np.bincount(leaders, minlength=n)[leaders]
    expected = np.where(followers > 1, 1.0, 2.0)
    # d log x_i / dt = V x_L / x_i and likewise for a difference of tokens with two leaders: what is left of the offsets
    # D; and several neighbours add up to log n on exponents g
    offset = np.abs(late.offsets[:, 0])
    spread = max(float(np.ptp(x[np.unique(leaders)])), float(np.abs(x[leaders]).min()))
    allowed = 2 * offset / np.abs(x) + np.where(followers > 1, 0.0, 2 * offset.max() / spread)
    allowed += 2 * np.log(n) / np.exp(logs[0]) + 1e-6
    return {
        "slopes": slopes,
        "least_exponent": float(np.exp(logs[0].min())),
        "largest_exponent": float(np.exp(logs[-1].max())),
        "expected": expected,
        "slope_error": float(np.abs(slopes - expected).max()),
        "rates_hold": bool((np.abs(slopes - expected) <= allowed).all() and allowed.max() < 0.5),
    }
