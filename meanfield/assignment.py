"""The transport program between as many atoms of one mass: some optimal plan is a permutation.

The permutation is SciPy's, which gives no prices. With u_i = c_{i sigma(i)} - v_sigma(i) they are feasible when
v_j <= c_ij - u_i on all arcs: shortest paths from sigma, and the table of costs is there to find them.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from meanfield.program import Optimum, Program, certified

_EPS = float(np.finfo(float).eps)


def assigned(program: Program) -> Optimum | None:
    """Return the best permutation, or None where rounding keeps its prices from coming to rest.

    Parameters
    ----------
    program : Program
        Of n atoms on both sides, all of one mass; the n^2 costs are kept while it is solved.
    """
    from scipy.optimize import linear_sum_assignment  # who needs no program does not wait for it

    from meanfield._arcs import settle_table

    costs = program.table()
    rows, columns = linear_sum_assignment(costs)
    u, v = costs[rows, columns], np.zeros(len(program.b))
    if not settle_table(costs, columns, u, v, 2 * _EPS * float(costs.max())):
        return None
    plan = sparse.coo_array((program.a, (rows, columns)), shape=costs.shape)
    values, cheapest = program.cheapest(v, 1)
    return certified(program, plan, values[:, 0], v, cheapest[:, 0])
