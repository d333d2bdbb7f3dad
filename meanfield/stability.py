"""The stability estimate (6.6), W2(mu_t, nu_t) <= e^{C t} W2(mu_0, nu_0), with constants that can be computed.

Along a coupling of mu_0 and nu_0 whose two ends move with their own measures, D(t)^2 = int |x(t) - y(t)|^2 dpi,

    W2(mu_t, nu_t) <= D(t) <= D(0) e^(int sharp) <= D(0) e^(int L1 + L2) <= D(0) e^(int C),

five numbers of which each is at least the one before. The rates, in the order of `meanfield.stability_rates`, are
bounds on D'/D for the pairs that stand for the coupling, which are an exact pair of solutions in their own right;
`sharp` is the least of four bounds on D(t): by the logarithmic norm of the field as an operator on the pairs, by rates
averaged over the pairs, and two by the modes of the displacement (`meanfield.stability_modes`). C is the constant
a priori (`meanfield.stability_bounds`). (6.5), which it rests on, holds on a ball only, not on all of R^d as printed,
so the radius matters.

What is not exact is estimated, and stands in `errors`: that of the pairs' quadrature and of the steps by coarser
couplings moved with looser steps, that of integrals over depth by every second depth. The distance has an interval.

References
----------
Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv 2305.05465, Prop. 6.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from meanfield.coupling import Coupling, moved_coupling, optimal_coupling
from meanfield.curve import Curve
from meanfield.solve import Method, check_solvable, check_start, is_method, solve
from meanfield.stability_bounds import a_priori_exponent, radius_of
from meanfield.stability_modes import Modes
from meanfield.stability_rates import Lift, Rates, lifted, rates_of
from meanfield.wasserstein import gelbrich, transport, wasserstein
from particles import checks
from particles.checks import Array
from particles.dynamics import Dynamics, is_law
from particles.measure import Measure

ORDER = ("measured", "coupled", "sharp", "a_posteriori", "a_priori")
_PARTS = 4  # of the time between two depths, at whose ends rates are taken
_COARSER = (1 / 2, 2 / 3, 3 / 4)  # of the pairs, for the error of the quadrature: one alone can be near by accident
_MORE = 18  # pairs, at least, of the coupling that is held against few: three nodes on each panel of levels
_SAFETY = 2.0  # on the largest difference: convergence is slow where the flow parts the pairs
_TIGHT, _LOOSE = 1e-12, 1e-7  # relative tolerances of the pairs' steps
_STEPPED = 1e-9  # relative error of D that steps at the tighter one can leave; 5e-12 seen
_ON_THE_LINE = 1e-10  # relative error of a distance on the line, and of a linear program between atoms
_ROUNDED = 64 * float(np.finfo(float).eps)  # of a measure's size, in a distance; 10 eps seen
_LEFT = 4e-11  # of a measure's size, left in a distance by the steps of two runs at tolerance 1e-11; 1e-11 seen
_LOG_LARGEST = float(np.log(np.finfo(float).max))


@dataclass(frozen=True, eq=False)
class StabilityReport:
    """Five numbers for each depth, each at least the one before: growth factors of the distance since depth 0.

    All are divided by the same W2(mu_0, nu_0): D(0) where the distance measured at depth 0 is that to within its
    errors, else the nearest value that is.

    Attributes
    ----------
    times : (m,) array
        Depths.
    measured : (m,) array
        W2(mu_t, nu_t) / W2(mu_0, nu_0).
    between : (2, m) array
        The ends of the interval in which that ratio's numerator lies, by the gap and the quantisation of the distance,
        the error that the method states for its curve, what its steps leave at a tolerance of 1e-11, and Gelbrich's
        bound from below; over W2(mu_0, nu_0).
    atoms : (m,) array
        W2 between the two sides of the moved pairs, read as atoms, over W2(mu_0, nu_0): at most `coupled`.
    coupled : (m,) array
        D(t) / W2(mu_0, nu_0). The first entry is 1 where an optimal coupling is known; more where the coupling is an
        optimal plan between atoms that stand for the measures.
    sharp : (m,) array
        The least of the bounds `exponents["carried"]`, `["modes"]`, `["log_norm"]` and `["averaged"]`.
    a_posteriori : (m,) array
        D(0) / W2(mu_0, nu_0) exp int_0^t (L1 + L2).
    a_priori : (m,) array
        D(0) / W2(mu_0, nu_0) exp int_0^t C; inf where it leaves double precision.
    a_priori_exponent : (m,) array
        int_0^t C itself.
    exponents : dict of (m,) arrays
        Logarithms of "coupled", "sharp", "a_posteriori" and "a_priori", and of the ladder between the second and the
        third: "carried", "modes", "log_norm", "averaged", "split". "exact" is log of D(0)/W2(0) plus the integral of
        D'/D, which is "coupled" but for the integration over depth.
    errors : dict of (m,) arrays
        Estimated errors of the logarithms of "coupled", "sharp", "a_posteriori" and "a_priori".
    """

    times: Array
    measured: Array
    between: Array
    atoms: Array
    coupled: Array
    sharp: Array
    a_posteriori: Array
    a_priori: Array
    a_priori_exponent: Array
    exponents: dict[str, Array]
    errors: dict[str, Array]

    @property
    def in_order(self) -> Array:
        """Whether each number is at most the next but for the errors of both, shape (4, m)."""
        with np.errstate(divide="ignore"):
            low = [np.log(self.between[0])] + [self.exponents[name] - self.errors[name] for name in ORDER[1:-1]]
        high = [self.exponents[name] + self.errors[name] for name in ORDER[1:]]
        return np.array([left <= right for left, right in zip(low, high, strict=True)])


def stability_report(
    law: Dynamics,
    mu0: Measure,
    nu0: Measure,
    times: Any,
    *,
    method: Method,
    pairs: int = 128,
    atoms: int = 1024,
    coupling: Callable[[int], Coupling] | None = None,
) -> StabilityReport:
    """Hold the growth of W2(mu_t, nu_t) against the bounds of Prop. 6.5.

    Parameters
    ----------
    law : Dynamics
        The law of motion, raw or rescaled.
    mu0, nu0 : measures
        The initial measures, at a positive distance.
    times : (m,) array
        Depths, the first being 0. Rates are integrated over depth by Simpson's rule on four parts between any two.
    method : Method
        Solves for mu_t and nu_t, whose distance is measured.
    pairs : int
        About how many pairs stand for the coupling. The work grows like the cube of pairs times dimension.
    atoms : int
        At most so many atoms stand for a density in d >= 2 when the distance is measured.
    coupling : callable, optional
        Gives a coupling of mu0 and nu0 in about the number of pairs it is called with; `optimal_coupling` if left out.

    Raises
    ------
    ValueError
        If an argument is not as above, or a run could not be finished.
    """
    _check(law, mu0, nu0, times, method, pairs, atoms, coupling)
    curve, other = (solve(law, start, times, method=method) for start in (mu0, nu0))
    for run in (curve, other):
        if run.status == "stopped":
            raise ValueError(f"no report: {run.message}.")
    distances = measured_distances(curve, other, atoms)
    if not distances[0, 0] > 0:
        raise ValueError("`mu0` and `nu0` must be at a positive distance.")
    couple = partial(optimal_coupling, mu0, nu0) if coupling is None else coupling
    report = growth_report(law, couple, curve.times, pairs, radius=radius_of(mu0, nu0))
    start = float(np.clip(np.exp(report.exponents["coupled"][0]), *distances[1:, 0]))
    return report.against(distances, start)


def _check(law: Any, mu0: Any, nu0: Any, times: Any, method: Any, pairs: Any, atoms: Any, coupling: Any) -> None:
    """Complain of everything at once, `mu0` and `nu0` by their own names."""
    problems = checks.Problems()
    lawful = is_law(law, problems)
    depths = checks.times(times, problems)
    if depths is not None and depths[0] != 0:
        problems.add(f"`times` must begin at 0; got {depths[0]:.6g}.")
    runs = is_method(method, problems)
    for name, start in (("mu0", mu0), ("nu0", nu0)):
        check_start(name, start, law if lawful else None, problems)
        if runs:
            check_solvable(method, law, name, start, problems)
    checks.count("pairs", pairs, problems)
    checks.count("atoms", atoms, problems)
    if coupling is not None and not callable(coupling):
        problems.add(f"`coupling` must be a function of the number of pairs; got {coupling!r}.")
    problems.raise_if_any()


def measured_distances(curve: Curve, other: Curve, atoms: int) -> Array:
    """Return W2 at each depth, and the least and the largest that it can be; shape (3, m)."""
    stated = sum(float(run.stats.get("estimate_w2", 0.0)) for run in (curve, other))
    found = []
    for t, mu, nu in zip(curve.times, curve.measures, other.measures, strict=True):
        plan = transport(mu, nu, atoms=atoms)
        own = stated + (_ROUNDED if t == curve.times[0] else _LEFT) * max(_size(mu), _size(nu))
        error = plan.quantisation + own + _ON_THE_LINE * plan.distance + plan.marginal_error
        least = plan.distance - plan.gap - error
        if mu.dim > 1:
            least = max(least, gelbrich(mu, nu) * (1 - _ON_THE_LINE) - own)
        found.append((max(plan.distance, least), max(0.0, least), plan.distance + error))
    return np.array(found).T


def _size(mu: Measure) -> float:
    """The root mean square of |x|."""
    return math.hypot(*mu.mean, *np.sqrt(np.maximum(np.diag(mu.cov), 0.0)))


@dataclass(frozen=True, eq=False)
class Growth:
    """What is known of a coupling alone: everything but the measured distance, not divided by it."""

    times: Array
    atoms: Array
    exponents: dict[str, Array]
    errors: dict[str, Array]
    a_priori_exponent: Array

    def against(self, distances: Array, start: float) -> StabilityReport:
        """Return the report, with everything divided by `start`."""
        exponents = {name: values - np.log(start) for name, values in self.exponents.items()}
        factor = {name: _exp(values) for name, values in exponents.items()}
        return StabilityReport(
            times=self.times,
            measured=distances[0] / start,
            between=distances[1:] / start,
            atoms=self.atoms / start,
            **{name: factor[name] for name in ORDER[1:]},
            a_priori_exponent=self.a_priori_exponent,
            exponents=exponents,
            errors=self.errors,
        )


def growth_report(
    law: Dynamics, couple: Callable[[int], Coupling], times: Array, pairs: int, *, radius: float
) -> Growth:
    """Return D(t) and all bounds on it, for a coupling given as a function of the number of pairs."""
    start = couple(pairs)
    if not start.distance > 0:
        raise ValueError("`mu0` and `nu0` must be at a positive distance; their coupling has none.")
    fine = np.concatenate([np.linspace(a, b, _PARTS, endpoint=False) for a, b in pairwise(times)] + [times[-1:]])
    along = moved_coupling(law, start, fine, _TIGHT)
    ends = along[::_PARTS]
    spread = np.array([here.distance for here in ends])
    exponents, errors = _integrated(law, fine, along)
    prior = a_priori_exponent(law, radius, times)
    exponents = {"coupled": np.log(spread / spread[0]), **exponents, "a_priori": prior}
    errors = {
        "coupled": _quadrature_error(law, couple, pairs, times, spread, len(start.weights)),
        **errors,
        "a_priori": 1e-8 * np.nan_to_num(prior, posinf=0.0),
    }
    return Growth(
        times=times,
        atoms=np.array([wasserstein(here.mu, here.nu) for here in ends]),
        exponents={name: values + np.log(spread[0]) for name, values in exponents.items()},
        errors=errors,
        a_priori_exponent=prior,
    )


def _quadrature_error(
    law: Dynamics, couple: Callable[[int], Coupling], pairs: int, times: Array, spread: Array, count: int
) -> Array:
    """Return by how much at most log D of fewer pairs, moved with looser steps, was off that of all; with a margin.

    Few pairs may be the fewest there are: then of twice as many.
    """
    fewer = [couple(max(2, round(share * pairs))) for share in _COARSER]
    differing = {len(one.weights): one for one in fewer}  # atoms are the same at any number of pairs
    if differing.keys() == {count}:
        differing = {count: couple(max(2 * pairs, _MORE, 3**law.dim))}
    coarse = [[here.distance for here in moved_coupling(law, one, times, _LOOSE)] for one in differing.values()]
    apart = np.abs(np.log(np.array(coarse) / spread)).max(axis=0)
    error: Array = _SAFETY * np.maximum.accumulate(apart) + _STEPPED  # it may change its sign on the way
    return error


def _integrated(law: Dynamics, fine: Array, along: list[Coupling]) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the exponents of all bounds between D and the one a priori at every `_PARTS`th depth, and their errors."""
    modes = Modes.of(along[0])
    start = along[0].distance
    found: list[Rates] = []
    lifts: list[Lift] = []
    by_modes = [(0.0, 0.0)]
    for k, (t, here) in enumerate(zip(fine, along, strict=True)):
        lifts.append(lifted(law, t, here))
        found.append(rates_of(law, t, here, lifts[-1]))
        if k % _PARTS == 0 and k > 0:
            h = float(t - fine[k - _PARTS])
            modes, lifts = modes.moved(lifts, h), lifts[-1:]
            done = _exponent([rate.log_norm for rate in found], fine[: k + 1])
            exponent = float(done[0][-1] + done[1][-1])
            by_modes.append(tuple(modes.bounds(_forced(found, fine[: k + 1], exponent)) - np.log(start)))
    names = {
        "exact": "exact",
        "log_norm": "log_norm",
        "averaged": "averaged",
        "split": "split",
        "a_posteriori": "basic",
    }
    integrals = {name: _exponent([getattr(rate, key) for rate in found], fine) for name, key in names.items()}
    exponents = {name: values for name, (values, _) in integrals.items()}
    errors = {name: error for name, (_, error) in integrals.items()}
    for name, values in zip(("modes", "carried"), np.array(by_modes).T, strict=True):
        exponents[name], errors[name] = values, np.zeros(len(values))
    choices = ("carried", "modes", "log_norm", "averaged")
    upper = np.array([exponents[name] + errors[name] for name in choices])
    best = upper.argmin(axis=0)
    columns = np.arange(len(best))
    exponents["sharp"] = np.array([exponents[name] for name in choices])[best, columns]
    errors["sharp"] = np.array([errors[name] for name in choices])[best, columns]
    return exponents, errors


