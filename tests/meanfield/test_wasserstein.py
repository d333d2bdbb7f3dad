"""Wasserstein distances against closed forms, brute force and each other."""

import itertools
import math
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from meanfield import line_distance
from meanfield.density import Density
from meanfield.gaussian import Gaussian
from meanfield.grid import Grid
from meanfield.uniform import Uniform
from meanfield.wasserstein import gelbrich, transport, wasserstein, wasserstein_curve
from particles.measure import Empirical

ROUNDING = 1e-13  # a few thousand operations on numbers of order one
LADDER = [1.0, 1.5, 2.0, 3.0, 4.0]


def cloud(n=30, d=2, seed=0, weighted=False):
    rng = np.random.default_rng(seed)
    return Empirical(rng.normal(size=(n, d)), rng.dirichlet(np.ones(n)) if weighted else None)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("p", LADDER)
def test_the_program_agrees_with_quantiles_on_a_line(p, weighted):
    mu, nu = cloud(25, 1, 2, weighted), cloud(31, 1, 3, weighted)
    flat = [Empirical(np.hstack([m.points, 0 * m.points]), m.weights) for m in (mu, nu)]
    assert wasserstein(*flat, p) == pytest.approx(wasserstein(mu, nu, p), rel=ROUNDING)


@pytest.mark.parametrize("p", LADDER)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_brute_force_over_permutations(p, d):
    x, y = cloud(6, d, 4), cloud(6, d, 5)
    steps = np.linalg.norm(x.points[:, None] - y.points[None], axis=2) ** p
    best = min(steps[range(6), order].mean() for order in itertools.permutations(range(6)))
    assert wasserstein(x, y, p) == pytest.approx(best ** (1 / p), rel=ROUNDING)


def test_weights_from_none_to_all():
    specks = Empirical([[0.0, 0], [1, 0], [9, 9]], [1.0, 1e-20, 0.0])
    plan = transport(specks, Empirical([[0.0, 0.0]]))
    assert plan.distance == pytest.approx(1e-10, rel=ROUNDING)
    np.testing.assert_allclose(plan.coupling.toarray()[:, 0], [1.0, 1e-20, 0.0], rtol=ROUNDING)


def test_equal_measures_and_single_atoms():
    mu = cloud(50, 3, 10, True)
    assert wasserstein(mu, mu) == 0.0
    plan = transport(Empirical([[0.0, 0.0]]), Empirical([[3e-200, 4e-200]]))
    assert plan.distance == pytest.approx(5e-200, rel=1e-15)
    assert plan.gap == 0.0
    assert wasserstein(Empirical([[0.0, 0.0]]), Empirical([[3e200, 4e200]])) == pytest.approx(5e200, rel=1e-15)


def clouds(count):
    coordinates = st.floats(-4, 4, width=32)
    return st.tuples(*[arrays(float, st.tuples(st.integers(1, 6), st.just(2)), elements=coordinates)] * count)


@settings(max_examples=30, deadline=None)
@given(clouds(3), st.sampled_from([1.0, 2.0, 3.0]))
def test_metric(points, p):
    mu, nu, xi = map(Empirical, points)
    there = wasserstein(mu, nu, p)
    # optimal costs are right to 1e-15 of the diameter to the power p, about 12^p
    tolerance = 12 * 1e-14 ** (1 / p)
    assert wasserstein(nu, mu, p) == pytest.approx(there, abs=tolerance)
    assert there <= wasserstein(mu, xi, p) + wasserstein(xi, nu, p) + tolerance


@settings(max_examples=30, deadline=None)
@given(clouds(2))
def test_powers_are_ordered_and_compared_by_the_diameter(points):
    mu, nu = map(Empirical, points)
    every = np.concatenate(points)
    diameter = np.linalg.norm(every[:, None] - every[None], axis=2).max()
    distances = [wasserstein(mu, nu, p) for p in LADDER]
    for p, low, high in zip(LADDER[1:], distances[:-1], distances[1:], strict=True):
        tolerance = 12 * 1e-14 ** (1 / p)  # as above
        assert low <= high + tolerance
        assert high <= diameter ** (1 - 1 / p) * distances[0] ** (1 / p) + tolerance  # (6.7)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_rotating_scaling_and_moving(p):
    mu, nu = cloud(20, 2, 11, True), cloud(20, 2, 12)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    there = wasserstein(mu, nu, p)
    moved = [m.moved_to(7 * m.points @ turn.T + [5, -3]) for m in (mu, nu)]
    assert wasserstein(*moved, p) == pytest.approx(7 * there, rel=ROUNDING)


