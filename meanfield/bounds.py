"""Bounds on W2 between any number of atoms, in a time that grows like n log n.

From below, the largest of

    |m - n|^2 + tr(S + T - 2 (S^{1/2} T S^{1/2})^{1/2})        means m, n and covariances S, T (Gelbrich)
    sum_k W_2^2(<e_k, .># mu, <e_k, .># nu)                    for an orthonormal basis e_k, as |x|^2 = sum_k <e_k, x>^2
    W_2(mu', nu') - W_2(mu, mu') - W_2(nu, nu')                mu', nu' the centroids of blocks of atoms

and from above what a coupling costs: the one that is given; the optimal one between blocks, each taken to the other by
independence, which costs W_2^2(mu', nu') + W_2^2(mu, mu') + W_2^2(nu, nu'), and for densities independence itself,
|m - n|^2 + tr(S + T); and one that takes atoms in the order of
repeated halving of both masses, nu's along its principal axes and mu's likewise after the affine map that takes its
mean and covariance to those of nu.

References
----------
M. Gelbrich, On a formula for the L2 Wasserstein metric between measures on Euclidean and Hilbert spaces, 1990.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import sparse

from meanfield.blocks import blocks
from meanfield.costs import carriers, scaled
from meanfield.gaussian import optimal_map
from meanfield.line_distance import distance, in_order
from meanfield.program import Program
from meanfield.quantiles import quantile
from meanfield.quantise import quantise
from meanfield.sharp import solve
from meanfield.wasserstein import check_pair, gelbrich, is_gaussian_pair, transport
from particles import checks
from particles.checks import Array
from particles.measure import Empirical, Measure

_EPS = float(np.finfo(float).eps)
_ATOMS = 1 << 14  # that stand for a density
_BLOCKS = 1024
_ROUNDINGS = 64  # of a coordinate, allowed for in sums over atoms
_MARGINAL = 1e-12


def wasserstein_bounds(mu: Measure, nu: Measure, coupling: Any = None) -> tuple[float, float]:
    """Return (lower, upper) with lower <= W_2(mu, nu) <= upper, at any number of atoms.

    Parameters
    ----------
    mu, nu : measures of one dimension d
        Those with a density are replaced by atoms in d >= 2, and what that may cost widens the bounds, but not those
        by means and covariances, which are the measures' own.
    coupling : sparse array (n, m), optional
        Mass that goes from atom i of `mu` to atom j of `nu`, such as `Plan.coupling` at an earlier depth.

    Returns
    -------
    tuple of float
        Both are the exact value, to rounding, on the line and between Gaussians.

    Raises
    ------
    ValueError
        If an argument is not as above, or the coupling has other marginals than the measures.

    Notes
    -----
    A million atoms take a few seconds, `transport` between as many would take days. The bounds are far apart where the
    distance is small beside what keeps the atoms of either measure apart, unless a good coupling is given.
    """
    problems = checks.Problems()
    check_pair(mu, nu, problems)
    problems.raise_if_any()
    if coupling is None and (mu.dim == 1 or is_gaussian_pair(mu, nu, 2)):
        exact = transport(mu, nu).distance
        return exact, exact
    given = None if coupling is None else _checked(coupling, mu, nu)
    (sources, error), (targets, other) = quantise(mu, _ATOMS), quantise(nu, _ATOMS)
    (rows, a), (columns, b) = carriers(sources), carriers(targets)
    x, y, unit = scaled(sources.points[rows], targets.points[columns], a, b, 1.0)
    rounding = _ROUNDINGS * _EPS * math.sqrt(mu.dim)
    left, right = Empirical(x, a), Empirical(y, b)
    low, high = _between_blocks(left, right)
    low = max(low, gelbrich(left, right), _projections(left, right))
    high = min(high, _cost(x, y, _halving(left, right)))
    if len(a) == len(b) and (a == b).all():
        high = min(high, math.sqrt(a @ ((x - y) ** 2).sum(axis=1)))
    if given is not None:
        steps = sources.points[given.row] / unit - targets.points[given.col] / unit
        high = min(high, math.sqrt(given.data @ (steps**2).sum(axis=1)))
    quantisation = error + other
    lower = max(0.0, unit * (low - rounding) - quantisation)
    upper = unit * (high * (1 + rounding)) + quantisation
    if quantisation > 0:  # their own moments are known
        lower, upper = max(lower, gelbrich(mu, nu)), min(upper, _independent(mu, nu) * (1 + rounding))
    return lower, upper


def _independent(mu: Measure, nu: Measure) -> float:
    return math.sqrt(float(((mu.mean - nu.mean) ** 2).sum() + np.trace(mu.cov) + np.trace(nu.cov)))


def _checked(coupling: Any, mu: Measure, nu: Measure) -> sparse.coo_array:
    problems = checks.Problems()
    if not (isinstance(mu, Empirical) and isinstance(nu, Empirical)):
        problems.add("`coupling` must be left out unless both measures are atoms.")
    elif not sparse.issparse(coupling):
        problems.add(f"`coupling` must be a scipy sparse array; got {type(coupling).__name__}.")
    elif coupling.shape != (len(mu.points), len(nu.points)):
        problems.add(f"`coupling` must have shape {len(mu.points), len(nu.points)}; got {coupling.shape}.")
    else:
        given = sparse.coo_array(coupling)
        misses = [abs(given.sum(axis=1 - k) - m.weights / m.weights.sum()).max() for k, m in enumerate((mu, nu))]
        if not (max(misses) <= _MARGINAL and (given.data >= 0).all()):
            problems.add(
                f"`coupling` must have masses of at least 0 whose sums are the weights; they miss by {max(misses):.3g}."
            )
    problems.raise_if_any()
    return sparse.coo_array(coupling)


def _between_blocks(mu: Empirical, nu: Empirical) -> tuple[float, float]:
    left, right = (blocks(measure.points, measure.weights, _BLOCKS) for measure in (mu, nu))
    found = solve(
        Program(left.centroids, right.centroids, left.masses / left.masses.sum(), right.masses / right.masses.sum(), 2)
    )
    within = max(0.0, left.spread) + max(0.0, right.spread)
    low = math.sqrt(max(0.0, found.cost - found.slack)) - math.sqrt(left.spread) - math.sqrt(right.spread)
    return low, math.sqrt(found.cost + within)


def _projections(mu: Empirical, nu: Empirical) -> float:
    bases = [np.linalg.eigh(mu.cov + nu.cov)[1], np.linalg.eigh(mu.cov - nu.cov)[1]]

    def along(direction: Array) -> float:
        f, g = (quantile(Empirical(cloud.points @ direction[:, None], cloud.weights)) for cloud in (mu, nu))
        return distance(f, g, 2)

    return math.sqrt(max(sum(along(direction) ** 2 for direction in basis.T) for basis in bases))


def _halving(mu: Empirical, nu: Empirical) -> sparse.coo_array:
    from meanfield._halving import halve  # numba takes its time to import
    from particles.softmax._rows import share_rows

    variances, axes = np.linalg.eigh(nu.cov)
    turn = np.arange(len(variances))[::-1].copy()  # the widest axis first
    onto = optimal_map(mu.cov, nu.cov)
    clouds = (
        (((mu.points - mu.mean) @ onto) @ axes, mu.weights),
        ((nu.points - nu.mean) @ axes, nu.weights),
    )
    orders = [np.arange(len(weights)) for _, weights in clouds]

    def work(first: int, last: int) -> None:
        for k in range(first, last):
            halve(*clouds[k], turn, orders[k])

    share_rows(work, 2, len(mu.weights) + len(nu.weights) << 8)
    return in_order(mu.weights, orders[0], nu.weights, orders[1])


def _cost(x: Array, y: Array, coupling: sparse.coo_array) -> float:
    return math.sqrt(coupling.data @ ((x[coupling.row] - y[coupling.col]) ** 2).sum(axis=1))
