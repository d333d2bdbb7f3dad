"""P(t) on the line becomes Boolean (Theorem 2.1), with Lemmas 7.2, 7.3, 7.5 to 7.8 and Remark 2.2.

d = 1, V > 0, b = QK > 0, tokens x_1 < ... < x_n. Random tokens are followed twice: by `settle`, which certifies the
limit P*, and by a direct run, in which the rate is measured. With L(i) the token that row i tends to,

    1 - P_iL = sum_{j != L} e^{-g_ij} / (1 + ...),    g_ij = b x_i (x_L - x_j),

is formed from the exponents g, never as a difference to 1. As x_i ~ gamma e^{Vt}, and x_L - x_j is constant if j
follows L too, and of order e^{Vt} if not,

    log(-log(1 - P_iL)) grows at the rate V if some other token follows L, and at the rate 2V if none does.

The exceptional token that stays bounded is made on purpose, in `bounded_token`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import lambertw, logsumexp

from particles import Adaptive, Attention, Raw, solve
from particles.checks import Array
from particles.geometry import numerical_rank
from particles.march import FINISHED
from particles.settled import Settled, settle
from studies.contract import StudyConfig
from studies.statements.bounded_token import BoundedToken, bounded_token, root, shoot
from studies.statements.theorem_2_1_results import draw_figure, judge, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Config", "cases", "figure", "run_case", "summary", "table"]

_STEPPER = Adaptive(rtol=1e-11, atol=1e-13)
_LATER = 9.0, 5.0  # times 1/V after P* is certain: the length of the direct run, and where the fit of the rate begins
_UNTIL = 80.0  # times 1/V: where tokens are given up as undecided
_HOLD = 7.0  # depth to which a bounded token is held; a start in doubles holds it to about 2.5
_GIVEN_UP = 8.0  # depth to which `settle` is asked about the same token, started in doubles
_BRACKET = 1e-9  # about the start found by going back from there, in which runs forwards look for it

# n, and the interval the tokens are uniform on
_TOKENS = ((40, -5.0, 5.0), (2, -3.0, 3.0), (5, -5.0, 5.0), (40, -0.2, 0.2), (100, -5.0, 5.0), (5, -0.3, 1.0))
_SCALARS = ((1.0, 1.0), (2.0, 0.5), (0.5, 3.0), (1.0, 0.2))  # V, QK


class Config(StudyConfig):
    """Sizes of the study of Theorem 2.1."""

    draws: int = Field(12, ge=1)
    bounded: tuple[tuple[int, int], ...] = Field(((1, 1), (2, 3), (3, 0)), min_length=1)
    distances: int = Field(3, ge=1)
    thresholds: int = Field(4, ge=1)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        some = ((1, 1), (2, 2), (2, 3), (3, 0), (1, 4), (6, 4), (10, 10), (20, 20), (9, 0))
        edge = tuple((2 + k % 9, 0) for k in range(98))
        return cls(seed=seed, draws=144, bounded=(*some, *edge), distances=100, thresholds=60)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return draws of tokens; tokens of which one stays bounded; tokens in d = 1, 2, 3; tokens just above A."""
    return [
        *({"task": "bounded", "sides": sides, "seed": [config.seed, 1, k]} for k, sides in enumerate(config.bounded)),
        *(
            {"task": "draw", "tokens": k % 6, "scalars": k % 4, "seed": [config.seed, 0, k]}
            for k in range(config.draws)
        ),
        *({"task": "distances", "dim": 1 + k % 3, "seed": [config.seed, 2, k]} for k in range(config.distances)),
        *({"task": "threshold", "n": (2, 5, 40)[k % 3], "seed": [config.seed, 3, k]} for k in range(config.thresholds)),
    ]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return one case's numbers."""
    return {"task": case["task"], **_TASKS[case["task"]](case, np.random.default_rng(case["seed"]))}


def _line(V: float = 1.0, QK: float = 1.0) -> Attention:
    return Attention(Q=[[QK]], K=[[1.0]], V=[[V]])


