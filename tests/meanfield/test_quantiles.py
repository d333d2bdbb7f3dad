"""Distances on the line against closed forms, and quantile functions against distribution functions."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gamma, ndtr
from scipy.stats import norm

from meanfield.density import Density
from meanfield.gaussian import Gaussian
from meanfield.grid import Grid
from meanfield.line_distance import distance, mean_power, monotone
from meanfield.panels import Panels
from meanfield.push_forward import PushForward
from meanfield.quantiles import quantile
from meanfield.smooth import Smooth
from meanfield.uniform import Uniform
from particles.measure import Empirical
from particles.tokens import by_quantiles

ROUNDING = 1e-14  # a few dozen operations on numbers of order one
QUADRATURE = 1e-11  # what the adaptive panels promise

POWERS = (1.0, 1.5, 2.0, 3.0, 7.3)


def w(mu, nu, p=2.0):
    return distance(quantile(mu), quantile(nu), p)


def parabola(centre=0.0):
    return Smooth(lambda x: 0.75 * (1 - (x[:, 0] - centre) ** 2), [centre - 1], [centre + 1])


def stretched(n=6):
    """The uniform law on [-1, 1] under y -> 3 y + y^3, which 6 nodes carry exactly, with two coefficients to spare."""
    rule = Panels.on_box(np.array([-1.0]), np.array([1.0]), n)
    images = 3 * rule.points + rule.points**3
    return PushForward(Uniform([-1], [1]), rule, Empirical(images, rule.weights / 2))


def holed(shift=0.0):
    masses = np.array([0.1, 0.0, 0.3, 1e-20, 0.0, 0.6])
    return Density(Grid([-2 + shift], [1 + shift], 6), masses / masses.sum())


FAMILIES = {
    "atoms": lambda c: Empirical([[c - 1.0], [c + 0.25], [c + 3.0]], [0.2, 0.0, 0.8]),
    "uniform": lambda c: Uniform([c - 1], [c + 2]),
    "density": holed,
    "gaussian": lambda c: Gaussian([c], [[2.25]]),
    "smooth": parabola,
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("p", POWERS)
def test_a_translation_costs_its_length(family, p):
    make = FAMILIES[family]
    assert w(make(0.0), make(0.75), p) == pytest.approx(0.75, rel=ROUNDING)


@pytest.mark.parametrize("p", POWERS)
def test_dilation_of_a_uniform_law(p):
    # int_0^1 u^p du = 1 / (p + 1), and about its centre 2 int_0^{1/2} (u)^p du = 2^{-p} / (p + 1)
    assert w(Uniform([0], [1]), Uniform([0], [2]), p) == pytest.approx((p + 1) ** (-1 / p), rel=ROUNDING)
    about_centre = w(Uniform([-1], [1]), Uniform([-2], [2]), p)
    assert about_centre == pytest.approx((p + 1) ** (-1 / p), rel=ROUNDING)


@pytest.mark.parametrize("p", POWERS)
def test_two_gaussians_differ_by_moments_of_one(p):
    moment = 2 ** (p / 2) * gamma((p + 1) / 2) / math.sqrt(math.pi)
    assert w(Gaussian([3], [[1]]), Gaussian([3], [[6.25]]), p) == pytest.approx(1.5 * moment ** (1 / p), rel=QUADRATURE)


def test_first_distance_of_shifted_gaussians_changes_sign_once():
    # E|m + s Z| in closed form
    m, s = 0.3, 1.5
    exact = s * math.sqrt(2 / math.pi) * math.exp(-((m / s) ** 2) / 2) + m * (1 - 2 * ndtr(-m / s))
    assert w(Gaussian([0], [[1]]), Gaussian([m], [[6.25]]), 1.0) == pytest.approx(exact, rel=QUADRATURE)


def test_an_atom_measures_spread():
    atom = Empirical([[0.5]])
    assert w(Gaussian([0.5], [[4.0]]), atom) == pytest.approx(2.0, rel=QUADRATURE)
    assert w(parabola(0.5), atom) == pytest.approx(math.sqrt(0.2), rel=QUADRATURE)
    assert w(Uniform([0], [1]), atom) == pytest.approx(math.sqrt(1 / 12), rel=ROUNDING)
    assert w(Uniform([0], [1]), atom, 1.0) == pytest.approx(0.25, rel=ROUNDING)


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_centred_atoms_against_the_uniform_law(n):
    atoms = Empirical((np.arange(n)[:, None] + 0.5) / n)
    # each atom feeds an interval of length 1/n about itself; the differences of centres lose log2(n) bits
    assert w(atoms, Uniform([0], [1])) == pytest.approx(1 / (n * math.sqrt(12)), rel=n * ROUNDING)


def test_uniform_law_pushed_by_a_cubic():
    # int_{-1}^1 (2y + y^3)^2 dy / 2 = 4/3 + 4/5 + 1/7; the difference keeps its sign on each half
    assert w(stretched(), Uniform([-1], [1])) == pytest.approx(math.sqrt(4 / 3 + 4 / 5 + 1 / 7), rel=QUADRATURE)
    assert w(stretched(), Uniform([-1], [1]), 1.0) == pytest.approx(1.25, rel=QUADRATURE)


def test_tiny_differences_of_smooth_curves_are_seen():
    base, moved = stretched(), stretched()
    nudged = PushForward(moved.source, moved.panels, moved.nodes.moved_to(moved.nodes.points + 2.0**-40))
    # values of size 4 are right to 1e-15 or so, which is 1e-3 of this shift; it averages over the levels
    assert w(base, nudged) == pytest.approx(2.0**-40, rel=5e-3)


@given(st.floats(-3, 3), st.floats(-3, 3), st.sampled_from(POWERS))
def test_mean_power_against_the_antiderivative(first, final, p):
    value = mean_power(np.array([first]), np.array([final]), p)[0]
    nodes, weights = np.polynomial.legendre.leggauss(40)
    cuts = [0.0, first / (first - final), 1.0] if first * final < 0 else [0.0, 1.0]
    parts = []
    for a, b in itertools.pairwise(cuts):
        # t = s^4 from the end that vanishes, if one does, makes |.|^p smooth enough for 40 nodes
        s = 0.5 * (1 + nodes)
        zero_at_a = abs(first + (final - first) * a) < abs(first + (final - first) * b)
        t = a + (b - a) * s**4 if zero_at_a else b - (b - a) * s**4
        parts.append(0.5 * (b - a) * weights @ (4 * s**3 * np.abs(first + (final - first) * t) ** p))
    # the reference's substitution leaves 1e-10 for p = 1.5; underflow of the smallest arguments leaves the rest
    assert value == pytest.approx(sum(parts), rel=1e-9, abs=1e-300)


def test_mean_power_of_a_line_through_zero():
    # from -1 to 1: 2 int_0^{1/2} (2 s)^p ds = 1 / (p + 1), and so it is from 0 to 1
    ends = np.array([-1.0, 1.0, 0.0, 1.0, 0.0])
    values = mean_power(ends, np.array([1.0, -1.0, 1.0, 0.0, 0.0]), 2.5)
    np.testing.assert_allclose(values, [1 / 3.5] * 4 + [0.0], rtol=ROUNDING)


def test_mean_power_keeps_digits_of_nearly_equal_ends():
    # (1 + h/2)^p to second order: int_0^1 (1 + s h)^p = 1 + p h / 2 + p (p - 1) h^2 / 6 + O(h^3)
    h, p = 2.0**-30, 2.5
    value = mean_power(np.array([1.0]), np.array([1.0 + h]), p)[0]
    assert value - 1 == pytest.approx(p * h / 2 + p * (p - 1) * h**2 / 6, abs=4e-16)  # the rounding of 1 + ph/2


@pytest.mark.parametrize("family", ["smooth", "gaussian", "uniform", "density"])
def test_quantile_inverts_the_distribution_function(family):
    mu = FAMILIES[family](0.0)
    u = np.concatenate([[1e-12, 1e-6], np.linspace(0.01, 0.99, 99), [1 - 1e-6]])
    x = quantile(mu)(u)
    if family == "smooth":
        back = 0.5 + 0.75 * (x - x**3 / 3)
    elif family == "gaussian":
        back = ndtr(x / 1.5)
    elif family == "uniform":
        back = (x + 1) / 3
    else:
        back = np.interp(x, mu.grid.edges(0), np.concatenate([[0], np.cumsum(mu.masses)]))
    np.testing.assert_allclose(back, u, rtol=0, atol=ROUNDING)
    assert (np.diff(x) > 0).all()


def test_low_levels_of_a_vanishing_density_keep_their_digits():
    # near -1 the distribution function is 3/4 (1 + x)^2, but 1 - x^2 itself is right to 1e-16 / (1 + x) only
    u = np.array([1e-14, 1e-12])
    np.testing.assert_allclose(quantile(parabola())(u) + 1, np.sqrt(4 * u / 3), rtol=1e-6)


def test_peaked_and_gapped_densities():
    def twin(x):
        return np.exp(-5000 * (x[:, 0] - 0.5) ** 2) + np.exp(-5000 * (x[:, 0] + 0.5) ** 2)

    peaks = Smooth.normalised(twin, [-1], [1])
    # two normal laws of deviation 0.01; each point to its own peak; tails of 50 deviations are cut
    assert w(peaks, Empirical([[-0.5], [0.5]])) == pytest.approx(0.01, rel=1e-9)


def test_slivers_of_rounding_cost_nothing():
    # levels 0.1 + 0.2 and 0.3 differ by rounding only; taken seriously they would cost sqrt(5e-17) * 1e3
    split = Empirical([[0.0], [0.0], [1e3]], [0.1, 0.2, 0.7])
    joined = Empirical([[0.0], [1e3]], [0.3, 0.7])
    assert w(split, joined) == 0.0


def test_specks_of_mass_in_the_tails_count():
    for side in (-1.0, 1.0):
        speck = Empirical([[0.0], [side]], [1.0, 1e-24])
        assert w(speck, Empirical([[0.0]])) == pytest.approx(1e-12, rel=ROUNDING)


def test_scale_free():
    tiny, huge = Uniform([0], [1e-200]), Uniform([0], [1e200])
    assert w(tiny, Empirical([[0.0]]), 3.0) == pytest.approx(1e-200 * 4 ** (-1 / 3), rel=ROUNDING)
    assert w(huge, Empirical([[0.0]]), 3.0) == pytest.approx(1e200 * 4 ** (-1 / 3), rel=ROUNDING)


def test_monotone_coupling_has_the_marginals_and_the_cost():
    rng = np.random.default_rng(5)
    mu = Empirical(rng.normal(size=(40, 1)), rng.dirichlet(np.ones(40)))
    nu = Empirical(rng.normal(size=(31, 1)))
    plan = monotone(mu, nu)
    np.testing.assert_allclose(plan.sum(axis=1), mu.weights, rtol=0, atol=1e-15)  # sums of a few levels
    np.testing.assert_allclose(plan.sum(axis=0), nu.weights, rtol=0, atol=1e-15)
    cost = plan.data @ (mu.points[plan.row, 0] - nu.points[plan.col, 0]) ** 2
    assert math.sqrt(cost) == pytest.approx(w(mu, nu), rel=ROUNDING)


def test_many_atoms():
    rng = np.random.default_rng(6)
    points = rng.normal(size=(200_000, 1))
    mu = Empirical(points)
    # a shift of a cloud; 2e5 roundings of size 1e-16 average out
    assert w(mu, Empirical(points + 0.5)) == pytest.approx(0.5, rel=ROUNDING)


def test_unknown_measures_are_named():
    with pytest.raises(TypeError, match="list"):
        quantile([0.0])


# --------------------------------------------------------------------------------------- the method of every measure


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 64, 199])
def test_the_kth_of_n_equal_atoms_is_the_quantile_at_k_over_n(n, rng):
    values = rng.permutation(np.arange(n) ** 2.0)
    k = np.arange(1, n + 1)
    assert (Empirical(values[:, None]).quantile(k / n) == (k - 1.0) ** 2).all()
    # and the next one just above: 1e-12 is 10^4 roundings of a level
    assert (Empirical(values[:, None]).quantile(k[:-1] / n + 1e-12) == k[:-1] ** 2.0).all()


def test_small_atoms_at_both_ends_are_found():
    mu = Empirical([[3.0], [1.0], [2.0]], [1e-20, 1e-20, 1.0])
    assert mu.quantile([0.0, 1e-21, 1e-20, 2e-20, 0.5, 1 - 1e-16, 1.0]).tolist() == [1, 1, 1, 2, 2, 2, 3]


def test_a_level_at_a_gap_is_its_lower_end():
    mu = Density(Grid([0], [4], 4), [0.25, 0.0, 0.5, 0.25])
    assert mu.quantile([0.0, 0.25, np.nextafter(0.25, 1) + 1e-15, 0.75, 1.0]) == pytest.approx(
        [0, 1, 2, 3, 4], abs=1e-14
    )
    mirrored = Density(Grid([0], [4], 4), [0.25, 0.5, 0.0, 0.25])
    assert mirrored.quantile([0.0, 0.25, 0.75, 0.75 + 1e-15, 1.0]) == pytest.approx([0, 1, 2, 3, 4], abs=1e-14)


def test_gaussian_quantiles_against_scipy():
    u = np.concatenate([10.0 ** -np.arange(1, 300), np.linspace(0.01, 1.0, 100)])
    assert Gaussian([0.3], [[4.0]]).quantile(u) == pytest.approx(norm.ppf(u, 0.3, 2.0), rel=ROUNDING, abs=ROUNDING)
    assert Gaussian([0.3], [[4.0]]).quantile([0.0, 1.0]).tolist() == [-np.inf, np.inf]
    assert Gaussian([0.3], [[0.0]]).quantile([0.0, 0.4, 1.0]).tolist() == [0.3, 0.3, 0.3]


def test_quantiles_of_formulas():
    u = np.array([0.0, 1e-9, 0.2, 0.5, 0.77, 1.0])
    assert Uniform([-1], [3]).quantile(u) == pytest.approx(4 * u - 1, abs=ROUNDING)
    # F(x) = (2 + 3x - x^3)/4 has the root x = 2 sin(asin(2u - 1)/3)
    exact = 2 * np.sin(np.arcsin(2 * u[2:5] - 1) / 3)
    assert parabola().quantile(u[2:5]) == pytest.approx(exact, abs=ROUNDING)
    y = 2 * u - 1
    assert stretched().quantile(u) == pytest.approx(3 * y + y**3, abs=ROUNDING)


def test_a_push_forward_that_is_not_resolved_has_those_of_its_atoms():
    rule = Panels.on_box(np.array([-1.0]), np.array([1.0]), 6)
    images = np.sign(rule.points) + 0.1 * rule.points
    mu = PushForward(Uniform([-1], [1]), rule, Empirical(images, rule.weights / 2))
    assert not mu.resolved
    assert set(mu.quantile(np.linspace(0, 1, 50))) == set(images[:, 0])


def test_tokens_by_the_quantiles_of_a_measure():
    points = by_quantiles(5, Gaussian([1.0], [[4.0]]).quantile)
    assert points[:, 0] == pytest.approx(norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9], 1.0, 2.0))
