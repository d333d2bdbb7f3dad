"""The transport program between atoms, and what shows how good a plan is.

    min sum_ij c_ij pi_ij  =  max sum_i a_i u_i + sum_j b_j v_j,   u_i + v_j <= c_ij = |x_i - y_j|^p

All n m arcs (i, j) can be looked at from the coordinates, nothing of that size being kept: whatever the prices v are,
u_i = min_j (c_ij - v_j) makes (u, v) feasible, hence a lower bound on what any plan costs.

References
----------
G. Peyre, M. Cuturi, Computational Optimal Transport, 2019, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from particles.checks import Array

_EPS, _TINY = float(np.finfo(float).eps), float(np.finfo(float).tiny)
_ROUNDINGS = 8  # of prices and costs, that add to a slack
_COUPLED = 0.9  # share of the y_j, from which on it is nearly every one
_ROOM = 10.0  # power up to which coordinates are divided by a power of 2
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
    def even(self) -> bool:
        """Whether all atoms, as many on both sides, have one mass: then some optimal plan is a permutation."""
        return len(self.a) == len(self.b) and bool((self.a == self.a[0]).all() and (self.b == self.a[0]).all())

    @cached_property
    def nearly_coupled(self) -> bool:
        """Whether nearly every y_j is the nearest one of some x_i."""
        nearest = self.cheapest(np.zeros(len(self.b)), 1)[1]
        return len(np.unique(nearest)) > _COUPLED * len(self.b)

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

        shape = len(self.x), min(count, len(self.y))
        values, columns = np.empty(shape), np.empty(shape, dtype=np.intp)
        self._on_rows(lambda i, k, x, y: cheapest(i, k, x, y, prices, self.p, self.reach, values, columns))
        return values, columns

    def table(self) -> Array:
        """Return all c_ij, shape (n, m)."""
        from meanfield._arcs import table

        costs = np.empty((len(self.x), len(self.y)))
        self._on_rows(lambda i, k, x, y: table(i, k, x, y, self.p, self.reach, costs))
        return costs

    def _on_rows(self, work: Callable[[int, int, Array, Array], None]) -> None:
        from particles.softmax._rows import share_rows

        x, y = (np.ascontiguousarray(points.T) for points in (self.x, self.y))
        share_rows(lambda first, last: work(first, last, x, y), len(self.x), len(self.y))


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
        What the plan costs.
    slack : float
        The least cost is at least cost - slack, with an allowance for rounding.
    marginal_error : float
        sum_i |sum_j pi_ij - a_i| + sum_j |sum_i pi_ij - b_j|.
    within : bool
        Whether no mass goes beyond the program's reach, where costs are not the true ones.
    """

    rows: Any
    columns: Any
    masses: Array
    u: Array
    v: Array
    cost: float
    slack: float
    marginal_error: float
    within: bool


def certified(program: Program, plan: sparse.coo_array, u: Array, v: Array, cheapest: Any) -> Optimum:
    """Return a plan with the certificate that prices give it.

    Parameters
    ----------
    program : Program
    plan : sparse array (n, m)
        Masses that go from x_i to y_j, but perhaps not those too small for a solver.
    u, v : (n,) and (m,) array
        Prices with u_i = min_j (c_ij - v_j).
    cheapest : (n,) array
        The j of that minimum.

    Raises
    ------
    RuntimeError
        If the plan misses the masses.
    """
    rows, columns, masses = _complete(program, plan, cheapest, u)
    misses = [
        np.abs(np.bincount(at, masses, len(weights)) - weights)
        for at, weights in ((rows, program.a), (columns, program.b))
    ]
    if not max(miss.max() for miss in misses) <= _MARGINAL:
        raise RuntimeError(f"the transport program's plan misses the weights by {max(m.max() for m in misses):.3g}.")
    costs = program.costs(rows, columns)
    cost, within = float(masses @ costs), program.longest(rows, columns) <= program.reach
    slack = max(0.0, cost - float(program.a @ u + program.b @ v))
    slack += _ROUNDINGS * _EPS * float(np.abs(u).max() + np.abs(v).max() + costs.max()) + _TINY  # powers underflow
    return Optimum(rows, columns, masses, u, v, cost, slack, float(sum(miss.sum() for miss in misses)), within)


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