def _forced(found: list[Rates], fine: Array, exponent: float) -> float:
    """int_0^t e^(Lambda(t) - Lambda(s)) |e(s)| ds by the trapezoidal rule: e is far below the rest, or all is lost."""
    missed = np.array([rate.missed for rate in found])
    if not missed.any():
        return 0.0
    lost = np.array([rate.log_norm for rate in found])
    through = np.concatenate([[0.0], np.cumsum(0.5 * np.diff(fine) * (lost[1:] + lost[:-1]))])
    grown = exponent - through
    if grown.max() > _LOG_LARGEST:
        return np.inf
    return float(np.trapezoid(missed * np.exp(grown), fine))


def _exponent(rates: list[float], fine: Array) -> tuple[Array, Array]:
    """Cumulative integral over depth at every `_PARTS`th place by Simpson's rule, and its estimated error."""
    r = np.array(rates).copy()
    h = np.diff(fine)[::_PARTS]
    first, second, third, fourth, last = (r[k : len(r) - _PARTS + k : _PARTS] for k in range(_PARTS + 1))
    whole = h * _PARTS / 12 * (first + 4 * second + 2 * third + 4 * fourth + last)
    rough = h * _PARTS / 6 * (first + 4 * third + last)
    value, error = (np.concatenate([[0.0], np.cumsum(part)]) for part in (whole, np.abs(whole - rough)))
    return value, error


def _exp(exponent: Array) -> Array:
    return np.where(exponent < _LOG_LARGEST, np.exp(np.minimum(exponent, _LOG_LARGEST)), np.inf)
