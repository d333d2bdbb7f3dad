"""The stability estimate (6.6), W2(mu_t, nu_t) <= e^{C t} W2(mu_0, nu_0), with constants that can be computed.

A priori, on the ball of radius R_t = R e^{|V| t} that holds both supports, with M_t = |Q||K| R_t^2 ((6.3), (6.5)):

    C(t) = |V||B| R_t^2 + |V| e^{2 M_t} (1 + 2 M_t)

A posteriori, along a coupling of mu_0 and nu_0 whose two ends move with their own measures,
D(t)^2 = int |x(t) - y(t)|^2 dpi: W2(t) <= D(t) and D' <= (L1 + L2) D with

    L1(t) = sup |D_x velocity| on the segments between coupled points
    L2(t) = sum_h |V_h| sup_s ( int kappa_s(B_h^T y)^2 dnu(y) )^{1/2},
    kappa_s(a)^2 = E_s[(1 + |a||Y_s - m_s|)^2 e^{<a,Y_s> - Lambda_s(a)}],   Y_s = (1-s) y + s x,

E_s and m_s being expectation and mean under the law of Y_s tilted by e^{<a,.>}: d/ds grad Lambda_s(a) is
E_s[(I + (Y_s - m_s) a^T)(x - y)], to which Cauchy's inequality applies. (6.5) holds on a ball only, not on all of
R^d as printed, so the radius matters.

References
----------
Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv 2305.05465, Prop. 6.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from meanfield.coupling import Coupling, optimal_coupling
from meanfield.gaussian import Gaussian
from meanfield.solve import Method, solve
from meanfield.wasserstein import transport
from particles.attention import Attention
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.march import march
from particles.measure import Empirical, Measure
from particles.steppers import Adaptive

_SEGMENT = np.linspace(0.0, 1.0, 5)  # where suprema over s in [0, 1] are taken
_SIMPSON = np.array([1.0, 4.0, 1.0]) / 6
_LOG_LARGEST = float(np.log(np.finfo(float).max))
_ROWS = 256


@dataclass(frozen=True, eq=False)
class StabilityReport:
    """Four numbers for each depth, each at least the one before: growth factors of the distance since depth 0.

    Attributes
    ----------
    times : (m,) array
        Depths.
    measured : (m,) array
        W2(mu_t, nu_t) / W2(mu_0, nu_0).
    coupled : (m,) array
        D(t) / W2(mu_0, nu_0). The first entry is 1 where an optimal coupling is known; more where the coupling is an
        optimal plan between atoms that stand for the measures.
    a_posteriori : (m,) array
        D(0) / W2(mu_0, nu_0) exp int_0^t (L1 + L2), suprema taken over sampled points.
    a_priori : (m,) array
        exp int_0^t C; inf where it leaves double precision.
    a_priori_exponent : (m,) array
        int_0^t C itself.
    """

    times: Array
    measured: Array
    coupled: Array
    a_posteriori: Array
    a_priori: Array
    a_priori_exponent: Array


def stability_report(
    law: Dynamics, mu0: Measure, nu0: Measure, times: Any, *, method: Method, pairs: int = 256, atoms: int = 1024
) -> StabilityReport:
    """Hold the growth of W2(mu_t, nu_t) against the bounds of Prop. 6.5.

    Parameters
    ----------
    law : Dynamics
        The law of motion, raw or rescaled.
    mu0, nu0 : measures
        The initial measures, at a positive distance.
    times : (m,) array
        Depths, the first being 0.
    method : Method
        Solves for mu_t and nu_t, whose distance is measured.
    pairs : int
        About how many pairs stand for the coupling.
    atoms : int
        At most so many atoms stand for a density in d >= 2 when the distance is measured.

    Raises
    ------
    ValueError
        If an argument is not as above, or a run could not be finished.
    """
    curve, other = (solve(law, start, times, method=method) for start in (mu0, nu0))
    for run in (curve, other):
        if run.status == "stopped":
            raise ValueError(f"no report: {run.message}.")
    depths = curve.times
    distances = np.array([transport(curve[k], other[k], atoms=atoms).distance for k in range(len(depths))])
    if not distances[0] > 0 or depths[0] != 0:
        raise ValueError("`mu0` and `nu0` must be at a positive distance, and `times` must begin at 0.")
    fine = np.sort(np.concatenate([depths, 0.5 * (depths[1:] + depths[:-1])]))
    along = moved_coupling(law, optimal_coupling(mu0, nu0, pairs), fine)
    rates = np.array([growth_rate(law, t, here) for t, here in zip(fine, along, strict=True)])
    spread = np.array([here.distance for here in along[::2]])
    exponent = a_priori_exponent(law, _radius(mu0, nu0), depths)
    return StabilityReport(
        times=depths,
        measured=distances / distances[0],
        coupled=spread / distances[0],
        a_posteriori=_exp(np.log(spread[0] / distances[0]) + _simpson(rates, np.diff(depths))),
        a_priori=_exp(exponent),
        a_priori_exponent=exponent,
    )


def moved_coupling(law: Dynamics, start: Coupling, times: Array) -> list[Coupling]:
    """Return the coupling at each depth, either end moved by its own measure."""
    n = len(start.weights)
    mu, nu = start.mu, start.nu

    def velocity(t: float, ends: Array) -> Array:
        x, y = ends[:n], ends[n:]
        return np.concatenate([law.velocity(t, x, mu.moved_to(x)), law.velocity(t, y, nu.moved_to(y))])

    run = march(velocity, np.concatenate([start.x, start.y]), times, Adaptive(rtol=1e-9, atol=1e-11), row="pair")
    if len(run.states) < len(times):
        raise ValueError(f"no report: {run.message}.")
    return [start.moved_to(state[:n], state[n:]) for state in run.states]


def growth_rate(law: Dynamics, t: float, pairs: Coupling) -> float:
    """L1(t) + L2(t) for a coupling at depth t."""
    return spatial_rate(law, t, pairs) + measure_rate(law.attention_at(t), pairs)


def spatial_rate(law: Dynamics, t: float, pairs: Coupling) -> float:
    """L1(t), the largest |D_x velocity| in the field of mu on the segments from y to x."""
    segment = np.concatenate([(1 - s) * pairs.y + s * pairs.x for s in _SEGMENT])
    return float(np.linalg.norm(law.jacobian(t, segment, pairs.mu), ord=2, axis=(1, 2)).max())


def measure_rate(attention: Attention, pairs: Coupling) -> float:
    """L2(t) for the pairs' coupling."""
    total = 0.0
    for B, V in attention.heads:
        directions = pairs.y @ B
        squares = [
            pairs.weights @ _kappa_squared(directions, Empirical((1 - s) * pairs.y + s * pairs.x, pairs.weights))
            for s in _SEGMENT
        ]
        total += _norm(V) * float(np.sqrt(max(squares)))
    return total


