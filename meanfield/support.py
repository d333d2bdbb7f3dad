"""The support of a moving measure, followed by markers on its boundary.

A grid scheme's diffusion puts specks of mass into cells that the true support never reaches, and attention follows
the outermost speck as soon as exponents are large. So the support itself is moved, by the same flow, and attention sees
the mass beyond it as if it stood in the nearest cell of the support.

The boundary is made of facets between markers: points on the line, edges in the plane, triangles in space. A point is
inside if a line from it to infinity meets them an odd number of times, so any number of pieces and holes will do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meanfield.grid import Grid
from particles.checks import Array

Cells = NDArray[np.bool_]

_HALVINGS = 40  # of a distance of a few cells: to rounding
_TRIANGLES = {1: [[0]], 2: [[0, 1]], 3: [[0, 1, 3], [0, 3, 2]]}  # facets of a cell's face, by its corners in order


@dataclass(frozen=True, eq=False)
class Support:
    """A region by its boundary.

    Parameters
    ----------
    markers : (m, d) array
        Points of the boundary.
    facets : (f, d) integer array
        The markers that each facet joins.
    """

    markers: Array
    facets: NDArray[np.intp]

    @classmethod
    def of(cls, grid: Grid, masses: Array) -> Support:
        """Return the cells with mass, a marker at every cell corner on their boundary."""
        d = grid.dim
        held = np.pad(masses > 0, 1)
        corners: list[NDArray[np.intp]] = []
        for k in range(d):
            inner = tuple(slice(None) if j == k else slice(1, -1) for j in range(d))
            wall = np.argwhere(np.diff(held[inner], axis=k))
            aside = np.indices((2,) * (d - 1)).reshape(d - 1, 2 ** (d - 1)).T  # corners of a face, in its own plane
            shift = np.insert(aside, k, 0, axis=1)
            corners.append(wall[:, None, :] + shift[None, :, :])
        faces = np.concatenate(corners)
        nodes = np.ravel_multi_index(tuple(np.moveaxis(faces, -1, 0)), tuple(n + 1 for n in grid.shape))
        used, index = np.unique(nodes, return_inverse=True)
        index = index.reshape(nodes.shape)
        facets = index[:, np.array(_TRIANGLES[d])].reshape(-1, d)
        at = np.unravel_index(used, tuple(n + 1 for n in grid.shape))
        markers = np.stack([grid.edges(k)[i] for k, i in enumerate(at)], axis=-1)
        return cls(markers, facets)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.markers.shape[1]

    def drawn_in(self, holds: Callable[[Array], Cells], grid: Grid) -> Support:
        """Return the support with each marker that lies outside moved to the edge, towards the nearest cell inside.

        Parameters
        ----------
        holds : callable
            Whether points (m, d) belong to the region; shape (m,).
        grid : Grid
            Cells whose centres show where the region is.
        """
        from scipy.spatial import KDTree  # slow to import

        inner = grid.centres[holds(grid.centres)]
        outside = ~holds(self.markers)
        if not (len(inner) and outside.any()):
            return self
        out = self.markers[outside].copy()
        into = inner[KDTree(inner).query(out)[1]]
        for _ in range(_HALVINGS):
            middle = 0.5 * (out + into)
            found = holds(middle)[:, None]
            into, out = np.where(found, middle, into), np.where(found, out, middle)
        markers = self.markers.copy()
        markers[outside] = out
        return self.moved_to(markers)

    def moved_to(self, markers: Array) -> Support:
        """Return the same region with its markers elsewhere."""
        return Support(markers, self.facets)

    @property
    def box(self) -> tuple[Array, Array]:
        """Lower and upper corner of the box round the markers."""
        return self.markers.min(axis=0), self.markers.max(axis=0)

    def cells(self, grid: Grid) -> Cells:
        """Return which cells of the grid stand for the support, a boolean array of grid.shape.

        Those whose centre lies inside, and those the boundary runs through where the support is thinner than a cell.
        """
        from scipy.ndimage import binary_dilation  # slow to import

        inside = self.holds([grid.axis_centres(k) for k in range(grid.dim)])
        return inside | (self._crossed(grid) & ~binary_dilation(inside, np.ones((3,) * grid.dim)))

    def holds(self, axes: list[Array]) -> Cells:
        """Return which points with coordinates from the axes (increasing) lie inside; shape (N_1, ..., N_d)."""
        from meanfield import _support  # compiled code is slow to import

        *across, along = axes
        lines = math.prod(len(axis) for axis in across)
        counts = np.zeros(lines, dtype=np.intp)
        nothing = np.empty(0)
        self._cross(across, counts, nothing)
        starts = np.concatenate([[0], np.cumsum(counts)])
        found = np.empty(starts[-1])
        if len(found):
            self._cross(across, starts[:-1].copy(), found)
        inside = np.zeros((lines, len(along)), dtype=bool)
        _support.fill(starts, found, along, inside)
        return inside.reshape([len(axis) for axis in axes])

    def _cross(self, across: list[Array], counts: NDArray[np.intp], found: Array) -> None:
        from meanfield import _support

        if self.dim == 1:
            counts[0] += len(self.facets)
            found[:] = self.markers[self.facets[: len(found), 0], 0]
        elif self.dim == 2:
            _support.crossings_plane(self.markers, self.facets, *across, counts, found)
        else:
            _support.crossings_space(self.markers, self.facets, *across, counts, found)

    def boundary_points(self, grid: Grid) -> Array:
        """Return points all over the boundary, the markers first, at most half a cell apart; shape (m, d)."""
        if self.dim == 1:
            return self.markers
        from meanfield import _support

        more = np.empty((_support.samples(self.markers, self.facets, grid.widths, np.empty((0, self.dim))), self.dim))
        _support.samples(self.markers, self.facets, grid.widths, more)
        return np.concatenate([self.markers, more])

    def _crossed(self, grid: Grid) -> Cells:
        """Cells that the boundary runs through."""
        index = ((self.boundary_points(grid) - grid.lower) / grid.widths).astype(int)
        crossed = np.zeros(grid.shape, dtype=bool)
        crossed[tuple(np.clip(index, 0, np.array(grid.shape) - 1).T)] = True
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
