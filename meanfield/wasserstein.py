"""Wasserstein distances, each as exact as its measures allow.

    W_p(mu, nu)^p = min { int |x - y|^p dpi : pi couples mu and nu }

On the line: quantile functions. Two Gaussians, p = 2: with covariances A A^T, B B^T and U the orthogonal
polar factor of B^T A, W_2^2 = |m - n|^2 + ||A - B U||_F^2, which keeps its digits where the covariances are
nearly equal. Otherwise the linear program between atoms, with a certificate from its dual.

References
----------
G. Peyre, M. Cuturi, Computational Optimal Transport, 2019.
R. Bhatia, T. Jain, Y. Lim, On the Bures-Wasserstein distance between positive definite matrices, 2019.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, sparse

from meanfield.costs import gap_on_root, lengths, scaled_costs
from meanfield.curve import Curve
from meanfield.gaussian import Gaussian
from meanfield.line_distance import between_flows, distance, monotone
from meanfield.push_forward import PushForward
from meanfield.quantiles import quantile
from meanfield.quantise import quantise
from particles import checks
from particles.checks import Array
from particles.measure import Empirical, Measure
from particles.memory import require
from particles.trajectory import Trajectory

_EPS = float(np.finfo(float).eps)
_MARGINAL = 1e-12  # by which a plan's marginals may miss the weights
_SPECK, _LOST = 1e-13, 1e-9  # a weight that small may be left out by the solver, all of it or this share
_COPIES = 5  # of the cost matrix, at the solver's peak
_SAME_TIME = 1e-12


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
    """

    distance: float
    gap: float
    coupling: sparse.coo_array | None
    quantisation: float
    p: float


def wasserstein(mu: Measure, nu: Measure, p: float = 2) -> float:
    """Return W_p(mu, nu), the `distance` of `transport`."""
    _check(mu, nu, p, 1)
    if mu.dim == 1 and not _both_gaussian(mu, nu, p):
        return _on_the_line(mu, nu, float(p))
    return transport(mu, nu, p).distance


