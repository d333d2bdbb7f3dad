"""The transport program between atoms, solved on the few arcs that matter, and certified by its dual on all of them.

    min sum_ij c_ij pi_ij  =  max sum_i a_i u_i + sum_j b_j v_j,   u_i + v_j <= c_ij = |x_i - y_j|^p

An optimal plan uses fewer than n + m arcs (i, j). So the program is solved on a sparse set of arcs: those which are
cheapest at some prices v, and a coupling that exists for certain. Then all n m arcs are looked at once, from the
coordinates, nothing of that size being kept: u_i = min_j (c_ij - v_j) makes (u, v) feasible, hence a lower bound, and
arcs cheaper than the prices allow join the set until there are none. First prices come from the same program between
blocks of atoms, or from a program solved before.

References
----------
G. Peyre, M. Cuturi, Computational Optimal Transport, 2019, sections 3.5 and 3.7.
B. Schmitzer, A sparse multiscale algorithm for dense optimal transport, 2016.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import sparse

from meanfield.blocks import blocks
from meanfield.line_distance import monotone
from particles.checks import Array
from particles.measure import Empirical

_EPS, _TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)
_FEW = 250  # atoms between which all arcs are taken
_NEAREST = 8  # arcs of each atom to begin with, and at most so many more a round
_RATIO = 8  # atoms to a block
_COUPLED = 0.9  # share of the y that are nearest to some x, from which on clouds count as nearly coupled
_ROUNDS = 100
_SWEEPS = 1000
_ROUNDINGS = 8  # of the largest price, below which an arc is not cheaper than the prices allow
_NEARLY = 1e-9  # of the largest price: arcs whose slack may be the solver's rounding
_ROUGH = 1e-3  # relative gap that is good enough between blocks
_SURE = 1e-8  # relative gap at which a program is not solved again with less reach
_ENOUGH = 1e-12  # relative gap at which such a program is solved: arcs that differ by less are many
_APART = 1e100  # in units of length: more could overflow
_ROOM = 10.0  # by which power of 2 the dearest arc may cost more than the dearest that is used
_MARGINAL = 1e-12  # by which a plan's marginals may miss the weights
_SPECK, _LOST = 1e-13, 1e-9  # a weight that small may be left out by the solver, all of it or this share


@dataclass(frozen=True, eq=False)
class Program:
    """Atoms x_i of mass a_i to be carried to atoms y_j of mass b_j.

    Parameters
    ----------
    x, y : (n, d) and (m, d) array
        The atoms, in coordinates of order one.
    a, b : (n,) and (m,) array
        Their masses, all positive, each adding up to 1.
    p : float
        The power of the distance that is paid.
    reach : float
        The distance beyond which nothing more is paid.
    unit : float
        The unit of length of the coordinates.
    """

    x: Array
    y: Array
    a: Array
    b: Array
    p: float
    reach: float = np.inf
    unit: float = 1.0

    @property
    def mirrored(self) -> Program:
        """The program from y to x."""
        return replace(self, x=self.y, y=self.x, a=self.b, b=self.a)

    def costs(self, i: Any, j: Any) -> Array:
        """Return c_ij for arcs of indices i and j, from differences of coordinates."""
        squares = np.minimum(((self.x[i] - self.y[j]) ** 2).sum(axis=-1), self.reach**2)
        with np.errstate(under="ignore"):
            return squares if self.p == 2 else squares ** (0.5 * self.p)

    def longest(self, i: Any, j: Any) -> float:
        """Return the longest of the arcs of indices i and j."""
        return math.sqrt(float(((self.x[i] - self.y[j]) ** 2).sum(axis=-1).max()))

    def within(self, reach: float) -> Program:
        """Return the program that pays for distances up to `reach` only, in a unit near to that."""
        # division by a power of 2 loses nothing, but leaves the dearest cost as low as 2^{-p}
        size = math.ldexp(1.0, math.frexp(reach)[1]) if self.p <= _ROOM else reach
        return replace(self, x=self.x / size, y=self.y / size, reach=reach / size, unit=self.unit * size)

    def cheapest(self, prices: Array, count: int) -> tuple[Array, Any]:
        """Return for each x_i the least values of c_ij - prices_j, ascending, (n, k), and their j, (n, k)."""
        from meanfield._arcs import cheapest  # numba takes its time to import
        from particles.softmax._rows import share_rows

        shape = len(self.x), min(count, len(self.y))
        values, columns = np.empty(shape), np.empty(shape, dtype=np.intp)
        x, y = (np.ascontiguousarray(points.T) for points in (self.x, self.y))

        def work(first: int, last: int) -> None:
            cheapest(first, last, x, y, prices, self.p, self.reach, values, columns)

        share_rows(work, len(self.x), len(self.y))
        return values, columns

    def in_blocks(self) -> Program:
        """Return the program between the centroids of blocks of atoms."""
        (x, a), (y, b) = (_centroids(points, masses) for points, masses in ((self.x, self.a), (self.y, self.b)))
        return replace(self, x=x, y=y, a=a, b=b)


@dataclass(frozen=True, eq=False)
class Optimum:
    """A plan, and prices that show how good it is.

    Attributes
    ----------
    rows, columns, masses : (k,) arrays
        Mass that goes from x_i to y_j.
    u, v : (n,) and (m,) array
        Prices with u_i + v_j <= c_ij up to rounding.
    cost : float
        What the plan costs; inf if some of it goes beyond the program's reach, where costs are not the true ones.
    slack : float
        The least cost is at least cost - slack, with an allowance for rounding.
    marginal_error : float
        sum_i |sum_j pi_ij - a_i| + sum_j |sum_i pi_ij - b_j|.
    """

    rows: Any
    columns: Any
    masses: Array
    u: Array
    v: Array
    cost: float
    slack: float
    marginal_error: float


def solve(program: Program, prices: Array | None = None, enough: float = 0.0) -> Optimum:
    """Solve a transport program.

    Parameters
    ----------
    program : Program
    prices : (m,) array, optional
        Prices v to begin with, such as those of a program solved before whose atoms have moved a little.
    enough : float
        Relative gap at which to stop before the optimum.

    Raises
    ------
    RuntimeError
        If the solver on the arcs fails, or its plan misses the masses.
    """
    if max(len(program.a), len(program.b)) <= _FEW:
        return _on_all_arcs(program)
    m = len(program.b)
    u, v, arcs = _first_arcs(program, _rough_prices(program) if prices is None else prices)
    for _ in range(_ROUNDS):
        i, j = np.divmod(arcs, m)
        costs = program.costs(i, j)
        plan, u, v = _on_arcs(program, i, j, costs, u, v)
        u, v = _settled(program, i, j, costs, plan, u, v)
        best, columns = program.cheapest(v, _NEAREST)
        found = _optimum(program, plan, best[:, 0], columns[:, 0], v)
        if found.slack <= enough * found.cost:
            break
        size = float(max(np.abs(u).max(), np.abs(v).max()))
        cheaper = best < (u - _ROUNDINGS * _EPS * size)[:, None]
        more = _distinct(arcs, np.nonzero(cheaper)[0] * m + columns[cheaper])
        if len(more) == len(arcs):
            break
        arcs = more
    return found


def solve_sharply(program: Program, prices: Array | None = None, apart: float = 0.0) -> tuple[Program, Optimum]:
    """Solve a transport program to the accuracy of its own cost, not of the dearest arc's; return it as last solved.

    A solver in double precision tells costs apart to eps of the largest one, that of the diameter to the power p. Where
    the optimal plan costs far less, as between near clouds, in clusters that are far apart, or for large p, the program
    is solved again with a reach near to the longest arc that the plan used: such costs are no larger than the true
    ones, so that prices for them are prices for the program, and a plan within the reach costs what it did.

    Parameters
    ----------
    program : Program
    prices : (m,) array, optional
        Prices to begin with.
    apart : float
        A distance, to the power p of which every plan costs more than it does here: what the gap is judged by.

    Raises
    ------
    RuntimeError
        If a solver fails.
    """
    found, unit = solve(program, prices), program.unit
    room, shorter = 2.0 ** (_ROOM / program.p), 0.5 ** (1 / program.p)
    for _ in range(_ROUNDS):
        besides = min(apart * (unit / program.unit), _APART) ** program.p if apart else 0.0
        longest = program.longest(found.rows, found.columns)
        if found.slack <= _SURE * (found.cost + besides) or longest == 0:
            break
        reach, closer = room * longest, None
        while closer is None and reach < shorter * min(program.reach, 1.0):
            closer = program.within(reach)
            better = solve(closer, enough=_ENOUGH)
            if not np.isfinite(better.cost):
                closer, reach = None, reach * room
        if closer is None:
            break
        program, found = closer, better
    return program, found


def _on_all_arcs(program: Program) -> Optimum:
    shape = len(program.a), len(program.b)
    i, j = np.indices(shape).reshape(2, -1)
    costs = program.costs(i, j)
    plan, u, v = _on_arcs(program, i, j, costs, None, None)
    _, v = _settled(program, i, j, costs, plan, u, v)
    reduced = costs.reshape(shape) - v
    return _optimum(program, plan, reduced.min(axis=1), reduced.argmin(axis=1), v)


def _rough_prices(program: Program) -> Array:
    """Prices v = 0 for clouds nearly coupled, else from the program between blocks: v_j = min_I (c(X_I, y_j) - U_I)."""
    none = np.zeros(len(program.b))
    if len(np.unique(program.cheapest(none, 1)[1])) > _COUPLED * len(none):
        return none
    rough = program.in_blocks()
    U = solve(rough, enough=_ROUGH).u
    return replace(program, x=rough.x, a=rough.a).mirrored.cheapest(U, 1)[0][:, 0]


def _centroids(points: Array, masses: Array) -> tuple[Array, Array]:
    cut = blocks(points, masses, max(_FEW // 2, len(points) // _RATIO))
    return cut.centroids, cut.masses


def _first_arcs(program: Program, v: Array) -> tuple[Array, Array, Any]:
    """Feasible prices, and as arcs i m + j: the cheapest of each atom, and a coupling of the widest axes' orders."""
    m = len(program.b)
    values, columns = program.cheapest(v, _NEAREST)
    u = values[:, 0]
    prices, rows = program.mirrored.cheapest(u, _NEAREST)
    axis = int(np.argmax(np.ptp(program.x, axis=0)))
    some = monotone(Empirical(program.x[:, [axis]], program.a), Empirical(program.y[:, [axis]], program.b))
    own, theirs = np.arange(len(u))[:, None] * m + columns, rows * m + np.arange(m)[:, None]
    return u, prices[:, 0], _distinct(own.ravel(), theirs.ravel(), some.row * m + some.col)


