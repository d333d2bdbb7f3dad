from itertools import combinations, product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog

from particles import geometry
from particles.geometry import Hull, limit_points
from particles.geometry.nearest import nearest

SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
CUBE = np.array(list(product([-1.0, 1.0], repeat=3)))


def turned(points: np.ndarray, d: int, rng: np.random.Generator) -> np.ndarray:
    """The points carried into R^d by an isometry and a shift."""
    frame = np.linalg.qr(rng.standard_normal((d, d)))[0][: points.shape[1]]
    return points @ frame + rng.standard_normal(d)


def in_hull(points: np.ndarray, x: np.ndarray) -> bool:
    """Whether x is a convex combination, by a linear program."""
    rows = np.vstack([points.T, np.ones(len(points))])
    return linprog(np.zeros(len(points)), A_eq=rows, b_eq=np.append(x, 1.0)).success


def face_dims(hull: Hull) -> list[int]:
    """Number of faces by dimension."""
    ranks = [np.linalg.matrix_rank(hull.points[list(f)] - hull.points[f[0]], tol=1e-9) for f in hull.faces]
    return np.bincount(ranks, minlength=hull.dim + 1).tolist()


# -- hulls -----------------------------------------------------------------------------------------------------------


def test_a_square_with_points_inside_and_on_its_sides() -> None:
    hull = Hull([[0.5, 0.5], [0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0], [1, 0.25], [0, 0]])
    assert hull.dim == 2
    assert_array_equal(hull.vertices, [1, 2, 3, 4])  # counterclockwise
    assert hull.facets == ((1, 2), (1, 4), (2, 3), (3, 4))
    x = [[0.5, 0.5], [0.5, 0.0], [2.0, 0.5], [2.0, 2.0], [0.5, -1e-3]]
    assert_allclose(hull.distance(x), [0, 0, 1, np.sqrt(2), 1e-3], atol=1e-15)
    assert_allclose(hull.boundary_distance(x), [0.5, 0, 1, np.sqrt(2), 1e-3], atol=1e-15)


@pytest.mark.parametrize("d", [3, 5])
def test_a_cube_has_six_square_facets_however_it_is_turned_and_filled(d: int, rng) -> None:
    grid = np.array(list(product([-1.0, 0.0, 1.0], repeat=3)))
    hull = Hull(turned(grid, d, rng))
    assert hull.dim == 3
    assert_array_equal(hull.vertices, [0, 2, 6, 8, 18, 20, 24, 26])
    assert [len(facet) for facet in hull.facets] == [4] * 6
    for facet in hull.facets:  # in order round it: neighbours are an edge apart, not a diagonal
        corners = hull.points[list(facet)]
        assert_allclose(np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1), 2.0, rtol=1e-13)
    assert face_dims(hull) == [8, 12, 6, 1]


def test_faces_of_a_simplex_and_a_cross(rng) -> None:
    assert face_dims(Hull(turned(np.eye(5), 7, rng))) == [5, 10, 10, 5, 1]
    assert face_dims(Hull(np.vstack([np.eye(4), -np.eye(4)]))) == [8, 24, 32, 16, 1]


@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_sets_that_are_no_bodies(d: int, rng) -> None:
    place, step = rng.standard_normal(d), rng.standard_normal(d)
    point = Hull(np.tile(place, (4, 1)))
    assert (point.dim, point.vertices.tolist(), point.facets, point.faces) == (0, [0], (), ((0,),))
    assert point.distance([place + step])[0] == pytest.approx(np.linalg.norm(step), rel=1e-14)
    segment = Hull(place + np.outer([0.0, 0.3, 1.0, 1.0, -1.0], step))
    assert (segment.dim, segment.vertices.tolist(), segment.facets) == (1, [2, 4], ((2,), (4,)))
    assert_allclose(segment.normals, np.outer([1, -1], step) / np.linalg.norm(step), atol=1e-15)
    assert (segment.slacks(segment.points) >= -1e-14).all()
    assert_allclose(segment.distance(place + np.outer([0.5, 2.0], step)), [0, np.linalg.norm(step)], atol=1e-15)


