"""Gaussian data for particles: where they are cut, where they end, and how far the cut law can be trusted."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import erfc

import cases
from meanfield import Gaussian, ParticleMethod, Riccati, solve, wasserstein
from meanfield.cut_off import Cut, Path
from particles import Attention, Raw, Rescaled

TOL = 1e-6


def line(V: float, B: float, heads: int | None) -> Attention:
    """V B on the line, by one head or spread over several that do not agree in B."""
    if heads is None:
        return cases.line(B, V)
    parts = np.linspace(0.5, 1.5, heads)
    return Attention(np.ones((heads, 1, 1)), B * parts[:, None, None], np.full((heads, 1, 1), V / heads))


@pytest.mark.parametrize("form", [Raw, Rescaled])
@pytest.mark.parametrize("heads", [None, 2])
def test_it_follows_riccati_to_nine_tenths_of_the_blow_up(form, heads: int | None) -> None:
    law, mu0 = form(line(1.0, 0.05, heads)), Gaussian([0.0], [[1.0]])
    times = 10.0 * np.array([0.0, 0.5, 0.8, 0.9, 1.2])  # t* = 1/(2 V B s^2)
    curve = solve(law, mu0, times, method=ParticleMethod(TOL))
    exact = solve(law, mu0, times, method=Riccati())
    assert (curve.status, exact.status) == ("stopped", "stopped")
    assert curve.times.tolist() == exact.times.tolist() == times[:-1].tolist()
    assert curve.stats["blow_up"] == exact.stats["blow_up"] == pytest.approx(10.0, rel=1e-9)
    # the message is that of Riccati, whose numbers are the same to three digits
    assert curve.message == exact.message
    F = 1.0 if form is Raw else np.exp(9.0)
    assert_allclose(F * curve[-1].cov * F, 10.0, rtol=1e-4)  # ten times what it was
    for mu, nu in zip(curve.measures, exact.measures, strict=True):
        assert np.abs(mu.mean - nu.mean).max() <= 10 * TOL
        assert np.abs(mu.cov - nu.cov).max() <= 10 * TOL
        assert wasserstein(mu, nu, p=1) <= 10 * TOL
    assert curve.stats["cut_error"] <= TOL
    assert curve.stats["trusted"] == 9.0


@pytest.mark.parametrize(("tol", "part"), [(1e-3, 0.9), pytest.param(1e-6, 0.9, marks=pytest.mark.slow)])
def test_it_follows_riccati_in_the_plane(tol: float, part: float) -> None:
    V, B = np.array([[2.0, 0.5], [-0.3, 1.5]]), np.array([[0.05, 0.01], [0.0, 0.04]])
    law, mu0 = Raw(Attention(np.eye(2), B, V)), Gaussian([0.0, 0.0], [[1.0, 0.2], [0.2, 0.6]])
    end = solve(law, mu0, [0.0, 100.0], method=Riccati()).stats["blow_up"]
    times = end * np.array([0.0, part, 1.2])
    curve, exact = (solve(law, mu0, times, method=method) for method in (ParticleMethod(tol), Riccati()))
    assert curve.status == "stopped"
    assert curve.times.tolist() == times[:2].tolist()
    assert "blow-up: the covariance becomes infinite at t = 4.42356" in curve.message
    assert "but" not in curve.message
    assert np.abs(exact[-1].cov).max() > 10  # from 1
    assert np.abs(curve[-1].mean - exact[-1].mean).max() <= 10 * tol
    assert np.abs(curve[-1].cov - exact[-1].cov).max() <= 10 * tol


def test_a_mean_far_out_widens_the_box() -> None:
    # the mean grows like e^t and is, at 80 % of the depth of blow-up, 17 deviations from 0: all look 5 and more out
    law, mu0, times = Raw(cases.line(0.2, 1.0)), Gaussian([0.1], [[0.5]]), [0.0, 2.0, 4.0]
    curve, exact = (solve(law, mu0, times, method=method) for method in (ParticleMethod(TOL), Riccati()))
    assert curve.status == "finished"
    assert curve.stats["deviations"] > 15
    assert curve.stats["cut_error"] <= TOL
    x = exact[-1].mean + np.linspace(-2, 2, 9)[:, None] * np.sqrt(exact[-1].cov[0, 0])
    # the unit is the size of the law, here 8.5; at eight deviations the error is 0.06 (and at ten 2e-3)
    assert np.abs(curve[-1].tilted_mean(0.2 * x) - exact[-1].tilted_mean(0.2 * x)).max() <= 10 * TOL


@pytest.mark.parametrize("form", [Raw, Rescaled])
def test_what_no_box_can_hold_is_said(form) -> None:
    # rho = B s^2 passes 1 at half of the depth of blow-up; a little later everybody follows the edge
    law, mu0, times = form(cases.line(1.0, 1.0)), Gaussian([0.1], [[0.5]]), np.array([0.0, 0.3, 0.5, 0.8, 0.9])
    curve, exact = (solve(law, mu0, times, method=method) for method in (ParticleMethod(TOL), Riccati()))
    assert curve.status == "unresolved"
    assert curve.stats["trusted"] == 0.5
    assert "from the exact solution, and within tol up to t = 0.5: from t = 0.50" in curve.message
    assert curve.message.endswith(
        "particles look further out than they stand, and the middle follows the edge of any box"
    )
    errors = [wasserstein(mu, nu, p=1) for mu, nu in zip(curve.measures, exact.measures, strict=True)]
    assert max(errors[:3]) <= TOL
    assert min(errors[3:]) > 100 * TOL
    size = np.abs(exact[-1].mean[0]) + 2 * np.sqrt(exact[-1].cov[0, 0])
    assert errors[-1] <= curve.stats["cut_error"] * max(1.0, size)
    # beyond the blow-up the same is said after it
    stopped = solve(law, mu0, [0.0, 0.5, 0.8, 1.5], method=ParticleMethod(TOL))
    assert stopped.status == "stopped"
    assert "blow-up: the covariance becomes infinite at t = 1;" in stopped.message
    assert "within tol up to t = 0.5" in stopped.message


def test_a_fixed_number_of_nodes_ends_before_the_blow_up_too() -> None:
    law, mu0 = Raw(cases.line(1.0, 1.0)), Gaussian([0.0], [[0.5]])
    curve = solve(law, mu0, [0.0, 0.25, 1.5], method=ParticleMethod(n=24))
    assert curve.status == "stopped"
    assert curve.times.tolist() == [0.0, 0.25]
    assert "blow-up: the covariance becomes infinite at t = 1; it grew from 0.5 at t = 0 to 0.667" in curve.message


def test_the_exact_flow() -> None:
    V, B, variance = 0.7, 0.9, 0.4
    law, mu0, t = Raw(cases.line(B, V)), Gaussian([0.3], [[variance]]), 1.1
    path = Path.of(law, mu0, np.array([0.0, t]))
    s2 = cases.gaussian_variance(V, B, variance, t)
    m, A = path.at(t)
    assert_allclose(A, np.sqrt(s2 / variance), rtol=1e-10)
    assert_allclose(m, 0.3 * np.exp(V * t) * np.sqrt(s2 / variance), rtol=1e-10)
    rho, shift = path.looks()
    assert_allclose(rho[[0, -1]], [B * variance, B * s2], rtol=1e-10)
    assert_allclose(shift[[0, -1]], B * np.sqrt([variance, s2]) * [0.3, m[0]], rtol=1e-10)


@pytest.mark.parametrize("heads", [None, 2])
def test_looks_do_not_depend_on_the_frame(heads: int | None) -> None:
    attention, mu0, times = cases.non_commuting(heads), cases.plane_gaussian(), np.array([0.5, 2.0])
    raw = Path.of(Raw(attention), mu0, times)
    rescaled = Rescaled(attention)
    F = rescaled.frame(0.5)
    start = Gaussian(np.linalg.solve(F, mu0.mean), np.linalg.solve(F, np.linalg.solve(F, mu0.cov).T))
    for one, other in zip(raw.looks(), Path.of(rescaled, start, times).looks(), strict=True):
        assert_allclose(one, other, rtol=1e-9)


def test_the_box_holds_what_is_seen() -> None:
    law, mu0 = Raw(cases.line(-1.0, 1.0)), Gaussian([0.5], [[0.25]])
    narrow, wide = (Cut.of(mu0, law, np.array([0.0, 1.0]), tol) for tol in (1e-3, 1e-9))
    for cut, tol in ((narrow, 1e-3), (wide, 1e-9)):
        assert_allclose(cut.source.upper - cut.source.lower, 2 * cut.reach * 0.5, rtol=1e-12)
        assert erfc(cut.reach / np.sqrt(2)) < 1e-3 * tol
    assert narrow.reach < wide.reach < 37
