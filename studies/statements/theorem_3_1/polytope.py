"""A limit polytope K and its set S: what is measured of them, and when it is as Theorem 8.1 and Claim 1 have it.

For Theorem 5.2 the same holds of pi_F z in F.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from particles.checks import Array
from particles.geometry import Hull, LimitPoints

BOUND = 1e-9  # of the radius of K: errors of the leaders' places are a tenth of it or less
KINDS = ("vertex", "face", "origin")


def numbers(limit: Array, K: Hull, S: LimitPoints, B: Array) -> dict[str, Any]:
    """Return how the tokens' limits (n, d) lie to K, their hull, and to S for the form B, and how many points S has."""
    of_limit, from_limit = S.nearest(limit)
    where = np.array(S.kinds)
    return {
        "size": K.scale,
        "kinds": {kind: int((where == kind).sum()) for kind in KINDS},
        "vertices_hold": bool(S.vertex_holds.all()),
        "lead": vertex_lead(limit[S.vertices], B),
        "limit_from_S": float(from_limit.max()),
        "limit_from_boundary": float(np.minimum(K.boundary_distance(limit), np.linalg.norm(limit, axis=1)).max()),
        "to": {kind: int((where[of_limit] == kind).sum()) for kind in KINDS},
        "S": S.points,
        "S_kinds": list(S.kinds),
    }


def vertex_lead(corners: Array, B: Array) -> float:
    """Return the least of |Av_i|² - <Av_i, Av_j>, i != j, over the largest |Av_i|²: how clearly vertices are in S."""
    gram = corners @ B @ corners.T
    lead = np.diag(gram)[:, None] - gram
    np.fill_diagonal(lead, np.inf)
    return float(lead.min() / np.diag(gram).max())


def reached(row: dict[str, Any]) -> bool | None:
    """Return whether all limits are in S and on the boundary or 0, and the run agrees; None if not decided."""
    if not row["decided"]:
        return None
    allowed = BOUND * row["size"]
    return bool(
        max(row["limit_from_S"], row["limit_from_boundary"]) <= allowed
        and row["against_run"] <= 10 * row["error"] + allowed
    )


def vertices_in_S(row: dict[str, Any]) -> bool | None:
    """Return whether the vertices of K are in S; None if that is not decided."""
    if not row["decided"] or abs(row["lead"]) <= BOUND:
        return None
    return bool(row["vertices_hold"] and row["lead"] > 0)


def largest(rows: list[dict[str, Any]], key: str) -> float:
    """Return the largest of a number over rows, 0 if there are none."""
    return max((float(row[key]) for row in rows), default=0.0)