def test_a_flat_figure_in_space(rng) -> None:
    points = turned(SQUARE, 3, rng)
    hull = Hull(np.vstack([points, points.mean(axis=0)]))
    assert hull.dim == 2
    assert sorted(hull.vertices) == [0, 1, 2, 3]
    off = points.mean(axis=0) + 0.25 * np.cross(points[1] - points[0], points[2] - points[1]) / 4
    # all of a flat figure is boundary; rounding of coordinates of size 1
    assert_allclose(hull.distance([off, points[0]]), [0.25, 0], atol=3e-15)
    assert_allclose(hull.boundary_distance([off, points.mean(axis=0)]), [0.25, 0], atol=3e-15)


def test_almost_flat_is_told_by_the_tolerance() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 1e-6]])
    assert Hull(points).dim == 2
    assert Hull(points, tol=1e-5).dim == 1


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_points_that_differ_by_roundings_are_one_and_others_keep_their_hull(d: int, rng) -> None:
    place = 1 + rng.uniform(0, 1, d)
    equal = Hull(place * (1 + np.finfo(float).eps * rng.integers(-1, 2, (6, d))))
    assert (equal.dim, equal.vertices.tolist()) == (0, [0])
    simplex = np.vstack([np.zeros(d), np.eye(d)])
    small = Hull(1 + 2.0**-46 * simplex)  # 1.4e-14, and these points are numbers
    assert small.dim == d
    assert sorted(small.vertices) == list(range(d + 1))
    assert len(small.facets) == d + 1
    assert (small.slacks(small.points) >= -1e-15 * small.scale).all()  # rounding of differences, not of places
    assert (small.distance(small.points) <= 1e-15 * small.scale).all()


def test_two_points_are_a_segment_wherever_they_are() -> None:
    # their mean is rounded: from there the two look as if they spanned a plane
    hull = Hull([[1.0, 2.0, 3.0], [1.0 + 3e-14, 2.0 - 1e-14, 3.0 + 2e-14], [1.0, 2.0, 3.0]])
    assert (hull.dim, hull.vertices.tolist(), len(hull.facets)) == (1, [0, 1], 2)


def test_flat_within_the_tolerance_is_flat() -> None:
    # a chain of points, each closer than 0.86 tol to the next one, is one point and leaves a segment
    chain = np.column_stack([np.zeros(6), 0.7e-12 * np.arange(6)])
    assert Hull(np.vstack([chain, [[1.0, 0.0]]])).dim == 1
    # of three points round a corner, each within tol of the hull of the others, one stays
    corner = np.array([[0.0, 0.0], [1.1e-12, 0.0], [0.55e-12, 0.96e-12]])
    hull = Hull(np.vstack([corner, [[1.0, 1.0], [1.0, -1.0]]]))
    assert hull.dim == 2
    assert sum(i < 3 for i in hull.vertices) == 1
    assert len(hull.facets) == len(hull.vertices) == 3


@pytest.mark.parametrize("seed", range(4))
def test_no_small_set_breaks_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for k in range(60):
        d, n = int(rng.integers(1, 6)), int(rng.integers(1, 9))
        x = rng.standard_normal((n, d))
        flat = rng.standard_normal((n, 1)) @ rng.standard_normal((1, d)) + x * 10.0 ** rng.uniform(-17, -9)
        apart = x[rng.integers(n, size=n)] + rng.standard_normal((n, d)) * 10.0 ** rng.uniform(-17, -9)
        points = (1 + x * 10.0 ** rng.uniform(-17, -10), flat, apart, x * 10.0 ** rng.uniform(-16, 0, d))[k % 4]
        points = points * (1.0, 1e160, 1e-160)[k % 3]
        hull = Hull(points)
        assert len(hull.vertices) > hull.dim
        assert len(hull.facets) > hull.dim or hull.dim == 0
        # what was merged or counted as flat is off by a few times tol
        assert hull.distance(points).max() <= 1e-11 * hull.scale + 2 * hull.slack
        assert np.isfinite(hull.distance(np.zeros((1, d)))).all()
        assert len(limit_points(points, np.eye(d)).points) >= 1


def test_clusters_of_any_size() -> None:
    line = np.array([[0.0], [1.0], [1.1]])
    for size in (1e-170, 1e160):  # whose squares are no numbers
        assert geometry.clusters(size * line, 0.2 * size).tolist() == [0, 1, 1]
    assert geometry.clusters([[0.0], [0.0]], 0.0).tolist() == [0, 0]


