"""The transport program solved on the few arcs that matter, by the network simplex, to the last digits of its prices.

An optimal plan uses fewer than n + m arcs. So the program is solved on a sparse set of them: those which are cheapest
at some prices, and a coupling that exists for certain. Then all n m arcs are looked at, and those cheaper than the
prices allow join the set until there are none. First prices come from the same program between blocks of atoms, or
from a program solved before.

Where some atoms on both sides have the same mass a plan may have far fewer arcs than n + m: then many prices go with
it, and those found on the set may be wrong for arcs outside, round after round, while the plan does not change any
more. So a plan that costs what it did is asked for prices on all arcs: shortest paths in its residual graph.

Each round solves for what is left: with feasible prices (u, v) the costs c_ij - u_i - v_j >= 0 have the same optimal
plans, and the solver, whose tolerance is absolute, gets them in units of their own size. Costs that spread over many
digits, as for large p, so lose a few digits a round where a single solve would not see most of them.

References
----------
G. Peyre, M. Cuturi, Computational Optimal Transport, 2019, sections 3.5 and 3.7.
B. Schmitzer, A sparse multiscale algorithm for dense optimal transport, 2016.
A. Gleixner, D. Steffy, K. Wolter, Iterative refinement for linear programming, 2016.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from meanfield.blocks import blocks
from meanfield.line_distance import monotone
from meanfield.program import Optimum, Program, certified
from particles.checks import Array
from particles.measure import Empirical

FEW = 128  # atoms between which all arcs are taken
_EPS = float(np.finfo(float).eps)
_NEAREST = 8  # arcs of each atom to begin with, and at most so many more a round
_RATIO, _BLOCKS = 8, 125  # atoms to a block, and the least number of blocks
_ROUNDS = 100
_HOPS = 16  # of the shortest paths at first
_ROUNDINGS = 8  # of the largest price, below which an arc is not cheaper than the prices allow
_NEARLY = 1e-9  # of the largest price: arcs whose slack may be the solver's rounding
_FAR = 1e3  # times the most that an arc of the plan costs above the prices: arcs that cost more are left out of a round
_ROUGH = 1e-3  # relative gap that is good enough between blocks


def solve_on_arcs(program: Program, prices: Array | None = None, enough: float = 0.0) -> Optimum:
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
    u, v, arcs = _all_arcs(program) if _few(program) else _first_arcs(program, prices)
    found, far, cost, stalls = None, np.inf, np.inf, 0
    for _ in range(_ROUNDS):
        plan, u, v = _on_arcs(program, arcs, u, v, far)
        values, columns = program.cheapest(v, _NEAREST)
        last = certified(program, plan, values[:, 0], v, columns[:, 0])
        cheaper = values < (u - _ROUNDINGS * _EPS * _largest(u, v))[:, None]
        more = _distinct(arcs, np.nonzero(cheaper)[0] * len(v) + columns[cheaper])
        if found is None or last.slack < found.slack:
            found, stuck = last, False
        else:
            stuck = len(more) == len(arcs)
        if found.slack <= enough * found.cost or not cheaper.any():
            break
        if last.cost >= cost * (1 - _ROUNDINGS * _EPS):
            stalls += 1
            if stalls.bit_count() == 1:  # after 1, 2, 4, 8, ... such rounds, each time for longer
                settled = _settled_everywhere(program, plan, _HOPS * stalls)
                if settled is not None:
                    return settled
        if stuck:
            break
        u, arcs, cost = values[:, 0], more, last.cost
        far = _FAR * float(np.abs(program.costs(plan.row, plan.col) - u[plan.row] - v[plan.col]).max())
    assert found is not None  # after the first round
    return found


def _few(program: Program) -> bool:
    return max(len(program.a), len(program.b)) <= FEW


def _largest(u: Array, v: Array) -> float:
    return float(max(np.abs(u).max(), np.abs(v).max()))


def _all_arcs(program: Program) -> tuple[Array, Array, Any]:
    v = np.zeros(len(program.b))
    return program.cheapest(v, 1)[0][:, 0], v, np.arange(len(program.a) * len(v))


def _first_arcs(program: Program, prices: Array | None) -> tuple[Array, Array, Any]:
    """Feasible prices, and as arcs i m + j: the cheapest of each atom, and a coupling of the widest axes' orders."""
    m = len(program.b)
    values, columns = program.cheapest(_rough_prices(program) if prices is None else prices, _NEAREST)
    u = values[:, 0]
    v, rows = program.mirrored.cheapest(u, _NEAREST)
    axis = int(np.argmax(np.ptp(program.x, axis=0)))
    some = monotone(Empirical(program.x[:, [axis]], program.a), Empirical(program.y[:, [axis]], program.b))
    own, theirs = np.arange(len(u))[:, None] * m + columns, rows * m + np.arange(m)[:, None]
    return u, v[:, 0], _distinct(own.ravel(), theirs.ravel(), some.row * m + some.col)


