"""A probability measure with a density that is constant on each cell of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from meanfield.box import on_box
from meanfield.grid import Grid
from meanfield.uniform import Uniform
from particles import checks
from particles.checks import Array
from particles.measure import Empirical
from particles.softmax.tensor import Tensor, tensor_axes


@dataclass(frozen=True, eq=False)
class Density:
    """Cell masses on a grid, spread evenly within each cell.

    It is the law of the cells' centres plus an independent uniform variable on a cell, so Lambda is the sum of
    the two, exactly.

    Parameters
    ----------
    grid : Grid
        The cells.
    masses : array of grid.shape
        Probabilities of the cells.

    Raises
    ------
    ValueError
        If the shape does not fit, or the masses are not probabilities.
    """

    grid: Grid
    masses: Array

    def __init__(self, grid: Grid, masses: Any) -> None:
        """Check and store the masses."""
        problems = checks.Problems()
        if not isinstance(grid, Grid):
            problems.add(f"`grid` must be a Grid; got {type(grid).__name__}.")
            problems.raise_if_any()
        array = checks.real_array("masses", masses, problems)
        if array is not None and array.shape != grid.shape:
            problems.add(f"`masses` must have the grid's shape {grid.shape}; got {array.shape}.")
        elif array is not None:
            checks.weights("masses", array.ravel(), array.size, problems)
        problems.raise_if_any()
        assert array is not None
        object.__setattr__(self, "grid", grid)
        object.__setattr__(self, "masses", checks.frozen(array))

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.grid.dim

    @property
    def lower(self) -> Array:
        """Lower corner of the box, shape (d,)."""
        return self.grid.lower

    @property
    def upper(self) -> Array:
        """Upper corner of the box, shape (d,)."""
        return self.grid.upper

    @cached_property
    def atoms(self) -> Empirical:
        """The cells' masses, each at its centre."""
        return Empirical(self.grid.centres, self.masses.ravel())

    @cached_property
    def _cell(self) -> Uniform:
        half = 0.5 * self.grid.widths
        return Uniform(-half, half)

    @cached_property
    def _tensor(self) -> Tensor:
        axes = [self.grid.axis_centres(k) for k in range(self.dim)]
        return Tensor(axes, self.atoms.log_weights.reshape(self.grid.shape))

    @property
    def mean(self) -> Array:
        """Mean, shape (d,)."""
        return self.atoms.mean

    @cached_property
    def cov(self) -> Array:
        """Covariance, shape (d, d)."""
        return checks.frozen(self.atoms.cov + self._cell.cov)

    def cgf(self, a: Any) -> Array:
        """Lambda(a) for a of shape (m, d); shape (m,)."""
        a = checks.directions("a", a, self.dim)
        return self._log_sum_and_mean(a)[0] + self._cell.cgf(a)

    def tilted_mean(self, a: Any) -> Array:
        """grad Lambda(a), shape (m, d)."""
        a = checks.directions("a", a, self.dim)
        return self._log_sum_and_mean(a)[1] + self._cell.tilted_mean(a)

    def tilted_cov(self, a: Any) -> Array:
        """hess Lambda(a), shape (m, d, d)."""
        a = checks.directions("a", a, self.dim)
        return self.atoms.tilted_cov(a) + self._cell.tilted_cov(a)

    def _log_sum_and_mean(self, a: Array) -> tuple[Array, Array]:
        """Of the centres: axis by axis where the directions form a tensor grid, else as scattered atoms."""
        axes = tensor_axes(a)
        if axes is not None:
            return self._tensor.log_sum_and_mean(axes)
        return self.atoms.cgf_and_mean(a)

    def pdf(self, x: Any) -> Array:
        """Mass over volume of the cell that holds x, 0 outside the box; x (m, d), shape (m,)."""
        x = checks.directions("x", x, self.dim)
        return on_box(self._height, self.lower, self.upper, x)

    def _height(self, x: Array) -> Array:
        cells = np.clip(((x - self.lower) / self.grid.widths).astype(int), 0, np.array(self.grid.shape) - 1)
        return self.masses[tuple(cells.T)] / self.grid.volume

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent draws, shape (n, d)."""
        return self.atoms.sample(n, rng) + self._cell.sample(n, rng)
