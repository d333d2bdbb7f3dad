"""Bounds on W2 at any number of atoms: the exact value lies between, and the bounds are close where they can be."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

import meanfield
from meanfield import (
    Density,
    Gaussian,
    Grid,
    ParticleMethod,
    Uniform,
    solve,
    transport,
    wasserstein,
    wasserstein_bounds,
)
from particles import Attention, Empirical, Raw

ROUNDING = 1e-12  # what `transport` may be wrong by at diameters of about 10


def cloud(n, d, seed, weighted=False):
    rng = np.random.default_rng(seed)
    return Empirical(rng.normal(size=(n, d)), rng.dirichlet(np.ones(n)) if weighted else None)


def clouds():
    coordinates = st.floats(-4, 4, width=32)
    sizes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))

    def both(size):
        n, m, d = size
        masses = st.floats(0, 1, width=16)
        return st.tuples(
            arrays(float, (n, d), elements=coordinates),
            arrays(float, (m, d), elements=coordinates),
            arrays(float, n, elements=masses).filter(lambda w: w.sum() > 0),
            arrays(float, m, elements=masses).filter(lambda w: w.sum() > 0),
        )

    return sizes.flatmap(both)


@settings(max_examples=150, deadline=None)
@given(clouds())
def test_the_exact_value_lies_between(drawn):
    x, y, a, b = drawn
    mu, nu = Empirical(x, a / a.sum()), Empirical(y, b / b.sum())
    lower, upper = wasserstein_bounds(mu, nu)
    plan = transport(mu, nu)
    assert lower <= plan.distance + ROUNDING
    # near 0 the certificate of the program itself is no better than the root of rounding
    assert plan.distance - plan.gap <= upper + ROUNDING


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("shift", [0.0, 0.3, 5.0])
def test_a_thousand_atoms(d, shift, weighted):
    mu, nu = cloud(1500, d, 0, weighted), cloud(1200, d, 1, weighted)
    nu = nu.moved_to(nu.points + shift)
    lower, upper = wasserstein_bounds(mu, nu)
    exact = wasserstein(mu, nu)
    assert lower <= exact <= upper
    # halving is within a third of the optimum between samples of one law, and far closer between distant clouds
    assert upper <= 1.4 * exact
    assert lower >= exact - 2 * np.sqrt(np.mean(cloud(1500, d, 0).points.var(axis=0))) * 0.2


def test_a_translation_is_exact():
    mu = cloud(3000, 2, 2)
    lower, upper = wasserstein_bounds(mu, mu.moved_to(mu.points[::-1] + np.array([3.0, 4.0])))
    assert lower == pytest.approx(5.0, rel=1e-9)
    assert upper == pytest.approx(5.0, rel=1e-9)


def test_a_linear_map_is_exact():
    """A positive definite map is optimal, halving finds it, and Gelbrich's bound is sharp for it."""
    mu = cloud(3000, 2, 3)
    onto = np.array([[1.5, 0.4], [0.4, 0.7]])
    nu = mu.moved_to(mu.points @ onto)
    exact = math.sqrt(np.mean(((mu.points @ onto - mu.points) ** 2).sum(axis=1)))
    lower, upper = wasserstein_bounds(mu, nu)
    assert lower == pytest.approx(exact, rel=1e-5)  # the bound's allowance for the roots of rounded covariances
    assert upper == pytest.approx(exact, rel=1e-9)


def test_a_given_coupling_bounds_from_above():
    mu = cloud(2000, 2, 4)
    order = np.random.default_rng(5).permutation(2000)
    bent = mu.points + 1e-3 * np.sin(5 * mu.points)
    nu = Empirical(bent[order])
    moved = sparse.coo_array((np.full(2000, 1 / 2000), (order, np.arange(2000))))
    _, upper = wasserstein_bounds(mu, nu, coupling=moved)
    cost = math.sqrt(np.mean(((bent - mu.points) ** 2).sum(axis=1)))
    assert upper == pytest.approx(cost, rel=1e-9)
    assert wasserstein_bounds(mu, nu)[1] > 3 * cost  # which no order of halving finds