def test_scale_and_place_do_not_matter(rng) -> None:
    points, x = rng.standard_normal((30, 3)), 2 * rng.standard_normal((20, 3))
    hull = Hull(points)
    for factor, shift in ((1e-200, 0.0), (1e200, 0.0), (1.0, 1e3)):
        other = Hull(factor * (points + shift))
        assert_array_equal(other.vertices, hull.vertices)
        # a shift by 1000 costs three digits
        assert_allclose(
            other.distance(factor * (x + shift)), factor * hull.distance(x), rtol=1e-11, atol=1e-12 * factor
        )


@pytest.mark.parametrize("d", [2, 3, 4, 12])
def test_the_nearest_point_satisfies_the_variational_inequality(d: int, rng) -> None:
    # p is nearest to x if and only if <p - x, q_j - p> >= 0 for all j
    points = rng.standard_normal((40, d))
    for x in 2 * rng.standard_normal((20, d)):
        weights, p = nearest(points - x)
        assert (weights >= 0).all()
        assert weights.sum() == pytest.approx(1, abs=1e-14)
        assert_allclose(weights @ (points - x), p, atol=1e-14)
        size = np.linalg.norm(p)
        if size > 1e-7:  # else x is inside
            assert ((points - x) @ p).min() / size >= size - 2e-14  # 8 eps of points of size 8


@pytest.mark.parametrize("d", [2, 3, 4])
def test_inside_is_what_a_linear_program_finds(d: int, rng) -> None:
    points, x = rng.standard_normal((12, d)), rng.standard_normal((40, d))
    inside = Hull(points).distance(x) == 0
    assert inside.any()
    assert not inside.all()
    assert_array_equal(inside, [in_hull(points, y) for y in x])


def test_vertices_without_facets_in_many_dimensions(rng) -> None:
    corners = np.vstack([np.eye(10), -np.eye(10)])
    hull = Hull(np.vstack([corners, 0.09 * rng.uniform(-1, 1, (10, 10))]))  # |y|_1 < 1 inside
    assert_array_equal(hull.vertices, np.arange(20))
    assert_allclose(hull.distance([2 * corners[0], np.full(10, 0.2)]), [1, 0.1 * np.sqrt(10)], rtol=1e-13)
    with pytest.raises(ValueError, match="at most 8 dimensions; this one has 10"):
        _ = hull.facets


def test_a_circle_has_all_its_points_for_vertices_in_order() -> None:
    angles = 2 * np.pi * np.arange(200) / 200
    hull = Hull(np.column_stack([np.cos(angles), np.sin(angles)]))
    assert_array_equal(hull.vertices, np.arange(200))
    assert len(hull.facets) == 200


def test_bad_points_are_refused() -> None:
    with pytest.raises(ValueError, match=r"`points` must have shape \(n, d\)"):
        Hull([1.0, 2.0])
    with pytest.raises(ValueError, match=r"`points` must have coordinates of at most 1e\+300; the largest is 2e\+300"):
        Hull([[2e300], [0.0]])
    with pytest.raises(ValueError, match=r"`points` must be finite(.|\n)*`tol` must be a positive number"):
        Hull([[np.nan]], tol=0)


# -- S ---------------------------------------------------------------------------------------------------------------


def kinds(S: geometry.LimitPoints) -> tuple[int, int, int]:
    return tuple(S.kinds.count(kind) for kind in ("vertex", "face", "origin"))


def residuals(points: np.ndarray, B: np.ndarray, w: np.ndarray) -> np.ndarray:
    """max_j <Aw, Av_j> - |Aw|² over the square of the points' size."""
    return ((w @ B @ points.T).max(axis=1) - np.einsum("ki,ij,kj->k", w, B, w)) / np.abs(points).max() ** 2


@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_cube_about_the_origin_has_a_point_on_every_face(d: int) -> None:
    S = limit_points(list(product([-1.0, 1.0], repeat=d)), np.eye(d))
    assert kinds(S) == (2**d, 3**d - 1 - 2**d, 1)
    assert_allclose(np.sort(S.points.round(12), axis=0), np.sort(list(product([-1.0, 0, 1.0], repeat=d)), axis=0))
    assert S.separation == pytest.approx(1.0, rel=1e-14)


