import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm, qmc

from particles import tokens


@pytest.mark.parametrize("sampler", [tokens.on_box, tokens.quasi_random])
@pytest.mark.parametrize("n", [1, 2, 40, 64])
def test_tokens_on_a_box(sampler, n: int) -> None:
    points = sampler(n, [-1.0, 2.0], [1.0, 5.0], np.random.default_rng(0))
    assert points.shape == (n, 2)
    assert (points >= [-1.0, 2.0]).all()
    assert (points <= [1.0, 5.0]).all()


@pytest.mark.parametrize("sampler", [tokens.on_box, tokens.quasi_random])
def test_same_seed_same_tokens(sampler) -> None:
    first, again, other = (sampler(16, [0], [1], np.random.default_rng(s)) for s in (1, 1, 2))
    assert_array_equal(first, again)
    assert (first != other).any()


def test_independent_tokens_have_the_moments_of_the_box(rng: np.random.Generator) -> None:
    points = tokens.on_box(20_000, [-1.0, 0.0], [1.0, 4.0], rng)
    error = np.array([2.0, 4.0]) / np.sqrt(12 * 20_000)
    assert (np.abs(points.mean(axis=0) - [0.0, 2.0]) < 5 * error).all()  # five standard errors


def test_quasi_random_tokens_fill_the_box_more_evenly(rng: np.random.Generator) -> None:
    even = qmc.discrepancy(tokens.quasi_random(256, [0, 0], [1, 1], rng))
    assert even < 0.1 * qmc.discrepancy(rng.uniform(0, 1, (256, 2)))


def test_quasi_random_tokens_in_powers_of_two_hit_every_cell(rng: np.random.Generator) -> None:
    points = tokens.quasi_random(64, [0, 0], [1, 1], rng)
    for k in range(2):  # a (0, m, 2)-net: one point in each of 64 slabs
        assert_array_equal(np.sort((points[:, k] * 64).astype(int)), np.arange(64))


def test_tokens_by_quantiles() -> None:
    points = tokens.by_quantiles(4, lambda u: 2 * u)
    assert_allclose(points, [[0.25], [0.75], [1.25], [1.75]], rtol=1e-15)
    many = tokens.by_quantiles(999, norm.ppf)
    assert_allclose(many, -many[::-1], atol=1e-13)  # symmetric up to rounding of the levels
    assert many[499] == pytest.approx(0.0, abs=1e-15)


def test_products_of_quantiles() -> None:
    points = tokens.by_quantile_products(27, [lambda u: u, norm.ppf, lambda u: 2 * u])
    assert points.shape == (27, 3)
    assert_allclose(points[:9, 0], 1 / 6, rtol=1e-15)  # the last axis runs fastest
    assert_allclose(points[:3, 2], [1 / 3, 1, 5 / 3], rtol=1e-15)
    assert_allclose(points[::3, 1][:3], tokens.by_quantiles(3, norm.ppf)[:, 0])
    assert_array_equal(tokens.by_quantile_products(5, [norm.ppf]), tokens.by_quantiles(5, norm.ppf))


@pytest.mark.parametrize("m", [2, 9, 10, 100])
def test_a_power_is_known_as_one(m: int) -> None:
    # 1000^(1/3) is 9.99... in double precision
    assert len(tokens.by_quantile_products(m**3, [lambda u: u] * 3)) == m**3


def test_quadrature_integrates_polynomials() -> None:
    mu = tokens.by_quadrature(4, [-1.0, 0.0], [1.0, 2.0])
    assert mu.points.shape == (16, 2)
    x, y = mu.points.T
    # degree 2 n - 1 = 7 along each axis: E x^6 = 1/7, E y^7 = 2^7/8
    assert mu.weights @ (x**6 * y**7) == pytest.approx(16 / 7, rel=1e-13)
    assert mu.weights @ (x**7) == pytest.approx(0, abs=1e-15)


def test_quadrature_with_a_density() -> None:
    mu = tokens.by_quadrature(12, [0.0], [1.0], lambda x: 7 * np.exp(x[:, 0]))
    exact = 1 / (np.e - 1)  # of int x e^x over int e^x
    assert mu.mean[0] == pytest.approx(exact, rel=1e-13)  # 12 nodes leave less than rounding
    assert mu.weights.sum() == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("pdf", [lambda x: x[:, 0], lambda x: 0 * x[:, 0], lambda x: x, lambda x: x[:, 0] * np.nan])
def test_no_density_is_refused(pdf) -> None:
    with pytest.raises(ValueError, match="`pdf` must return a finite density >= 0"):
        tokens.by_quadrature(3, [-1.0], [1.0], pdf)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_tokens_on_the_sphere(dim: int, rng: np.random.Generator) -> None:
    points = tokens.on_sphere(5000, dim, rng, radius=3.0)
    assert points.shape == (5000, dim)
    assert_allclose(np.linalg.norm(points, axis=1), 3.0, rtol=4e-16)
    assert (np.abs(points.mean(axis=0)) < 5 * 3.0 / np.sqrt(dim * 5000)).all()  # five standard errors


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda rng: tokens.on_box(0, [0], [1], rng), "`n` must be an integer of at least 1; got 0"),
        (lambda rng: tokens.on_box(2.5, [0], [1], rng), "`n` must be an integer"),
        (lambda rng: tokens.on_box(True, [0], [1], rng), "`n` must be an integer"),
        (
            lambda rng: tokens.quasi_random(4, [0, 1], [1, 1], rng),
            "`lower` must be below `upper`; got 1.0 and 1.0 at index 1",
        ),
        (lambda rng: tokens.quasi_random(4, [0], [1, 1], rng), "`lower` and `upper` must have shape"),
        (lambda rng: tokens.on_box(4, [np.nan], [1], rng), "`lower` must be finite; got nan at index"),
        (lambda rng: tokens.by_quantiles(-1, norm.ppf), "`n` must be an integer of at least 1; got -1"),
        (lambda rng: tokens.by_quantile_products(8, [norm.ppf] * 2), "`n` must be the power 2 of an integer, 4 or 9"),
        (lambda rng: tokens.by_quantile_products(8, []), "`quantiles` must hold at least one quantile function"),
        (lambda rng: tokens.by_quadrature(0, [0], [1]), "`n` must be an integer of at least 1; got 0"),
        (lambda rng: tokens.by_quadrature(3, [1], [0]), "`lower` must be below `upper`"),
        (lambda rng: tokens.on_sphere(3, 0, rng), "`dim` must be an integer of at least 1; got 0"),
        (lambda rng: tokens.on_sphere(3, 2, rng, radius=-1), "`radius` must be a positive number; got -1"),
    ],
)
def test_bad_arguments_are_named(call, named: str, rng: np.random.Generator) -> None:
    with pytest.raises(ValueError) as caught:
        call(rng)
    assert named in str(caught.value)


def test_all_problems_at_once(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError) as caught:
        tokens.on_sphere(0, -1, rng, radius=0)
    assert len(str(caught.value).splitlines()) == 3
