from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import expm

import cases
from breaks import Break, NotANumber, Recording, Squeezing
from contracts import bump
from meanfield import Density, Gaussian, Grid, ParticleMethod, SemiLagrangian, Smooth, Uniform, solve
from meanfield.checkpoint import NOWHERE
from particles import Attention, Empirical, Raw, Rescaled

LINE = Raw(cases.line(1.0, 1.0))
VALUES = np.array([[0.5, -0.4, 0.1], [0.6, 0.3, 0.0], [-0.2, 0.1, 0.4]])


def plane() -> Raw:
    """Non-symmetric Q^T K and V in the plane."""
    return Raw(Attention(Q=[[1.0, 0.5], [-0.3, 0.8]], K=[[0.7, 0.0], [0.6, 1.0]], V=VALUES[:2, :2]))


def space() -> Raw:
    """Non-symmetric Q^T K and V in space."""
    Q = [[1.0, 0.5, 0.0], [-0.3, 0.8, 0.2], [0.1, 0.0, 0.9]]
    return Raw(Attention(Q=Q, K=[[0.7, 0.0, 0.1], [0.6, 1.0, 0.0], [0.0, -0.2, 0.8]], V=VALUES))


def uneven(dim: int) -> Smooth:
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
    "space": (space(), lambda: uneven(3), (12, 10, 8), 1.0),
    "rescaled space": (Rescaled(space().attention), lambda: uneven(3), 8, 1.0),
}


@pytest.mark.parametrize("dt", [0.05, 0.5])
@pytest.mark.parametrize("name", RUNS)
def test_mass_is_kept_and_no_cell_turns_negative(name: str, dt: float) -> None:
    law, mu0, cells, T = RUNS[name]
    T = T if dt > 0.1 or mu0().dim == 1 else 8 * dt
    curve = solve(law, mu0(), [0.0, T / 2, T], method=SemiLagrangian(cells, dt))
    assert curve.status == "finished"
    assert curve.stats["mass_error"] <= 1e-13  # over the whole run: cells times rounding
    assert curve.stats["least_mass"] >= 0.0
    for mu in curve.measures:
        assert (mu.masses >= 0).all()


@pytest.mark.parametrize("form", [Raw, Rescaled])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_without_attention_the_centre_of_mass_is_exact(dim: int, form) -> None:
    V = VALUES[:dim, :dim]
    law = form(Attention(np.zeros((dim, dim)), np.eye(dim), V))
    curve = solve(law, uneven(dim), [0.0, 0.5, 1.0], method=SemiLagrangian((20, 14, 10)[:dim], 0.25))
    start = curve[0]
    for t, mu in zip(curve.times, curve.measures, strict=True):
        raw = expm(t * V) @ start.mean
        assert_allclose(mu.mean, raw if form is Raw else start.mean, rtol=0, atol=1e-13)
        if form is Raw:  # a translation: the box moves, the masses stand still in it
            assert_allclose(mu.lower - start.lower, raw - start.mean, rtol=0, atol=1e-13)
            assert_allclose(mu.masses, start.masses, rtol=0, atol=1e-14)
        else:  # the image under e^{-tV}: one step's own error, 0.25^3, and the square of a cell
            image = expm(-t * V) @ start.cov @ expm(-t * V).T
            assert_allclose(mu.cov, image, rtol=0, atol=0.25**3 + 2 * float(np.max(start.grid.widths)) ** 2)


def test_far_from_the_origin_the_centre_of_mass_is_as_exact() -> None:
    # 1e6 widths away; the raw drift is 1e6 V, of which only rounding may reach the shape
    law = Raw(Attention(np.zeros((2, 2)), np.eye(2), VALUES[:2, :2]))
    curve = solve(law, Uniform([1e6, 1e6], [1e6 + 1, 1e6 + 2]), [0.0, 1.0], method=SemiLagrangian(8, 0.1))
    assert_allclose(curve[-1].mean, expm(VALUES[:2, :2]) @ curve[0].mean, rtol=1e-14)
    assert_allclose(curve[-1].upper - curve[-1].lower, [1.0, 2.0], rtol=0, atol=1e-8)  # 10 steps, 1e-10 each


@pytest.mark.parametrize("form", [Raw, Rescaled])
def test_box_is_the_hull_of_the_support_on_the_line(form) -> None:
    law, mu0 = form(cases.line(1.0, 1.0)), uneven(1)
    truth = solve(law, mu0, [0.0, 0.7], method=ParticleMethod(n=60))[-1].flow([[-1.0], [1.0]])[:, 0]
    errors = []
    for cells, dt in ((40, 0.1), (80, 0.05)):
        end = solve(law, mu0, [0.0, 0.7], method=SemiLagrangian(cells, dt))[-1]
        errors.append(np.abs(np.array([end.lower[0], end.upper[0]]) - truth).max())
    assert errors[0] < 4 / 40**2  # second order with a constant of order 1
    assert errors[1] < errors[0] / 2.5  # between first and second order asks for 2, second gives 4