def _rough_prices(program: Program) -> Array:
    """Prices v = 0 for clouds nearly coupled, else from the program between blocks: v_j = min_I (c(X_I, y_j) - U_I)."""
    if program.nearly_coupled:
        return np.zeros(len(program.b))
    (x, a), (y, b) = (_centroids(points, masses) for points, masses in ((program.x, program.a), (program.y, program.b)))
    U = solve_on_arcs(replace(program, x=x, y=y, a=a, b=b), enough=_ROUGH).u
    return replace(program, x=x, a=a).mirrored.cheapest(U, 1)[0][:, 0]


def _centroids(points: Array, masses: Array) -> tuple[Array, Array]:
    cut = blocks(points, masses, max(_BLOCKS, len(points) // _RATIO))
    return cut.centroids, cut.masses


def _distinct(*arcs: Any) -> Any:
    every = np.sort(np.concatenate(arcs))
    return every[np.append(True, every[1:] != every[:-1])]


def _on_arcs(program: Program, arcs: Any, u: Array, v: Array, far: float) -> tuple[sparse.coo_array, Array, Array]:
    """Return the best plan on the arcs that cost at most `far` beyond the prices u, v, and its own prices."""
    import ot

    i, j = np.divmod(arcs, len(v))
    costs = program.costs(i, j)
    beyond = costs - u[i] - v[j]
    near = beyond <= far
    i, j, costs, beyond = i[near], j[near], costs[near], beyond[near]
    unit, shape = math.ldexp(1.0, math.frexp(float(np.abs(beyond).max()))[1]), (len(u), len(v))
    beyond /= unit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exit status below says the same
        plan, log = ot.emd(
            program.a,
            program.b,
            beyond.reshape(shape) if len(i) == math.prod(shape) else sparse.coo_array((beyond, (i, j)), shape=shape),
            numItermax=1_000_000 + 1000 * (len(u) + len(v)),
            log=True,
            potentials_init=(np.zeros(len(u)), np.zeros(len(v))),
        )
    if log["result_code"] != 1:
        raise RuntimeError(f"the transport of {len(u)} to {len(v)} atoms was not solved: {log['warning']}")
    plan = sparse.coo_array(plan)
    return plan, *_settled(program, i, j, costs, plan, u + unit * log["u"], v + unit * log["v"])


def _settled(
    program: Program, i: Any, j: Any, costs: Array, plan: sparse.coo_array, u: Array, v: Array
) -> tuple[Array, Array]:
    """Prices that the arcs and the plan agree on, free of the rounding that the solver's pivots pile up, if any."""
    from meanfield._arcs import settle

    size = _largest(u, v)
    tight = np.flatnonzero(costs - u[i] - v[j] <= _NEARLY * size)
    paid = program.costs(plan.row, plan.col)
    U, V = u.copy(), v.copy()
    at_rest = settle(i[tight], j[tight], costs[tight], plan.row, plan.col, paid, U, V, 2 * _EPS * size)
    return (U, V) if at_rest else (u, v)


def _settled_everywhere(program: Program, plan: sparse.coo_array, hops: int) -> Optimum | None:
    """The plan with prices that it and all arcs agree on, by shortest paths from v = 0 (Bellman, Ford), if so short."""
    mirrored, paid = program.mirrored, program.costs(plan.row, plan.col)
    v = np.zeros(len(program.b))
    u = program.cheapest(v, 1)[0][:, 0]
    for _ in range(hops):
        U, V = u.copy(), np.minimum(v, mirrored.cheapest(u, 1)[0][:, 0])
        np.maximum.at(U, plan.row, paid - V[plan.col])
        moved = max(float((U - u).max()), float((v - V).max()))
        u, v = U, V
        if moved <= 2 * _EPS * _largest(u, v):
            values, columns = program.cheapest(v, 1)
            return certified(program, plan, values[:, 0], v, columns[:, 0])
    return None
