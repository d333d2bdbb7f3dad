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
    of_limit, from_limit = S.nearest(limit)
    where = np.array(S.kinds)
    return numbers | {
        "error": late.error,
        "size": K.scale,
        "outside": outside(path),
        "outside_bound": step_errors(path, run.stats["steps"]),
        "shrunk": float(Hull(path[-1]).distance(start).max()),
        "vertices": len(S.vertices),
        "vertices_at_start": len(Hull(start).vertices),
        "kinds": {kind: int((where == kind).sum()) for kind in ("vertex", "face", "origin")},
        "vertices_hold": bool(S.vertex_holds.all()),
        "lead": vertex_lead(limit[S.vertices], B),
        "S_from_boundary": float(K.boundary_distance(S.points[where != "origin"]).max()),
        "euler": euler(S, K),
        "separation": S.separation,
        "limit_from_S": float(from_limit.max()),
        "limit_from_boundary": float(np.minimum(K.boundary_distance(limit), np.linalg.norm(limit, axis=1)).max()),
        "to": {kind: int((where[of_limit] == kind).sum()) for kind in ("vertex", "face", "origin")},
        "offset": float(np.linalg.norm(late.offsets, axis=1).max()),
        "against_run": float(np.abs(path[-1] - late.rescaled(float(times[-1]))).max()),
        "path": path,
        "times": times,
        "limit": limit,
        "S": S.points,
        "S_kinds": list(S.kinds),
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


def vertex_lead(corners: Array, B: Array) -> float:
    """Return the least of |Av_i|² - <Av_i, Av_j>, i != j, over the largest |Av_i|²: how clearly vertices are in S."""
    gram = corners @ B @ corners.T
    lead = np.diag(gram)[:, None] - gram
    np.fill_diagonal(lead, np.inf)
    return float(lead.min() / np.diag(gram).max())


def euler(S: LimitPoints, K: Hull) -> int | None:
    """Return vertices - edges + facets that hold a point of S, for a body in the plane or in space with 0 inside it.

    Points of S other than 0 are the critical points of |Ax|² on the boundary, the places on which K could stand if its
    centre of mass were 0: by Poincaré and Hopf the number is that of a circle, 0, or of a sphere, 2.
    """
    if K.dim < K.points.shape[1] or float(K.slacks(np.zeros((1, K.dim))).min()) <= K.slack:
        return None
    dims = [min(len(face), 3) - 1 for face, kind in zip(S.faces, S.kinds, strict=True) if kind != "origin"]
    return sum((-1) ** dim for dim in dims)
