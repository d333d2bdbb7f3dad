"""The support of a moving measure, followed by markers on its boundary.

A grid scheme's diffusion puts specks of mass into cells that the true support never reaches, and attention follows
the outermost speck as soon as exponents are large. So the support itself is moved, by the same flow, and attention sees
the mass beyond it as if it stood in the nearest cell of the support.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meanfield.grid import Grid
from particles.checks import Array

Cells = NDArray[np.bool_]

_PER_CELL = 2  # points on an edge for each cell it crosses


@dataclass(frozen=True, eq=False)
class Support:
    """An interval by its ends, or a region of the plane by a closed polygon.

    Parameters
    ----------
    markers : (m, d) array
        Points of the boundary; in the plane, in order round it.
    """

    markers: Array

    @classmethod
    def of_box(cls, grid: Grid) -> Support:
        """Return the grid's box, in the plane with a marker at each cell corner on its boundary."""
        if grid.dim == 1:
            return cls(np.stack([grid.lower, grid.upper]))
        x, y = grid.edges(0), grid.edges(1)
        sides = [(x[:-1], y[0]), (x[-1], y[:-1]), (x[:0:-1], y[-1]), (x[0], y[:0:-1])]
        return cls(np.concatenate([np.stack(np.broadcast_arrays(*side), axis=-1) for side in sides]))

    @property
    def box(self) -> tuple[Array, Array]:
        """Lower and upper corner of the box round the markers."""
        return self.markers.min(axis=0), self.markers.max(axis=0)

    def cells(self, grid: Grid) -> Cells:
        """Return which cells of the grid stand for the support, a boolean array of grid.shape.

        Those whose centre lies inside, and those the boundary runs through where the support is thinner than a cell.
        """
        if grid.dim == 1:
            return np.ones(grid.shape, dtype=bool)
        from scipy.ndimage import binary_dilation  # slow to import, and not needed on the line

        inside = self._inside(grid)
        return inside | (self._crossed(grid) & ~binary_dilation(inside, np.ones((3, 3))))

    def _inside(self, grid: Grid) -> Cells:
        """Cells whose centre lies inside: to its left the polygon crosses its height an odd number of times."""
        start, end = self.markers, np.roll(self.markers, -1, axis=0)
        heights = grid.axis_centres(1)
        crosses = (start[:, 1, None] <= heights) != (end[:, 1, None] <= heights)
        edge, row = np.nonzero(crosses)
        share = (heights[row] - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
        where = start[edge, 0] + share * (end[edge, 0] - start[edge, 0])
        count = np.zeros((grid.shape[0] + 1, grid.shape[1]), dtype=int)
        np.add.at(count, (np.searchsorted(grid.axis_centres(0), where), row), 1)
        return np.cumsum(count, axis=0)[:-1] % 2 == 1

    def _crossed(self, grid: Grid) -> Cells:
        """Cells that the polygon itself runs through."""
        start, end = self.markers, np.roll(self.markers, -1, axis=0)
        pieces = 1 + np.ceil(_PER_CELL * (np.abs(end - start) / grid.widths).max(axis=1)).astype(int)
        edge = np.repeat(np.arange(len(start)), pieces)
        share = (np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) / np.repeat(pieces, pieces)
        along = start[edge] + share[:, None] * (end - start)[edge]
        index = np.clip(((along - grid.lower) / grid.widths).astype(int), 0, np.array(grid.shape) - 1)
        crossed = np.zeros(grid.shape, dtype=bool)
        crossed[tuple(index.T)] = True
        return crossed


def put_back(masses: Array, allowed: Cells, grid: Grid) -> Array:
    """Return the masses with those of cells not allowed added to the nearest allowed cell."""
    if not masses[~allowed].any():
        return masses
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(~allowed, sampling=grid.widths, return_distances=False, return_indices=True)
    kept = np.where(allowed, masses, 0.0)
    np.add.at(kept, tuple(nearest[:, ~allowed]), masses[~allowed])
    return kept