@pytest.mark.parametrize(
    "law", [plane(), Rescaled(plane().attention), Raw(cases.non_commuting(2))], ids=["raw", "rescaled", "heads"]
)
def test_agrees_with_particles_in_the_plane(law) -> None:
    mu0, T = uneven(2), 0.7
    particles = solve(law, mu0, [0.0, T], method=ParticleMethod(n=14))[-1]
    a = np.array([[0.0, 0.0], [1.0, -1.0], [-2.0, 0.5]])
    errors = []
    for cells in (12, 24):
        grid = solve(law, mu0, [0.0, T], method=SemiLagrangian(cells, 0.175))[-1]
        gaps = [grid.mean - particles.mean, grid.cov - particles.cov, grid.tilted_mean(a) - particles.tilted_mean(a)]
        errors.append(max(np.abs(gap).max() for gap in gaps))
    assert errors[1] < 0.01  # the square of a cell's side is 0.007
    assert errors[1] < errors[0] / 2.5  # more than first order


@pytest.mark.parametrize("form", [Raw, Rescaled])
def test_agrees_with_particles_in_space(form) -> None:
    law, mu0, T = form(space().attention), uneven(3), 0.6
    particles = solve(law, mu0, [0.0, T], method=ParticleMethod(n=9))[-1]
    grid = solve(law, mu0, [0.0, T], method=SemiLagrangian(14, 0.3))[-1]
    # cells of 2.5/14 = 0.18, whose square is 0.03
    assert_allclose(grid.mean, particles.mean, rtol=0, atol=0.01)
    assert_allclose(grid.cov, particles.cov, rtol=0, atol=0.03)


@pytest.mark.parametrize("dim", [1, 2])
def test_rescaled_solution_is_the_image_of_the_raw_one(dim: int) -> None:
    attention = cases.line(1.0, 1.0) if dim == 1 else plane().attention
    T, cells = 0.7, 40 if dim == 1 else 20
    raw, rescaled = (
        solve(form(attention), uneven(dim), [0.0, T], method=SemiLagrangian(cells, 0.1))[-1] for form in (Raw, Rescaled)
    )
    F = expm(T * attention.V)
    # both err by the square of a cell, 2/cells, times e^{|V|T} ~ 2
    error = 2 * (2 / cells) ** 2
    assert_allclose(F @ rescaled.mean, raw.mean, rtol=0, atol=error)
    assert_allclose(F @ rescaled.cov @ F.T, raw.cov, rtol=0, atol=2 * error)


def test_steps_across_many_cells_are_stable() -> None:
    # rescaled, V = 1: the edge first moves inwards with speed 1, so dt = 0.25 crosses 0.25 / (2 / 128) = 16 cells,
    # where finite volumes may cross half a one; the error is that of dt, 3e-4
    law, mu0 = Rescaled(cases.line(1.0, 1.0)), Uniform([-1.0], [1.0])
    truth = solve(law, mu0, [0.0, 2.0], method=ParticleMethod(n=60))[-1]
    fine, coarse = (solve(law, mu0, [0.0, 2.0], method=SemiLagrangian(cells, 0.25)) for cells in (512, 64))
    assert fine.stats["courant"] > 10
    errors = [np.sqrt(abs(curve[-1].cov[0, 0] - truth.cov[0, 0])) for curve in (fine, coarse)]
    assert abs(errors[0] - errors[1]) < 0.1 * errors[1]  # more cells, the same step, the same error
    assert errors[0] < 0.1


def test_leaked_mass_does_not_lead() -> None:
    # published V of Fig. 6: exponents pass 100 at t = 1; 24^2 nodes give these variances to 0.3 %
    law = Rescaled(Attention(np.eye(2), np.eye(2), cases.FIG_6_VALUES))
    start, times = Uniform([-5.0, -5.0], [5.0, 5.0]), [0.0, 1.0]
    truth = solve(law, start, times, method=ParticleMethod(n=24))[-1]
    errors = [
        np.abs(solve(law, start, times, method=SemiLagrangian(cells, 0.1))[-1].cov / truth.cov - 1).max()
        for cells in (16, 32)
    ]
    # a cell is 0.6 wide beside a spread of 5.9: leaders are known to a part of it, variances to 10 % and 5 %
    assert errors[1] < 0.7 * errors[0] < 0.07