def test_lines_and_gaussians_are_exact():
    mu, nu = cloud(50, 1, 6), cloud(60, 1, 7)
    assert wasserstein_bounds(mu, nu) == (wasserstein(mu, nu),) * 2
    left, right = Gaussian([0, 0], np.eye(2)), Gaussian([1, 0], np.diag([2.0, 1.0]))
    assert wasserstein_bounds(left, right) == (wasserstein(left, right),) * 2


def test_densities_widen_the_bounds_by_their_quantisation():
    mu, nu = Uniform([0, 0], [1, 1]), Uniform([2, 0], [3, 1])
    lower, upper = wasserstein_bounds(mu, nu)
    assert lower <= 2.0 <= upper
    assert upper - lower <= 4 * 2 * math.sqrt(2 / 12) / 128  # both sides' cells, twice


@pytest.mark.parametrize("place", [[5.0, 6.0], [0.4, 0.6]])
def test_one_atom_and_a_density_are_exact(place):
    masses = np.random.default_rng(9).dirichlet(np.ones(81)).reshape(9, 9)
    mu, nu = Empirical([place]), Density(Grid([0, 0], [1, 1], 9), masses)
    exact = math.sqrt(((nu.mean - place) ** 2).sum() + np.trace(nu.cov))  # there is but one coupling
    for lower, upper in (wasserstein_bounds(mu, nu), wasserstein_bounds(nu, mu)):
        assert lower <= exact <= upper
        assert upper - lower < 1e-11  # roundings of means and covariances


def test_images_that_no_atoms_stand_for_have_bounds_by_their_moments():
    law = Raw(Attention(2 * np.eye(3), 2 * np.eye(3), 2 * np.eye(3)))
    nu = solve(law, Uniform([-1] * 3, [1] * 3), [0.0, 1.0], method=ParticleMethod(n=6))[-1]
    assert not nu.resolved
    lower, upper = wasserstein_bounds(Empirical([[0.1, 0.2, 0.3]]), nu)
    exact = math.sqrt(((nu.mean - [0.1, 0.2, 0.3]) ** 2).sum() + np.trace(nu.cov))
    assert lower == pytest.approx(exact, rel=1e-11)
    assert upper == pytest.approx(exact, rel=1e-11)


def test_a_stretched_square_is_exact_from_below():
    """An affine map: Gelbrich's bound is sharp, and no atoms are in its way."""
    lower, _ = wasserstein_bounds(Uniform([0, 0], [1, 1]), Uniform([0.1, 0], [1.5, 1]))
    exact = math.sqrt(0.3**2 + 0.2**2 / 3)
    assert exact - 1e-12 < lower <= exact  # 64 roundings


@pytest.mark.slow
def test_a_million_atoms():
    rng = np.random.default_rng(8)
    x = rng.uniform(-1, 1, (10**6, 2))
    lower, upper = wasserstein_bounds(Empirical(x), Empirical(rng.uniform(-1, 1, (10**6, 2)) + np.array([1.0, 0.0])))
    # W2 of the samples to the squares is about 1e-3 each
    assert 0.99 <= lower <= 1.003
    assert lower <= upper <= 1.003


BAD = {
    "no measure": (lambda: wasserstein_bounds(3, cloud(3, 2, 0)), "`mu` must be a measure"),
    "not sparse": (lambda: wasserstein_bounds(cloud(3, 2, 0), cloud(3, 2, 1), np.eye(3)), "must be a scipy sparse"),
    "shape": (
        lambda: wasserstein_bounds(cloud(3, 2, 0), cloud(3, 2, 1), sparse.eye_array(4)),
        r"must have shape \(3, 3\); got \(4, 4\)",
    ),
    "marginals": (
        lambda: wasserstein_bounds(cloud(3, 2, 0), cloud(3, 2, 1), sparse.eye_array(3)),
        "whose sums are the weights; they miss by 0.667",
    ),
    "densities": (
        lambda: wasserstein_bounds(Uniform([0, 0], [1, 1]), cloud(3, 2, 1), sparse.eye_array(3)),
        "unless both measures are atoms",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_it_is_public():
    assert meanfield.wasserstein_bounds is wasserstein_bounds