def _kappa_squared(a: Array, law: Empirical) -> Array:
    """kappa(a)^2 = sum_i w_i (1 + |a||Y_i - m|)^2 e^{2(<a,Y_i> - Lambda(a))} for each direction a (m, d)."""
    cgf, means = law.cgf_and_mean(a)
    out = np.empty(len(a))
    for k in range(0, len(a), _ROWS):
        rows = slice(k, k + _ROWS)
        away = np.linalg.norm(law.points[None, :, :] - means[rows, None, :], axis=2)
        density = np.exp(a[rows] @ law.points.T - cgf[rows, None])
        sizes = np.linalg.norm(a[rows], axis=1)[:, None]
        out[rows] = ((1 + sizes * away) * density) ** 2 @ law.weights
    return out


def a_priori_exponent(law: Dynamics, radius: float, times: Array) -> Array:
    """int_0^t C(s) ds for supports in the ball of the given radius, plus log |F(t)^{-1}| in a rescaled frame.

    With several heads the constants of the heads add up.
    """
    from scipy.integrate import quad_vec  # takes a quarter of a second to import

    heads = _head_norms(law.attention_at(0.0))
    growth = sum(v for v, _, _ in heads)

    def constant(s: float) -> float:
        square = (radius * np.exp(growth * s)) ** 2
        return sum(v * (b * square + np.exp(2 * m * square) * (1 + 2 * m * square)) for v, b, m in heads)

    total, exponents = 0.0, [0.0]
    with np.errstate(over="ignore"):
        for start, end in pairwise(times):
            finite = np.isfinite(constant(end))
            total += quad_vec(constant, start, end, epsrel=1e-8)[0] if finite else np.inf
            exponents.append(total)
    frames = [np.log(np.linalg.norm(np.linalg.inv(law.frame(t)), ord=2)) for t in times]
    return np.array(exponents) + np.array(frames)


def _head_norms(attention: Attention) -> list[tuple[float, float, float]]:
    """Return (|V|, |B|, |Q||K|) for each head."""
    queries, keys = (m.reshape(-1, *m.shape[-2:]) for m in (attention.Q, attention.K))
    return [
        (_norm(V), _norm(B), _norm(Q) * _norm(K)) for (B, V), Q, K in zip(attention.heads, queries, keys, strict=True)
    ]


def _norm(matrix: Array) -> float:
    return float(np.linalg.norm(matrix, ord=2))


def _radius(mu: Measure, nu: Measure) -> float:
    """Radius of a ball round 0 that holds both supports."""
    return max(map(_reach, (mu, nu)))


def _reach(mu: Any) -> float:
    if isinstance(mu, Gaussian):
        return np.inf
    if isinstance(mu, Empirical):
        return float(np.linalg.norm(mu.points, axis=1).max())
    return float(np.linalg.norm(np.maximum(np.abs(mu.lower), np.abs(mu.upper))))


def _simpson(rates: Array, steps: Array) -> Array:
    """Cumulative integral from values at the ends and the midpoint of each step."""
    pieces = steps * (_SIMPSON[0] * rates[:-1:2] + _SIMPSON[1] * rates[1::2] + _SIMPSON[2] * rates[2::2])
    return np.concatenate([[0.0], np.cumsum(pieces)])


def _exp(exponent: Array) -> Array:
    return np.where(exponent < _LOG_LARGEST, np.exp(np.minimum(exponent, _LOG_LARGEST)), np.inf)
