import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cases
from cases import EPS
from meanfield import Uniform
from meanfield.uniform import langevin, langevin_slope, log_sinhc

SIZES = np.concatenate([np.logspace(-12, 6, 73), [0.5, np.nextafter(1.0, 0.0), 1.0, np.nextafter(1.0, 2.0), 20.0]])
# just above 1 the closed forms lose a factor of 4 by cancellation; the rest is a few roundings
ROUNDING = 16 * EPS


@pytest.mark.parametrize(
    ("function", "exact"),
    [(log_sinhc, cases.log_sinhc), (langevin, cases.langevin), (langevin_slope, cases.langevin_slope)],
)
def test_right_to_rounding_at_every_size(function, exact) -> None:
    assert_allclose(function(SIZES), [exact(s) for s in SIZES], rtol=ROUNDING)
    parity = -1 if function is langevin else 1
    assert_array_equal(function(-SIZES), parity * function(SIZES))


def test_at_zero() -> None:
    zero = np.zeros(1)
    assert log_sinhc(zero) == 0.0
    assert langevin(zero) == 0.0
    assert_allclose(langevin_slope(zero), 1 / 3, rtol=EPS)


@pytest.mark.parametrize("size", [1e100, 1e160, 1e300])
def test_at_the_edge_of_the_range(size: float) -> None:
    s = np.array([size])
    assert_allclose(log_sinhc(s), s, rtol=ROUNDING)
    assert_allclose(langevin(s), 1.0, rtol=ROUNDING)
    assert (langevin_slope(s) >= 0).all()
    assert (langevin_slope(s) <= 1e-199).all()


@pytest.mark.parametrize("function", [log_sinhc, langevin, langevin_slope])
def test_nan_stays_nan(function) -> None:
    assert np.isnan(function(np.array([np.nan]))).all()


def test_moments() -> None:
    mu = Uniform([-1.0, 2.0], [3.0, 2.5])
    assert_allclose(mu.mean, [1.0, 2.25], rtol=EPS)
    assert_allclose(mu.cov, np.diag([16 / 12, 0.25 / 12]), rtol=4 * EPS)


def test_field_of_a_uniform_law_is_the_langevin_formula() -> None:
    B, V, c, h = 1.5, -0.7, 0.4, 2.0
    x = np.array([[-3.0], [0.1], [40.0]])
    field = cases.line(B, V).field(Uniform([c - h], [c + h]), x)
    expected = [[V * (c + h * cases.langevin(h * B * float(row[0])))] for row in x]
    assert_allclose(field, expected, rtol=ROUNDING)


def test_density_on_and_off_the_box() -> None:
    mu = Uniform([0.0, 0.0], [2.0, 4.0])
    assert_array_equal(mu.pdf([[1, 1], [0, 0], [2, 4], [3, 1], [1, -1]]), [1 / 8, 1 / 8, 1 / 8, 0, 0])


@pytest.mark.parametrize(
    ("lower", "upper", "text"),
    [
        ([0.0], [0.0], "`lower` must be below `upper`; got 0.0 and 0.0 at index 0."),
        ([0.0, 1.0], [1.0, 0.0], "`lower` must be below `upper`; got 1.0 and 0.0 at index 1."),
        ([0.0], [1.0, 1.0], "`lower` and `upper` must have shape (d,) alike; got (1,) and (2,)."),
        ([0.0], [np.inf], "`upper` must be finite; got inf at index (0,)"),
        ([1j], [1.0], "`lower` must hold real numbers; got dtype complex128."),
    ],
)
def test_bad_boxes(lower, upper, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Uniform(lower, upper)
    assert text in str(caught.value)


def test_both_corners_are_complained_of() -> None:
    with pytest.raises(ValueError) as caught:
        Uniform([np.nan], [np.inf])
    assert len(str(caught.value).splitlines()) == 2