def spd(seed, d=3):
    root = np.random.default_rng(seed).normal(size=(d, d))
    return root @ root.T


def test_gaussians_that_commute():
    mu, nu = Gaussian([0, 0], np.diag([1.0, 4.0])), Gaussian([3, 4], np.diag([4.0, 0.0]))
    assert wasserstein(mu, nu) == pytest.approx(math.sqrt(25 + 1 + 4), rel=ROUNDING)


def test_gaussians_against_the_trace_formula():
    S, T = spd(1), spd(2)
    values, vectors = np.linalg.eigh(S)
    root = vectors * np.sqrt(values) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ T @ root)).sum()
    exact = math.sqrt(np.trace(S) + np.trace(T) - 2 * cross)
    plan = transport(Gaussian(np.zeros(3), S), Gaussian(np.zeros(3), T))
    assert plan.distance == pytest.approx(exact, rel=1e-12)  # the formula itself loses a digit or two
    assert (plan.gap, plan.quantisation, plan.coupling) == (0.0, 0.0, None)


@pytest.mark.parametrize("exponent", [4, 10, 18])
def test_nearly_equal_gaussians_keep_their_digits(exponent):
    S, h = spd(3), 2.0**-exponent
    there = wasserstein(Gaussian(np.zeros(3), S), Gaussian(np.zeros(3), (1 + h) ** 2 * S))
    # the rounding of the matrices' entries is 1e-16 / h of their difference: 1e-10 at the smallest h
    assert there == pytest.approx(h * math.sqrt(np.trace(S)), rel=max(1e-12, 1e-15 / h))


def test_singular_gaussians():
    line = np.array([[1.0, 1.0], [1.0, 1.0]])
    assert wasserstein(Gaussian([0, 0], line), Gaussian([0, 0], 4 * line)) == pytest.approx(math.sqrt(2), rel=1e-14)
    assert wasserstein(Gaussian([0, 0], line), Gaussian([0, 0], 0 * line)) == pytest.approx(math.sqrt(2), rel=1e-14)


def test_gaussians_on_the_line_two_ways():
    mu, nu = Gaussian([0.5], [[2.0]]), Gaussian([-1.0], [[0.3]])
    # quadrature to 1e-11, through the slightly different power 2 + 1e-15 that is no closed form
    assert wasserstein(mu, nu) == pytest.approx(wasserstein(mu, nu, 2 * (1 + 2**-51)), rel=1e-11)


def test_shifted_squares():
    plan = transport(Uniform([0, 0], [1, 1]), Uniform([0.5, 0], [1.5, 1]), atoms=400)
    assert plan.distance == pytest.approx(0.5, rel=ROUNDING)  # equal cells, all moved alike
    assert plan.quantisation == pytest.approx(2 * math.sqrt(2 / 12) / 20, rel=1e-12)


def test_bound_of_higher_powers_is_unknown():
    square, atom = Uniform([0, 0], [1, 1]), Empirical([[0.0, 0.0]])
    assert transport(square, atom, 3, atoms=16).quantisation == math.inf
    assert transport(atom, atom, 3).quantisation == 0.0


def test_the_line_gives_a_coupling_between_atoms_only():
    mu, nu = cloud(9, 1, 13), cloud(7, 1, 14)
    plan = transport(mu, nu)
    assert plan.coupling.shape == (9, 7)
    assert plan.distance == wasserstein(mu, nu)
    assert transport(mu, Uniform([0], [1])).coupling is None


def test_a_jump_between_two_neighbouring_levels_is_not_halved_for_ever():
    class Step:
        rounds = 0

        def at(self, low, u):
            self.rounds += 1
            return np.where(u > 0.4, 1.0, 1e-6), np.zeros_like(u), 1.0

    # the jump is so near the end that all panels together weigh no more than the rounding of its level
    edges, step = np.append(np.linspace(0, 0.4, 200), 0.4 + 2.0**-53), Step()
    scale, integral = line_distance._adaptive(step, edges[:-1], edges[1:], 2.0)
    assert scale**2 * integral == pytest.approx(0.4e-12, rel=1e-3)  # the last level's share
    assert step.rounds < 60  # 52 halvings take a panel to one unit in the last place


def test_cells_against_cells():
    masses = np.random.default_rng(15).dirichlet(np.ones(64)).reshape(8, 8)
    mu, nu = (Density(Grid([c, 0], [c + 1, 1], 8), masses) for c in (0.0, 2.0))
    assert wasserstein(mu, nu) == pytest.approx(2.0, rel=ROUNDING)