def _draw(case: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return what becomes of random tokens."""
    n, low, high = _TOKENS[case["tokens"]]
    V, QK = _SCALARS[case["scalars"]]
    attention, tokens = _line(V, QK), np.sort(rng.uniform(low, high, n))[:, None]
    late = settle(attention, tokens, until=_UNTIL / V)
    base = {"n": n, "V": V, "QK": QK, "decided": late.status == "settled", "undecided": int((~late.decided).sum())}
    if not base["decided"]:
        return base
    first, last = late.depth + _LATER[1] / V, late.depth + _LATER[0] / V
    times = np.concatenate([np.linspace(0.0, first, 21), np.linspace(first, last, 21)[1:]])
    path = solve(Raw(attention), tokens, times, stepper=_STEPPER)
    base["decided"] = path.status == FINISHED
    if not base["decided"]:
        return base
    x, leaders = path.points[:, :, 0], late.leaders
    gamma, scaled = late.limit[:, 0], x[-1] * np.exp(-V * last)
    apart = np.abs(scaled - gamma) - np.abs(late.offsets[:, 0]) * np.exp(-V * last)
    P = attention.matrix(path[-1])
    return {
        **base,
        "leaders": leaders,
        "in_class": _in_class(leaders),
        "rank": len(late.leading),
        "rank_direct": numerical_rank(P),
        "matrix_error": float(np.abs(P - late.matrix).max()),
        "gammas": [float(gamma[0]), float(gamma[-1])],
        "gamma_error": float(apart.max() / np.abs(gamma).max()),
        "least_growth": float((np.abs(x[-1]) / np.abs(x[20])).min() ** (1 / (_LATER[0] - _LATER[1]))),
        "times": times,
        "log_rates": np.array([_log_rate(QK * x[k], x[k], leaders) for k in range(len(times))]),
        **_rates(late, QK, V, x[20:], times[20:]),
    }


def _in_class(leaders: NDArray[np.intp]) -> bool:
    """Whether the rows are e_1 down to some row and e_n from there on (Fig. 2)."""
    last = len(leaders) - 1
    return bool(np.isin(leaders, [0, last]).all() and (np.diff(leaders) >= 0).all())


def _log_rate(turned: Array, x: Array, leaders: NDArray[np.intp]) -> Array:
    """Return log(-log(1 - P_iL)) for each row, from exponents."""
    gaps = turned[:, None] * (x[leaders][:, None] - x)
    own = np.zeros_like(gaps)
    own[np.arange(len(x)), leaders] = np.inf
    missing = logsumexp(-(gaps + own), axis=1)  # of 1 - P_iL over P_iL
    return np.log(np.logaddexp(0.0, -missing))


def _rates(late: Settled, QK: float, V: float, x: Array, times: Array) -> dict[str, Any]:
    """Fit the rate of each row over the late part of the direct run."""
    leaders, n = late.leaders, x.shape[1]
    logs = np.array([_log_rate(QK * at, at, leaders) for at in x])
    slopes = np.polyfit(times, logs, 1)[0] / V
    followers = np.bincount(leaders, minlength=n)[leaders]
    expected = np.where(followers > 1, 1.0, 2.0)
    # d log x_i / dt = V x_L / x_i and likewise for a difference of tokens with two leaders: what is left of the offsets
    # D; and several neighbours add up to log n on exponents g
    offset = np.abs(late.offsets[:, 0])
    spread = max(float(np.ptp(x[0][np.unique(leaders)])), float(np.abs(x[0][leaders]).min()))
    allowed = 2 * offset / np.abs(x[0]) + np.where(followers > 1, 0.0, 2 * offset.max() / spread)
    allowed += 2 * np.log(n) / np.exp(logs[0]) + 1e-6
    return {
        "slopes": slopes,
        "least_exponent": float(np.exp(logs[0].min())),
        "largest_exponent": float(np.exp(logs[-1].max())),
        "expected": expected,
        "slope_error": float(np.abs(slopes - expected).max()),
        "rates_hold": bool((np.abs(slopes - expected) <= allowed).all() and allowed.max() < 0.5),
    }


def _bounded(case: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Hold a token between `sides` others, and look for its start by runs forwards."""
    left, right = case["sides"]
    others = np.concatenate([-np.sort(rng.uniform(0.4, 2.0, left))[::-1], np.sort(rng.uniform(0.4, 2.0, right))])
    held = bounded_token(others, _HOLD, 0.0 if right else 5.0)
    times = np.linspace(0.0, _HOLD, 281)
    places, scaled = np.array([held.others(t) for t in times]), np.array([held.scaled(t) for t in times])
    middles = (times[1:] + times[:-1]) / 2
    grown = np.concatenate([[0.0], np.cumsum([held.rate(t) for t in middles]) * (times[1] - times[0])])
    whole = np.log(2.0) * np.array([53, 1000])
    reach = np.interp(whole, grown, times)
    gammas = [float(places[-1, 0]), float(places[-1, -1])]
    rows = np.array([held.row(t) for t in times])
    # beyond all others the token leaves so slowly that runs forwards need many steps and tell nothing more
    shot = shoot(others, held, _BRACKET, float(reach[0])) if right else None
    limit = None
    if right:
        theta = root(gammas[0], gammas[1], left, right)
        weights = np.exp(theta * np.repeat([*gammas, 0.0], [left, right, 1]))
        limit = {
            "theta": theta,
            "row": (weights / weights.sum()).tolist(),
            "first": _first_term(places[-1], theta, left),
        }
    return {
        "left": left,
        "right": right,
        "times": times,
        "scaled": scaled,
        "rows": rows,
        "gammas": gammas,
        "limit": limit,
        "start": held.start,
        "change": held.change,
        "bracket": None if shot is None else [shot.below, shot.above],
        "left_at": None if shot is None else shot.left,
        "reach": reach.tolist(),
        "restart_error": _restarted(held, grown, times),
        "open": dict(zip(("others", "own"), _open(others, held.start), strict=True)),
    }


def _first_term(z: Array, theta: float, left: int) -> float:
    """Return c in y = theta + c e^{-t} + O(e^{-2t}), which the offsets make: z_j = gamma_j + D_j e^{-t}."""
    gammas = np.where(np.arange(len(z)) < left, z[0], z[-1])
    D, weights = (z - gammas) * np.exp(_HOLD), np.exp(gammas * theta)
    return -float((weights * D) @ (1 + gammas * theta) / (weights @ gammas**2))


def _restarted(held: BoundedToken, grown: Array, times: Array) -> float:
    """Return how far runs of all tokens, begun on the way, leave it while errors grow by e^7; relative to e^-t."""
    worst, at = 0.0, 0.0
    while at < times[-1] - 1.0:
        end = float(np.interp(np.interp(at, times, grown) + 7.0, grown, times))
        end = min(end, at + 1.0, float(times[-1]) - 0.5)
        path = solve(Raw(_line()), held.raw(at)[:, None], [at, end], stepper=_STEPPER)
        there = held.raw(end)
        worst = max(worst, float(np.abs(path.points[-1, :, 0] - there)[-1] / np.exp(-end)))
        at += 1.5
    return worst


def _open(others: Array, start: float) -> tuple[bool, bool]:
    """Whether `settle`, from the start as a double, leaves some other token open, and the one that stays bounded."""
    decided = settle(_line(), np.append(others, start)[:, None], until=_GIVEN_UP).decided
    return not bool(decided[:-1].all()), not bool(decided[-1])


def _distances(case: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return the largest fall of a distance along a run, and of its derivative, with what rounding can do."""
    d, n = case["dim"], 12
    attention = Attention(Q=np.eye(d), K=np.eye(d), V=np.eye(d))
    path = solve(Raw(attention), rng.uniform(-2, 2, (n, d)), np.linspace(0, 4, 81), stepper=_STEPPER)
    apart = np.linalg.norm(path.points[:, :, None] - path.points[:, None], axis=3)
    sizes = np.abs(path.points).max(axis=(1, 2))
    steps = path.stats["steps"]
    derivatives, rounding = [], []
    for k in range(len(path)):
        x, v = path.points[k], attention.field(path[k], path.points[k])
        derivatives.append(float(((v[:, None] - v) * (x[:, None] - x)).sum(axis=2).min()))
        rounding.append(1e-11 * float(np.abs(v).max() * np.abs(x).max()))  # the field's own relative error is 1e-12
    return {
        "dim": d,
        "finished": path.status == FINISHED,
        "largest_fall": float(-np.diff(apart, axis=0).min()),
        # a step's error, as a root mean square over n d coordinates, is below atol + rtol |x|
        "fall_allowed": float(2 * np.sqrt(n * d) * steps * (_STEPPER.atol + _STEPPER.rtol * sizes[-1])),
        "least_derivative": min(derivatives),
        "derivative_holds": bool((np.array(derivatives) >= -np.array(rounding)).all()),
    }


def _threshold(case: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return c_1 of Lemma 7.3 for x_n(0) just above A, the others where they pull it back most, or at random."""
    n = case["n"]
    A = float(np.sqrt(lambertw(n * n).real))
    top = 1.001 * A
    crowd = -1 / top + 1e-3 * np.sort(rng.uniform(-1, 1, n - 1))
    ends = []
    for others in (crowd, rng.uniform(-3, top - 1e-3, n - 1)):
        late = settle(_line(), np.append(others, top)[:, None], until=10.0)
        ends.append(float(late.limit[-1, 0]) if late.decided[-1] and late.leaders[-1] == n - 1 else float("nan"))
    return {"n": n, "A": A, "c1": [end if np.isfinite(end) else None for end in ends]}


_TASKS = {"draw": _draw, "bounded": _bounded, "distances": _distances, "threshold": _threshold}


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows of each task and the verdicts."""
    return judge({name: [result for result in results if result["task"] == name] for name in _TASKS})


def figure(summary: dict[str, Any]) -> Figure:
    """Return the rates of random tokens, and a bounded token's way, row and loss."""
    return draw_figure(summary)
