from math import factorial

import numpy as np
import pytest
from numpy.polynomial import Polynomial
from numpy.testing import assert_allclose, assert_array_equal

from meanfield import Grid, panels
from meanfield.panels import Panels, hats, joined, lagrange

ROUNDING = 1e-13  # sums of tens of terms of order 1


def line(n: int) -> Panels:
    edges = np.array([-1.0, -0.2, 0.5, 2.0])
    return Panels(edges[:-1, None], edges[1:, None], (n,))


def brick() -> Panels:
    """Three panels of the plane, with a hole where a fourth would be."""
    return Panels(
        np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]), np.array([[1.0, 2.0], [3.0, 2.0], [1.0, 3.0]]), (4, 3)
    )


@pytest.mark.parametrize("n", [1, 2, 6, 30])
def test_interpolation_reproduces_polynomials(n: int, rng: np.random.Generator) -> None:
    y = np.append(rng.uniform(-1, 2, 40), [-1.0, -0.2, 0.5, 2.0])
    polynomial = Polynomial(rng.uniform(-1, 1, n) * 2.0 ** -np.arange(n))
    for pieces in (line(n), Panels.on_box(np.array([-1.0]), np.array([2.0]), n)):
        # Gauss nodes: the Lebesgue constant is about sqrt(n), 6 at the ends for n = 30
        found = pieces.interpolate(polynomial(pieces.points), y[:, None])[:, 0]
        assert_allclose(found, polynomial(y), rtol=0, atol=10 * ROUNDING)
        slopes = pieces.slopes(polynomial(pieces.points))[:, 0, 0]
        # differentiation magnifies rounding by n^2 over the width
        assert_allclose(slopes, polynomial.deriv()(pieces.points[:, 0]), rtol=0, atol=5 * n**2 * ROUNDING)


def test_at_the_nodes_interpolation_gives_the_values_back() -> None:
    nodes = Panels.on_box(np.array([-1.0]), np.array([1.0]), 9).points[:, 0]
    assert_array_equal(lagrange(9, nodes), np.eye(9))  # a hit, not 1/0


def test_interpolation_converges_spectrally() -> None:
    y = np.linspace(-1, 2, 101)[:, None]
    for n in (5, 10, 15, 20):
        rule = Panels.on_box(np.array([-1.0]), np.array([2.0]), n)
        error = np.abs(rule.interpolate(np.sin(3 * rule.points), y) - np.sin(3 * y)).max()
        best = 4.5**n / (factorial(n) * 2.0 ** (n - 1))  # error of Chebyshev nodes for sin(4.5 s) on [-1, 1]
        assert 0.01 * best < error < 10 * best  # Gauss nodes leave more room at the ends


def test_weights_sum_to_the_volume_and_integrate() -> None:
    pieces = brick()
    assert pieces.weights.sum() == pytest.approx(7.0, rel=ROUNDING)
    x, y = pieces.points.T
    # int x^2 y over [0,1]x[0,2], [1,3]x[0,2], [0,1]x[2,3]
    assert pieces.weights @ (x**2 * y) == pytest.approx(2 / 3 + 26 / 3 * 2 + 2.5 / 3, rel=ROUNDING)


def test_plane_polynomials_and_places_outside() -> None:
    pieces = brick()

    def f(x):
        return np.stack([x[:, 0] ** 3 * x[:, 1] ** 2, x[:, 0] - x[:, 1]], axis=1)

    y = np.array([[0.5, 1.0], [2.9, 0.1], [0.1, 2.9], [1.0, 2.0]])
    assert_allclose(pieces.interpolate(f(pieces.points), y), f(y), rtol=0, atol=1e-11)  # values up to 100
    slopes = pieces.slopes(f(pieces.points))
    x = pieces.points
    assert_allclose(slopes[:, 0, 0], 3 * x[:, 0] ** 2 * x[:, 1] ** 2, rtol=0, atol=1e-10)
    assert_allclose(slopes[:, 1], np.tile([1.0, -1.0], (len(x), 1)), rtol=0, atol=1e-11)
    # the hole and the outside are read at the nearest place of a panel
    lost = np.array([[1.4, 2.5], [-1.0, 1.0], [2.0, 2.2]])
    nearest = np.array([[1.0, 2.5], [0.0, 1.0], [2.0, 2.0]])
    assert_allclose(pieces.interpolate(f(pieces.points), lost), f(nearest), rtol=0, atol=1e-11)