BAD = {
    "not a measure": (lambda: wasserstein(np.zeros((3, 2)), cloud()), "`mu` must be a measure; got ndarray"),
    "dimensions": (lambda: wasserstein(cloud(d=2), cloud(d=3)), "one dimension; got 2 and 3"),
    "small p": (lambda: wasserstein(cloud(), cloud(), 0.5), "`p` must be a number of at least 1; got 0.5"),
    "NaN p": (lambda: wasserstein(cloud(), cloud(), np.nan), "`p` must be finite"),
    "atoms": (lambda: transport(cloud(), cloud(), atoms=0), "`atoms` must be an integer"),
    "NaN points": (lambda: wasserstein(cloud(), cloud().moved_to(np.full((30, 2), np.nan))), r"`nu`.*nan at index"),
    "span": (
        lambda: wasserstein(Empirical([[1.7e308, 0.0]]), Empirical([[-1.7e308, 0.0]])),
        r"`mu` and `nu` must be no further apart.*from -1.7e\+308 to 1.7e\+308",
    ),
    "diagonal": (lambda: transport(Empirical([[1.5e308, 1.5e308]]), Empirical([[0.0, 0.0]])), "no further apart"),
    "span on a line": (lambda: wasserstein(Empirical([[1.7e308]]), Empirical([[-1.7e308]])), "no further apart"),
    "span of a box": (lambda: wasserstein(Empirical([[-1.7e308]]), Uniform([0], [1.7e308])), "no further apart"),
    "NaN on a line": (lambda: wasserstein(cloud(d=1), cloud(d=1).moved_to(np.full((30, 1), np.inf))), "`nu`.*inf"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_all_problems_come_at_once():
    with pytest.raises(ValueError, match=r"(?s)`mu`.*`nu`.*`p`"):
        wasserstein(1, "two", 0)
    with pytest.raises(ValueError, match=r"(?s)`curve` must be.*got ndarray.*`other` must be.*got int.*`times`"):
        wasserstein_curve(np.zeros(3), 3, [1.0, 0.0])
    with pytest.raises(ValueError, match=r"`other` must be a Curve or a Trajectory; got Empirical"):
        wasserstein_curve(Path(times=np.zeros(1), speed=1.0), cloud(), [0.0])


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_gelbrich_is_below_to_the_last_digit(d, shift):
    rng = np.random.default_rng(22)
    for _ in range(20):
        x = rng.normal(size=(6, d)) + shift
        mu = Empirical(x)
        assert gelbrich(mu, Empirical(x[::-1])) == 0.0  # one measure
        stretched = mu.moved_to(x @ np.diag([1.5, *[1.0] * (d - 1)]))  # an optimal map, and affine
        exact = math.sqrt(((stretched.points - x) ** 2).sum() / 6)
        # 64 roundings of sizes up to 2e4 d: squares of coordinates, over the least deviations
        assert exact - 1e-9 < gelbrich(mu, stretched) <= exact


class Path(types.SimpleNamespace):
    def __getitem__(self, k):
        return Empirical([[self.speed * self.times[k], 0.0]])


def test_curve_of_distances():
    slow, fast = Path(times=np.array([0.0, 1.0, 2.0]), speed=1.0), Path(times=np.linspace(0, 2, 5), speed=3.0)
    np.testing.assert_allclose(wasserstein_curve(slow, fast, [0.0, 2.0]), [0.0, 4.0], rtol=1e-15)
    with pytest.raises(ValueError, match=r"`curve` has no time 0.5, its nearest is 0"):
        wasserstein_curve(slow, fast, [0.0, 0.5])
    with pytest.raises(ValueError, match=r"`other` has no time 3"):
        wasserstein_curve(slow, fast, [3.0])


def test_a_curve_of_programs_begun_at_the_last_prices():
    rng = np.random.default_rng(20)
    times = np.linspace(0, 1, 4)

    class Cloud(types.SimpleNamespace):
        def __getitem__(self, k):
            return Empirical(self.points * np.exp(self.rate * self.times[k]))

    slow = Cloud(times=times, points=rng.normal(size=(270, 2)), rate=0.3)  # more than are solved on all arcs
    fast = Cloud(times=times, points=rng.normal(size=(400, 2)), rate=30.0)  # far out of the first unit of length
    cold = [wasserstein(slow[k], fast[k]) for k in range(4)]
    # both are optimal, so they differ by the rounding of costs over the distance
    np.testing.assert_allclose(wasserstein_curve(slow, fast, times), cold, rtol=1e-12)
