"""Supports on grids: which cells stand for them, and mass that may not lead."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from meanfield import FiniteVolume, Grid, ParticleMethod, Uniform, solve
from meanfield.support import Support, put_back
from particles import Attention, Raw, Rescaled

GRID = Grid([-1.0, -1.0], [1.0, 1.0], (20, 30))


def polygon(count: int, radius: float) -> Support:
    angles = 2 * np.pi * (np.arange(count) + 0.3) / count
    return Support(radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1))


def test_the_box_is_all_of_its_cells() -> None:
    support = Support.of_box(GRID)
    assert support.cells(GRID).all()
    assert_array_equal(support.box, (GRID.lower, GRID.upper))
    assert len(support.markers) == 2 * (20 + 30)  # a corner of a cell each, none twice
    assert len(np.unique(support.markers, axis=0)) == len(support.markers)


def test_a_disc_is_the_cells_whose_centres_it_holds() -> None:
    # 400 markers: the polygon lies within 0.7 (2 pi / 400)^2 / 8 = 2e-5 of the circle, nearer than any centre
    inside = (np.linalg.norm(GRID.centres, axis=1) < 0.7).reshape(GRID.shape)
    assert_array_equal(polygon(400, 0.7).cells(GRID), inside)


def test_orientation_does_not_matter() -> None:
    disc = polygon(50, 0.7)
    assert_array_equal(Support(disc.markers[::-1]).cells(GRID), disc.cells(GRID))


def test_a_support_thinner_than_a_cell_is_the_cells_it_crosses() -> None:
    thin = Support(np.array([[-0.85, 0.01], [0.85, 0.01], [0.85, 0.011], [-0.85, 0.011]]))
    assert_array_equal(np.argwhere(thin.cells(GRID)), [[i, 15] for i in range(1, 19)])


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


def test_leaked_mass_does_not_lead() -> None:
    # published V of Fig. 6: exponents pass 100 at t = 1, and a box left to itself grows without end
    V = [[0.64709742, 0.81911926], [0.61210449, 0.63263484]]
    law = Rescaled(Attention(np.eye(2), np.eye(2), V))
    start, times = Uniform([-5.0, -5.0], [5.0, 5.0]), [0.0, 1.0]
    truth = solve(law, start, times, method=ParticleMethod(n=32))[-1]
    errors = [
        np.abs(solve(law, start, times, method=FiniteVolume(cells))[-1].cov / truth.cov - 1).max() for cells in (16, 32)
    ]
    # a cell is 0.6 wide beside a spread of 5.9: the leaders are known to a cell, so the variances to 10 % and 5 %
    assert errors[1] < 0.7 * errors[0] < 0.14
