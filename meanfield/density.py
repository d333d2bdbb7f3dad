"""A probability measure with a density that is constant on each cell of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meanfield.box import on_box
from meanfield.grid import Grid
from meanfield.uniform import _LANGEVIN_OVER_S, Uniform, langevin, log_sinhc
from particles import checks
from particles.checks import Array
from particles.measure import Empirical
from particles.quantiles import OnTheLine
from particles.softmax.lattice import Lattice, lattice
from particles.softmax.linear import turned
from particles.softmax.products import add_odd_series
from particles.softmax.tensor import Tensor, TensorAxes, arrangement


def add_langevin(means: Array, a: Array, half: Array) -> None:
    """Add h_k L(h_k a_k) to means (m, d): the tilted mean of the uniform law on a cell."""
    largest = max(float(np.abs(a[:, k]).max(initial=0.0)) * half[k] for k in range(len(half)))
    if not largest < 1:  # also when it is NaN
        means += half * langevin(a * half)
        return
    terms = 1 + int(np.ceil(-19 / np.log(max(largest, 1e-12) / np.pi)))
    add_odd_series(means, a, half, np.asarray(_LANGEVIN_OVER_S.coef[:terms], dtype=np.float64))


@lru_cache(maxsize=8)
def _cell_along(half: float, a_bytes: bytes) -> tuple[Array, Array]:
    """Return Lambda and its derivative for the uniform law on [-half, half]: grids stay while densities change."""
    s = half * np.frombuffer(a_bytes)
    return checks.frozen(log_sinhc(s)), checks.frozen(half * langevin(s))


@dataclass(frozen=True, eq=False)
class Density(OnTheLine):
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
        """The same law, for directions on a tensor grid."""
        axes = [self.grid.axis_centres(k) for k in range(self.dim)]
        half = 0.5 * self.grid.widths

        def cell(k: int, a: Array) -> tuple[Array, Array]:
            return _cell_along(float(half[k]), a.tobytes())

        return Tensor(axes, self.masses, cell, half)

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
        return self.cgf_and_mean(a)[0]

    def tilted_mean(self, a: Any) -> Array:
        """grad Lambda(a), shape (m, d)."""
        a = checks.directions("a", a, self.dim)
        found = arrangement(a)
        if isinstance(found, TensorAxes):
            return self._tensor.mean(found)
        together = None if found is None else self._tensor.interpolated(found.frame, with_logs=False)
        if together is not None:
            return together[1]
        means = self._of_centres(a, found, with_logs=False)[1]
        add_langevin(means, a, 0.5 * self.grid.widths)
        return means

    def cgf_and_mean(self, a: Any) -> tuple[Array, Array]:
        """`cgf(a)` and `tilted_mean(a)`, found together."""
        a = checks.directions("a", a, self.dim)
        found = arrangement(a)
        if isinstance(found, TensorAxes):
            return self._tensor.log_sum_and_mean(found)
        together = None if found is None else self._tensor.interpolated(found.frame)
        if together is not None:
            return together
        logs, means = self._of_centres(a, found, with_logs=True)
        add_langevin(means, a, 0.5 * self.grid.widths)
        return logs + self._cell.cgf(a), means

    def turned_mean(self, x: Any, B: Array, V: Array) -> Array:
        """V grad Lambda(B^T x) for x of shape (m, d); shape (m, d)."""
        x = checks.directions("x", x, self.dim)
        found = lattice(x)
        means = None if found is None else self._tensor.interpolated(found.frame.turned(B), False, V)
        return turned(self.tilted_mean(turned(x, B)), V.T) if means is None else means[1]

    def tilted_cov(self, a: Any) -> Array:
        """hess Lambda(a), shape (m, d, d)."""
        a = checks.directions("a", a, self.dim)
        return self.atoms.tilted_cov(a) + self._cell.tilted_cov(a)

    def _of_centres(self, a: Array, lattice: Lattice | None, with_logs: bool) -> tuple[Array, Array]:
        """Log sums, if they are wanted, and means of the centres: interpolated where quicker, else atom by atom."""
        finite: NDArray[np.bool_] = np.ones(len(a), dtype=bool)
        if lattice is None and not np.isfinite(a).all():
            finite = np.asarray(np.isfinite(a).all(axis=1))
        found = None if lattice is None else self._tensor.sheared(lattice, with_logs)
        if found is None:
            found = self._tensor.scattered(a if finite.all() else a[finite])
        if found is None:
            return self.atoms.cgf_and_mean(a)
        logs, means, certified = found
        if len(logs) < len(a) or not certified.all():
            some = logs[certified], means[certified]
            finite[finite] = certified
            logs, means = np.empty(len(a)), np.empty(a.shape)
            logs[finite], means[finite] = some
            logs[~finite], means[~finite] = self.atoms.cgf_and_mean(a[~finite])
        return logs, means

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
