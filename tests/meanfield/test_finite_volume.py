import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import expm

import cases
from contracts import bump
from meanfield import Density, FiniteVolume, Gaussian, Grid, ParticleMethod, Smooth, Uniform, solve
from particles import Attention, Empirical, Raw, Rescaled

LINE = Raw(cases.line(1.0, 1.0))


def plane() -> Raw:
    """Non-symmetric Q^T K and V in the plane."""
    return Raw(Attention(Q=[[1.0, 0.5], [-0.3, 0.8]], K=[[0.7, 0.0], [0.6, 1.0]], V=[[0.5, -0.4], [0.6, 0.3]]))


def uneven(dim: int):
    return Smooth.normalised(bump, -np.ones(dim), np.linspace(1.0, 1.5, dim))


def checkerboard() -> Density:
    masses = (np.indices((8, 6)).sum(axis=0) % 2).astype(float)
    return Density(Grid([-1.0, -1.0], [1.0, 1.0], (8, 6)), masses / masses.sum())


RUNS = {
    "spreading line": (LINE, lambda: uneven(1), 60, 1.0),
    "gathering line": (Raw(cases.line(1.0, -1.0)), lambda: uneven(1), 60, 2.0),
    "rescaled line": (Rescaled(cases.line(1.0, 1.0)), lambda: uneven(1), 60, 2.0),
    "large exponents": (LINE, lambda: Uniform([-5.0], [5.0]), 40, 1.0),
    "plane": (plane(), lambda: uneven(2), (24, 16), 2.0),
    "rescaled plane": (Rescaled(plane().attention), lambda: uneven(2), (16, 12), 0.7),
    "two heads": (Raw(cases.non_commuting(2)), lambda: uneven(2), 24, 3.0),
    "empty cells": (plane(), checkerboard, (24, 16), 2.0),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", RUNS)
def test_mass_is_kept_and_no_cell_turns_negative(name: str, order: int) -> None:
    law, mu0, cells, T = RUNS[name]
    curve = solve(law, mu0(), [0.0, T / 2, T], method=FiniteVolume(cells, order=order))
    assert curve.status == "finished"
    assert curve.stats["steps"] > 5
    assert curve.stats["mass_error"] <= 1e-13  # over the whole run: cells times rounding
    assert curve.stats["least_mass"] >= 0.0
    for mu in curve.measures:
        assert (mu.masses >= 0).all()


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("dim", [1, 2])
def test_without_attention_the_centre_of_mass_is_exact(dim: int, order: int) -> None:
    V = np.array([[0.5, -0.3], [0.4, 0.2]])[:dim, :dim]
    law = Raw(Attention(np.zeros((dim, dim)), np.eye(dim), V))
    curve = solve(law, uneven(dim), [0.0, 0.5, 1.0], method=FiniteVolume(24, order=order))
    start = curve[0]
    for t, mu in zip(curve.times, curve.measures, strict=True):
        # every point moves with v = V e^{tV} m_0, so the box does too, and the masses stand still in it
        # Euler and Heun steps err in e^{tV} only: 1/steps and 1/steps^2
        error = np.linalg.norm(V @ V) * t / curve.stats["steps"] ** order
        shift = (expm(t * V) - np.eye(dim)) @ start.mean
        assert_allclose(mu.mean, start.mean + shift, rtol=0, atol=error + 1e-13)
        assert_allclose(mu.mean - start.mean, mu.lower - start.lower, rtol=0, atol=1e-13)
        assert_allclose(mu.cov, start.cov, rtol=0, atol=1e-13)


@pytest.mark.parametrize("form", [Raw, Rescaled])
def test_box_is_the_hull_of_the_support_on_the_line(form) -> None:
    law, mu0 = form(cases.line(1.0, 1.0)), uneven(1)
    edges = []
    for cells in (40, 80):
        curve = solve(law, mu0, [0.0, 0.7], method=FiniteVolume(cells))
        edges.append([curve[-1].lower[0], curve[-1].upper[0]])
    truth = solve(law, mu0, [0.0, 0.7], method=ParticleMethod(n=60))[-1].flow([[-1.0], [1.0]])[:, 0]
    errors = np.abs(np.array(edges) - truth).max(axis=1)
    assert errors[0] < 4 / 40**2  # second order with a constant of order 1
    assert errors[1] < errors[0] / 2.5  # between first and second order asks for 2, second gives 4


def test_box_holds_the_support_in_the_plane() -> None:
    law, mu0 = plane(), uneven(2)
    grid = solve(law, mu0, [0.0, 0.7], method=FiniteVolume(16))[-1]
    lower, upper = solve(law, mu0, [0.0, 0.7], method=ParticleMethod(n=14))[-1].box
    h = grid.grid.widths
    # it is the box round the flow of all boxes, so never smaller than the support, up to the scheme's error
    assert (grid.lower <= lower + 0.1 * h).all()
    assert (grid.upper >= upper - 0.1 * h).all()
    assert (grid.upper - grid.lower <= 2 * (upper - lower)).all()


@pytest.mark.parametrize("dim", [1, 2])
def test_rescaled_solution_is_the_image_of_the_raw_one(dim: int) -> None:
    attention = cases.line(1.0, 1.0) if dim == 1 else plane().attention
    T, cells = 0.7, 40 if dim == 1 else 20
    raw, rescaled = (
        solve(form(attention), uneven(dim), [0.0, T], method=FiniteVolume(cells))[-1] for form in (Raw, Rescaled)
    )
    F = expm(T * attention.V)
    # both err by the square of a cell, 2/cells, times e^{|V|T} ~ 2
    error = 2 * (2 / cells) ** 2
    assert_allclose(F @ rescaled.mean, raw.mean, rtol=0, atol=error)
    assert_allclose(F @ rescaled.cov @ F.T, raw.cov, rtol=0, atol=2 * error)


@pytest.mark.parametrize(
    "law", [plane(), Rescaled(plane().attention), Raw(cases.non_commuting(2))], ids=["raw", "rescaled", "heads"]
)
def test_agrees_with_particles_in_the_plane(law) -> None:
    mu0, T = uneven(2), 0.7
    particles = solve(law, mu0, [0.0, T], method=ParticleMethod(n=14))[-1]
    a = np.array([[0.0, 0.0], [1.0, -1.0], [-2.0, 0.5]])
    errors = []
    for cells in (12, 24):
        grid = solve(law, mu0, [0.0, T], method=FiniteVolume(cells))[-1]
        gaps = [grid.mean - particles.mean, grid.cov - particles.cov, grid.tilted_mean(a) - particles.tilted_mean(a)]
        errors.append(max(np.abs(gap).max() for gap in gaps))
    assert errors[1] < 0.02  # the square of a cell's side is 0.007
    assert errors[1] < errors[0] / 2.2  # more than first order


def test_asked_times_come_back_as_they_are() -> None:
    times = [0.3, 1 / 3, 0.7]
    curve = solve(LINE, uneven(1), times, method=FiniteVolume(10))
    assert curve.times.tolist() == times
    assert len(curve) == 3
    assert curve[0].upper.tolist() == [1.0]


def test_a_single_time_is_the_projected_start() -> None:
    curve = solve(LINE, Uniform([0.0], [1.0]), [2.0], method=FiniteVolume(5))
    assert (curve.status, curve.stats["steps"]) == ("finished", 0)
    assert_allclose(curve[0].masses, 0.2, rtol=1e-15)


def test_no_field_is_one_step() -> None:
    curve = solve(Raw(cases.line(1.0, 0.0)), Uniform([0.0], [1.0]), [0.0, 100.0], method=FiniteVolume(5))
    assert curve.stats["steps"] == 1
    assert_allclose(curve[-1].masses, 0.2, rtol=1e-15)


class Squeezing:
    """x' = -x/(1 - t): the support is the origin at t = 1."""

    dim, step = 1, None

    def velocity(self, t, x, mu):
        return -x / (1 - t)


class NotANumber:
    """x' = 1 until t = 1/2, then NaN."""

    dim, step = 1, None

    def velocity(self, t, x, mu):
        return np.full_like(x, 1.0 if t < 0.5 else np.nan)


def test_a_run_that_stops_keeps_what_it_reached() -> None:
    curve = solve(NotANumber(), Uniform([-1.0], [1.0]), [0.0, 0.2, 1.0], method=FiniteVolume(8))
    assert curve.status == "stopped"
    assert curve.times.tolist() == [0.0, 0.2]
    assert "the velocity is not finite on every cell wall" in curve.message
    assert 0.2 <= curve.stats["reached"] <= 0.55


def test_a_support_that_shrinks_to_a_point_stops_the_run() -> None:
    curve = solve(Squeezing(), Uniform([-1.0], [1.0]), [0.0, 0.5, 2.0], method=FiniteVolume(4))
    assert curve.status == "stopped"
    assert curve.times.tolist() == [0.0, 0.5]
    assert curve.stats["reached"] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"cells": 0}, "`cells` must be an integer of at least 1; got 0."),
        ({"cells": [4, -1]}, "`cells` must be an integer of at least 1; got -1."),
        ({"cells": 4.5}, "`cells` must be a number of cells or one for each axis; got 4.5."),
        ({"cells": None}, "`cells` must be a number of cells or one for each axis; got None."),
        ({"cells": True}, "`cells` must be an integer of at least 1; got True."),
        ({"cells": 4, "order": 3}, "`order` must be 1 or 2; got 3."),
    ],
)
def test_bad_arguments(arguments, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        FiniteVolume(**arguments)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("mu0", "cells", "text"),
    [
        (Gaussian([0.0], [[1.0]]), 8, "`mu0` must have a density on a box: Uniform, Smooth or Density; got Gaussian."),
        (Empirical([[0.0]]), 8, "`mu0` must have a density on a box: Uniform, Smooth or Density; got Empirical."),
        (Uniform([0.0], [1.0]), [8, 8], "`cells` must have 1 entries, one for each axis; got [8, 8]."),
        (Uniform([0.0] * 3, [1.0] * 3), 8, "`mu0` must live in dimension 1 or 2 for FiniteVolume; got 3."),
    ],
)
def test_data_it_cannot_take(mu0, cells, text: str) -> None:
    law = Raw(cases.random_attention(0, mu0.dim))
    with pytest.raises(ValueError) as caught:
        solve(law, mu0, [0.0, 1.0], method=FiniteVolume(cells))
    assert text in str(caught.value)
