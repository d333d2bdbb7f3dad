"""Wasserstein distances, each as exact as its measures allow.

    W_p(mu, nu)^p = min { int |x - y|^p dpi : pi couples mu and nu }

On the line: quantile functions. Two Gaussians, p = 2: with covariances A A^T, B B^T and U the orthogonal
polar factor of B^T A, W_2^2 = |m - n|^2 + ||A - B U||_F^2, which keeps its digits where the covariances are
nearly equal. Otherwise the linear program between atoms, with a certificate from its dual (`meanfield.program`).

References
----------
G. Peyre, M. Cuturi, Computational Optimal Transport, 2019.
R. Bhatia, T. Jain, Y. Lim, On the Bures-Wasserstein distance between positive definite matrices, 2019.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from meanfield.costs import carriers, gap_on_root, mean_length, scaled
from meanfield.curve import Curve
from meanfield.gaussian import Gaussian, bures
from meanfield.line_distance import between_flows, distance, monotone
from meanfield.program import Program
from meanfield.push_forward import PushForward
from meanfield.quantiles import quantile
from meanfield.quantise import quantise
from meanfield.sharp import solve_sharply
from particles import checks
from particles.checks import Array
from particles.measure import Empirical, Measure
from particles.trajectory import Trajectory

_EPS, _TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)
_ROUNDINGS = 64  # in sums over atoms
_ATOMS = 2048  # that stand for a density
_MOST_PAIRS = 2e10  # of atoms, each of which is looked at about ten times
_SAME_TIME = 1e-12
_DOUBTFUL = 1e-3  # of the distance: with a gap above it the program was not solved
_SPECK = 1e-9  # of the mass: what goes farthest may be rounding of weights, and no more is known of its distance
_FAR = 2.0**20  # between units, beyond which old prices say nothing


@dataclass(frozen=True, eq=False)
class Plan:
    """How one measure is carried to another.

    Attributes
    ----------
    distance : float
        W_p between the measures, or between the atoms that stand for them.
    gap : float
        W_p between the same atoms lies in [distance - gap, distance]: primal minus dual cost of the linear
        program, with an allowance for rounding. 0 where no program was solved.
    coupling : scipy.sparse.coo_array (n, m) or None
        Mass moved from atom i to atom j; None where no atoms were used.
    quantisation : float
        Bound on the error of `distance` from putting atoms in place of densities; inf where p > 2.
    p : float
        The exponent.
    marginal_error : float
        Total mass by which the coupling's marginals miss the atoms' weights, both sides together.
    """

    distance: float
    gap: float
    coupling: sparse.coo_array | None
    quantisation: float
    p: float
    marginal_error: float = 0.0


def wasserstein(mu: Measure, nu: Measure, p: float = 2) -> float:
    """Return W_p(mu, nu), the `distance` of `transport`."""
    _check(mu, nu, p, 1)
    if mu.dim == 1 and not is_gaussian_pair(mu, nu, p):
        return _on_the_line(mu, nu, float(p))
    return transport(mu, nu, p).distance


def transport(mu: Measure, nu: Measure, p: float = 2, *, atoms: int = _ATOMS) -> Plan:
    """Return the distance W_p(mu, nu), how sure it is, and the coupling that attains it.

    Parameters
    ----------
    mu, nu : measures of one dimension d
    p : float
        At least 1.
    atoms : int
        In d >= 2 a measure with a density is replaced by at most so many atoms. Atoms are never coarsened.

    Raises
    ------
    ValueError
        If an argument is not as above, or there are too many atoms.
    RuntimeError
        If the linear program's solver fails.

    Notes
    -----
    The linear program keeps some tens of numbers an atom, in a time that grows like n m (`meanfield.arcs`); between few
    atoms of one mass it is an assignment (`meanfield.assignment`). Atoms of more than 2e10 pairs are refused;
    `wasserstein_bounds` has no such limit. Where costs are so small that a solver cannot tell them from 0 beside those
    of the diameter to the power p, the program is solved again for shorter distances; `gap` then holds what is left,
    the rounding of coordinates beside the diameter.
    """
    _check(mu, nu, p, atoms)
    return _carried(mu, nu, float(p), atoms)[0]


def wasserstein_curve(curve: Curve | Trajectory, other: Curve | Trajectory, times: Sequence[float] | Array) -> Array:
    """Return W_2(curve(t), other(t)) for each of the times asked for, shape (m,).

    Parameters
    ----------
    curve, other : Curve or Trajectory
    times : (m,) array
        Depths that both hold.

    Raises
    ------
    ValueError
        If one of them does not hold a time.
    """
    problems = checks.Problems()
    for name, run in (("curve", curve), ("other", other)):
        if not (hasattr(run, "times") and hasattr(run, "__getitem__")):
            problems.add(f"`{name}` must be a Curve or a Trajectory; got {type(run).__name__}.")
        elif len(run.times) == 0:
            problems.add(f"`{name}` must hold a depth; it has reached none.")
    asked = checks.times(times, problems)
    problems.raise_if_any()
    assert asked is not None
    pairs = [(_index("curve", curve, t, problems), _index("other", other, t, problems)) for t in asked]
    problems.raise_if_any()
    distances, prices = [], None
    for i, j in pairs:
        mu, nu = curve[i], other[j]
        _check(mu, nu, 2, _ATOMS)
        if mu.dim == 1:
            distances.append(wasserstein(mu, nu))
        else:
            plan, prices = _carried(mu, nu, 2.0, _ATOMS, prices)
            distances.append(plan.distance)
    return np.array(distances)


def _index(name: str, curve: Curve | Trajectory, t: float, problems: checks.Problems) -> int:
    k = int(np.argmin(np.abs(curve.times - t)))
    if abs(curve.times[k] - t) > _SAME_TIME * max(1.0, abs(t)):
        problems.add(
            f"`times` must be held by both; `{name}` has no time {t:.12g}, its nearest is {curve.times[k]:.12g}."
        )
    return k


def _check(mu: Any, nu: Any, p: Any, atoms: Any) -> None:
    problems = checks.Problems()
    check_pair(mu, nu, problems)
    power = checks.real_array("p", p, problems)
    if power is not None and (power.ndim != 0 or power < 1):
        problems.add(f"`p` must be a number of at least 1; got {p!r}.")
    checks.count("atoms", atoms, problems)
    problems.raise_if_any()


def check_pair(mu: Any, nu: Any, problems: checks.Problems) -> None:
    """Complain unless both are measures of one dimension with finite points."""
    dims = [getattr(measure, "dim", None) for measure in (mu, nu)]
    for name, measure, dim in zip(("mu", "nu"), (mu, nu), dims, strict=True):
        if dim is None:
            problems.add(
                f"`{name}` must be a measure; got {type(measure).__name__}. For tokens use particles.Empirical(points)."
            )
        atoms_of = measure.nodes if isinstance(measure, PushForward) else measure
        if isinstance(atoms_of, Empirical) and not np.isfinite(atoms_of.points).all():
            first = np.argwhere(~np.isfinite(atoms_of.points))[0].tolist()
            problems.add(f"`{name}` must have finite points; got {atoms_of.points[*first]} at index {tuple(first)}.")
    if None not in dims and dims[0] != dims[1]:
        problems.add(f"`mu` and `nu` must have one dimension; got {dims[0]} and {dims[1]}.")
    elif not problems:
        low, high = (pick([pick(_places(m), axis=0) for m in (mu, nu)], axis=0) for pick in (np.min, np.max))
        with np.errstate(over="ignore"):
            span = math.hypot(*(high - low))
        if not span < math.inf:
            problems.add(
                "`mu` and `nu` must be no further apart than the largest double; "
                f"their coordinates go from {low.min():.6g} to {high.max():.6g}."
            )


def _places(measure: Any) -> Array:
    """Points between which the measure lies, all of it or what a distance is reckoned from; shape (n, d)."""
    if isinstance(measure, PushForward):
        measure = measure.nodes
    if isinstance(measure, Empirical):
        return measure.points
    return np.stack([measure.lower, measure.upper] if hasattr(measure, "lower") else [measure.mean])


def _on_the_line(mu: Measure, nu: Measure, p: float) -> float:
    if (
        isinstance(mu, PushForward)
        and isinstance(nu, PushForward)
        and mu.source is nu.source
        and mu.resolved
        and nu.resolved
    ):
        return between_flows(mu, nu, p)
    return distance(quantile(mu), quantile(nu), p)


def is_gaussian_pair(mu: Measure, nu: Measure, p: float) -> bool:
    """Whether the distance has a closed form in means and covariances."""
    return p == 2 and isinstance(mu, Gaussian) and isinstance(nu, Gaussian)


def _bures(mu: Any, nu: Any) -> float:
    return math.hypot(np.linalg.norm(mu.mean - nu.mean), bures(mu.root, nu.root))


@dataclass(frozen=True, eq=False)
class _Prices:
    """Prices of the atoms y, in units of length to the power p, to begin the next program with."""

    v: Array
    unit: float

    def at(self, unit: float, p: float, count: int) -> Array | None:
        """Return them in another unit, or None where they are of no use."""
        ratio = self.unit / unit
        return self.v * ratio**p if len(self.v) == count and 1 / _FAR < ratio < _FAR else None


def gelbrich(mu: Measure, nu: Measure) -> float:
    """Return W2 of the normal laws with the same means and covariances, less rounding: at most W2(mu, nu)."""
    means, spread = 0.0, bures(*(Gaussian(measure.mean, measure.cov).root for measure in (mu, nu)))
    for measure in (mu, nu):
        variances, shift = np.linalg.eigvalsh(measure.cov), float(np.linalg.norm(measure.mean))
        width = math.sqrt(max(0.0, float(variances.sum())))
        means += _ROUNDINGS * _EPS * math.hypot(shift, width)
        # a change of S moves its root by at most the change's own root, or the change over that of the least eigenvalue
        change = _ROUNDINGS * _EPS * width * (width + shift)
        spread -= change / math.sqrt(max(float(variances[0]), change, _TINY))
    return math.hypot(max(0.0, float(np.linalg.norm(mu.mean - nu.mean)) - means), max(0.0, spread))


def _carried(
    mu: Measure, nu: Measure, p: float, atoms: int, start: _Prices | None = None
) -> tuple[Plan, _Prices | None]:
    """Return the plan, and the prices of the program if there was one."""
    if is_gaussian_pair(mu, nu, p):
        return Plan(_bures(mu, nu), 0.0, None, 0.0, p), None
    if mu.dim == 1:
        coupling = monotone(mu, nu) if isinstance(mu, Empirical) and isinstance(nu, Empirical) else None
        return Plan(_on_the_line(mu, nu, p), 0.0, coupling, 0.0, p), None
    (sources, error), (targets, other) = quantise(mu, atoms), quantise(nu, atoms)
    bound = error + other
    plan, prices = _program(sources, targets, p, start)
    return replace(plan, quantisation=math.inf if p > 2 and bound > 0 else bound), prices


def _program(mu: Empirical, nu: Empirical, p: float, start: _Prices | None) -> tuple[Plan, _Prices]:
    """Return the plan between atoms, its distance summed from the coupling and the points that came."""
    (rows, a), (columns, b) = carriers(mu), carriers(nu)
    if len(rows) * len(columns) > _MOST_PAIRS:
        raise ValueError(
            f"`mu` and `nu` must have at most {_MOST_PAIRS:.0e} pairs of atoms; got {len(rows)} by {len(columns)}."
            " For bounds at any number of atoms use meanfield.wasserstein_bounds."
        )
    x, y, unit = scaled(mu.points[rows], nu.points[columns], a, b, p)
    program = Program(x, y, a, b, p, unit=unit)
    apart = math.hypot(*(a @ mu.points[rows] - b @ nu.points[columns])) / unit if p == 2 else 0.0  # see `scaled`
    last, found = solve_sharply(program, None if start is None else start.at(unit, p, len(b)), apart)
    i, j = rows[found.rows], columns[found.columns]
    coupling = sparse.coo_array((found.masses, (i, j)), shape=(len(mu.points), len(nu.points)))
    length, dearest = mean_length(mu.points[i] - nu.points[j], found.masses, p)
    # coordinates in units are rounded, so the program that was solved is one of atoms moved by that much
    rounding = 2 * math.sqrt(mu.dim) * _EPS * unit
    forced = min(len(a), len(b)) == 1
    gap = 0.0 if forced else gap_on_root(length, found.slack, last.unit, p)
    if gap > _DOUBTFUL * length + rounding and dearest > _SPECK:
        raise RuntimeError(
            f"the transport of {len(a)} to {len(b)} atoms, p = {p:g}, was not solved: the plan found gives"
            f" {length:.6g}, and the distance may be as small as {length - gap:.6g}."
        )
    gap = 0.0 if forced else min(length, gap + rounding)
    return Plan(length, gap, coupling, 0.0, p, found.marginal_error), _Prices(found.v, last.unit)
