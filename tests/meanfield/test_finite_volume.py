import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import expm

import cases
from breaks import Break, NotANumber, Recording, Squeezing
from contracts import bump
from meanfield import (
    Density,
    FiniteVolume,
    Gaussian,
    Grid,
    ParticleMethod,
    Riccati,
    Smooth,
    Uniform,
    solve,
    wasserstein,
)
from meanfield.checkpoint import NOWHERE
from meanfield.footprint import Mixture
from particles import Attention, Empirical, Raw, Rescaled

LINE = Raw(cases.line(1.0, 1.0))
MIXTURE = Mixture(Uniform([0.0], [1.0]), Uniform([2.0], [3.0]), 0.5)
PLANE = Raw(cases.random_attention(0, 2))


def plane() -> Raw:
    """Non-symmetric Q^T K and V in the plane."""
    return Raw(Attention(Q=[[1.0, 0.5], [-0.3, 0.8]], K=[[0.7, 0.0], [0.6, 1.0]], V=[[0.5, -0.4], [0.6, 0.3]]))


def uneven(dim: int):
    return Smooth.normalised(bump, -np.ones(dim), np.linspace(1.0, 1.5, dim))


def checkerboard() -> Density:
    masses = (np.indices((8, 6)).sum(axis=0) % 2).astype(float)
    return Density(Grid([-1.0, -1.0], [1.0, 1.0], (8, 6)), masses / masses.sum())


def ball(cells: int) -> Density:
    """The cells in the ball round 0."""
    grid = Grid([-1.0] * 3, [1.0] * 3, cells)
    masses = (np.linalg.norm(grid.centres, axis=1) < 1).reshape(grid.shape).astype(float)
    return Density(grid, masses / masses.sum())


