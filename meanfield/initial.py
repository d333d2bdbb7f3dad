"""Initial data on a grid: cell masses, the support, and what was changed on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from meanfield.cut_gaussian import DEVIATIONS
from meanfield.density import Density
from meanfield.gaussian import Gaussian
from meanfield.grid import Grid, cells_per_axis
from meanfield.moving_state import State
from meanfield.projection import cell_masses, no_density, spread_masses
from meanfield.smooth import Smooth
from meanfield.support import Support
from meanfield.uniform import Uniform
from particles import checks, memory
from particles.checks import Array
from particles.measure import Empirical, Measure


@dataclass(frozen=True, eq=False)
class Initial:
    """Cell masses with their support, and what the data were changed by.

    Attributes
    ----------
    stats : dict
        `discarded_mass` of a Gaussian that was cut; `width` and `spread`, the W2 that it costs, of atoms.
    note : str
        The same in words; empty if nothing was changed.
    """

    grid: Grid
    masses: Array
    support: Support
    stats: dict[str, float]
    note: str

    def state(self) -> State:
        """Return what a grid method starts from."""
        return State(self.grid.lower, self.grid.upper, self.masses, self.support)


def check_sizes(cells: Any, width: float | None, problems: checks.Problems) -> None:
    """Complain of numbers of cells and widths that no data could have."""
    cells_per_axis("cells", cells, None, problems)
    if width is not None:
        checks.positive("width", width, problems)


def require_memory(cells: Any, dim: int, each: float, method: str) -> None:
    """Raise a MemoryError if `each` bytes for every cell are more than are free."""
    problems = checks.Problems()
    count = float(math.prod(cells_per_axis("cells", cells, dim, problems)))
    problems.raise_if_any()
    memory.require(count * each, f"{method} with {count:.3g} cells")


def check(mu0: Measure, cells: Any, width: float | None, method: str) -> None:
    """Refuse data that the method cannot put on a grid of so many cells, and dimensions above 3."""
    problems = checks.Problems()
    if mu0.dim > 3:
        problems.add(f"`mu0` must live in dimension 1, 2 or 3 for {method}; got {mu0.dim}.")
    cells_per_axis("cells", cells, mu0.dim, problems)
    _check_data(mu0, width, problems)
    problems.raise_if_any()


def _check_data(mu0: Measure, width: float | None, problems: checks.Problems) -> None:
    if isinstance(mu0, Empirical):
        if width is None:
            problems.add(
                "`mu0` has atoms: give `width`, the side of the box that each is spread over "
                "(it costs a distance W2 of width sqrt(d/12)), or use ParticleMethod."
            )
        return
    if width is not None:
        problems.add(f"`width` is for atoms; got a {type(mu0).__name__} as `mu0`. Leave it out.")
    if isinstance(mu0, Gaussian):
        try:
            mu0.truncated(DEVIATIONS)
        except ValueError as complaint:
            problems.add(str(complaint))
    elif not isinstance(mu0, Uniform | Smooth | Density):
        problems.add(no_density(mu0))


def initial(mu0: Any, cells: Any, width: float | None) -> Initial:
    """Return mu0 on cells that fill its box."""
    if isinstance(mu0, Empirical):
        assert width is not None
        carried = mu0.points[mu0.weights > 0]
        grid = Grid(carried.min(axis=0) - 0.5 * width, carried.max(axis=0) + 0.5 * width, cells)
        cost = width * math.sqrt(mu0.dim / 12)
        note = f"each atom spread over a box of side {width:g}, a distance W2 of at most {cost:.3g}"
        masses = spread_masses(mu0, width, grid)
        return _normalised(grid, masses, Support.of(grid, masses), {"width": width, "spread": cost}, note)
    stats: dict[str, float] = {}
    note = ""
    if isinstance(mu0, Gaussian):
        lost = mu0.mass_beyond(DEVIATIONS)
        stats, note = {"discarded_mass": lost}, f"the Gaussian cut at {DEVIATIONS:g} deviations leaves out {lost:.2g}"
        mu0 = mu0.truncated(DEVIATIONS)
    grid = Grid(mu0.lower, mu0.upper, cells)
    masses = cell_masses(mu0, grid)
    if (masses > 0).all():
        return _normalised(grid, masses, Support.of(grid, masses), stats, note)
    # the support is smaller than its box: once to see where it is, once on cells that fill the box it needs
    lower, upper = _drawn_in(grid, masses, mu0).box
    if (lower < upper).all():
        grid = Grid(lower, upper, cells)
        masses = cell_masses(mu0, grid)
    return _normalised(grid, masses, _drawn_in(grid, masses, mu0), stats, note)


def _drawn_in(grid: Grid, masses: Array, mu0: Any) -> Support:
    return Support.of(grid, masses).drawn_in(lambda x: mu0.pdf(x) > 0, grid)


def _normalised(grid: Grid, masses: Array, support: Support, stats: dict[str, float], note: str) -> Initial:
    return Initial(grid, np.ascontiguousarray(masses / masses.sum()), support, stats, note)