@pytest.mark.parametrize("m", [3, 4, 5, 6, 7, 12])
def test_a_regular_polygon(m: int) -> None:
    angles = 0.3 + 2 * np.pi * np.arange(m) / m
    S = limit_points(np.column_stack([np.cos(angles), np.sin(angles)]), np.eye(2))
    assert kinds(S) == (m, m, 1)
    middles = S.points[[kind == "face" for kind in S.kinds]]
    assert_allclose(np.linalg.norm(middles, axis=1), np.cos(np.pi / m), rtol=1e-13)
    assert S.attained[-1] == tuple(range(m))  # the origin: all of them, with 0


def test_a_square_away_from_the_origin() -> None:
    # centre (3, 0): the near side's middle is the projection of 0 on its side, but the far corners beat it, and all
    # near corners; the far side's middle is not beaten
    S = limit_points(SQUARE + np.array([3.0, 0.0]), np.eye(2))
    assert_array_equal(S.vertex_holds, [False, True, True, False])
    assert kinds(S) == (2, 1, 0)
    assert_allclose(sorted(S.points.tolist()), [[4, -1], [4, 0], [4, 1]], atol=1e-14)


def test_a_tetrahedron_about_the_origin_and_beside_it() -> None:
    corners = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    assert kinds(limit_points(corners, np.eye(3))) == (4, 6 + 4, 1)
    # with its centre at (3, 3, 3) every inner product of corners is positive, and one corner beats all the others
    S = limit_points(corners + 3, np.eye(3))
    assert S.points.tolist() == [[4.0, 4.0, 4.0]]
    assert S.faces == S.attained == ((0,),)
    assert S.separation == np.inf


def test_flat_polytopes() -> None:
    # a segment beside the origin, at height 1: its ends, and its point nearest to the origin
    S = limit_points([[-1.0, 1.0], [2.0, 1.0]], np.eye(2))
    assert kinds(S) == (2, 1, 0)
    assert_allclose(S.points[2], [0.0, 1.0], atol=1e-15)
    assert S.faces[2] == (0, 1)
    # one along a ray from the origin: its far end
    S = limit_points([[1.0, 1.0], [2.0, 2.0]], np.eye(2))
    assert (S.points.tolist(), S.kinds) == ([[2.0, 2.0]], ("vertex",))
    S = limit_points([[2.0, 3.0]] * 3, np.eye(2))
    assert (S.points.tolist(), S.kinds) == ([[2.0, 3.0]], ("vertex",))
    S = limit_points([[0.0, 0.0]], np.eye(2))
    assert (S.points.tolist(), S.kinds, S.vertex_holds.tolist()) == ([[0.0, 0.0]], ("origin",), [True])


def test_the_origin_at_the_edge_is_counted_once() -> None:
    S = limit_points(SQUARE + np.array([1.0, 0.0]), np.eye(2))
    # the corners (0, 1) and (0, -1) are the projections of 0 on their sides as well, and are counted once too
    assert kinds(S) == (4, 1, 1)
    corner = limit_points(SQUARE + 1.0, np.eye(2))
    assert corner.kinds.count("origin") == 1
    assert corner.vertex_holds[0]


def test_a_projection_that_falls_on_a_corner_is_counted_once() -> None:
    # 0 projects onto the line through (1, 0) and (1, 1) at (1, 0)
    S = limit_points([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0]], np.eye(2))
    assert sum(np.allclose(w, [1, 0]) for w in S.points) == 1


@pytest.mark.parametrize("d", [2, 3, 4])
def test_it_is_in_the_eyes_of_A(d: int, rng) -> None:
    # S of K for B = A^T A is A^{-1} of S of AK for the identity
    for _ in range(10):
        points = rng.standard_normal((7, d))
        A = rng.standard_normal((d, d)) + 2 * np.eye(d)
        S, seen = limit_points(points, A.T @ A), limit_points(points @ A.T, np.eye(d))
        assert S.faces == seen.faces
        assert_allclose(S.points @ A.T, seen.points, atol=1e-11)  # condition numbers up to 100


