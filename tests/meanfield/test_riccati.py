import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import expm

import cases
from meanfield import Gaussian, ParticleMethod, Riccati, Uniform, solve
from particles import Attention, Raw, Rescaled

TIGHT = 1e-10  # the default stepper keeps 1e-12 a step


@pytest.mark.parametrize(("V", "B"), [(1.0, -1.0), (-0.5, 2.0), (0.3, 0.5)])
def test_variance_on_the_line_is_exact(V: float, B: float) -> None:
    times = [0.0, 0.5, 1.0, 2.0]
    curve = solve(Raw(cases.line(B, V)), Gaussian([0.3], [[0.8]]), times, method=Riccati())
    for t, mu in zip(times, curve.measures, strict=True):
        assert_allclose(mu.cov, cases.gaussian_variance(V, B, 0.8, t), rtol=TIGHT)
        # m' = V (1 + B s^2) m with int_0^t V B s^2 = -log(1 - 2 V B s_0^2 t)/2
        factor = np.exp(V * t) / np.sqrt(1 - 2 * V * B * 0.8 * t)
        assert_allclose(mu.mean, 0.3 * factor, rtol=TIGHT)


FOUND = 1e-9  # the depth is known to 1e-12 of the depth asked for, here up to 2000 times what is found


@pytest.mark.parametrize("form", [Raw, Rescaled])
@pytest.mark.parametrize("beyond", [1.01, 1.5, 1e3])
@pytest.mark.parametrize(("V", "B", "variance"), [(1.0, 1.0, 0.5), (2.0, 0.5, 0.1), (-3e3, -2.0, 1e4)])
def test_blow_up_is_found_on_the_line(V: float, B: float, variance: float, beyond: float, form) -> None:
    end = 1 / (2 * V * B * variance)
    times = [0.0, 0.5 * end, 0.9 * end, beyond * end, 2 * beyond * end]
    curve = solve(form(cases.line(B, V)), Gaussian([0.2], [[variance]]), times, method=Riccati())
    assert curve.status == "stopped"
    assert curve.times.tolist() == times[:3]
    assert curve.stats["blow_up"] == pytest.approx(end, rel=FOUND)
    F = 1.0 if form is Raw else np.exp(0.9 * end * V)
    assert_allclose(F * curve[-1].cov * F, 10 * variance, rtol=1e-9)
    assert curve.message.startswith(
        f"stopped after t = {0.9 * end:.6g}: blow-up: the covariance becomes infinite at t ="
    )
    told = float(curve.message.split("infinite at t = ")[1].split(";")[0])
    assert told == pytest.approx(end, rel=1e-9)  # ten digits are printed


def test_blow_up_does_not_wait_for_a_start_at_zero() -> None:
    law, mu0 = Raw(cases.line(1.0, 1.0)), Gaussian([0.0], [[0.5]])
    curve = solve(law, mu0, [-3.0, -2.5, -1.0], method=Riccati())
    assert curve.stats["blow_up"] == pytest.approx(-2.0, rel=FOUND)


@pytest.mark.parametrize("beyond", [1e6, 1e12, 1e20])
def test_a_blow_up_long_before_the_last_depth_is_as_well_known(beyond: float) -> None:
    curve = solve(Raw(cases.line(1.0, 1.0)), Gaussian([0.0], [[0.5]]), [0.0, 0.5, beyond], method=Riccati())
    assert curve.times.tolist() == [0.0, 0.5]
    assert curve.stats["blow_up"] == pytest.approx(1.0, rel=1e-11)  # 1e-12 of a span at most ten times as long


def test_a_blow_up_that_rounds_to_the_first_depth_leaves_the_data() -> None:
    mu0 = Gaussian([0.0], [[1e20]])  # t* - 1 = 5e-21
    for method in (Riccati(), ParticleMethod(tol=1e-3), ParticleMethod(n=8)):
        curve = solve(Raw(cases.line(1.0, 1.0)), mu0, [1.0, 2.0], method=method)
        assert (curve.status, curve.times.tolist(), curve.stats["blow_up"]) == ("stopped", [1.0], 1.0)
        assert_allclose(curve[0].cov, mu0.cov, rtol=1e-3)  # of the cut law, to the tolerance


