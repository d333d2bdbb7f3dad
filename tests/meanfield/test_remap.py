"""Masses carried along characteristics, one axis at a time: exact where it can be, positive and conservative always."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from meanfield.grid import tensor_points
from meanfield.remap import Sampled


def field(function, lower, upper, nodes: int = 33) -> Sampled:
    """Sample a velocity (n, d) -> (n, d) on a box."""
    lower, upper = np.array(lower, dtype=float), np.array(upper, dtype=float)
    axes = [np.linspace(a, b, nodes) for a, b in zip(lower, upper, strict=True)]
    values = function(tensor_points(axes)).reshape(*[nodes] * len(axes), len(axes))
    return Sampled(lower, (upper - lower) / (nodes - 1), values)


def walls(lower, upper, shape) -> list[np.ndarray]:
    return [np.linspace(a, b, n + 1) for a, b, n in zip(lower, upper, shape, strict=True)]


def turning(x: np.ndarray) -> np.ndarray:
    """Rotation and shear: each component depends on every coordinate."""
    return np.roll(x, 1, axis=1) + np.sin(x)


def rough(shape, seed: int = 0) -> np.ndarray:
    """Masses over twenty orders of magnitude, a third of them 0."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < 0.3, 0.0, 10.0 ** rng.uniform(-20, 0, shape))


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_points_follow_a_linear_field(dim: int, rng) -> None:
    flow = field(lambda x: 0.3 - 1.5 * x, -np.ones(dim), np.ones(dim))
    points = rng.uniform(-1, 1, (20, dim))
    for k in range(dim):
        moved = flow.carried(points, k, 0.8)
        expected = points.copy()
        expected[:, k] = 0.2 + (points[:, k] - 0.2) * np.exp(-1.5 * 0.8)
        # cubics are exact; Runge-Kutta: 1.2 (0.25/1.5)^4 / 120 = 8e-6 of the motion
        assert_allclose(moved, expected, rtol=0, atol=1e-5)


def test_points_beyond_the_nodes_see_the_field_continued_by_a_line() -> None:
    flow = field(lambda x: 0.5 * x, [-1.0], [1.0])
    outside = np.array([[-2.0], [1.5]])
    assert_allclose(flow.carried(outside, 0, 0.5), outside * np.exp(0.25), rtol=1e-6)  # Runge-Kutta, as above


def test_points_keep_their_order_in_a_steep_field() -> None:
    flow = field(lambda x: 40 * np.sign(x) + np.sin(50 * x), [-1.0], [1.0])
    points = np.linspace(-1, 1, 2001)[:, None]
    for duration in (0.5, -0.5):
        assert (np.diff(flow.carried(points, 0, duration)[:, 0]) >= 0).all()


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_mass_is_kept_and_stays_positive(dim: int) -> None:
    shape = (12, 9, 7)[:dim]
    lower, upper = -np.ones(dim), np.linspace(1.0, 1.5, dim)
    flow = field(turning, lower - 1, upper + 1, 17)
    masses = rough(shape)
    for k in range(dim):
        for duration in (0.01, 0.3, 2.0):  # the last crosses all cells, and all mass lies beyond one wall
            for ends in ((lower[k], upper[k]), (lower[k] - 1.0, upper[k] + 0.5)):
                moved = flow.remapped(masses, walls(lower, upper, shape), k, ends, duration)
                assert (moved >= 0).all()
                # line by line; a sum of at most twelve masses, shared out in as many pieces
                assert_allclose(moved.sum(axis=k), masses.sum(axis=k), rtol=1e-14)


def test_what_arrives_beyond_the_ends_goes_into_the_cells_there() -> None:
    flow = field(np.ones_like, [-1.0], [1.0])
    masses = np.array([0.1, 0.2, 0.3, 0.4])
    moved = flow.remapped(masses, walls([-1.0], [1.0], (4,)), 0, (-1.0, 1.0), 1.0)
    assert_allclose(moved, [0.0, 0.0, 0.1, 0.9], rtol=0, atol=1e-15)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_translation_moves_the_masses_as_they_are(dim: int) -> None:
    shape = (6, 5, 4)[:dim]
    lower, upper = np.zeros(dim), np.ones(dim)
    flow = field(lambda x: np.full_like(x, 0.7), lower, upper, 9)
    masses = rough(shape)
    for k in range(dim):
        moved = flow.remapped(masses, walls(lower, upper, shape), k, (0.35, 1.35), 0.5)
        # walls come back to rounding: 1e-16 of the neighbours' masses is exchanged
        assert_allclose(moved, masses, rtol=0, atol=4e-16 * masses.max() * shape[k])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_few_cells_are_enough_for_polynomials(n: int) -> None:
    # n means determine a polynomial of degree n - 1, up to the parabola's own two
    degree = min(n - 1, 2)
    power = np.polynomial.Polynomial(np.array([2.0, 0.5, 0.3])[: degree + 1])
    total = power.integ()
    edges = walls([0.0], [1.0], (n,))
    masses = total(edges[0][1:]) - total(edges[0][:-1])
    still = field(np.zeros_like, [0.0], [1.0], 4)
    # a still field and other ends: the masses of other cells
    moved = still.remapped(masses, edges, 0, (0.2, 0.9), 1.0)
    new = np.linspace(0.2, 0.9, n + 1)
    expected = total(new[1:]) - total(new[:-1])
    expected[0] += total(0.2) - total(0.0)
    expected[-1] += total(1.0) - total(0.9)
    assert_allclose(moved, expected, rtol=1e-13)


