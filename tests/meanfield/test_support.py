"""Supports on grids: which cells stand for them, and mass that may not lead."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ive

import cases
from meanfield import Density, FiniteVolume, Grid, ParticleMethod, Uniform, solve
from meanfield.footprint import Footprint, Mixture
from meanfield.support import Support, put_back
from particles import Attention, Empirical, Raw, Rescaled

GRID = Grid([-1.0, -1.0], [1.0, 1.0], (20, 30))


def polygon(count: int, radius: float) -> Support:
    angles = 2 * np.pi * (np.arange(count) + 0.3) / count
    around = np.arange(count)
    return Support(
        radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1), np.stack([around, np.roll(around, -1)]).T
    )


def ball(grid: Grid, radius: float) -> np.ndarray:
    """The cells whose centres lie in the ball round 0."""
    return (np.linalg.norm(grid.centres, axis=1) < radius).reshape(grid.shape)


@pytest.mark.parametrize("shape", [(7,), (20, 30), (5, 6, 7)])
def test_the_box_is_all_of_its_cells(shape) -> None:
    grid = Grid(-np.ones(len(shape)), np.ones(len(shape)), shape)
    support = Support.of(grid, np.ones(shape))
    assert support.cells(grid).all()
    assert_array_equal(support.box, (grid.lower, grid.upper))
    # a marker at each corner of a cell on the boundary: all corners but the inner ones
    corners, inner = np.prod(np.array(shape) + 1), np.prod(np.array(shape) - 1)
    assert len(support.markers) == corners - inner
    assert len(np.unique(support.markers, axis=0)) == len(support.markers)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_any_cells_come_back(dim: int, rng: np.random.Generator) -> None:
    # pieces, holes, cells that touch at corners or edges only
    grid = Grid(-np.ones(dim), np.linspace(1.0, 1.3, dim), (9, 7, 8)[:dim])
    held = rng.random(grid.shape) < 0.5
    support = Support.of(grid, held / held.sum())
    axes = [np.sort(rng.uniform(grid.lower[k], grid.upper[k], 40)) for k in range(dim)]
    index = np.ix_(*(((axis - grid.lower[k]) / grid.widths[k]).astype(int) for k, axis in enumerate(axes)))
    assert_array_equal(support.holds(axes), held[index])


def test_lines_through_markers_and_edges_are_inside_or_outside() -> None:
    # every line here runs along the diagonals of faces, or through corners: what rounding would make of it
    grid = Grid([-1.0] * 3, [1.0] * 3, (6, 6, 6))
    held = ball(grid, 0.9)
    support = Support.of(grid, held.astype(float))
    assert_array_equal(support.cells(grid), held)
    at_corners = [grid.edges(0), grid.edges(1), grid.axis_centres(2)]
    inside = support.holds(at_corners)
    # shifted by infinitely little, a corner counts as one of its four columns
    around = [held[i : i + 5, j : j + 5] for i in (0, 1) for j in (0, 1)]
    assert_array_equal(inside[1:-1, 1:-1] & ~np.logical_or.reduce(around), False)
    assert_array_equal(~inside[1:-1, 1:-1] & np.logical_and.reduce(around), False)


def test_a_disc_is_the_cells_whose_centres_it_holds() -> None:
    # 400 markers: the polygon lies within 0.7 (2 pi / 400)^2 / 8 = 2e-5 of the circle, nearer than any centre
    assert_array_equal(polygon(400, 0.7).cells(GRID), ball(GRID, 0.7))


def test_orientation_does_not_matter() -> None:
    disc = polygon(50, 0.7)
    assert_array_equal(Support(disc.markers, disc.facets[:, ::-1]).cells(GRID), disc.cells(GRID))


def test_a_support_thinner_than_a_cell_is_the_cells_it_crosses() -> None:
    corners = np.array([[-0.85, 0.01], [0.85, 0.01], [0.85, 0.011], [-0.85, 0.011]])
    thin = Support(corners, np.array([[0, 1], [1, 2], [2, 3], [3, 0]]))
    strip = [[i, 15] for i in range(1, 19)]
    assert_array_equal(np.argwhere(thin.cells(GRID)), strip)
    assert_array_equal(np.argwhere(Footprint.of(thin, GRID).touched), strip)


def test_a_staircase_is_drawn_in_to_the_edge_of_the_density() -> None:
    masses = (np.linalg.norm(GRID.centres, axis=1) < 0.8).reshape(GRID.shape).astype(float)
    drawn = Support.of(GRID, masses).drawn_in(lambda x: np.linalg.norm(x, axis=1) <= 0.7, GRID)
    radii = np.linalg.norm(drawn.markers, axis=1)
    assert radii.max() <= 0.7 + 1e-9  # 40 halvings of a distance of 1
    assert (radii > 0.7 - 1e-9).mean() > 0.9  # but for the few that lay inside


def test_put_back_keeps_the_mass_and_what_is_allowed() -> None:
    rng = np.random.default_rng(0)
    masses = rng.random(GRID.shape)
    allowed = polygon(50, 0.6).cells(GRID)
    back = put_back(masses, allowed, GRID)
    assert_allclose(back.sum(), masses.sum(), rtol=1e-14)  # a sum of 600 numbers
    assert not back[~allowed].any()
    assert (back[allowed] >= masses[allowed]).all()
    deep = polygon(50, 0.4).cells(GRID)  # two cells from the edge: nothing arrives there
    assert_array_equal(back[deep], masses[deep])


# ----------------------------------------------------------------------------------------- what attention sees


def test_a_box_is_seen_as_it_is() -> None:
    footprint = Footprint.of(Support.of(GRID, np.ones(GRID.shape)), GRID)
    assert footprint.touched.all() and not footprint.cut.any()
    seen = footprint.seen(np.full(GRID.shape, 1 / 600), exponent=10.0)
    assert isinstance(seen, Density)


@pytest.mark.parametrize("size", [1.0, 30.0, 1000.0])
def test_a_disc_is_seen_to_less_than_a_cell(size: float) -> None:
    radius, cells, fine = 0.7, 20, 40
    grid, support = Grid([-1.0, -1.0], [1.0, 1.0], cells), polygon(200, radius)
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    a = size * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    # the mean of a disc tilted by s along an axis: s R = z, R I_2(z) / I_1(z)
    exact = radius * ive(2, size * radius) / ive(1, size * radius) * a / size

    footprint = Footprint.of(support, grid)
    inside = support.holds([grid.lower[0] + grid.widths[0] * (np.arange(cells * fine) + 0.5) / fine] * 2)
    masses = inside.reshape(cells, fine, cells, fine).sum(axis=(1, 3)) / inside.sum()
    assert footprint.touched[masses > 0].all()
    exponent = float(size * grid.widths.sum())
    error = np.linalg.norm(footprint.seen(masses, exponent).tilted_mean(a) - exact, axis=1).max()
    # a cell is 0.1 wide and its corners stick out by up to half of that; 4 points along it, and the markers, are
    # 0.025 apart
    assert error < 0.025
    blunt = Density(grid, put_back(masses, support.cells(grid), grid))
    without = np.linalg.norm(blunt.tilted_mean(a) - exact, axis=1).max()
    assert size == 1.0 or error < without / 3


def test_a_corner_that_the_boundary_clips_is_not_a_full_cell() -> None:
    # between two of its points the boundary cuts off a corner of a cell: with all of that cell seen, it would lead
    corners = np.array([[-0.9, -0.9], [0.55, -0.9], [-0.9, 0.55]])
    triangle = Support(corners, np.array([[0, 1], [1, 2], [2, 0]]))
    for cells in range(5, 40):
        grid = Grid([-1.0, -1.0], [1.0, 1.0], cells)
        footprint = Footprint.of(triangle, grid)
        seen = footprint.seen(footprint.touched / footprint.touched.sum(), exponent=1e3)
        tip = seen.tilted_mean(1e4 * np.array([[1.0, 1.0]]))[0]
        # full cells that the boundary touches stick out by what the lattice inside misses: half its spacing, h/8
        assert tip.sum() <= -0.35 + 2 * 0.25 * grid.widths[0] * 0.5


def test_a_mixture_is_one_measure(rng: np.random.Generator) -> None:
    first, second = Uniform([-1.0, 0.0], [1.0, 2.0]), Empirical(rng.uniform(0, 1, (5, 2)), rng.dirichlet(np.ones(5)))
    mu, a = Mixture(first, second, 0.3), np.array([[0.0, 0.0], [1.0, -2.0], [900.0, 300.0]])
    moments = 0.3 * np.exp(first.cgf(a[:2])) + 0.7 * np.exp(second.cgf(a[:2]))
    assert_allclose(mu.cgf(a[:2]), np.log(moments), atol=1e-15, rtol=1e-14)
    assert_allclose(mu.tilted_mean(a[:1]), mu.mean[None, :], rtol=1e-14)
    assert_allclose(mu.tilted_cov(a[:1]), mu.cov[None, :, :], rtol=1e-13)
    assert_allclose(mu.tilted_mean(a), cases.differences(mu.cgf, a, 1e-3), rtol=1e-8)  # h^4 times fifth cumulants
    # all of one part, whichever leads
    assert_allclose(mu.tilted_mean(a[2:]), first.tilted_mean(a[2:]), rtol=1e-12)
    drawn = mu.sample(40000, rng)
    assert_allclose(drawn.mean(axis=0), mu.mean, atol=5 * np.sqrt(np.trace(mu.cov) / 40000))


# ----------------------------------------------------------------------------------------- against the particles


def test_a_support_that_turns_is_followed() -> None:
    law = Raw(Attention(2 * np.eye(2), np.eye(2), [[0.0, -1.0], [1.0, 0.0]]))
    start, times = Uniform([-1.0, -1.0], [1.0, 1.0]), [0.0, 1.0, 2.0]
    truth = solve(law, start, times, method=ParticleMethod(n=27))[-1]
    errors = []
    for cells in (16, 32):
        end = solve(law, start, times, method=FiniteVolume(cells))[-1]
        errors.append(np.abs(end.cov - truth.cov).max())
        # the box ends where the particles' does, to a cell; the corners of a box that is never cut back reach 2.2
        assert_allclose(end.upper, truth.box[1], atol=2 * 1.33 / cells)
    # the edge of a uniform law is a jump, so the second moment's error falls like h to a power between 1 and 2
    assert errors[1] < errors[0] / 2 < 0.0125


def sampled(holds, lower, upper, cells: int) -> Density:
    """The uniform law on a region, by which of 16 points in each cell it holds."""
    fine = Grid(lower, upper, 4 * cells)
    counts = holds(fine.centres).reshape(cells, 4, cells, 4).sum(axis=(1, 3))
    return Density(Grid(lower, upper, cells), counts / counts.sum())


def spread(mu) -> float:
    return float(np.sqrt(np.trace(mu.cov)))


TURN = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])
FIGURE_6 = Rescaled(Attention(np.eye(2), np.eye(2), cases.FIG_6_VALUES))
# the spread at t = 1 from 20^2 particles, the same to 1e-3 from 72^2; the disc's from 20 radii and 60 angles
SHAPES = {
    "box": (FIGURE_6, lambda: Uniform([-5.0, -5.0], [5.0, 5.0])),
    "turned box": (
        Rescaled(Attention(TURN.T, TURN.T, TURN @ cases.FIG_6_VALUES @ TURN.T)),
        lambda: sampled(lambda x: (np.abs(x @ TURN) <= 5).all(axis=1), [-7.0, -7.0], [7.0, 7.0], 256),
    ),
    "disc": (FIGURE_6, lambda: sampled(lambda x: np.linalg.norm(x, axis=1) <= 5, [-5.0, -5.0], [5.0, 5.0], 256)),
}


@cache
def by_particles(disc: bool):
    if not disc:
        start, n = SHAPES["box"][1](), 20
    else:
        r, w = np.polynomial.legendre.leggauss(20)
        turns = 2 * np.pi * np.arange(60) / 60
        points = 2.5 * (r + 1)[:, None, None] * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
        weights = np.repeat(w * (r + 1), 60)
        start, n = Empirical(points.reshape(-1, 2), weights / weights.sum()), 1
    return solve(FIGURE_6, start, [0.0, 1.0], method=ParticleMethod(n=n))[-1]


@pytest.mark.parametrize("name", SHAPES)
def test_leaked_mass_does_not_lead(name: str) -> None:
    # published V of Fig. 6: exponents pass 100 at t = 1, and a box left to itself grows without end
    law, start = SHAPES[name]
    truth = spread(by_particles(name == "disc"))  # to turn everything changes nothing
    errors = [spread(solve(law, start(), [0.0, 1.0], method=FiniteVolume(cells))[-1]) / truth - 1 for cells in (12, 24)]
    # a cell is a 24th of the box and each edge blurs by a part of it
    assert abs(errors[1]) < 0.02
    assert abs(errors[1]) < max(0.75 * abs(errors[0]), 0.005)