def test_no_blow_up_before_it_is_due() -> None:
    law, mu0 = Raw(cases.line(1.0, 1.0)), Gaussian([0.0], [[0.5]])
    curve = solve(law, mu0, [0.0, 1 - 1e-7], method=Riccati())
    assert curve.status == "finished"
    assert "blow_up" not in curve.stats
    assert_allclose(curve[-1].cov, 0.5e7, rtol=1e-4)  # d(log S) = 1e7 dt: relative 1e-12 of t is 1e-5 of S


def test_the_first_axis_to_blow_up_decides() -> None:
    # diagonal V and B: S_k' = 2 V_k B_k S_k^2 on each axis by itself
    V, B, S = np.array([1.0, 0.5, -1.0]), np.array([0.5, 2.0, 1.0]), np.array([0.3, 0.4, 5.0])
    law = Raw(Attention(np.eye(3), np.diag(B), np.diag(V)))
    curve = solve(law, Gaussian(np.zeros(3), np.diag(S)), [0.0, 5.0], method=Riccati())
    assert curve.stats["blow_up"] == pytest.approx(1 / (2 * 0.5 * 2.0 * 0.4), rel=FOUND)


@pytest.mark.parametrize("heads", [2, 3])
def test_heads_add_up(heads: int) -> None:
    # heads V_h = V/heads with the same B are one head; and on the line J = S sum_h V_h B_h
    V, B = np.arange(1.0, heads + 1) / 4, np.linspace(0.5, 1.0, heads)
    law = Raw(Attention(np.ones((heads, 1, 1)), B[:, None, None], V[:, None, None]))
    curve = solve(law, Gaussian([0.0], [[0.8]]), [0.0, 10.0], method=Riccati())
    assert curve.stats["blow_up"] == pytest.approx(1 / (2 * (V @ B) * 0.8), rel=FOUND)


@pytest.mark.parametrize("heads", [None, 2, 3])
def test_blow_up_in_space_is_where_the_covariance_diverges(heads: int | None) -> None:
    attention, mu0 = cases.random_attention(3, 3, heads), Gaussian([1.0, 0.0, 0.0], np.diag([1.0, 2.0, 0.5]) + 0.2)
    found = [solve(form(attention), mu0, [0.0, 4.0], method=Riccati()).stats["blow_up"] for form in (Raw, Rescaled)]
    assert found[0] == pytest.approx(found[1], rel=FOUND)
    # S ~ C/(t* - t): 1/|S| at two depths near t*, on a straight line, meets 0 there to a tenth of their distance
    times = found[0] * (1 - np.array([1e-6, 5e-7]))
    curve = solve(Raw(attention), mu0, [0.0, *times], method=Riccati())
    a, b = (1 / np.linalg.norm(mu.cov) for mu in curve.measures[1:])
    assert times[1] + (times[1] - times[0]) * b / (a - b) == pytest.approx(found[0], rel=1e-7)


def test_an_atom_does_not_blow_up() -> None:
    curve = solve(Raw(cases.line(1.0, 1.0)), Gaussian([1.0], [[0.0]]), [0.0, 2.0], method=Riccati())
    assert curve.status == "finished"
    assert_allclose(curve[-1].mean, np.exp(2.0), rtol=TIGHT)


def test_without_attention_a_gaussian_is_translated() -> None:
    V = np.array([[0.3, -0.5], [0.4, 0.1]])
    mu0 = cases.plane_gaussian()
    curve = solve(Raw(Attention(np.zeros((2, 2)), np.eye(2), V)), mu0, [0.0, 1.5], method=Riccati())
    assert_allclose(curve[-1].mean, expm(1.5 * V) @ mu0.mean, rtol=TIGHT)
    assert_allclose(curve[-1].cov, mu0.cov, rtol=TIGHT)


@pytest.mark.parametrize("heads", [None, 2])
def test_rescaled_solution_is_the_image_of_the_raw_one(heads: int | None) -> None:
    attention, mu0, T = cases.non_commuting(heads), cases.plane_gaussian(), 1.5
    raw, rescaled = (solve(form(attention), mu0, [0.0, T], method=Riccati())[-1] for form in (Raw, Rescaled))
    F = expm(T * attention.U)
    assert_allclose(F @ rescaled.mean, raw.mean, rtol=TIGHT)
    assert_allclose(F @ rescaled.cov @ F.T, raw.cov, rtol=TIGHT)


