"""Where a support lies on a grid, and what attention sees of cell masses there.

Cells that the support does not touch hold no mass of the exact solution; theirs has been spread there by the scheme.
A cell that it covers is seen as it is, with its mass spread evenly. Where exponents across a cell are large, the
mass of a cell that the boundary cuts is seen on atoms: on points of the boundary, so that the leaders stand where
they are and not at the cell's corner, and on a fine lattice of points inside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meanfield.density import Density
from meanfield.grid import Grid
from meanfield.support import Cells, Support, put_back
from particles.checks import Array
from particles.measure import Empirical, Measure

_FINE = {1: 8, 2: 4, 3: 2}  # lattice points along each side of a cell, by dimension
_ON_WALL = 1e-3  # of a cell: a boundary so near a wall does not cut the cell
_SHARP = 0.25  # exponent across a cell above which its edge is told from its middle
_ON_BOUNDARY = 0.1  # most weight of a point of the boundary beside one inside


@dataclass(frozen=True, eq=False)
class Footprint:
    """The cells of a grid that a support touches, and points for those that its boundary cuts.

    Attributes
    ----------
    touched : boolean array of the grid's shape
        Cells that hold some of the support.
    cut : boolean array of the grid's shape
        Those that also hold some of what is outside.
    points, cells : (e, d) and (e,) arrays
        Points of the support in the cut cells, and the cells that they are in.
    inner : int
        How many of them, the first ones, lie on the lattice inside; the others are points of the boundary.
    """

    grid: Grid
    touched: Cells
    cut: Cells
    points: Array
    cells: NDArray[np.intp]
    inner: int

    @classmethod
    def of(cls, support: Support, grid: Grid) -> Footprint:
        """Find the cells, and the points in them."""
        d, fine = grid.dim, _FINE[grid.dim]
        edge = support.boundary_points(grid)
        edge_cells = _cells_of(edge, grid)
        inside = support.holds([_fine_centres(grid, k, fine) for k in range(d)])
        by_cell = inside.reshape([part for n in grid.shape for part in (n, fine)])
        count = by_cell.sum(axis=tuple(range(1, 2 * d, 2)))
        crossed = np.zeros(grid.shape, dtype=bool)
        crossed.reshape(-1)[edge_cells] = True
        touched = crossed | (count > 0)
        within = (edge - grid.lower) / grid.widths - np.stack(np.unravel_index(edge_cells, grid.shape), axis=-1)
        cut = touched & (count < fine**d)
        cut.reshape(-1)[edge_cells[(np.abs(within - 0.5) < 0.5 - _ON_WALL).all(axis=1)]] = True
        by_cell = by_cell.transpose(*range(0, 2 * d, 2), *range(1, 2 * d, 2))
        at = np.argwhere(cut)
        which, *offset = np.nonzero(by_cell[tuple(at.T)])
        place = at[which] + (np.stack(offset, axis=-1) + 0.5) / fine
        kept = cut.reshape(-1)[edge_cells]
        points = np.concatenate([grid.lower + place * grid.widths, edge[kept]])
        cells = np.concatenate([np.ravel_multi_index(tuple(at[which].T), grid.shape), edge_cells[kept]])
        return cls(grid, touched, cut, points, cells, len(which))

    def shifted(self, by: Array, grid: Grid) -> Footprint:
        """Return the footprint of the same support on the same cells, both moved."""
        return replace(self, grid=grid, points=self.points + by)

    def gathered(self, masses: Array, margin: int = 0) -> Array:
        """Return the masses with those further than `margin` cells from what is touched put into the nearest cell."""
        if margin == 0:
            return put_back(masses, self.touched, self.grid)
        from scipy.ndimage import binary_dilation  # slow to import

        near = binary_dilation(self.touched, np.ones((3,) * self.grid.dim), iterations=margin)
        return put_back(masses, near, self.grid)

    def seen(self, masses: Array, exponent: float = 0.0) -> Measure:
        """Return what attention sees of gathered masses, where exponents across a cell are at most so large."""
        if not (exponent > _SHARP and self.cut.any()):
            return Density(self.grid, masses)
        weights = self._shares(exponent) * masses.reshape(-1)[self.cells]
        some = weights > 0
        edge, inner = float(weights.sum()), np.where(self.cut, 0.0, masses)
        share = float(inner.sum())
        if not edge > 0:
            return Density(self.grid, masses)
        cut = Empirical(self.points[some], weights[some] / edge)
        return Mixture(Density(self.grid, inner / share), cut, share / (share + edge)) if share > 0 else cut

    def _shares(self, exponent: float) -> Array:
        """Shares of the points in the mass of their cells.

        A point of the boundary stands for what lies within 1/exponent of it: with more, a leader would be too far out.
        """
        d = self.grid.dim
        weights = np.ones(len(self.points))
        weights[self.inner :] = min(_ON_BOUNDARY, _FINE[d] ** d / exponent**d)
        return weights / np.bincount(self.cells, weights)[self.cells]


@dataclass(frozen=True, eq=False)
class Mixture:
    """share * first + (1 - share) * second, as attention sees it.

    Lambda is the logarithm of the mean of both exponentials, and its gradient the mean of both gradients with weights
    that the tilt changes.
    """

    first: Measure
    second: Measure
    share: float

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.first.dim

    @property
    def mean(self) -> Array:
        """Mean, shape (d,)."""
        return self.share * self.first.mean + (1 - self.share) * self.second.mean

    @property
    def cov(self) -> Array:
        """Covariance, shape (d, d)."""
        gap = self.first.mean - self.second.mean
        between = self.share * (1 - self.share) * np.outer(gap, gap)
        return self.share * self.first.cov + (1 - self.share) * self.second.cov + between

    def cgf(self, a: Any) -> Array:
        """Lambda(a), shape (m,)."""
        first, second = self.first.cgf(a), self.second.cgf(a)
        return np.logaddexp(first + math.log(self.share), second + math.log1p(-self.share))

    def tilted_mean(self, a: Any) -> Array:
        """grad Lambda(a), shape (m, d)."""
        (lambda_1, mean_1), (lambda_2, mean_2) = _both(self.first, a), _both(self.second, a)
        tilted = self._tilted_share(lambda_1, lambda_2)[:, None]
        return tilted * mean_1 + (1 - tilted) * mean_2

    def tilted_cov(self, a: Any) -> Array:
        """hess Lambda(a), shape (m, d, d)."""
        (lambda_1, mean_1), (lambda_2, mean_2) = _both(self.first, a), _both(self.second, a)
        tilted, gap = self._tilted_share(lambda_1, lambda_2)[:, None, None], mean_1 - mean_2
        between = tilted * (1 - tilted) * gap[:, :, None] * gap[:, None, :]
        return tilted * self.first.tilted_cov(a) + (1 - tilted) * self.second.tilted_cov(a) + between

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent draws, shape (n, d)."""
        some = rng.random(n) < self.share
        drawn = np.empty((n, self.dim))
        for part, mu in ((some, self.first), (~some, self.second)):
            drawn[part] = mu.sample(int(part.sum()), rng)
        return drawn

    def _tilted_share(self, first: Array, second: Array) -> Array:
        """Share of the first measure after the tilt, from both values of Lambda."""
        gap = second - first + math.log1p(-self.share) - math.log(self.share)
        small = np.exp(-np.abs(gap))
        return np.where(gap > 0, small, 1.0) / (1.0 + small)


def _both(mu: Any, a: Any) -> tuple[Array, Array]:
    """Return Lambda and its gradient, together where the measure has them so."""
    together = getattr(mu, "cgf_and_mean", None)
    return (mu.cgf(a), mu.tilted_mean(a)) if together is None else together(a)


def _fine_centres(grid: Grid, k: int, fine: int) -> Array:
    return grid.lower[k] + grid.widths[k] * (np.arange(grid.shape[k] * fine) + 0.5) / fine


def _cells_of(points: Array, grid: Grid) -> NDArray[np.intp]:
    index = np.clip(((points - grid.lower) / grid.widths).astype(int), 0, np.array(grid.shape) - 1)
    return np.ravel_multi_index(tuple(index.T), grid.shape)
