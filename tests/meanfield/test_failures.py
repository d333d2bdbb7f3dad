"""Runs that cannot go on: what they say, and that they keep what they reached. All through `solve`."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import cases
from meanfield import (
    FiniteVolume,
    FrozenField,
    Gaussian,
    ParticleMethod,
    Riccati,
    SemiLagrangian,
    Smooth,
    Uniform,
    solve,
)
from particles import RK4, Adaptive, Attention, Empirical, Euler, Raw, Rescaled
from particles import memory as particles_memory

INTERVAL = Uniform([0.5], [1.0])
ATOMS = Empirical([[0.5], [0.75], [1.0]])
EMPTY = Attention(Q=[[0.0]], K=[[0.0]], V=[[1.0]])  # B = 0

PARTICLES = {
    "particles": lambda stepper=None: ParticleMethod(n=4, stepper=stepper),
    "frozen field": lambda stepper=None: FrozenField(0.25, ParticleMethod(n=4, stepper=stepper)),
}


class Law(Raw):
    """A law with a velocity of its own, of t and x only."""

    def __init__(self, velocity) -> None:
        object.__setattr__(self, "attention", EMPTY)
        object.__setattr__(self, "own", velocity)

    def velocity(self, t, x, mu):
        return self.own(t, np.asarray(x))


def stopped(curve, times, kept: int) -> str:
    """Return the message of a curve that stopped with so many depths, all of them sound."""
    assert curve.status == "stopped"
    assert curve.times.tolist() == list(times)[:kept]
    assert len(curve.measures) == kept
    assert all(np.isfinite(mu.mean).all() for mu in curve.measures)
    assert re.match(r"stopped after t = \S+: ", curve.message)
    return curve.message


def curve_end(message: str) -> float:
    """Return the depth that a message names."""
    found = re.match(r"stopped after t = ([^:]+):", message)
    assert found
    return float(found[1])


# -------------------------------------------------------------------- blow-up, growth and stiffness are told apart


@pytest.mark.parametrize("stepper", [Adaptive(), RK4(0.01), Euler(0.01)], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("method", PARTICLES)
def test_blow_up_of_particles(method: str, stepper) -> None:
    # x' = x^2: the right-most particle is at infinity at t = 1
    times = [0.0, 0.5, 0.9, 3.0]
    message = stopped(solve(Law(lambda t, x: x**2), ATOMS, times, method=PARTICLES[method](stepper)), times, 3)
    found = re.search(
        r"blow-up: \|x\| grew from 1 to (\S+), ever faster, and becomes infinite at about t = (\d[\d.]*)", message
    )
    assert found, message
    assert float(found[1]) > 1e3
    # a fixed step passes the singularity and overflows a few steps later
    assert float(found[2]) == pytest.approx(1.0, abs=1e-6 if isinstance(stepper, Adaptive) else 0.2)
    assert "stiff" not in message


def test_blow_up_of_a_gaussian_is_known_ahead() -> None:
    times = [0.0, 0.5, 0.99, 1.5]
    curve = solve(Raw(cases.line(1.0, 1.0)), Gaussian([0.0], [[0.5]]), times, method=Riccati())
    assert "blow-up: the covariance becomes infinite at t = 1;" in stopped(curve, times, 3)
    assert curve.stats["blow_up"] == pytest.approx(1.0, rel=1e-9)


GRIDS = {
    "finite volumes": lambda: FiniteVolume(60),
    "finite volumes of order 1": lambda: FiniteVolume(60, order=1),
    "semi-Lagrangian": lambda: SemiLagrangian(60, 0.05),
}


@pytest.mark.parametrize("form", [Raw, Rescaled])
@pytest.mark.parametrize("grid", GRIDS)
def test_a_gaussian_on_a_grid_ends_before_its_blow_up(grid: str, form) -> None:
    # s^2(t) = 0.5/(1 - t); the cut law itself would go on for ever
    times, mu0 = [0.0, 0.3, 0.9, 1.5, 3.0], Gaussian([0.0], [[0.5]])
    curve = solve(form(cases.line(1.0, 1.0)), mu0, times, method=GRIDS[grid]())
    message = stopped(curve, times, 3)
    assert "blow-up: the covariance becomes infinite at t = 1; it grew from 0.5" in message
    assert curve.stats["blow_up"] == pytest.approx(1.0, rel=1e-9)
    # rho = s^2 is 1 at t = 0.5, and looked at every 0.9/64; what the cut costs by t = 0.9 is told
    found = re.search(
        r"from t = (\S+) on points look further out .* up to (\S+) of its size off the exact one", message
    )
    assert found, message
    assert 0.5 <= float(found[1]) < 0.5 + 0.9 / 64
    exact = 5.0 * (1.0 if form is Raw else np.exp(-1.8))
    error = abs(curve[-1].cov[0, 0] / exact - 1)
    assert error > 0.1
    assert float(found[2]) == pytest.approx(error, rel=0.05)  # two digits are printed
    assert curve.stats["cov_error"] == pytest.approx(error, rel=1e-8)  # the exact one is known to 1e-10


@pytest.mark.parametrize("grid", GRIDS)
def test_a_gaussian_on_a_grid_that_is_not_felt_at_its_cut_says_nothing_more(grid: str) -> None:
    curve = solve(Raw(cases.line(1.0, 1.0)), Gaussian([0.0], [[0.25]]), [0.0, 0.9], method=GRIDS[grid]())
    assert curve.status == "finished"
    assert "look further out" not in curve.message
    # a cell is 16/60 deviations wide: it, or its square where the scheme is of order 2
    assert 0 < curve.stats["cov_error"] < (16 / 60 if "order 1" in grid else (16 / 60) ** 2)


@pytest.mark.parametrize("order", [1, 2])
def test_blow_up_of_a_support(order: int) -> None:
    # x' = x^2: the right end is at infinity at t = 1
    times = [0.0, 0.5, 0.9, 3.0]
    curve = solve(Law(lambda t, x: x**2), INTERVAL, times, method=FiniteVolume(8, order=order))
    message = stopped(curve, times, 3)
    found = re.search(
        r"blow-up: \|x\| grew from 1 to (\S+), ever faster, and becomes infinite at about t = (\d[\d.]*)", message
    )
    assert found, message
    assert float(found[1]) > 1e3
    assert float(found[2]) == pytest.approx(1.0, abs=0.2)  # steps of an eighth of a folding, of order 1 or 2
    assert "stiff" not in message


def test_steady_growth_of_a_support_is_no_blow_up() -> None:
    # x' = x, so that the box grows as its place does, from 1e140 to where doubles end, 1.8e308
    for method in (FiniteVolume(2), SemiLagrangian(2, 1.0)):
        times = [0.0, 10.0, 1000.0]
        curve = solve(Law(lambda t, x: x), Uniform([5e139], [1e140]), times, method=method)
        message = stopped(curve, times, 2)
        assert "overflow: |x| grew from 1e+140 to" in message
        assert "blow-up" not in message
        assert curve.stats["reached"] == pytest.approx(
            np.log(1.8e168), rel=0.02
        )  # Heun's e^t with dt = 0.5, and a step


def test_a_support_crossed_too_fast_for_the_depth_is_stiff() -> None:
    times = [0.0, 1e-14, 1.0]
    message = stopped(solve(Law(lambda t, x: 1e15 + 0 * x), INTERVAL, times, method=FiniteVolume(8)), times, 2)
    found = r"stiff: the step that the cells allow fell below rounding, \S+ while \|x\| stays below"
    assert re.search(found, message), message
    assert "blow-up" not in message


@pytest.mark.parametrize("method", PARTICLES)
def test_steady_growth_past_the_range_is_no_blow_up(method: str) -> None:
    # a lone atom moves by e^{3t}, in a field held for 1/4 by 7/4 each time; doubles end at e^{709.8}
    rate = 3 if method == "particles" else 4 * np.log(7 / 4)
    times = [0.0, 100.0, 400.0]
    curve = solve(Raw(cases.line(0.0, 3.0)), Empirical([[1.0]]), times, method=PARTICLES[method](RK4(0.25)))
    message = stopped(curve, times, 2)
    assert "overflow: |x| grew from 1 to" in message
    assert "the other form of the law" in message
    assert "blow-up" not in message
    assert curve.stats["reached"] == pytest.approx(709.8 / rate, rel=0.01)


@pytest.mark.parametrize("method", PARTICLES)
def test_a_step_below_rounding_without_growth_is_stiff(method: str) -> None:
    # the token between two far ones is drawn to 0 within 1e-16: attention's own stiffness
    law, mu0, times = Raw(cases.line(1.0, -1.0)), Empirical([[-1e8], [0.3], [1e8]]), [1.0, 2.0]
    message = stopped(solve(law, mu0, times, method=PARTICLES[method](Adaptive())), times, 1)
    assert re.search(r"stiff: the step size fell below rounding, \S+ while \|x\| stays below 1e\+08", message), message
    assert "Loosen `rtol` and `atol`" in message
    assert "blow-up" not in message


@pytest.mark.parametrize("method", PARTICLES)
def test_too_many_steps_are_stiff(method: str) -> None:
    law, times = Law(lambda t, x: -1e6 * (x - np.cos(t))), [0.0, 1e-5, 1.0]
    message = stopped(solve(law, ATOMS, times, method=PARTICLES[method](Adaptive(most_steps=300))), times, 2)
    assert re.search(r"stiff: 300 steps did not reach the end, and the step is \d", message), message


# -------------------------------------------------------------------------------------------- what is not a number


@pytest.mark.parametrize("stepper", [Adaptive(), RK4(0.01)], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("method", PARTICLES)
def test_a_velocity_that_turns_nan_is_named(method: str, stepper) -> None:
    def velocity(t, x):
        return np.where((t > 0.6) & (np.arange(len(x))[:, None] == 2), np.nan, 1.0 + 0 * x)

    times = [0.0, 0.3, 1.0]
    message = stopped(solve(Law(velocity), ATOMS, times, method=PARTICLES[method](stepper)), times, 2)
    assert "the velocity of particle 2 is nan at t = 0.6" in message
    assert "stiff" not in message
    assert "blow-up" not in message


def faulty(fault) -> Smooth:
    """A density that is right while it is checked, and wrong when asked for later."""
    right = [True]

    def pdf(x):
        return np.full(len(x), 0.5) if right[0] else fault(x)

    mu0 = Smooth(pdf, [-1.0], [1.0])
    right[0] = False
    return mu0


FAULTS = {
    "nan": (lambda x: np.where(x[:, 0] > 0, np.nan, 0.5), "`pdf` must be finite and not negative; it is nan at [0."),
    "negative": (
        lambda x: np.where(x[:, 0] > 0, -0.1, 0.5),
        "`pdf` must be finite and not negative; it is -0.1 at [0.",
    ),
    "shape": (lambda x: np.full((len(x), 1), 0.5), "`pdf` must map (n, d) to n real numbers; for points of shape"),
    "complex": (lambda x: np.full(len(x), 0.5j), "it gave complex128 of shape"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "method", [ParticleMethod(n=5), FrozenField(0.1), FiniteVolume(8)], ids=lambda m: type(m).__name__
)
def test_a_density_that_fails_when_it_is_put_on_nodes_or_cells_is_refused(method, fault: str) -> None:
    function, words = FAULTS[fault]
    with pytest.raises(ValueError, match=re.escape(words)):
        solve(Raw(cases.line(1.0, 1.0)), faulty(function), [0.0, 1.0], method=method)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_density_that_fails_during_a_run_stops_it(fault: str) -> None:
    # the first segment is in the field of the density itself, at nodes that grow with the exponents
    function, words = FAULTS[fault]
    mu0, times = Smooth(Turning(function), [-1.0], [1.0]), [0.0, 1.0]
    curve = solve(Raw(cases.line(60.0, 1.0)), mu0, times, method=FrozenField(0.5, FiniteVolume(8)))
    assert words in stopped(curve, times, 1)


class Turning:
    """A density that goes wrong when it is asked for more points at once than its check or the cells ask for."""

    def __init__(self, fault) -> None:
        self.fault = fault

    def __call__(self, x):
        return np.full(len(x), 0.5) if len(x) < 60 else self.fault(x)


# ------------------------------------------------------------------------------------------------- out of range


METHODS = {
    "particles": (ParticleMethod(n=4), INTERVAL),
    "frozen field": (FrozenField(0.2), INTERVAL),
    "finite volumes": (FiniteVolume(8), INTERVAL),
    "semi-Lagrangian": (SemiLagrangian(8, 0.05), INTERVAL),
    "Riccati": (Riccati(), Gaussian([0.3], [[0.1]])),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_frame_out_of_range_is_named_with_its_depth(name: str) -> None:
    # e^t ends at t = 709.78; B = 0, so that nothing else does
    method, mu0 = METHODS[name]
    times = [709.0, 709.5, 711.0]
    message = stopped(solve(Rescaled(EMPTY), mu0, times, method=method), times, 2)
    found = re.search(r"e\^\{tV\} leaves the range of double precision at t = (\d+\.\d+)", message)
    assert found, message
    assert 709.78 < float(found[1]) < 711.0


@pytest.mark.parametrize("name", ["finite volumes", "semi-Lagrangian"])
def test_cells_below_rounding_are_told(name: str) -> None:
    method, mu0 = {"finite volumes": FiniteVolume(8), "semi-Lagrangian": SemiLagrangian(8, 0.25)}[name], INTERVAL
    times = [0.0, 1.0, 60.0]  # B = 0: the interval shrinks like e^{-t} round its centre, 0.75
    message = stopped(solve(Rescaled(EMPTY), mu0, times, method=method), times, 2)
    found = re.search(
        r"the support has shrunk to a point along axis 0: cells of width (\S+) at (\S+) are lost", message
    )
    assert found, message
    # one rule for both: cells of 64 roundings of their place; a step changes the width by a part of itself
    assert 10 * np.finfo(float).eps < float(found[1]) / 0.75 <= 1.05 * 64 * np.finfo(float).eps  # two digits are told
    assert float(found[2]) == pytest.approx(0.75)
    # the width of a cell, e^{-t}/16, is 64 eps 0.75 there; Heun's and the remap's e^{-t} is right to some per cent
    assert curve_end(message) == pytest.approx(-np.log(16 * 64 * np.finfo(float).eps * 0.75), rel=0.05)


@pytest.mark.parametrize("method", [FiniteVolume(8), SemiLagrangian(8, 0.1)], ids=lambda m: type(m).__name__)
def test_mass_outside_the_box_of_the_cells_is_stated(method) -> None:
    curve = solve(Raw(cases.line(-1.0, 1.0)), Gaussian([0.3], [[0.1]]), [0.0, 0.2], method=method)
    assert curve.status == "finished"
    assert 0 < curve.stats["discarded_mass"] < 2e-15  # erfc(8/sqrt 2)
    assert "the Gaussian cut at 8 deviations leaves out 1.2e-15" in curve.message


# ------------------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize(
    "method",
    [
        FrozenField(0.1, ParticleMethod(n=20_000)),
        FiniteVolume(20_000),
        SemiLagrangian(20_000, 0.1),
    ],
    ids=lambda m: f"{type(m).__name__}",
)
def test_what_would_not_fit_is_refused_with_the_number(method) -> None:
    eye = np.eye(3)
    with pytest.raises(MemoryError, match=r"needs \S+ GiB; \S+ GiB are free") as caught:
        solve(Raw(Attention(eye, eye, eye)), Uniform(-np.ones(3), np.ones(3)), [0.0, 1.0], method=method)
    needed, free = (float(text) for text in re.findall(r"(\S+) GiB", str(caught.value)))
    assert needed > 8e12 * 8 / 2**30  # one number for each of 20000^3 nodes or cells
    assert free == pytest.approx(particles_memory.free_memory() / 2**30, rel=0.5)
    assert math.isfinite(free)