def test_a_rescaled_run_may_begin_anywhere() -> None:
    attention, mu0, times = cases.non_commuting(2), cases.plane_gaussian(), [0.7, 1.9]
    start, end = (Rescaled(attention).frame(t) for t in times)
    raw = solve(Raw(attention), Gaussian(start @ mu0.mean, start @ mu0.cov @ start.T), times, method=Riccati())[-1]
    rescaled = solve(Rescaled(attention), mu0, times, method=Riccati())[-1]
    assert_allclose(end @ rescaled.mean, raw.mean, rtol=TIGHT)
    assert_allclose(end @ rescaled.cov @ end.T, raw.cov, rtol=TIGHT)


def test_a_rescaled_law_that_shrinks_keeps_its_digits() -> None:
    # raw, the variance falls like 1/t; rescaled it is e^{-2t} of that: 1e-89 at t = 100
    times = np.array([0.0, 1.0, 20.0, 100.0])
    curve = solve(Rescaled(cases.line(-1.0, 1.0)), Gaussian([0.5], [[2.0]]), times, method=Riccati())
    assert curve.status == "finished"
    for t, mu in zip(times, curve.measures, strict=True):
        raw = cases.gaussian_variance(1.0, -1.0, 2.0, t)
        assert_allclose(mu.cov, raw * np.exp(-2 * t), rtol=1e-9)  # 1e-12 a step, some hundred steps
        assert_allclose(mu.mean, 0.5 * np.sqrt(raw / 2.0), rtol=1e-9)  # m' = V (1 + B s^2) m, and e^{-t} of it


@pytest.mark.parametrize("heads", [None, 2])
def test_a_covariance_stays_one_in_a_frame_that_grows(heads: int | None) -> None:
    V, B = np.array([[2.0, 0.5], [-0.3, 1.5]]), np.array([[0.05, 0.01], [0.0, 0.04]])
    one = Attention(np.eye(2), B, V)
    attention = one if heads is None else Attention([np.eye(2)] * 2, [B, B.T], [0.5 * V, 0.5 * V.T])
    mu0, times = Gaussian([0.1, 0.0], [[1.0, 0.2], [0.2, 0.6]]), [0.0, 3.98]  # 90 % of the depth of blow-up
    raw, rescaled = (solve(form(attention), mu0, times, method=Riccati())[-1] for form in (Raw, Rescaled))
    F = expm(3.98 * attention.U)
    assert_allclose(F @ rescaled.cov @ F.T, raw.cov, rtol=1e-9)  # TIGHT, near a blow-up
    assert (np.linalg.eigvalsh(rescaled.cov) > 0).all()


def test_a_frame_out_of_range_at_the_start_stops_the_run() -> None:
    for method in (Riccati(), ParticleMethod(n=8)):
        curve = solve(Rescaled(cases.line(1.0, 1.0)), Gaussian([0.0], [[1.0]]), [1000.0, 1001.0], method=method)
        assert curve.status == "stopped"
        assert curve.times.tolist() == [1000.0]
        assert "e^{tV} leaves the range of double precision at t = 1000" in curve.message


def test_flat_data_stay_flat() -> None:
    axis = np.array([1.0, 2.0])
    law = Raw(Attention(np.eye(2), np.eye(2), [[-1.0, 0.4], [-0.2, -0.8]]))
    curve = solve(law, Gaussian([1.0, 0.0], 0.2 * np.outer(axis, axis)), np.linspace(0, 8, 9), method=Riccati())
    assert curve.status == "finished"
    for mu in curve.measures:
        variances = np.linalg.eigvalsh(mu.cov)
        assert abs(variances[0]) <= 1e-10 * variances[1]  # rank 1, up to the stepper's tolerance


def test_variance_does_not_depend_on_where_the_mean_is() -> None:
    law = Raw(Attention(np.eye(2), np.eye(2), [[-1.0, 0.4], [-0.2, -0.8]]))
    near, far = (
        solve(law, Gaussian([m, 0.0], [[0.3, 0.1], [0.1, 0.2]]), [0.0, 1.0], method=Riccati()) for m in (1.0, 1e6)
    )
    assert_allclose(far[-1].cov, near[-1].cov, rtol=TIGHT)  # S' = JS + SJ^T does not contain the mean
    assert far.stats["steps"] <= 2 * near.stats["steps"]  # a noisy J would cost many small steps


def test_only_gaussians() -> None:
    with pytest.raises(ValueError, match="`mu0` must be a Gaussian for Riccati; got Uniform"):
        solve(Raw(cases.line(1.0, 1.0)), Uniform([0.0], [1.0]), [0.0, 1.0], method=Riccati())
