import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose

from meanfield import Density, Gaussian, Grid, Smooth, Uniform
from meanfield.projection import cell_masses, spread_masses
from particles import Empirical

ROUNDING = 1e-14


def test_uniform_law_on_its_own_box() -> None:
    masses = cell_masses(Uniform([-1.0, 0.0], [1.0, 3.0]), Grid([-1.0, 0.0], [1.0, 3.0], [4, 5]))
    assert_allclose(masses, 1 / 20, rtol=ROUNDING)


def test_uniform_law_on_a_larger_and_on_a_smaller_box() -> None:
    mu = Uniform([0.0], [1.0])
    assert_allclose(cell_masses(mu, Grid([-1.0], [2.0], 6)), [0, 0, 0.5, 0.5, 0, 0], atol=ROUNDING)
    assert_allclose(cell_masses(mu, Grid([0.25], [0.75], 2)), [0.25, 0.25], atol=ROUNDING)
    assert_allclose(cell_masses(mu, Grid([-0.5], [1.0], 2)), [0.25, 0.75], atol=ROUNDING)


def test_smooth_law_in_every_cell() -> None:
    mu = Smooth(lambda x: 0.75 * (1 - x[:, 0] ** 2), [-1.0], [1.0])
    edges = np.linspace(-1, 1, 8)
    cdf = 0.75 * (edges - edges**3 / 3) + 0.5
    assert_allclose(cell_masses(mu, Grid([-1.0], [1.0], 7)), np.diff(cdf), atol=ROUNDING)  # exact for cubics


def test_smooth_law_in_the_plane() -> None:
    mu = Smooth(lambda x: x[:, 0] * (1 + x[:, 1]) / 8, [0.0, 0.0], [2.0, 2.0])
    masses = cell_masses(mu, Grid([0.0, 0.0], [2.0, 2.0], (2, 1)))
    assert_allclose(masses, [[0.25], [0.75]], atol=ROUNDING)  # int x dx over [0, 1] and [1, 2] is 1/2 and 3/2


@pytest.mark.parametrize("cells", [1, 3, 6, 7, 24])
def test_density_onto_another_grid(cells: int) -> None:
    masses = np.array([0.1, 0.4, 0.0, 0.2, 0.25, 0.05])
    moved = cell_masses(Density(Grid([0.0], [6.0], 6), masses), Grid([0.0], [6.0], cells))
    cdf = np.interp(np.linspace(0, 6, cells + 1), np.arange(7), np.concatenate([[0], np.cumsum(masses)]))
    assert_allclose(moved, np.diff(cdf), atol=ROUNDING)


def test_density_onto_another_grid_in_the_plane(rng: np.random.Generator) -> None:
    masses = rng.dirichlet(np.ones(12)).reshape(3, 4)
    mu = Density(Grid([0.0, 0.0], [3.0, 4.0], (3, 4)), masses)
    assert_allclose(cell_masses(mu, mu.grid), masses, atol=ROUNDING)
    fine = cell_masses(mu, Grid([0.0, 0.0], [3.0, 4.0], (6, 4)))
    assert_allclose(fine, np.repeat(masses, 2, axis=0) / 2, atol=ROUNDING)
    part = cell_masses(mu, Grid([1.0, 0.0], [2.0, 4.0], (1, 2)))
    assert_allclose(part, [[masses[1, :2].sum(), masses[1, 2:].sum()]], atol=ROUNDING)


@pytest.mark.parametrize("mu", [Gaussian([0.0], [[1.0]]), Empirical([[0.0]])], ids=["Gaussian", "Empirical"])
def test_what_has_no_density_on_a_box(mu) -> None:
    with pytest.raises(ValueError, match=f"`mu0` must have a density on a box: .* got {type(mu).__name__}"):
        cell_masses(mu, Grid([0.0], [1.0], 2))


@pytest.mark.parametrize("shape", [(7,), (6, 9), (5, 4, 7)])
def test_spread_atoms_are_uniform_laws(shape, rng: np.random.Generator) -> None:
    dim, width = len(shape), 0.37
    points, weights = rng.uniform(-1, 1, (6, dim)), rng.dirichlet(np.ones(6))
    grid = Grid(-1.2 * np.ones(dim), 1.2 * np.ones(dim), shape)  # holds every box: 1 + 0.37 / 2 < 1.2
    boxes = [cell_masses(Uniform(x - width / 2, x + width / 2), grid) for x in points]
    masses = spread_masses(Empirical(points, weights), width, grid)
    assert_allclose(masses, sum(w * box for w, box in zip(weights, boxes, strict=True)), atol=ROUNDING)
    assert masses.sum() == pytest.approx(1, abs=ROUNDING)


def test_spread_atoms_on_a_smaller_box_lose_what_is_outside() -> None:
    masses = spread_masses(Empirical([[0.0], [1.0]], [0.5, 0.5]), 1.0, Grid([0.0], [1.0], 4))
    assert_allclose(masses, 0.125, atol=ROUNDING)  # half of each box, a half of the mass on each half


@pytest.mark.parametrize("shape", [(50_000,), (130, 90), (40, 7, 9), (3, 2, 40)])
def test_smooth_laws_are_put_on_many_cells_block_by_block(shape, rng: np.random.Generator) -> None:
    # a product of lines, so that each cell's mass is known; 6^d nodes to a cell make two to five blocks and a rest
    d, tilt = len(shape), rng.uniform(0.2, 0.5, len(shape))
    mu = Smooth(lambda x: np.prod(0.5 * (1 + tilt * x), axis=1), -np.ones(d), np.ones(d))
    walls = [np.linspace(-1, 1, n + 1) for n in shape]
    lines = [np.diff(0.5 * (w + 0.5 * t * w**2)) for w, t in zip(walls, tilt, strict=True)]
    expected = lines[0] if d == 1 else np.multiply.outer(lines[0], lines[1])
    expected = np.multiply.outer(expected, lines[2]) if d == 3 else expected
    found = cell_masses(mu, Grid(-np.ones(d), np.ones(d), shape))
    assert_allclose(found, expected, rtol=1e-10)  # a difference of walls 4e-5 apart, to rounding


def test_the_nodes_of_many_cells_take_little_memory() -> None:
    mu, grid = Smooth(lambda x: np.prod(0.75 * (1 - x**2), axis=1), [-1] * 3, [1] * 3), Grid([-1] * 3, [1] * 3, 32)
    tracemalloc.start()
    cell_masses(mu, grid)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # 6^3 nodes of five numbers for each cell would be 280 MB; a block has 2^17 of them, and temporaries
    assert peak < 2**17 * 8 * 20 + 10 * 8 * 32**3