def transport(mu: Measure, nu: Measure, p: float = 2, *, atoms: int = 2048) -> Plan:
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
        If an argument is not as above.
    MemoryError
        If the linear program would not fit into the memory that is free.
    RuntimeError
        If the linear program's solver fails.

    Notes
    -----
    The linear program needs about 40 n m bytes and a time that grows like n^2.3. It tells costs apart down
    to about 1e-15 of the diameter to the power p, and `gap` says so. A smaller distance is still right, though
    not certified, where neighbouring atoms stand well apart.
    """
    _check(mu, nu, p, atoms)
    p = float(p)
    if _both_gaussian(mu, nu, p):
        return Plan(_bures(mu, nu), 0.0, None, 0.0, p)
    if mu.dim == 1:
        coupling = monotone(mu, nu) if isinstance(mu, Empirical) and isinstance(nu, Empirical) else None
        return Plan(_on_the_line(mu, nu, p), 0.0, coupling, 0.0, p)
    (sources, error), (targets, other) = quantise(mu, atoms), quantise(nu, atoms)
    length, gap, coupling = _program(sources, targets, p)
    bound = error + other
    return Plan(length, gap, coupling, math.inf if p > 2 and bound > 0 else bound, p)


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
    asked = checks.times(times, problems)
    problems.raise_if_any()
    assert asked is not None
    pairs = [(_index("curve", curve, t, problems), _index("other", other, t, problems)) for t in asked]
    problems.raise_if_any()
    return np.array([wasserstein(curve[i], other[j]) for i, j in pairs])


def _index(name: str, curve: Curve | Trajectory, t: float, problems: checks.Problems) -> int:
    k = int(np.argmin(np.abs(curve.times - t)))
    if abs(curve.times[k] - t) > _SAME_TIME * max(1.0, abs(t)):
        problems.add(
            f"`times` must be held by both; `{name}` has no time {t:.12g}, its nearest is {curve.times[k]:.12g}."
        )
    return k


def _check(mu: Any, nu: Any, p: Any, atoms: Any) -> None:
    problems = checks.Problems()
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
    power = checks.real_array("p", p, problems)
    if power is not None and (power.ndim != 0 or power < 1):
        problems.add(f"`p` must be a number of at least 1; got {p!r}.")
    checks.count("atoms", atoms, problems)
    problems.raise_if_any()


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


def _both_gaussian(mu: Measure, nu: Measure, p: float) -> bool:
    return p == 2 and isinstance(mu, Gaussian) and isinstance(nu, Gaussian)


def _bures(mu: Any, nu: Any) -> float:
    left, _, right = linalg.svd(nu.root.T @ mu.root)
    return math.hypot(np.linalg.norm(mu.mean - nu.mean), np.linalg.norm(mu.root - nu.root @ (left @ right)))


def _program(mu: Empirical, nu: Empirical, p: float) -> tuple[float, float, sparse.coo_array]:
    """W_p between atoms, the gap on it, and the coupling.

    The program sees coordinates moved and scaled to order one (for p = 2 each cloud about its own mean, which
    changes every coupling's cost alike); the distance is summed from the coupling and the points that came.
    """
    rows, columns = np.flatnonzero(mu.weights), np.flatnonzero(nu.weights)
    a, b = mu.weights[rows] / mu.weights.sum(), nu.weights[columns] / nu.weights.sum()
    x, y = mu.points[rows], nu.points[columns]
    require(8 * _COPIES * len(a) * len(b), f"the transport program of {len(a)} by {len(b)} atoms")
    cost, scale = scaled_costs(x, y, a, b, p)
    i, j, mass, u, v = _solve(a, b, cost)
    slack = max(0.0, float(mass @ cost[i, j] - a @ u - b @ v))
    slack += 8 * _EPS * float(np.abs(u).max() + np.abs(v).max() + cost.max())
    steps, longest = lengths(x[i] - y[j])
    coupling = sparse.coo_array((mass, (rows[i], columns[j])), shape=(len(mu.points), len(nu.points)))
    power = float(mass @ steps**p)
    length = longest * power ** (1 / p)
    return length, gap_on_root(length, slack, scale, p), coupling


def _solve(a: Array, b: Array, cost: Array) -> tuple[Any, Any, Array, Array, Array]:
    """Solve the linear program: rows, columns and masses of the plan, and potentials u_i + v_j <= cost_ij."""
    import ot

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exit status below says the same
        plan, log = ot.emd(a, b, cost, numItermax=1_000_000 + 1000 * (len(a) + len(b)), log=True)
    if log["result_code"] != 1:
        raise RuntimeError(f"the transport of {len(a)} to {len(b)} atoms was not solved: {log['warning']}")
    v = _transform(cost, log["u"])
    u = _transform(cost.T, v)
    _give_back(plan, a, cost, v)
    _give_back(plan.T, b, cost.T, u)
    miss = max(np.abs(plan.sum(axis=1) - a).max(), np.abs(plan.sum(axis=0) - b).max())
    if not miss <= _MARGINAL:
        raise RuntimeError(f"the transport program's plan misses the weights by {miss:.3g}.")
    i, j = np.nonzero(plan)
    return i, j, plan[i, j], u, v


def _give_back(plan: Array, weights: Array, cost: Array, potential: Array) -> None:
    """Send masses too small for the solver, which leaves them out, where they cost least."""
    missing = weights - plan.sum(axis=1)
    lost = np.flatnonzero((missing > _LOST * weights) & (weights < _SPECK))
    if len(lost):
        plan[lost, (cost[lost] - potential).argmin(axis=1)] += missing[lost]


def _transform(cost: Array, u: Array) -> Array:
    """Return the largest v with u_i + v_j <= cost_ij, a few columns at a time."""
    step = max(1, 1_000_000 // len(u))
    return np.concatenate([(cost[:, k : k + step] - u[:, None]).min(axis=0) for k in range(0, cost.shape[1], step)])
