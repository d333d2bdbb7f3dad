"""The field on the cell walls of a grid: X_k at the midpoints of the walls across axis k."""

from __future__ import annotations

import numpy as np

from meanfield.grid import Grid, tensor_points
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.measure import Measure


def wall_points(grid: Grid, k: int) -> tuple[Array, tuple[int, ...]]:
    """Return the midpoints of the walls across axis k (m, d), and the shape of the lattice that they are."""
    axes = [grid.edges(j) if j == k else grid.axis_centres(j) for j in range(grid.dim)]
    return tensor_points(axes), tuple(len(axis) for axis in axes)


def wall_velocities(law: Dynamics, t: float, grid: Grid, mu: Measure) -> tuple[Array, ...]:
    """Return for each axis k the velocity's k-th component on the walls across it, that axis last.

    Raises
    ------
    ArithmeticError
        If it is not finite.
    """
    found = []
    for k in range(grid.dim):
        points, shape = wall_points(grid, k)
        velocity = law.velocity(t, points, mu)[:, k]
        if not np.isfinite(velocity).all():
            at = points[int(np.argmin(np.isfinite(velocity)))]
            raise FloatingPointError(f"the velocity is not finite on every cell wall, first at x = {at}")
        found.append(np.moveaxis(velocity.reshape(shape), k, -1))
    return tuple(found)
