"""The set S of points to which tokens can tend (Theorem 8.1), face by face.

For a polytope K with vertices v_1, ..., v_m and A^T A = B > 0,

    S = {w in K: |Aw|² = max_j <Aw, Av_j>}.

Every polytope is the disjoint union of the relative interiors of its faces, K itself among them. So S is all of it, and
each point once, if for every face the points of S in its relative interior are found. There is at most one:

    w lies in S and in the relative interior of the face G
        if and only if
    w is the A-orthogonal projection of 0 onto the affine hull of G, lies in the relative interior of G, and no vertex
    beats it, <Aw, Av_j> <= |Aw|² for all j.

*Only if.* Say w != 0, and let H = {x in K: <Aw, Ax> = max over K}, a face. w lies in H because w is in S. The least
face that contains w is G, so G lies in H: <Aw, A(x - w)> = 0 for every x in G, hence in its affine hull, and this says
that w is the projection. If w = 0 it lies in the affine hull of G, so it is the projection.
*If.* The affine hull of G has <Aw, Ax> = |Aw|², so vertices of G attain |Aw|² and the others do not exceed it.

So a vertex is in S if no other beats it, 0 is in S if it is in K, and every other point of S lies on a proper face,
except where K is flat: then K is a face like any other (and all of it boundary). For the polytope of Theorem 8.1,
V ⊂ S (Claim 1); for other polytopes a vertex may fail, which `vertex_holds` tells.

Points closer to each other than tol times the size of K, max_i |Av_i|, are counted as one, and K as flat in directions
in which it is not wider.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from particles import checks
from particles.checks import Array
from particles.geometry.hull import Hull
from particles.geometry.nearest import affine_weights, lengths

SYMMETRY = 1e-12  # of |B|: how far from symmetric rounding may leave B = Q^T K


@dataclass(frozen=True, eq=False)
class LimitPoints:
    """The set S of a polytope.

    Attributes
    ----------
    points : (k, d) array
        Its points.
    kinds : tuple of str
        "vertex", "face" (the relative interior of a face of dimension 1 or more) or "origin", for each point.
    faces : tuple of tuples of int
        Indices of the vertices of the face in whose relative interior each point lies.
    attained : tuple of tuples of int
        Indices of the vertices at which max_j <Aw, Av_j> is attained; all for the origin.
    vertices : (m,) int array
        Indices of the polytope's vertices.
    vertex_holds : (m,) bool array
        Whether each of them is in S, as Claim 1 says of a limit of the dynamics.
    """

    points: Array
    kinds: tuple[str, ...]
    faces: tuple[tuple[int, ...], ...]
    attained: tuple[tuple[int, ...], ...]
    vertices: NDArray[np.intp]
    vertex_holds: NDArray[np.bool_]

    @property
    def separation(self) -> float:
        """Least distance of two points of S, infinite if there is one.

        A third of it is the delta_0 of the proof of Theorem 8.1: neighbourhoods S_delta, delta <= delta_0, fall into
        as many components as S has points, at least delta_0 from each other.
        """
        if len(self.points) < 2:
            return float("inf")
        apart = lengths(self.points[:, None] - self.points)
        return float(apart[np.triu_indices(len(apart), 1)].min())

    def nearest(self, x: Any) -> tuple[NDArray[np.intp], Array]:
        """Return for each row of x (m, d) the index of the nearest point of S, and its distance; both (m,).

        Raises
        ------
        ValueError
            If x does not have the polytope's dimension, or S is empty.
        """
        targets = checks.directions("x", x, self.points.shape[1])
        if not len(self.points):
            raise ValueError("S is empty: this polytope is no limit of the dynamics.")
        apart = lengths(targets[:, None] - self.points)
        return np.argmin(apart, axis=1), apart.min(axis=1)


def limit_points(vertices: Any, B: Any, tol: float = 1e-10) -> LimitPoints:
    """Return S = {w in K: |Aw|² = max_j <Aw, Av_j>}, A^T A = B, of the polytope K = conv{v_1, ..., v_m}.

    All faces are looked at, so this is for polytopes of few dimensions (2 and 3 in the paper) and few vertices.

    Parameters
    ----------
    vertices : (m, d) array
        Points of which K is the convex hull; those that are not vertices change nothing.
    B : (d, d) array
        Symmetric and positive definite, B = Q^T K in the paper.
    tol : float
        Relative to the size of K in the norm |Ax|: a projection closer than this to a face's edge counts as on it, and
        one vertex beats a point only by more.

    Raises
    ------
    ValueError
        If B is not symmetric to rounding or not positive definite, an argument is not finite, or K has more than 8
        dimensions.

    Examples
    --------
    Vertices and middles of sides of a square about the origin, and the origin:

    >>> import numpy as np
    >>> S = limit_points([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.eye(2))
    >>> [S.kinds.count(kind) for kind in ("vertex", "face", "origin")]
    [4, 4, 1]

    References
    ----------
    Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv 2305.05465, Theorem 8.1, (8.6) and Claim 1.
    """
    problems = checks.Problems()
    array, relative = checks.points("vertices", vertices, problems), checks.positive("tol", tol, problems)
    form = checks.real_array("B", B, problems)
    if array is not None and form is not None and form.shape != (array.shape[1],) * 2:
        problems.add(f"`B` must have shape {(array.shape[1],) * 2}, as the vertices; got {form.shape}.")
    problems.raise_if_any()
    assert array is not None and relative is not None and form is not None
    trouble = positive_definite_trouble(form)
    if trouble:
        raise ValueError(f"`B` must be symmetric and positive definite: {trouble}.")
    form = form / float(np.abs(form).max())  # neither a factor of B nor one of K changes anything
    root = np.linalg.cholesky((form + form.T) / 2).T  # any A with A^T A = B does
    largest = float(np.abs(array).max())
    return _limit_points(array, (array / largest if largest > 0 else array) @ root.T, relative)


def positive_definite_trouble(B: Array) -> str:
    """Return what keeps B from being symmetric and positive definite to rounding, in words; empty if nothing does."""
    size = float(np.abs(B).max())
    skew = float(np.abs(B - B.T).max())
    if skew > SYMMETRY * size:
        return f"it is not symmetric, entries differ from their mirror images by up to {skew:.3g}"
    least = float(np.linalg.eigvalsh((B + B.T) / 2)[0])
    if least <= len(B) * np.finfo(float).eps * size:
        return f"its smallest eigenvalue is {least:.3g}"
    return ""


def _limit_points(points: Array, seen: Array, tol: float) -> LimitPoints:
    """Return S; `seen` are the points as A sees them, in whose plain inner product everything is done."""
    size = float(np.linalg.norm(seen, axis=1).max()) or 1.0
    slack = tol * size
    hull = Hull(seen, tol=slack / (Hull(seen).scale or 1.0))
    corners = np.sort(hull.vertices)
    away = hull.normals, hull.offsets, [set(facet) for facet in hull.facets]
    found: list[tuple[Array, str, tuple[int, ...], tuple[int, ...]]] = []
    for face in hull.faces:
        weights = affine_weights(seen[list(face)])
        w = weights @ seen[list(face)]
        if not _inside(w, face, away, slack):
            continue
        origin = float(np.linalg.norm(w)) <= slack
        # <w, v_j - w> against the distance of v_j: by how much v_j would beat w at unit distance
        excess = (seen[corners] - w) @ w
        spread = slack * np.maximum(np.linalg.norm(seen[corners] - w, axis=1), slack)
        if origin:
            spread += slack * size
        if (excess > spread).any():
            continue
        kind = "origin" if origin else "vertex" if len(face) == 1 else "face"
        attained = tuple(int(j) for j in corners[excess >= -spread])
        point = np.zeros(points.shape[1]) if origin else weights @ points[list(face)]
        found.append((point, kind, face, attained))
    held = {face[0] for _, _, face, _ in found if len(face) == 1}
    return LimitPoints(
        points=np.array([point for point, *_ in found]).reshape(-1, points.shape[1]),
        kinds=tuple(kind for _, kind, *_ in found),
        faces=tuple(face for *_, face, _ in found),
        attained=tuple(indices for *_, indices in found),
        vertices=corners,
        vertex_holds=np.array([int(j) in held for j in corners]),
    )


def _inside(w: Array, face: tuple[int, ...], away: tuple[Array, Array, list[set[int]]], slack: float) -> bool:
    """Whether a point of the face's affine hull is in its relative interior: strictly within every other facet."""
    normals, offsets, facets = away
    return all(
        set(face) <= facet or offset - normal @ w > slack
        for normal, offset, facet in zip(normals, offsets, facets, strict=True)
    )