@pytest.mark.parametrize("d", [2, 3])
def test_nothing_is_missed_and_nothing_is_wrong(d: int, rng) -> None:
    """Against every subset of the vertices: the paper's own description of S in the proof of Claim 1."""
    for _ in range(15):
        points = rng.standard_normal((6, d)) + 0.7 * rng.standard_normal(d)
        B = np.diag(rng.uniform(0.3, 2, d))
        S, hull = limit_points(points, B), Hull(points)
        assert (np.abs(residuals(points, B, S.points)) < 1e-13).all()  # rounding
        assert (hull.distance(S.points) < 1e-14).all()
        found = []
        for size in range(1, d + 2):
            for chosen in combinations(points, size):
                w = projection(np.array(chosen), B)
                if abs(residuals(points, B, w[None])[0]) < 1e-9 and hull.distance([w])[0] < 1e-9:
                    found.append(w)
        assert geometry.clusters(np.array(found), 1e-7).max() + 1 == len(S.points)
        assert all(S.nearest(found)[1] < 1e-9)


@pytest.mark.parametrize(("d", "number"), [(2, 0), (3, 2)])
def test_the_numbers_of_points_obey_poincare_and_hopf(d: int, number: int, rng) -> None:
    # S without 0 is where K could stand on a plane with its centre of mass at 0: critical points on a sphere
    for _ in range(20):
        points = rng.standard_normal((12, d))
        if Hull(points).slacks(np.zeros((1, d))).min() > 0.05:
            S = limit_points(points, np.diag(rng.uniform(0.3, 2, d)))
            assert S.kinds.count("origin") == 1
            assert sum((-1) ** (len(face) - 1) for face in S.faces[:-1]) == number  # all faces are simplices


def projection(corners: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Projection of 0 on the affine hull of independent corners, by Lagrange's equations."""
    m = len(corners)
    gram = np.block([[corners @ B @ corners.T, np.ones((m, 1))], [np.ones((1, m)), np.zeros((1, 1))]])
    return np.linalg.lstsq(gram, np.append(np.zeros(m), 1.0), rcond=None)[0][:m] @ corners


def test_nearest_point_of_S() -> None:
    S = limit_points(SQUARE, np.eye(2))
    which, apart = S.nearest([[0.9, 0.9], [0.1, -0.8], [0.0, 0.1]])
    assert [S.points[k].round(12).tolist() for k in which] == [[1, 1], [0, -1], [0, 0]]
    assert_allclose(apart, [np.sqrt(0.02), np.sqrt(0.05), 0.1], rtol=1e-12)


@pytest.mark.parametrize(
    ("B", "said"),
    [
        ([[1.0, 0.5], [0.0, 1.0]], "not symmetric, entries differ from their mirror images by up to 0.5"),
        ([[1.0, 0.0], [0.0, -1.0]], "smallest eigenvalue is -1"),
        ([[1.0, 0.0], [0.0, 0.0]], "smallest eigenvalue is 0"),
        (np.eye(3), r"`B` must have shape \(2, 2\), as the vertices; got \(3, 3\)"),
    ],
)
def test_a_form_that_is_none_is_refused(B, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        limit_points(SQUARE, B)


# -- clusters and rank -----------------------------------------------------------------------------------------------


def test_clusters_are_chains_numbered_by_their_first_points() -> None:
    points = np.array([[5.0, 0], [0, 0], [0.1, 0], [5.05, 0], [0.2, 0], [9, 9]])
    assert_array_equal(geometry.clusters(points, 0.11), [0, 1, 1, 0, 1, 2])
    assert_array_equal(geometry.clusters(points, 0.0), np.arange(6))
    assert_array_equal(geometry.clusters(points[[0, 0, 1]], 0.0), [0, 0, 1])
    assert_array_equal(geometry.clusters(points, 100.0), np.zeros(6))
    with pytest.raises(ValueError, match="`tol` must be a number of at least 0; got -1"):
        geometry.clusters(points, -1)


def test_rank_counts_as_numpy_does() -> None:
    eps = np.finfo(float).eps
    P = np.diag([1.0, 3 * eps, 2.9 * eps])
    assert geometry.numerical_rank(P) == 1  # threshold 3 eps
    assert geometry.numerical_rank(P, tol=2.95 * eps) == 2
    assert geometry.numerical_rank(np.outer(np.ones(5), np.arange(4.0))) == 1
    with pytest.raises(ValueError, match=r"`P` must be a matrix.*got shape \(3,\)"):
        geometry.numerical_rank(np.ones(3))
