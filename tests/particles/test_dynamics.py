import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import expm

import cases
from particles import Adaptive, Attention, Empirical, Euler, Raw, Rescaled, solve

TIGHT = Adaptive(rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("heads", [None, 2])
@pytest.mark.parametrize("seed", [1, 2])
def test_raw_and_rescaled_motion_agree(seed: int, heads: int | None, rng: np.random.Generator) -> None:
    attention = cases.random_attention(seed, 3, heads)
    tokens = rng.uniform(-1, 1, (30, 3))
    law = Rescaled(attention)
    raw = solve(Raw(attention), tokens, [0.0, 1.0, 2.0], stepper=TIGHT)
    rescaled = solve(law, tokens, [0.0, 1.0, 2.0], stepper=TIGHT)
    assert raw.status == rescaled.status == "finished"
    for k, t in enumerate(raw.times):
        size = np.abs(raw.points[k]).max()
        # two runs with tolerance 1e-12 over a few units of depth, magnified by |e^{2V}| and by the attraction
        assert_allclose(law.raw_points(t, rescaled.points[k]), raw.points[k], rtol=0, atol=1e-8 * size)
        assert_allclose(law.rescaled_points(t, raw.points[k]), rescaled.points[k], rtol=0, atol=1e-8 * size)


@pytest.mark.parametrize("heads", [None, 2])
def test_discrete_raw_and_rescaled_motion_agree(heads: int | None, rng: np.random.Generator) -> None:
    attention = cases.random_attention(2, 3, heads)
    tokens, dt = rng.uniform(-1, 1, (20, 3)), 0.1
    law = Rescaled(attention, dt=dt)
    times = [0.0, 0.1, 0.5, 2.0]
    raw = solve(Raw(attention), tokens, times, stepper=Euler(dt))
    rescaled = solve(law, tokens, times, stepper=Euler(dt))
    for k, t in enumerate(raw.times):
        # the same arithmetic in two frames: 20 steps of rounding, magnified by |R^k|
        assert_allclose(law.raw_points(t, rescaled.points[k]), raw.points[k], rtol=0, atol=1e-11)


def test_discrete_law_is_the_published_recursion(rng: np.random.Generator) -> None:
    attention = cases.random_attention(4, 2)
    x, dt = rng.uniform(-1, 1, (9, 2)), 0.25
    weights = np.full(9, 1 / 9)
    expected = x.copy()
    for _ in range(4):
        expected = expected + dt * cases.field_by_hand(attention, expected, weights, expected)
    reached = solve(Raw(attention), x, [0.0, 4 * dt], stepper=Euler(dt)).points[-1]
    assert_allclose(reached, expected, rtol=0, atol=1e-13)  # rounding of four steps


def test_continuous_and_discrete_frames() -> None:
    attention = cases.random_attention(5, 3)
    R = np.eye(3) + 0.1 * attention.V
    assert_allclose(Rescaled(attention).frame(0.7), expm(0.7 * attention.V), rtol=1e-13)
    assert_allclose(Rescaled(attention, dt=0.1).frame(0.3), R @ R @ R, rtol=1e-13)


@pytest.mark.parametrize("dt", [None, 0.1])
@pytest.mark.parametrize("heads", [None, 2])
def test_rescaled_velocity_is_the_formula(heads: int | None, dt: float | None, rng: np.random.Generator) -> None:
    attention = cases.random_attention(6, 2, heads)
    law, t = Rescaled(attention, dt=dt), 0.5
    nu, z = Empirical(rng.uniform(-1, 1, (15, 2))), rng.uniform(-1, 1, (4, 2))
    F = law.frame(t)
    after = np.eye(2) if dt is None else np.linalg.inv(np.eye(2) + dt * attention.U)
    expected = np.zeros((4, 2))
    for B, V in attention.heads:
        mean = cases.softmax_by_hand(nu.points, nu.weights, z @ (F.T @ B @ F))[1]
        expected += (mean - z) @ (after @ np.linalg.inv(F) @ V @ F).T
    assert_allclose(law.velocity(t, z, nu), expected, rtol=0, atol=1e-13)  # rounding


@pytest.mark.parametrize("heads", [None, 2])
@pytest.mark.parametrize("form", [Raw, Rescaled, lambda attention: Rescaled(attention, dt=0.1)])
def test_jacobian_is_the_derivative_of_the_velocity(form, heads: int | None, rng: np.random.Generator) -> None:
    law = form(cases.random_attention(7, 2, heads))
    mu, x = Empirical(rng.uniform(-1, 1, (15, 2))), rng.uniform(-1, 1, (4, 2))
    numeric = cases.differences(lambda y: law.velocity(0.5, y, mu), x, 1e-2)
    # order 4 with h = 1e-2: 3e-10 times a fifth derivative of order 10
    assert_allclose(law.jacobian(0.5, x, mu), numeric, rtol=0, atol=1e-8)


@pytest.mark.parametrize("c", [0.5, 3.0])
def test_larger_values_run_the_same_film_faster(c: float, rng: np.random.Generator) -> None:
    attention, tokens = cases.random_attention(8, 2), rng.uniform(-1, 1, (10, 2))
    faster = Attention(attention.Q, attention.K, c * attention.V)
    slow = solve(Raw(attention), tokens, [0.0, 1.5], stepper=TIGHT)
    fast = solve(Raw(faster), tokens, [0.0, 1.5 / c], stepper=TIGHT)
    assert_allclose(fast.points[-1], slow.points[-1], rtol=0, atol=1e-10)  # two runs with tolerance 1e-12


def test_frame_out_of_range_stops_the_run_with_a_message() -> None:
    run = solve(Rescaled(cases.line(1.0, 100.0)), [[-1.0], [1.0]], [0.0, 0.5, 10.0])
    assert run.status == "stopped"
    assert "e^{tV} leaves the range of double precision at t = " in run.message
    assert run.times.tolist() == [0.0, 0.5]
    assert np.isfinite(run.points).all()


def test_frame_out_of_range_is_an_arithmetic_error() -> None:
    growing, shrinking = (Rescaled(cases.line(1.0, V)) for V in (100.0, -100.0))
    for overflow in (growing.frame, lambda t: shrinking.rescaled_points(t, [[1.0]])):
        with pytest.raises(FloatingPointError, match="leaves the range of double precision at t = 10"):
            overflow(10.0)
    assert shrinking.frame(10.0) == 0.0  # e^{-1000}


def test_singular_step_is_refused() -> None:
    attention = Attention(np.eye(2), np.eye(2), np.diag([-2.0, 1.0]))
    with pytest.raises(ValueError, match=r"R = I \+ dt V must be invertible; with dt = 0\.5 it is singular"):
        Rescaled(attention, dt=0.5)
    assert Rescaled(attention, dt=0.4).step == 0.4


@pytest.mark.parametrize("dt", [0.0, -1.0, np.nan, np.inf, "1", True, [0.1]])
def test_step_must_be_positive(dt) -> None:
    with pytest.raises(ValueError, match="`dt` must"):
        Rescaled(cases.line(1.0, 1.0), dt=dt)


@pytest.mark.parametrize("form", [Raw, Rescaled])
def test_attention_must_be_one(form) -> None:
    with pytest.raises(ValueError, match="`attention` must be an Attention; got ndarray"):
        form(np.eye(2))


def test_discrete_law_between_its_steps_is_refused() -> None:
    law = Rescaled(cases.line(1.0, 1.0), dt=0.1)
    with pytest.raises(ValueError, match=r"defined at t = 0, dt, 2 dt, \.\.\. with dt = 0\.1; got t = 0\.25"):
        law.frame(0.25)


def test_one_head_along_an_axis_is_one_head(rng: np.random.Generator) -> None:
    attention = cases.random_attention(9, 3)
    along = Attention(attention.Q[None], attention.K[None], attention.V[None])
    nu = Empirical(rng.uniform(-1, 1, (15, 3)))
    for dt in (None, 0.1):
        one, other = (Rescaled(form, dt=dt).velocity(0.5, nu.points, nu) for form in (attention, along))
        assert_allclose(other, one, rtol=0, atol=1e-14)  # rounding


def test_a_frame_that_is_remembered_cannot_be_changed() -> None:
    frame = Rescaled(cases.random_attention(10, 2)).frame(0.5)
    with pytest.raises(ValueError, match="read-only"):
        frame[0, 0] = 0.0
