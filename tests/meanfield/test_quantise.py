"""Atoms for densities: centroids keep the mean, and the bound is the variance that they lose."""

import math

import numpy as np
import pytest

from meanfield.density import Density
from meanfield.gaussian import Gaussian
from meanfield.grid import Grid
from meanfield.panels import Panels
from meanfield.push_forward import PushForward
from meanfield.quantise import quantise
from meanfield.smooth import Smooth
from meanfield.uniform import Uniform
from meanfield.wasserstein import transport
from particles.measure import Empirical


def cells(seed=0, shape=(40, 25), sparse=False):
    rng = np.random.default_rng(seed)
    masses = rng.random(shape) * (rng.random(shape) < 0.2 if sparse else 1.0)
    return Density(Grid([-1, 2], [3, 3], shape), masses / masses.sum())


def bump(x):
    return np.exp(-3 * (x**2).sum(axis=1))


DENSITIES = {
    "square": Uniform([0, 0], [1, 1]),
    "long box": Uniform([0, 0, 1], [1, 20, 1.5]),
    "ten axes": Uniform([0] * 10, [1] * 10),
    "coarse cells": cells(shape=(12, 9)),
    "fine cells": cells(),
    "sparse cells": cells(sparse=True),
    "gaussian": Gaussian([1, 2], [[2, 0.5], [0.5, 1]]),
    "flat gaussian": Gaussian([1, 2], [[1, 1], [1, 1]]),
    "smooth": Smooth.normalised(bump, [-1, -1], [1, 2]),
}


@pytest.mark.parametrize("name", DENSITIES)
@pytest.mark.parametrize("most", [1, 50, 300])
def test_centroids_keep_the_mean_and_lose_the_bound(name, most):
    mu = DENSITIES[name]
    atoms, bound = quantise(mu, most)
    assert len(atoms.points) <= most
    # Gauss sums with 4 nodes err by 3 % of the bump in one cell and by 1e-6 in fifty; the rest is rounding
    tolerance = (0.1 if most == 1 else 1e-5) if name == "smooth" else 1e-12
    np.testing.assert_allclose(atoms.mean, mu.mean, rtol=0, atol=tolerance)
    lost = np.trace(mu.cov) - np.trace(atoms.cov)
    assert bound**2 == pytest.approx(lost, abs=tolerance)


def test_bound_falls_like_one_over_cells_per_axis():
    bounds = [quantise(Uniform([0, 0], [1, 1]), n * n)[1] for n in (5, 10, 20)]
    np.testing.assert_allclose(bounds, [1 / (n * math.sqrt(6)) for n in (5, 10, 20)], rtol=1e-12)  # 2 h^2 / 12


def test_atoms_are_never_coarsened():
    mu = Empirical(np.zeros((10, 2)))
    assert quantise(mu, 2) == (mu, 0.0)


def test_blocks_follow_the_mass():
    # nearly all mass in one corner: blocks of equal size would err by 1/sqrt(6)/4 there, these do not
    axis = np.exp(-0.5 * np.arange(64.0))
    masses = np.multiply.outer(axis, axis)
    mu = Density(Grid([0, 0], [1, 1], 64), masses / masses.sum())
    assert quantise(mu, 16)[1] < 0.2 / math.sqrt(6) / 4


@pytest.mark.parametrize("shift", [0.0, 0.3, 5.0])
def test_bound_covers_the_error(shift):
    mu, nu = Uniform([0, 0], [1, 1]), Uniform([shift, 0], [shift + 1, 1])
    grid = Density(Grid([shift, 0], [shift + 1, 1], (17, 13)), np.full((17, 13), 1 / 221))
    for other in (nu, grid):
        plan = transport(mu, other, atoms=100)
        assert abs(plan.distance - shift) <= plan.quantisation


@pytest.mark.parametrize(("most", "parts"), [(80, (1, 1)), (159, (1, 1)), (160, (2, 1)), (2000, (12, 2))])
def test_cells_are_cut_as_far_as_atoms_allow(most, parts):
    # cells ten times as long as wide are cut along the long side first
    masses = np.random.default_rng(3).dirichlet(np.ones(80)).reshape(8, 10)
    mu = Density(Grid([0, 0], [8, 1], (8, 10)), masses)
    atoms, bound = quantise(mu, most)
    np.testing.assert_allclose(atoms.mean, mu.mean, rtol=0, atol=1e-12)  # rounding
    assert len(atoms.points) == 80 * math.prod(parts)
    assert bound == pytest.approx(math.sqrt(((1 / parts[0]) ** 2 + (0.1 / parts[1]) ** 2) / 12), rel=1e-12)


def test_bound_of_refined_atoms():
    coarse, bound = quantise(cells(), 60)
    fine, rest = quantise(cells(), 1000)
    assert transport(coarse, fine).distance <= bound + rest


def test_push_forward():
    rule = Panels.on_box(np.array([-1.0, -1.0]), np.array([1.0, 1.0]), 4)
    mu = PushForward(Uniform([-1, -1], [1, 1]), rule, Empirical(2 * rule.points, rule.weights / 4))
    atoms, bound = quantise(mu, 110)
    assert len(atoms.points) == 100
    assert bound == pytest.approx(math.sqrt(2 * 0.4**2 / 12), rel=1e-12)  # a linear flow: exact, cells of side 0.4


def test_far_from_the_origin():
    near, far = cells(), Density(Grid([-1 + 2.0**30, 2], [3 + 2.0**30, 3], (40, 25)), cells().masses)
    # coordinates of 1e9 are right to 1e-7
    assert quantise(far, 50)[1] == pytest.approx(quantise(near, 50)[1], rel=1e-6)


def test_unknown_measures_are_named():
    with pytest.raises(TypeError, match="ndarray"):
        quantise(np.zeros(3), 10)


def test_blocks_of_images_where_the_flow_takes_cells_apart():
    """A map that stretches the middle of a square and presses the rest together, where few atoms belong."""
    panels = Panels.on_box(np.array([-1.0, -1.0]), np.array([1.0, 1.0]), 48)
    y = panels.points
    image = np.column_stack([np.tanh(4 * y[:, 0]), y[:, 1]])
    mu = PushForward(Uniform([-1, -1], [1, 1]), panels, Empirical(image, panels.weights / panels.weights.sum()))
    plain, error = mu.quantised(20)
    atoms, bound = quantise(mu, 400)
    assert len(atoms.points) == len(plain.points) == 400
    assert bound < 0.9 * error
    # what the bound says, held against many times as many atoms
    fine, least = mu.quantised(64)
    assert transport(fine, atoms).distance <= bound + least
