"""The stability estimate (6.6): constants against formulas, and bounds in their order."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import cases
from meanfield import (
    FiniteVolume,
    Gaussian,
    ParticleMethod,
    Riccati,
    Smooth,
    StabilityReport,
    Uniform,
    stability_report,
    wasserstein,
)
from meanfield.coupling import optimal_coupling
from meanfield.stability import a_priori_exponent, growth_rate, measure_rate, spatial_rate
from particles import Attention, Empirical, Raw, Rescaled

TIMES = [0.0, 0.25, 0.5]
FREE = Raw(Attention(np.zeros((2, 2)), np.zeros((2, 2)), np.eye(2)))


def in_order(report: StabilityReport) -> None:
    # an optimal coupling that stays optimal makes the first two one number, right to the quadrature
    assert (report.measured <= report.coupled * (1 + 1e-6)).all()
    assert (report.coupled <= report.a_posteriori * (1 + 1e-6)).all()
    assert (report.a_posteriori[1:] <= report.a_priori[1:]).all()


@pytest.mark.parametrize("frame", [Raw, Rescaled])
def test_bounds_come_in_their_order(frame) -> None:
    law = frame(cases.random_attention(3, 2))
    half = np.full(2, 0.5)
    report = stability_report(
        law, Uniform(-half, half), Uniform(-half + [0.2, 0.0], half), TIMES, method=ParticleMethod(n=10), atoms=256
    )
    assert report.measured[0] == pytest.approx(report.coupled[0], rel=1e-2)  # 256 atoms against quadrature
    assert (report.coupled <= report.a_posteriori * (1 + 1e-9)).all()
    assert (report.a_posteriori[1:] <= report.a_priori[1:]).all()


@pytest.mark.parametrize("V", [1.0, -1.0])
def test_on_the_line(V: float) -> None:
    law = Raw(cases.line(1.0, V))
    other = Smooth(lambda x: 0.75 * (1 - x[:, 0] ** 2), [-1.0], [1.0])
    particles, grid = (
        stability_report(law, Uniform([-1.0], [1.0]), other, TIMES, method=method)
        for method in (ParticleMethod(n=32), FiniteVolume(256))
    )
    in_order(particles)
    assert_allclose(grid.measured, particles.measured, rtol=5e-4)  # 256 cells, order 2
    assert_allclose(grid.coupled, particles.coupled, rtol=2e-4)  # W2(0) of the gridded densities


def test_without_attention_everything_is_a_translation() -> None:
    # B = 0: x' = V m, so a shift by s grows like e^{Vt} s; L1 = 0 and kappa = 1, so L2 = |V| and the bound is attained
    start, moved = Uniform([-1.0, -1.0], [1.0, 1.0]), Uniform([-0.5, -1.0], [1.5, 1.0])
    report = stability_report(FREE, start, moved, TIMES, method=ParticleMethod(n=4), atoms=64)
    assert_allclose(report.measured, np.exp(TIMES), rtol=1e-8)
    assert_allclose(report.coupled, np.exp(TIMES), rtol=1e-8)
    assert_allclose(report.a_posteriori, np.exp(TIMES), rtol=1e-8)


def test_gaussians_have_no_a_priori_bound() -> None:
    report = stability_report(
        Raw(cases.line(1.0, -1.0)), Gaussian([0.0], [[0.2]]), Gaussian([0.1], [[0.3]]), TIMES, method=Riccati()
    )
    assert np.isinf(report.a_priori[1:]).all()
    assert (report.measured <= report.coupled * (1 + 1e-8)).all()


def test_rates_of_two_equal_measures() -> None:
    # x = y: kappa_0(a)^2 = E[(1 + |a||Y - m|)^2 e^{<a,Y> - Lambda}] needs no segment; one atom gives 1
    atom = Empirical([[0.3, -0.2]])
    pairs = optimal_coupling(atom, atom)
    attention = cases.random_attention(4, 2)
    assert measure_rate(attention, pairs) == pytest.approx(np.linalg.norm(attention.V, 2), rel=1e-12)
    assert spatial_rate(Raw(attention), 0.0, pairs) == 0.0  # one atom: the tilted covariance is zero
    assert growth_rate(Raw(attention), 0.0, pairs) == pytest.approx(np.linalg.norm(attention.V, 2), rel=1e-12)


def test_a_priori_constant_by_hand() -> None:
    # d = 1, Q = K = 1, V = v: C(s) = v R^2 e^{2vs} + v e^{2M}(1 + 2M), M = R^2 e^{2vs}; its integral over a short time
    v, R, t = 0.5, 0.8, 1e-4
    constant = v * R**2 + v * np.exp(2 * R**2) * (1 + 2 * R**2)
    exponent = a_priori_exponent(Raw(cases.line(1.0, v)), R, np.array([0.0, t]))
    assert exponent[0] == 0.0
    assert exponent[1] == pytest.approx(constant * t, rel=1e-3)  # C changes by about 6 v t = 3e-4 of itself


@pytest.mark.parametrize(
    ("mu", "nu"),
    [
        (Uniform([0.0, 0.0], [1.0, 2.0]), Uniform([0.5, -1.0], [1.0, 4.0])),
        (Gaussian([0.0, 1.0], [[0.5, 0.2], [0.2, 0.4]]), Gaussian([1.0, 0.0], [[0.3, -0.1], [-0.1, 0.9]])),
        (Uniform([0.0], [1.0]), Smooth(lambda x: 0.75 * (1 - x[:, 0] ** 2), [-1.0], [1.0])),
        (Empirical([[0.0], [1.0], [5.0]]), Empirical([[0.5], [0.1]], [0.25, 0.75])),
    ],
)
def test_couplings_are_optimal(mu, nu) -> None:
    pairs = optimal_coupling(mu, nu)
    if mu.dim == 1 or isinstance(mu, Gaussian):
        # quantiles have a root at the ends of a parabola's support: the panels there are right to 1e-6
        assert pairs.distance == pytest.approx(wasserstein(mu, nu), rel=1e-5)
    else:
        # boxes: the sum over axes of ((shift of centres)^2 + (difference of half sides)^2 / 3)
        shift = 0.5 * (mu.lower + mu.upper - nu.lower - nu.upper)
        stretch = 0.5 * (mu.upper - mu.lower - nu.upper + nu.lower)
        assert pairs.distance == pytest.approx(np.sqrt((shift**2 + stretch**2 / 3).sum()), rel=1e-12)
    assert_allclose(pairs.mu.mean, mu.mean, atol=1e-8)
    assert_allclose(pairs.nu.mean, nu.mean, atol=1e-5)


def test_refuses_what_has_no_distance() -> None:
    law, mu = Raw(cases.line(1.0, 1.0)), Uniform([0.0], [1.0])
    with pytest.raises(ValueError, match="positive distance"):
        stability_report(law, mu, mu, TIMES, method=ParticleMethod(n=8))
    with pytest.raises(ValueError, match="one dimension; got 1 and 2"):
        optimal_coupling(mu, Uniform([0.0, 0.0], [1.0, 1.0]))