def test_a_support_that_turns_is_followed() -> None:
    law = Raw(Attention(2 * np.eye(2), np.eye(2), [[0.0, -1.0], [1.0, 0.0]]))
    start, times = Uniform([-1.0, -1.0], [1.0, 1.0]), [0.0, 1.0, 2.0]
    truth = solve(law, start, times, method=ParticleMethod(n=27))[-1]
    errors = []
    for cells in (16, 32):
        end = solve(law, start, times, method=SemiLagrangian(cells, 0.2))[-1]
        errors.append(np.abs(end.cov - truth.cov).max())
        assert_allclose(end.upper, truth.box[1], atol=1.33 / cells)  # half a cell
    # the edge of a uniform law is a jump, so the second moment's error falls like h to a power between 1 and 2
    assert errors[1] < errors[0] / 2 < 0.006


def test_asked_times_come_back_as_they_are() -> None:
    times = [0.3, 1 / 3, 0.7]
    curve = solve(LINE, uneven(1), times, method=SemiLagrangian(10, 0.1))
    assert curve.times.tolist() == times
    assert len(curve) == 3
    assert curve[0].upper.tolist() == [1.0]
    assert curve.stats["steps"] == 1 + 4  # 0.0333 and 0.3667 in steps of at most 0.1
    assert curve.stats["reached"] == 0.7


def test_steps_that_fit_are_not_cut() -> None:
    curve = solve(LINE, uneven(1), [0.0, 0.3, 0.9], method=SemiLagrangian(4, 0.1))
    assert curve.stats["steps"] == 9


def test_a_single_time_is_the_projected_start() -> None:
    curve = solve(LINE, Uniform([0.0], [1.0]), [2.0], method=SemiLagrangian(5, 1.0))
    assert (curve.status, curve.stats["steps"]) == ("finished", 0)
    assert_allclose(curve[0].masses, 0.2, rtol=1e-15)


@pytest.mark.parametrize("cells", [1, 2, 3])
def test_few_cells_are_enough(cells: int) -> None:
    curve = solve(plane(), uneven(2), [0.0, 0.5], method=SemiLagrangian(cells, 0.1))
    assert curve.status == "finished"
    assert_allclose(curve[-1].masses.sum(), 1.0, rtol=1e-14)


def test_atoms_are_spread_over_the_stated_width() -> None:
    atoms = Empirical([[-0.5, 0.0], [0.5, 0.3]], [0.25, 0.75])
    curve = solve(plane(), atoms, [0.0, 0.3], method=SemiLagrangian(24, 0.1, width=0.2))
    assert curve.status == "finished"
    assert "each atom spread over a box of side 0.2" in curve.message
    assert_allclose(curve[0].mean, atoms.mean, atol=1e-3)
    exact = solve(plane(), atoms, [0.0, 0.3], method=ParticleMethod())[-1]
    assert_allclose(curve[-1].mean, exact.mean, atol=0.02)  # the width's square is 0.04, the cell's 0.003


# ------------------------------------------------------------------------------------------------------- failures


class Exploding:
    """x' = e^{100 t} x: the support is past the range of double precision at t = 0.1."""

    dim, step = 1, None

    def velocity(self, t, x, mu):
        return np.exp(100 * t) * x


def test_a_run_that_stops_keeps_what_it_reached() -> None:
    curve = solve(NotANumber(), Uniform([-1.0], [1.0]), [0.0, 0.2, 1.0], method=SemiLagrangian(8, 0.05))
    assert curve.status == "stopped"
    assert curve.times.tolist() == [0.0, 0.2]
    assert "the velocity is not finite at every corner of a cell, first at x = [" in curve.message
    assert curve.message.startswith("stopped after t = 0.")
    assert 0.4 <= curve.stats["reached"] <= 0.5


def test_a_support_that_shrinks_to_a_point_stops_the_run() -> None:
    curve = solve(Squeezing(), Uniform([-1.0], [2.0]), [0.0, 0.5, 0.99, 2.0], method=SemiLagrangian(4, 0.02))
    assert curve.status == "stopped"
    assert curve.times.tolist() == [0.0, 0.5, 0.99]
    assert curve.stats["reached"] < 1.02


def test_a_step_too_long_for_the_field_stops_the_run() -> None:
    curve = solve(Exploding(), Uniform([-1.0], [1.0]), [0.0, 1.0], method=SemiLagrangian(4, 0.2))
    assert curve.status == "stopped"
    assert "take a shorter `dt`" in curve.message


def test_a_support_lost_in_rounding_stops_the_run() -> None:
    # everything follows one end, so the width falls behind the place
    curve = solve(LINE, Uniform([-1.0], [2.0]), [0.0, 800.0], method=SemiLagrangian(4, 1.0))
    assert curve.status == "stopped"
    assert "the support has shrunk to a point along axis 0: cells of width" in curve.message
    assert 25 < curve.stats["reached"] < 40  # e^t passes 1/(64 eps) = 7e13 at t = 32


