"""Mass through the walls of cells along one axis: upwind, with a constant or a limited linear density in each cell.

m_c' = - sum over walls of (u^+ h_left + u^- h_right), h the density at the wall and u the velocity relative to it.
"""

from __future__ import annotations

import numpy as np

from particles.checks import Array


def exchange(heights: Array, velocity: Array, order: int) -> tuple[Array, Array]:
    """Return gain and loss of mass per unit of t along the last axis; heights are mass over cell width."""
    rise = 0.5 * limited(heights) if order == 2 else 0.0
    right_going = np.maximum(velocity[..., 1:], 0.0) * (heights + rise)
    left_going = np.maximum(-velocity[..., :-1], 0.0) * (heights - rise)
    gained = -(right_going + left_going)
    lost = -gained
    gained[..., 1:] += right_going[..., :-1]
    gained[..., :-1] += left_going[..., 1:]
    return gained, lost


def limited(heights: Array) -> Array:
    """Rise across each cell: the mean (a + b)/2 of the differences to both sides, at most twice the smaller one.

    It is 0 where they differ in sign. A cell at the end takes its one difference, cut so that the density stays
    positive. (The "monotonised central" limiter, van Leer, J. Comput. Phys. 23, 1977.)
    """
    rise = np.zeros_like(heights)
    if heights.shape[-1] < 2:
        return rise
    steps = np.diff(heights, axis=-1)
    sizes = np.abs(steps)
    mean = 0.5 * (steps[..., :-1] + steps[..., 1:])
    most = 2 * np.minimum(sizes[..., :-1], sizes[..., 1:])
    most[(steps[..., :-1] > 0) != (steps[..., 1:] > 0)] = 0.0
    np.clip(mean, -most, most, out=rise[..., 1:-1])
    for end, step in ((0, steps[..., 0]), (-1, steps[..., -1])):
        rise[..., end] = np.clip(step, -2 * heights[..., end], 2 * heights[..., end])
    return rise
