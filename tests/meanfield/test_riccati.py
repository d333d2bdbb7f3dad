import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import expm

import cases
from meanfield import Gaussian, Riccati, Uniform, solve
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


@pytest.mark.parametrize(("V", "B", "variance"), [(1.0, 1.0, 0.5), (2.0, 0.5, 0.1)])
def test_blow_up_is_reported_where_it_happens(V: float, B: float, variance: float) -> None:
    end = 1 / (2 * V * B * variance)
    curve = solve(Raw(cases.line(B, V)), Gaussian([0.0], [[variance]]), [0.0, 0.9 * end, 1.1 * end], method=Riccati())
    assert curve.status == "stopped"
    assert curve.times.tolist() == [0.0, 0.9 * end]
    assert_allclose(curve[-1].cov, 10 * variance, rtol=1e-9)
    # steps shrink in proportion to what is left, down to rounding
    assert curve.stats["reached"] == pytest.approx(end, rel=1e-6)
    assert "blows up" in curve.message
    assert curve.message.startswith("stopped after t = ")


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
        solve(law, Gaussian([m, 0.0], [[0.3, 0.1], [0.1, 0.2]]), [0.0, 1.0], method=Riccati()) for m in (0.0, 1e6)
    )
    assert_allclose(far[-1].cov, near[-1].cov, rtol=TIGHT)  # S' = JS + SJ^T does not contain the mean
    assert far.stats["steps"] <= 2 * near.stats["steps"]  # a noisy J would cost many small steps


def test_only_gaussians() -> None:
    with pytest.raises(ValueError, match="`mu0` must be a Gaussian for Riccati; got Uniform"):
        solve(Raw(cases.line(1.0, 1.0)), Uniform([0.0], [1.0]), [0.0, 1.0], method=Riccati())
