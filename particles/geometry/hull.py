"""Convex hulls K = conv{p_1, ..., p_n} of few points: vertices, facets, faces, exact distances.

The points are first reduced to the affine hull of K: directions in which their root mean square distance from the
centre c, their mean, is at most tol times the radius max_i |p_i - c| count as flat, so a flat set, or a single point
given n times, is nothing special. Points closer than tol times the radius are one point. Then

    K = {x in the affine hull: <normal_f, x> <= offset_f for every facet f},

by qhull where K has dimension 2 to 8. If K is not `_THICK` times tol wide across some facet, or too few points are left
to span it, the flattest direction counts as flat too, and so on until it is solid in what remains.

Points are taken as they are given: differences of points that are nearly equal are exact, so a hull 1e-14 wide about a
place of size 1 has all its faces. Points that differ by at most four roundings of the largest coordinate are one.

Whether a point is inside is decided by the facets, its distance from outside by Wolfe's active set method
(`nearest.py`), which is exact to rounding and works in any dimension.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from particles import checks
from particles.checks import Array
from particles.geometry.clusters import linked
from particles.geometry.nearest import lengths, nearest

_THICK = 4.0  # where a facet and what is across from it are both known to tol
_LARGEST = 1e300  # a coordinate: sums of a million do not overflow
_ROUNDINGS = 4
_FAR = 1e100  # of the radius: from there K looks like a point
_LARGEST_DIM = 8  # 40 points have 6000 facets in 8 dimensions, and several times more with each further one


class _Solid(NamedTuple):
    """Points in the directions in which their hull is solid."""

    axes: Array  # orthonormal directions, rows of (dim, d), the flattest last
    points: Array  # (n, dim)
    first: NDArray[np.intp]  # of each set of equal points
    qhull: tuple[Array, NDArray[np.intp]] | None  # facets, (normal, -offset) a row, and what qhull takes for vertices


class Hull:
    """The convex hull of points, which may be flat, few or equal.

    Parameters
    ----------
    points : (n, d) array
        The points, n >= 1.
    tol : float
        Relative to the radius of the points: what is closer to a point, plane or line than this lies in it.

    Attributes
    ----------
    points : (n, d) array
        The points.
    scale : float
        Radius: the largest distance of a point from the mean, 0 for a single point.
    slack : float
        tol times `scale`: points closer than this are one, and a point as close as this to a facet is on it.

    Raises
    ------
    ValueError
        If the points are not finite or exceed 1e300, or `tol` is not positive.

    Examples
    --------
    >>> square = Hull([[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]])
    >>> square.vertices.tolist(), square.facets
    ([0, 1, 2, 3], ((0, 1), (0, 3), (1, 2), (2, 3)))
    >>> square.distance([[0.5, 0.25], [2.0, 0.5]]).tolist()
    [0.0, 1.0]
    """

    def __init__(self, points: Any, tol: float = 1e-12) -> None:
        problems = checks.Problems()
        array, relative = checks.points("points", points, problems), checks.positive("tol", tol, problems)
        problems.raise_if_any()
        assert array is not None and relative is not None
        largest = float(np.abs(array).max())
        if largest > _LARGEST:
            raise ValueError(f"`points` must have coordinates of at most {_LARGEST:g}; the largest is {largest:.3g}.")
        self.points = checks.frozen(array)
        # from the first point, as differences of points that are nearly equal are exact
        self._shift = (array - array[0]).mean(axis=0)
        from_centre = self._from_centre(array)
        size = float(np.abs(from_centre).max())
        self._tol = relative
        if size <= _ROUNDINGS * np.finfo(float).eps * largest:
            self.scale, self.slack = 0.0, size
            self._seen = np.zeros_like(array)
        else:
            self.scale = size * float(np.linalg.norm(from_centre / size, axis=1).max())
            self.slack = relative * self.scale
            self._seen = from_centre / self.scale

    @property
    def dim(self) -> int:
        """Dimension of the affine hull, from 0 for a single point up to d."""
        return len(self._axes)

    @cached_property
    def vertices(self) -> NDArray[np.intp]:
        """Indices of the vertices, points away from the hull of the others; one of equals.

        In order round it where the hull has dimension 2, counterclockwise in the plane; else ascending.
        """
        if self.dim == 0:
            return np.array([0])
        if self.dim == 1:
            return np.sort([int(np.argmin(self._flat[:, 0])), int(np.argmax(self._flat[:, 0]))])
        found = self._first if self.dim > _LARGEST_DIM else self._qhull[1]
        for i in found:  # one after the other: of a few points round a corner one has to stay
            others = found[found != i]
            if np.linalg.norm(nearest(self._flat[others] - self._flat[i])[1]) <= self._tol:
                found = others
        corners = np.sort(found)
        return np.array(self._around(corners)) if self.dim == 2 else corners

    @property
    def facets(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the vertices of each facet, in order round it where the facet is plane, else ascending.

        Raises
        ------
        ValueError
            If the hull has more than 8 dimensions.
        """
        return self._facets[0]

    @property
    def normals(self) -> Array:
        """Outward unit normals of the facets, in the affine hull's directions; shape (f, d)."""
        return self._facets[1] @ self._axes

    @property
    def offsets(self) -> Array:
        """<normal, x> on each facet, shape (f,)."""
        return self.scale * self._facets[2] + self.normals @ (self.points[0] + self._shift)

    @cached_property
    def faces(self) -> tuple[tuple[int, ...], ...]:
        """Ascending indices of the vertices of every face: vertices, edges, ..., facets, and the hull itself.

        A face is an intersection of facets, so these are the sets that are met by intersecting.
        """
        whole = tuple(sorted(int(i) for i in self.vertices))
        facets = [frozenset(facet) for facet in self.facets]
        found = {frozenset(whole)}
        newest = set(facets)
        while newest:
            found |= newest
            newest = {face & facet for face in newest for facet in facets} - found - {frozenset()}
        return tuple(sorted((tuple(sorted(face)) for face in found), key=lambda face: (len(face), face)))

    def slacks(self, x: Any) -> Array:
        """Offset - <normal, x> of every facet at x (m, d), shape (m, f): nonnegative in the hull of a solid set."""
        from_centre = self._from_centre(checks.directions("x", x, self.points.shape[1]))
        return self.scale * self._facets[2] - from_centre @ self.normals.T

    def distance(self, x: Any) -> Array:
        """Distance of x (m, d) from the hull, shape (m,): 0 inside, to about 1e-14 of the scale outside.

        Facets, where the hull has up to 8 dimensions, decide what is inside, and Wolfe's method does the rest.
        """
        from_centre = self._from_centre(checks.directions("x", x, self.points.shape[1]))
        if self.dim == 0:
            return lengths(from_centre)
        far = np.abs(from_centre).max(axis=1) > _FAR * self.scale
        if far.any():
            found = lengths(from_centre)
            found[~far] = self._distance(from_centre[~far])
            return found
        return self._distance(from_centre)

    def _distance(self, from_centre: Array) -> Array:
        flat = from_centre @ self._axes.T
        beside = np.zeros(len(flat))
        if self.dim < self.points.shape[1]:
            beside = lengths(from_centre - flat @ self._axes)
        flat /= self.scale
        if self.dim == 1:
            low, high = self._flat[:, 0].min(), self._flat[:, 0].max()
            within = np.maximum(np.maximum(low - flat[:, 0], flat[:, 0] - high), 0.0)
        else:
            within = np.zeros(len(flat))
            outside: NDArray[np.bool_] = np.ones(len(flat), bool)
            corners = self._first
            if self.dim <= _LARGEST_DIM:  # unmerged facets do as well
                planes, corners = self._qhull
                outside = np.asarray((flat @ planes[:, :-1].T + planes[:, -1] > 0).any(axis=1))
            for i in np.flatnonzero(outside):
                within[i] = float(np.linalg.norm(nearest(self._flat[corners] - flat[i])[1]))
        return np.hypot(self.scale * within, beside)

    def boundary_distance(self, x: Any) -> Array:
        """Distance of x (m, d) from the hull's boundary in R^d, shape (m,); a flat hull is all boundary.

        Inside it is the distance of the nearest facet's plane, outside that of the hull.

        Raises
        ------
        ValueError
            If the hull has more than 8 dimensions.
        """
        outside = self.distance(x)
        if self.dim < self.points.shape[1]:
            return outside
        return np.where(outside > 0, outside, np.maximum(self.slacks(x).min(axis=1), 0.0))

    # -- in the affine hull's own coordinates, centred, in units of the scale -----------------------------------------

    def _from_centre(self, x: Array) -> Array:
        return (x - self.points[0]) - self._shift

    @property
    def _axes(self) -> Array:
        """Orthonormal directions of the affine hull, rows of (dim, d), the flattest last."""
        return self._solid.axes

    @property
    def _flat(self) -> Array:
        return self._solid.points

    @property
    def _first(self) -> NDArray[np.intp]:
        return self._solid.first

    @property
    def _qhull(self) -> tuple[Array, NDArray[np.intp]]:
        assert self._solid.qhull is not None
        return self._solid.qhull

    @cached_property
    def _solid(self) -> _Solid:
        """The points in the directions in which K is solid."""
        _, sizes, axes = np.linalg.svd(self._seen, full_matrices=False)
        axes = axes[sizes > self._tol * np.sqrt(len(self._seen))]
        while True:
            flat = self._seen @ axes.T
            if len(axes) < 2:
                return _Solid(axes, flat, np.arange(1), None)
            first = np.unique(linked(flat, self._tol), return_index=True)[1]
            if len(first) > len(axes):
                if len(axes) > _LARGEST_DIM:
                    return _Solid(axes, flat, first, None)
                found = _facets(flat[first])
                if found is not None and _width(found[0], flat) > _THICK * self._tol:
                    return _Solid(axes, flat, first, (found[0], first[found[1]]))
            axes = axes[:-1]

    @cached_property
    def _facets(self) -> tuple[tuple[tuple[int, ...], ...], Array, Array]:
        """Return facets' vertices, normals and offsets."""
        if self.dim > _LARGEST_DIM:
            raise ValueError(f"facets need a hull of at most {_LARGEST_DIM} dimensions; this one has {self.dim}.")
        if self.dim == 0:
            return (), np.empty((0, 0)), np.empty(0)
        if self.dim == 1:
            line = self._flat[:, 0]
            first, second = self.vertices
            sign = np.sign(line[first] - line[second])
            return ((int(first),), (int(second),)), np.array([[sign], [-sign]]), sign * line[self.vertices] * [1, -1]
        return self._merged()

    def _merged(self) -> tuple[tuple[tuple[int, ...], ...], Array, Array]:
        """Merge qhull's simplices of one plane: facets are told by the vertices that lie on them."""
        (planes, found), corners = self._qhull, np.sort(self.vertices)
        if len(corners) < len(found):  # facets through a point that was dropped may be off by more than it is
            planes = (_facets(self._flat[corners]) or self._qhull)[0]
        on = planes[:, :-1] @ self._flat[corners].T + planes[:, -1:] >= -self._tol
        rows: dict[frozenset[int], int] = {}
        for k, row in enumerate(on):
            rows.setdefault(frozenset(corners[row].tolist()), k)
        large = [face for face in rows if len(face) > min(map(len, rows))]  # none, if all facets are simplices
        largest = sorted((face for face in rows if not any(face < other for other in large)), key=sorted)
        sets = [tuple(self._around(np.sort(list(face)))) if self.dim == 3 else tuple(sorted(face)) for face in largest]
        kept = planes[[rows[face] for face in largest]]
        return tuple(sets), kept[:, :-1], -kept[:, -1]

    def _around(self, corners: NDArray[np.intp]) -> list[int]:
        """Return vertices of a plane polygon in order round it, from the least index on; counterclockwise in R²."""
        from_centre = self._seen[corners] - self._seen[corners].mean(axis=0)
        axes = np.eye(2) if from_centre.shape[1] == 2 else np.linalg.svd(from_centre, full_matrices=False)[2][:2]
        u, v = axes @ from_centre.T
        order = np.argsort(np.arctan2(v, u), kind="stable")
        return [int(i) for i in corners[np.roll(order, -int(np.argmin(order)))]]


def _facets(points: Array) -> tuple[Array, NDArray[np.intp]] | None:
    """Return qhull's facets of points (n, d), (normal, -offset) a row, and its vertices; None if it finds no body."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = ConvexHull(points)
    except QhullError:
        return None
    return np.unique(hull.equations, axis=0), np.sort(hull.vertices)


def _width(planes: Array, points: Array) -> float:
    """Return the least width of points (n, d) across one of their facets."""
    depth = planes[:, :-1] @ points.T + planes[:, -1:]
    return float(-depth.min(axis=1).max())