def test_the_table_and_the_search_agree(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = Panels.on_box(np.zeros(2), np.ones(2), 2)
    for _ in range(20):
        p = int(rng.integers(len(pieces)))
        others = pieces.take(np.arange(len(pieces)) != p)
        pieces = joined([others, pieces.halved(p, int(rng.integers(2)))])
    y = rng.uniform(0, 1, (500, 2))
    found = pieces.find(y)
    assert ((pieces.lower[found] <= y) & (y <= pieces.upper[found])).all()
    monkeypatch.setattr(panels, "_MOST_PIGEONHOLES", 0)
    assert_array_equal(Panels(pieces.lower, pieces.upper, pieces.orders).find(y), found)


def test_halves_tile_the_parent() -> None:
    parent = brick()
    for axis in (0, 1):
        halves = parent.halved(1, axis)
        assert halves.weights.sum() == pytest.approx(4.0, rel=ROUNDING)
        assert halves.lower.min(axis=0).tolist() == [1.0, 0.0]
        assert halves.upper.max(axis=0).tolist() == [3.0, 2.0]
        assert (halves.upper[0] - halves.lower[0]).tolist() == ([1.0, 2.0] if axis == 0 else [2.0, 1.0])


def test_tails_are_the_last_coefficients_along_each_axis() -> None:
    unit = Panels.on_box(-np.ones(2), np.ones(2), 5)
    x, y = unit.points.T
    fourth, third = (35 * x**4 - 30 * x**2 + 3) / 8, (5 * y**3 - 3 * y) / 2  # Legendre polynomials
    tails = unit.tails(np.stack([0.3 * fourth, 0.2 * third], axis=1))
    assert_allclose(tails, [[0.3, 0.2]], rtol=1e-12)
    assert unit.tails((x**2 * y**2)[:, None]).max() < ROUNDING


def test_a_panel_for_each_cell() -> None:
    grid = Grid([0.0, -1.0], [1.0, 1.0], (2, 3))
    pieces = Panels.on_cells(grid, (2, 4))
    assert len(pieces) == 6
    assert pieces.size == 8
    assert_allclose(pieces.weights.reshape(6, 8).sum(axis=1), grid.volume, rtol=ROUNDING)
    assert_allclose(0.5 * (pieces.lower + pieces.upper), grid.centres, rtol=0, atol=ROUNDING)


def test_rough_panels_are_read_linearly_and_never_leave_the_hull(rng: np.random.Generator) -> None:
    pieces, rough = brick(), np.array([False, True, False])
    y = rng.uniform([0.0, 0.0], [3.0, 2.0], (400, 2))
    held = pieces.find(y) == 1
    steep = np.sign(pieces.points[:, :1] - 2.1)  # it jumps on the second panel only
    found = pieces.interpolate(steep, y, rough)
    assert np.abs(pieces.interpolate(steep, y)).max() > 1.1  # a polynomial overshoots
    assert np.abs(found[held]).max() == 1.0
    assert_array_equal(found[~held], pieces.interpolate(steep, y)[~held])
    # linear functions are exact between the outermost nodes, and the nodes' own values always
    low, high = pieces.points[12:24].min(axis=0), pieces.points[12:24].max(axis=0)
    between = held & ((low <= y) & (y <= high)).all(axis=1)
    plane = pieces.points @ [[2.0], [-1.0]]
    assert_allclose(pieces.interpolate(plane, y[between], rough), y[between] @ [[2.0], [-1.0]], atol=10 * ROUNDING)
    assert_allclose(pieces.slopes(plane, rough)[:, 0], np.tile([2.0, -1.0], (36, 1)), atol=50 * ROUNDING)
    ordinary = line(9)
    once = ordinary.interpolate(ordinary.points**2, ordinary.points, np.ones(3, dtype=bool))
    assert_allclose(once, ordinary.points**2, atol=ROUNDING)
    assert_array_equal(hats(1, np.array([-1.0, 0.3])), np.ones((2, 1)))
    assert_array_equal(hats(9, np.array([-1.0, 1.0])), np.eye(9)[[0, 8]])  # constant beyond the outermost


def test_interpolating_nothing() -> None:
    for pieces in (line(3), brick()):
        assert pieces.interpolate(np.ones((len(pieces.points), 2)), np.empty((0, pieces.dim))).shape == (0, 2)