# ----------------------------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_a_killed_run_ends_as_an_uninterrupted_one(dim: int) -> None:
    law = {1: Rescaled(LINE.attention), 2: Rescaled(plane().attention), 3: space()}[dim]
    method, times = SemiLagrangian((30, 12, 7)[dim - 1], 0.1), np.array([0.0, 0.25, 0.4])
    mu0 = uneven(dim)
    whole = method.run(law, mu0, times, False, NOWHERE)
    checkpoint = Recording(0)
    for lives in (1, 2, 2):  # within an interval, and at its end
        checkpoint.left = lives
        with pytest.raises(Break):
            method.run(law, mu0, times, False, checkpoint)
    checkpoint.left = -1
    for again in (method.run(law, mu0, times, False, checkpoint) for _ in range(2)):  # once to end it, once ended
        assert again.times.tolist() == whole.times.tolist()
        for one, same in zip(whole.measures, again.measures, strict=True):
            assert_array_equal(one.masses, same.masses)
            assert_array_equal([one.lower, one.upper], [same.lower, same.upper])
        assert {**again.stats, "seconds": 0} == {**whole.stats, "seconds": 0}
        assert (again.status, again.message) == (whole.status, whole.message)


def test_a_checkpoint_in_a_file(tmp_path) -> None:
    path, times = tmp_path / "run.npz", [0.0, 0.3, 0.5]
    method = SemiLagrangian(16, 0.1)
    first = solve(plane(), uneven(2), times, method=method, checkpoint=path)
    again = solve(plane(), uneven(2), times, method=method, checkpoint=path)
    assert first.stats == again.stats  # not computed again: the very seconds
    assert_array_equal(first[-1].masses, again[-1].masses)


# ------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"cells": 0, "dt": 0.1}, "`cells` must be an integer of at least 1; got 0."),
        ({"cells": [4, -1], "dt": 0.1}, "`cells` must be an integer of at least 1; got -1."),
        ({"cells": None, "dt": 0.1}, "`cells` must be a number of cells or one for each axis; got None."),
        ({"cells": 4, "dt": 0.0}, "`dt` must be a positive number; got 0.0."),
        ({"cells": 4, "dt": np.inf}, "`dt` must be finite; got inf"),
        ({"cells": 4, "dt": "long"}, "`dt` must hold real numbers"),
        ({"cells": 4, "dt": 0.1, "width": -1}, "`width` must be a positive number; got -1."),
    ],
)
def test_bad_arguments(arguments, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        SemiLagrangian(**arguments)
    assert text in str(caught.value)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        SemiLagrangian(cells=0, dt=-1)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("mu0", "cells", "text"),
    [
        (Empirical([[0.0]]), 8, "`mu0` has atoms: give `width`"),
        (Uniform([0.0], [1.0]), [8, 8], "`cells` must have 1 entries, one for each axis; got [8, 8]."),
        (Uniform([0.0] * 4, [1.0] * 4), 8, "`mu0` must live in dimension 1, 2 or 3 for SemiLagrangian; got 4."),
        (Gaussian([0.0, 0.0], [[1.0, 1.0], [1.0, 1.0]]), 8, "its covariance is singular"),
    ],
)
def test_data_it_cannot_take(mu0, cells, text: str) -> None:
    law = Raw(cases.random_attention(0, mu0.dim))
    with pytest.raises(ValueError) as caught:
        solve(law, mu0, [0.0, 1.0], method=SemiLagrangian(cells, 0.1))
    assert text in str(caught.value)


def test_memory_that_would_not_fit_is_refused_before_it_is_tried(monkeypatch) -> None:
    monkeypatch.setattr("particles.memory.free_memory", lambda: 1e9)
    with pytest.raises(MemoryError, match=r"SemiLagrangian with 1e\+09 cells needs .* GiB; 0.931 GiB are free."):
        solve(space(), Uniform([0.0] * 3, [1.0] * 3), [0.0, 1.0], method=SemiLagrangian(1000, 0.1))


def test_the_forecast_is_above_what_is_used() -> None:
    import tracemalloc

    from meanfield.semi_lagrangian import _BYTES

    law, mu0 = Rescaled(space().attention), Uniform([-1.0] * 3, [1.0] * 3)
    solve(law, mu0, [0.0, 0.1], method=SemiLagrangian(6, 0.1))  # compiles
    tracemalloc.start()
    solve(law, mu0, [0.0, 0.1], method=SemiLagrangian(32, 0.1))
    peak = SimpleNamespace(bytes=tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert 0.2 * _BYTES[3] < peak.bytes / 32**3 < _BYTES[3]