def test_smooth_densities_are_carried_to_third_order() -> None:
    def cumulative(x):
        return x - np.cos(2 * x) / 2.5

    errors = []
    for n in (16, 32, 64, 128):
        edges = walls([-1.0], [1.0], (n,))
        flow = field(lambda x: 1 + 0.5 * np.sin(x), [-1.5], [2.5], 65)
        ends = flow.carried(np.array([[-1.0], [1.0]]), 0, 0.6)[:, 0]
        moved = flow.remapped(np.diff(cumulative(edges[0])), edges, 0, tuple(ends), 0.6)
        # the same characteristics backwards from the new walls, so that only the parabolas err
        back = flow.carried(np.linspace(*ends, n + 1)[:, None], 0, -0.6)[:, 0]
        errors.append(np.abs(np.cumsum(moved)[:-1] - (cumulative(back) - cumulative(-1.0))[1:-1]).max())
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    # the cumulative mass of parabolas is right to h^4 where nothing is drawn in; the ends' own walls return to 1e-7
    assert (rates > 2.8).all()


def test_an_empty_stretch_stays_empty() -> None:
    masses = np.array([0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0])
    flow = field(np.zeros_like, [0.0], [7.0], 8)
    moved = flow.remapped(masses, walls([0.0], [7.0], (7,)), 0, (0.5, 7.5), 1.0)
    # each new cell takes halves of two old ones: no more than their mass, and nothing where both are empty
    assert (moved[[0, 1, 5, 6]] == 0).all()
    assert (moved <= 0.5 * 2).all()
    assert_allclose(moved.sum(), 1.0, rtol=1e-15)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_the_mean_of_a_linear_field_is_its_value_at_the_mean(dim: int, rng) -> None:
    A, b = rng.standard_normal((dim, dim)), rng.standard_normal(dim)
    shape = (7, 6, 5)[:dim]
    flow = field(lambda x: x @ A.T + b, -2 * np.ones(dim), 2 * np.ones(dim), 9)
    masses = rng.random(shape)
    masses /= masses.sum()
    edges = walls(-np.ones(dim), np.ones(dim), shape)
    centres = tensor_points([0.5 * (w[1:] + w[:-1]) for w in edges])
    # cubics reproduce it to a few roundings
    assert_allclose(flow.mean(masses, edges), A @ (masses.ravel() @ centres) + b, rtol=0, atol=1e-14)


def test_bits_do_not_depend_on_the_number_of_threads(monkeypatch) -> None:
    shape, lower, upper = (40, 50, 30), -np.ones(3), np.ones(3)
    flow, masses = field(turning, lower - 0.5, upper + 0.5, 21), rough(shape)
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr("particles.softmax._rows.threads", lambda threads=threads: threads)
        moved = [flow.remapped(masses, walls(lower, upper, shape), k, (-1.0, 1.2), 0.4) for k in range(3)]
        moved.append(flow.mean(masses, walls(lower, upper, shape)))
        found.append(moved)
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            assert_array_equal(one, same)


def test_far_from_the_nodes_the_field_is_constant() -> None:
    # or a line a million boxes away would turn a gentle field into a steep one
    flow = field(lambda x: 0.1 * np.roll(x, 1, axis=1), [-1.0, -1.0], [1.0, 1.0])
    moved = flow.carried(np.array([[0.0, 0.5], [0.0, 3.0], [0.0, 1e6]]), 0, 1.0)
    assert_allclose(moved[:, 0], [0.05, 0.3, 0.3], rtol=1e-13)  # a few roundings


def test_a_field_too_steep_for_the_step_is_told() -> None:
    flow, edges = field(lambda x: 1e6 * x, [-1.0], [1.0]), walls([-1.0], [1.0], (4,))
    with pytest.raises(ArithmeticError, match="the field along axis 0 is too steep to be followed in one step: take"):
        flow.carried(np.zeros((1, 1)), 0, 1.0)
    with pytest.raises(ArithmeticError, match="the field along axis 0 is too steep to be followed in one step: take"):
        flow.remapped(np.full(4, 0.25), edges, 0, (-1.0, 1.0), 1.0)