def _distinct(*arcs: Any) -> Any:
    every = np.sort(np.concatenate(arcs))
    return every[np.append(True, every[1:] != every[:-1])]


def _on_arcs(
    program: Program, i: Any, j: Any, costs: Array, u: Array | None, v: Array | None
) -> tuple[sparse.coo_array, Array, Array]:
    """Return the best plan on the arcs, and its prices."""
    import ot

    n, m = len(program.a), len(program.b)
    full = len(costs) == n * m
    table = costs.reshape(n, m) if full else sparse.coo_array((costs, (i, j)), shape=(n, m))
    start = None if u is None else (u, v)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exit status below says the same
        plan, log = ot.emd(
            program.a, program.b, table, numItermax=1_000_000 + 1000 * (n + m), log=True, potentials_init=start
        )
    if log["result_code"] != 1:
        raise RuntimeError(f"the transport of {n} to {m} atoms was not solved: {log['warning']}")
    return sparse.coo_array(plan), log["u"], log["v"]


def _settled(
    program: Program, i: Any, j: Any, costs: Array, plan: sparse.coo_array, u: Array, v: Array
) -> tuple[Array, Array]:
    """Prices that the arcs and the plan agree on, free of the rounding that the solver's pivots pile up."""
    from meanfield._arcs import settle

    size = float(max(np.abs(u).max(), np.abs(v).max()))
    tight = np.flatnonzero(costs - u[i] - v[j] <= _NEARLY * size)
    u, v = u.copy(), v.copy()
    paid = program.costs(plan.row, plan.col)
    settle(i[tight], j[tight], costs[tight], plan.row, plan.col, paid, u, v, 2 * _EPS * size, _SWEEPS)
    return u, v


