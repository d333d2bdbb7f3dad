"""One random start of Theorem 8.1: the hulls along the run, the limit polytope, S, and every token's distance to it.

The run to t* + 1 is solved, t* being the depth at which `particles.settle` has certified every token's leader. Beyond
t* each token is z_i(t) = z_L + e^{-t} D_i exactly, so that its limit z_L and its distance e^{-t} |D_i| to it are known
at every depth.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from particles import Adaptive, Rescaled, settle, solve
from particles.checks import Array
from particles.geometry import Hull, LimitPoints, limit_points
from studies.statements import draws
from studies.statements.theorem_3_1 import polytope

TOLERANCE = 1e-11  # of each step, relative and absolute
FORMS = {"I": "B = I", "random": "random B > 0"}


def run(case: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of one random start."""
    d, n, rng = case["d"], case["n"], np.random.default_rng(case["seed"])
    B = np.eye(d) if case["form"] == "I" else draws.positive_definite(rng, d)
    attention, start = draws.attention(B, np.eye(d)), draws.tokens(rng, n, d)
    late = settle(attention, start)
    times = np.linspace(0.0, late.depth + 1.0, case["depths"])
    run = solve(Rescaled(attention), start, times, stepper=Adaptive(TOLERANCE, TOLERANCE))
    numbers: dict[str, Any] = {"decided": late.status == "settled" and run.status == "finished", "depth": late.depth}
    if not numbers["decided"]:
        return numbers | {"message": late.message or run.message}
    path, limit = run.points, late.limit
    K, S = Hull(limit), limit_points(limit, B)
    inner = S.points[np.array(S.kinds) != "origin"]
    return numbers | {
        **polytope.numbers(limit, K, S, B),
        "error": late.error,
        "outside": outside(path),
        "outside_bound": step_errors(path, run.stats["steps"]),
        "shrunk": float(Hull(path[-1]).distance(start).max()),
        "vertices": len(S.vertices),
        "vertices_at_start": len(Hull(start).vertices),
        "S_from_boundary": float(K.boundary_distance(inner).max()),
        "euler": euler(S, K),
        "separation": S.separation,
        "offset": float(np.linalg.norm(late.offsets, axis=1).max()),
        "against_run": float(np.abs(path[-1] - late.rescaled(float(times[-1]))).max()),
        "path": path,
        "times": times,
        "limit": limit,
        "corners": [[int(j) for j in facet] for facet in K.facets] if d == 3 else [int(j) for j in K.vertices],
    }


def outside(path: Array) -> float:
    """Return how far any token of a depth lies outside the hull of the depth before it, at most; path is (m, n, d)."""
    return max(float(Hull(before).distance(after).max()) for before, after in pairwise(path))


def step_errors(path: Array, steps: float) -> float:
    """Return what the errors of all steps can add up to, hence how far the solution can leave a hull it is kept in.

    The root mean square of a step's error over the n d numbers is at most TOLERANCE (1 + |z|), its largest one at most
    sqrt(n d) times that; and the exact flow never carries anything out of the hull it starts in.
    """
    return float(steps * np.sqrt(path[0].size) * TOLERANCE * (1 + np.abs(path).max()))


def euler(S: LimitPoints, K: Hull) -> int | None:
    """Return vertices - edges + facets that hold a point of S, for a body in the plane or in space with 0 inside it.

    Points of S other than 0 are the critical points of |Ax|² on the boundary, the places on which K could stand if its
    centre of mass were 0: by Poincaré and Hopf the number is that of a circle, 0, or of a sphere, 2.
    """
    if K.dim < K.points.shape[1] or float(K.slacks(np.zeros((1, K.dim))).min()) <= K.slack:
        return None
    dims = [min(len(face), 3) - 1 for face, kind in zip(S.faces, S.kinds, strict=True) if kind != "origin"]
    return sum((-1) ** dim for dim in dims)