RUNS = {
    "spreading line": (LINE, lambda: uneven(1), 60, 1.0),
    "gathering line": (Raw(cases.line(1.0, -1.0)), lambda: uneven(1), 60, 2.0),
    "rescaled line": (Rescaled(cases.line(1.0, 1.0)), lambda: uneven(1), 60, 2.0),
    "large exponents": (LINE, lambda: Uniform([-5.0], [5.0]), 40, 1.0),
    "plane": (plane(), lambda: uneven(2), (24, 16), 2.0),
    "rescaled plane": (Rescaled(plane().attention), lambda: uneven(2), (16, 12), 0.7),
    "two heads": (Raw(cases.non_commuting(2)), lambda: uneven(2), 24, 3.0),
    "empty cells": (plane(), checkerboard, (24, 16), 2.0),
    "space": (Raw(cases.random_attention(3, 3)), lambda: uneven(3), (8, 7, 6), 1.0),
    "rescaled space": (Rescaled(cases.random_attention(3, 3, heads=2)), lambda: uneven(3), 7, 0.5),
    "ball": (Raw(cases.random_attention(3, 3)), lambda: ball(8), 9, 1.5),
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
@pytest.mark.parametrize("form", [Raw, Rescaled])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_without_attention_the_centre_of_mass_is_exact(dim: int, form, order: int) -> None:
    V = np.array([[0.5, -0.3, 0.2], [0.4, 0.2, -0.3], [0.1, 0.2, -0.2]])[:dim, :dim]
    law = form(Attention(np.zeros((dim, dim)), np.eye(dim), V))
    starts = [uneven(dim), *([checkerboard()] if dim == 2 else [ball(6)] if dim == 3 else [])]
    for mu0 in starts:
        curve = solve(law, mu0, [0.0, 0.5, 1.0], method=FiniteVolume(24 if dim < 3 else 8, order=order))
        start = curve[0]
        for t, mu in zip(curve.times, curve.measures, strict=True):
            # raw: every point moves with v = V e^{tV} m_0; rescaled: towards the centre of mass, which stays
            shift = (expm(t * V) - np.eye(dim)) @ start.mean if form is Raw else 0.0
            assert_allclose(mu.mean, start.mean + shift, rtol=0, atol=1e-14)
            if form is Raw:  # the masses stand still in the box
                assert_allclose(mu.lower - start.lower, mu.mean - start.mean, rtol=0, atol=1e-14)
                assert_allclose(mu.cov, start.cov, rtol=0, atol=1e-13)
            elif dim == 1:  # the box shrinks with its cells, by Euler's or Heun's e^{-tV}
                dt = 1 / curve.stats["steps"]
                error = (t * 0.5**2 * dt) if order == 1 else t * 0.5**3 * dt**2
                assert_allclose(mu.upper - mu.mean, np.exp(-0.5 * t) * (start.upper - start.mean), atol=error)


@pytest.mark.parametrize("order", [1, 2])
def test_towards_a_point_the_error_falls_like_the_cells(order: int) -> None:
    law, mu0, T, sizes = Raw(cases.line(1.0, -1.0)), Smooth.normalised(bump, [-2.0], [2.0]), 3.0, np.array([20, 40, 80])
    truth = solve(law, mu0, [0.0, T], method=ParticleMethod(n=200))[-1]
    errors = [
        wasserstein(solve(law, mu0, [0.0, T], method=FiniteVolume(int(n), order=order))[-1], truth) for n in sizes
    ]
    assert -np.polyfit(np.log(sizes), np.log(errors), 1)[0] > order - 0.1
    assert errors[-1] < 2.4 / sizes[-1]  # the width of a cell; the truth's own error is 1e-12


def test_towards_two_points_the_error_falls_like_the_cells() -> None:
    law, mu0, T, sizes = (
        Rescaled(cases.line(1.0, 1.0)),
        Smooth.normalised(bump, [-2.0], [2.0]),
        3.0,
        np.array([20, 40, 80]),
    )
    truth = solve(law, mu0, [0.0, T], method=ParticleMethod(n=400))[-1]
    errors = [wasserstein(solve(law, mu0, [0.0, T], method=FiniteVolume(int(n)))[-1], truth, p=1) for n in sizes]
    # W2 is that of the mass on the wrong side of the divide, where 400 particles are 1/400 apart: W1 sees past it
    assert -np.polyfit(np.log(sizes), np.log(errors), 1)[0] > 1
    assert errors[-1] < 2.2 / sizes[-1]


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


def test_agrees_with_particles_in_space() -> None:
    law, mu0, T = Raw(cases.random_attention(3, 3)), uneven(3), 0.5
    particles = solve(law, mu0, [0.0, T], method=ParticleMethod(n=7))[-1]
    errors = []
    for cells in (6, 12):
        grid = solve(law, mu0, [0.0, T], method=FiniteVolume(cells))[-1]
        errors.append(max(np.abs(grid.mean - particles.mean).max(), np.abs(grid.cov - particles.cov).max()))
    assert errors[1] < (2.5 / 12) ** 2 / 2  # the square of a cell's side is 0.04
    assert errors[1] < errors[0] / 2.2  # more than first order


def test_axes_that_do_not_mix_are_lines_in_space() -> None:
    # with diagonal V and B the uniform law on a box stays a product; exponents reach 25
    values, times = [1.0, 0.5, -0.5], [0.0, 0.5]
    law = Rescaled(Attention(np.eye(3), np.eye(3), np.diag(values)))
    end = solve(law, Uniform([-5.0] * 3, [5.0] * 3), times, method=FiniteVolume(12))[-1]
    for k, value in enumerate(values):
        line = Rescaled(cases.line(1.0, value))
        truth = solve(line, Uniform([-5.0], [5.0]), times, method=ParticleMethod(n=200))[-1]
        assert end.cov[k, k] == pytest.approx(truth.cov[0, 0], rel=0.03)  # a cell is a twelfth of the box
        # the outermost of 200 nodes is 2e-4 from the end; the rest is the square of a cell times the time
        assert end.upper[k] == pytest.approx(truth.box[1][0], abs=0.01)
    others = ~np.eye(3, dtype=bool)
    assert_allclose(end.cov[others], 0.0, atol=1e-12)


# ----------------------------------------------------------------------------------------------- what it starts from


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_atoms_are_spread_over_boxes(dim: int, rng: np.random.Generator) -> None:
    atoms = Empirical(rng.uniform(-1, 1, (5, dim)), rng.dirichlet(np.ones(5)))
    law, cells, width = Raw(cases.random_attention(1, dim)), 20 if dim < 3 else 12, 0.3
    curve = solve(law, atoms, [0.0, 0.3], method=FiniteVolume(cells, width=width))
    assert curve.stats["width"] == width
    assert curve.stats["spread"] == pytest.approx(width * np.sqrt(dim / 12))
    assert "each atom spread over a box of side 0.3" in curve.message
    h = curve[0].grid.widths
    assert_allclose(curve[0].lower, atoms.points.min(axis=0) - width / 2, atol=1e-14)
    assert (np.abs(curve[0].mean - atoms.mean) <= h / 2).all()
    assert curve[0].masses.min() == 0.0  # empty cells between the atoms
    if dim < 3:
        # each atom's box costs width sqrt(d/12), each cell's box no more than its diagonal
        assert wasserstein(curve[0], atoms) <= curve.stats["spread"] + np.linalg.norm(h)
    truth = solve(law, atoms, [0.0, 0.3], method=ParticleMethod(n=1))[-1]
    assert_allclose(curve[-1].mean, truth.mean, atol=0.05)  # a fraction of the width of the boxes, 0.3


def test_atoms_spread_over_whole_cells_are_exact() -> None:
    # boxes that are two cells wide, with corners on the grid
    atoms = Empirical([[0.0, 0.0], [1.0, 0.5]], [0.25, 0.75])
    start = solve(PLANE, atoms, [0.0], method=FiniteVolume((12, 7), width=0.2))[0]
    assert_allclose(start.mean, atoms.mean, atol=1e-15)
    assert sorted(np.unique(np.round(start.masses, 12))) == [0.0, 0.0625, 0.1875]


def test_a_gaussian_is_cut_and_says_so() -> None:
    law, mu0 = Raw(cases.line(1.0, -1.0)), Gaussian([0.5], [[0.25]])
    curve = solve(law, mu0, [0.0, 1.0], method=FiniteVolume(128))
    exact = solve(law, mu0, [0.0, 1.0], method=Riccati())[-1]
    assert curve.stats["discarded_mass"] == pytest.approx(1.24e-15, rel=0.01)  # erfc(8 / sqrt 2)
    assert "cut at 8 deviations" in curve.message
    h = 8.0 / 128  # sixteen deviations of a half over the cells
    assert_allclose(curve[-1].mean, exact.mean, atol=h**2)
    assert_allclose(curve[-1].cov, exact.cov, atol=h**2)


def test_what_does_not_fit_is_refused_before_the_work() -> None:
    with pytest.raises(MemoryError, match=r"FiniteVolume with 1e\+15 cells needs 1\.\d+e\+09 GiB; .* GiB are free"):
        solve(Raw(cases.random_attention(0, 3)), uneven(3), [0.0, 1.0], method=FiniteVolume(10**5))


# ------------------------------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("killed_after", [1, 7, 11])
def test_a_run_that_was_killed_ends_as_one_that_was_not(killed_after: int, order: int) -> None:
    method, law, mu0 = FiniteVolume(14, order=order), Rescaled(plane().attention), checkerboard()
    times = np.array([0.0, 0.2, 0.5, 0.8])
    whole = method.run(law, mu0, times, False, NOWHERE)
    assert whole.stats["steps"] > 11
    broken = Recording(killed_after)
    with pytest.raises(Break):
        method.run(law, mu0, times, False, broken)
    resumed = method.run(law, mu0, times, False, Recording(saved=broken.saved))
    again = method.run(law, mu0, times, False, Recording(saved=broken.saved))
    for curve in (resumed, again):
        assert curve.message == whole.message
        assert {**curve.stats, "seconds": 0} == {**whole.stats, "seconds": 0}
        for ours, theirs in zip(curve.measures, whole.measures, strict=True):
            assert_array_equal(ours.masses, theirs.masses)
            assert_array_equal([ours.lower, ours.upper], [theirs.lower, theirs.upper])


def test_a_finished_run_comes_back_from_its_checkpoint(tmp_path) -> None:
    path = tmp_path / "run.npz"
    runs = [solve(LINE, Uniform([-1.0], [1.0]), [0.0, 0.3], method=FiniteVolume(9), checkpoint=path) for _ in range(2)]
    assert_array_equal(runs[0][-1].masses, runs[1][-1].masses)
    assert runs[0].stats["steps"] == runs[1].stats["steps"]


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


def test_a_support_lost_in_rounding_stops_the_run() -> None:
    # B = 0, rescaled: everything gathers at the centre of mass, 1.3, as e^{-t}; the doubles there are 2e-16 apart
    law = Rescaled(cases.line(0.0, 1.0))
    curve = solve(law, Uniform([1.0], [1.6]), [0.0, 1.0, 60.0], method=FiniteVolume(4))
    assert curve.status == "stopped"
    assert "lost in rounding" in curve.message
    assert 25 < curve.stats["reached"] < 36.7


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"cells": 0}, "`cells` must be an integer of at least 1; got 0."),
        ({"cells": [4, -1]}, "`cells` must be an integer of at least 1; got -1."),
        ({"cells": 4.5}, "`cells` must be a number of cells or one for each axis; got 4.5."),
        ({"cells": None}, "`cells` must be a number of cells or one for each axis; got None."),
        ({"cells": True}, "`cells` must be an integer of at least 1; got True."),
        ({"cells": 4, "order": 3}, "`order` must be 1 or 2; got 3."),
        ({"cells": 4, "width": 0.0}, "`width` must be a positive number; got 0.0."),
    ],
)
def test_bad_arguments(arguments, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        FiniteVolume(**arguments)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("mu0", "cells", "text"),
    [
        (Gaussian([0.0, 0.0], np.zeros((2, 2))), 8, "its covariance is singular"),
        (Empirical([[0.0]]), 8, "`mu0` has atoms: give `width`"),
        (MIXTURE, 8, "`mu0` must have a density on a box: Uniform, Smooth or Density; got Mixture."),
        (Uniform([0.0], [1.0]), [8, 8], "`cells` must have 1 entries, one for each axis; got [8, 8]."),
        (Uniform([0.0] * 4, [1.0] * 4), 8, "`mu0` must live in dimension 1, 2 or 3 for FiniteVolume; got 4."),
    ],
)
def test_data_it_cannot_take(mu0, cells, text: str) -> None:
    law = Raw(cases.random_attention(0, mu0.dim))
    with pytest.raises(ValueError) as caught:
        solve(law, mu0, [0.0, 1.0], method=FiniteVolume(cells))
    assert text in str(caught.value)
