"""Bounds on W2 between any number of atoms, in a time that grows like n log n.

From below, the largest of

    |m - n|^2 + tr(S + T - 2 (S^{1/2} T S^{1/2})^{1/2})        means m, n and covariances S, T (Gelbrich)
    sum_k W_2^2(<e_k, .># mu, <e_k, .># nu)                    for an orthonormal basis e_k, as |x|^2 = sum_k <e_k, x>^2
    W_2(mu', nu') - W_2(mu, mu') - W_2(nu, nu')                mu', nu' the centroids of blocks of atoms

and from above what a coupling costs: the one that is given; the optimal one between blocks, each taken to the other by
independence, which costs W_2^2(mu', nu') + W_2^2(mu, mu') + W_2^2(nu, nu'); and one that takes atoms in the order of
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
from meanfield.costs import scaled
from meanfield.line_distance import distance, in_order
from meanfield.program import Program, solve
from meanfield.quantiles import quantile
from meanfield.quantise import quantise
from meanfield.wasserstein import check_pair, is_gaussian_pair, transport
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
        Those with a density are replaced by atoms in d >= 2, and what that may cost widens the bounds.
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
    check_pair(mu, nu)
    if coupling is None and (mu.dim == 1 or is_gaussian_pair(mu, nu, 2)):
        exact = transport(mu, nu).distance
        return exact, exact
    given = None if coupling is None else _checked(coupling, mu, nu)
    (sources, error), (targets, other) = quantise(mu, _ATOMS), quantise(nu, _ATOMS)
    rows, columns = np.flatnonzero(sources.weights), np.flatnonzero(targets.weights)
    a, b = (weights / weights.sum() for weights in (sources.weights[rows], targets.weights[columns]))
    x, y, unit = scaled(sources.points[rows], targets.points[columns], a, b, 1.0)
    rounding = _ROUNDINGS * _EPS * math.sqrt(mu.dim)
    low, high = _between_blocks(x, y, a, b)
    low = max(low, _gelbrich(x, y, a, b), _projections(x, y, a, b))
    high = min(high, _cost(x, y, _halving(x, y, a, b)))
    if len(a) == len(b) and (a == b).all():
        high = min(high, math.sqrt(a @ ((x - y) ** 2).sum(axis=1)))
    if given is not None:
        steps = sources.points[given.row] / unit - targets.points[given.col] / unit
        high = min(high, math.sqrt(given.data @ (steps**2).sum(axis=1)))
    quantisation = error + other
    lower = max(0.0, unit * (low - rounding) - quantisation)
    upper = unit * (high * (1 + rounding)) + quantisation
    return lower, upper


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


def _between_blocks(x: Array, y: Array, a: Array, b: Array) -> tuple[float, float]:
    (left, right) = (blocks(points, masses, _BLOCKS) for points, masses in ((x, a), (y, b)))
    found = solve(
        Program(left.centroids, right.centroids, left.masses / left.masses.sum(), right.masses / right.masses.sum(), 2)
    )
    within = max(0.0, left.spread) + max(0.0, right.spread)
    low = math.sqrt(max(0.0, found.cost - found.slack)) - math.sqrt(left.spread) - math.sqrt(right.spread)
    return low, math.sqrt(found.cost + within)


def _gelbrich(x: Array, y: Array, a: Array, b: Array) -> float:
    """Root of the first bound: ||A - B U||_F^2 with A A^T = S, B B^T = T and U the polar factor of B^T A."""
    (m, S), (n, T) = _moments(x, a), _moments(y, b)
    A, B = _root(S), _root(T)
    left, _, right = np.linalg.svd(B.T @ A)
    # rounding in S and T moves their roots by no more than its own root
    rounding = 2 * math.sqrt(_ROUNDINGS * _EPS * float(np.trace(S) + np.trace(T)))
    spread = max(0.0, float(np.linalg.norm(A - B @ (left @ right))) - rounding)
    return math.hypot(float(np.linalg.norm(m - n)), spread)


def _projections(x: Array, y: Array, a: Array, b: Array) -> float:
    (_, S), (_, T) = _moments(x, a), _moments(y, b)
    bases = [np.linalg.eigh(S + T)[1], np.linalg.eigh(S - T)[1]]
    squares = [
        sum(
            distance(quantile(Empirical(x @ e[:, None], a)), quantile(Empirical(y @ e[:, None], b)), 2) ** 2
            for e in basis.T
        )
        for basis in bases
    ]
    return math.sqrt(max(squares))


def _halving(x: Array, y: Array, a: Array, b: Array) -> sparse.coo_array:
    from meanfield._halving import halve  # numba takes its time to import
    from particles.softmax._rows import share_rows

    (m, S), (n, T) = _moments(x, a), _moments(y, b)
    root = _root(S)
    inverse = np.linalg.pinv(root, rcond=math.sqrt(_EPS), hermitian=True)
    onto = inverse @ _root(root @ T @ root) @ inverse
    variances, axes = np.linalg.eigh(T)
    turn = np.arange(len(variances))[::-1].copy()  # the widest axis first
    clouds = ((((x - m) @ onto) @ axes, a), ((y - n) @ axes, b))
    orders = [np.arange(len(weights)) for _, weights in clouds]

    def work(first: int, last: int) -> None:
        for k in range(first, last):
            halve(*clouds[k], turn, orders[k])

    share_rows(work, 2, len(a) + len(b) << 8)
    return in_order(a, orders[0], b, orders[1])


def _moments(points: Array, weights: Array) -> tuple[Array, Array]:
    mean = weights @ points
    away = points - mean
    return mean, (away * weights[:, None]).T @ away


def _root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _cost(x: Array, y: Array, coupling: sparse.coo_array) -> float:
    return math.sqrt(coupling.data @ ((x[coupling.row] - y[coupling.col]) ** 2).sum(axis=1))