def _optimum(program: Program, plan: sparse.coo_array, u: Array, cheapest: Any, v: Array) -> Optimum:
    rows, columns, masses = _complete(program, plan, cheapest, u)
    misses = [
        np.abs(np.bincount(at, masses, len(weights)) - weights)
        for at, weights in ((rows, program.a), (columns, program.b))
    ]
    if not max(miss.max() for miss in misses) <= _MARGINAL:
        raise RuntimeError(f"the transport program's plan misses the weights by {max(m.max() for m in misses):.3g}.")
    costs = program.costs(rows, columns)
    beyond = program.longest(rows, columns) > program.reach
    cost = np.inf if beyond else float(masses @ costs)
    slack = max(0.0, cost - float(program.a @ u + program.b @ v))
    slack += _ROUNDINGS * _EPS * float(np.abs(u).max() + np.abs(v).max() + costs.max()) + _TINY  # powers underflow
    return Optimum(rows, columns, masses, u, v, cost, slack, float(sum(miss.sum() for miss in misses)))


def _complete(program: Program, plan: sparse.coo_array, cheapest: Any, u: Array) -> tuple[Any, Any, Array]:
    """The plan's rows, columns and masses, with masses too small for the solver sent where they cost least."""
    rows, columns, masses = plan.row, plan.col, plan.data
    missing = program.a - np.bincount(rows, masses, len(program.a))
    lost = np.flatnonzero((missing > _LOST * program.a) & (program.a < _SPECK))
    if len(lost):
        rows, columns = np.append(rows, lost), np.append(columns, cheapest[lost])
        masses = np.append(masses, missing[lost])
    missing = program.b - np.bincount(columns, masses, len(program.b))
    lost = np.flatnonzero((missing > _LOST * program.b) & (program.b < _SPECK))
    if len(lost):
        left = replace(program, y=program.y[lost], b=program.b[lost]).mirrored.cheapest(u, 1)[1][:, 0]
        rows, columns = np.append(rows, left), np.append(columns, lost)
        masses = np.append(masses, missing[lost])
    held = masses > 0
    return rows[held], columns[held], masses[held]
