"""Sums over a tensor of weights, axis by axis, as products with the axes' matrices; in two and three dimensions.

The last axes are summed first, for each atom of the first axis, which is summed at the end. Weighting with a coordinate
changes one matrix, so the d + 1 sums of a tilted mean share what they have in common.
"""

from __future__ import annotations

import numpy as np

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.axis import AxisMatrices
from particles.softmax.kernels import opened

DIMENSIONS = (2, 3)
SPEED = 12  # products done in the time of one exponential


def multiply_adds(atoms: tuple[int, ...], targets: tuple[int, ...]) -> float:
    """Return how many multiply-adds the sums take, and those weighted with each coordinate."""
    d, front, count = len(atoms), float(np.prod(atoms)), 0.0
    for k in range(d - 1, -1, -1):
        front *= targets[k]
        count += (d - k + 1) * front
        front /= atoms[k]
    return count


def inner_sums(weights: Array, matrices: list[AxisMatrices], panels: Array) -> Array:
    """Return the sums over all axes but the first, in panels, for `quotients` and `channels`."""
    kernel = opened("_tensor")
    d, n = weights.ndim, len(weights)
    lines = len(matrices[1].powers) if d == 3 else 1
    sums = np.empty((d * lines * len(panels) // 2, n, kernel.TILE))
    if d == 2:

        def work(first: int, last: int) -> None:
            kernel.lines(first, last, weights, panels, sums)

        share_rows(work, -(-n // kernel.HEIGHT), kernel.HEIGHT * panels.size // SPEED)
        return sums
    middle = matrices[1]

    def slabs(first: int, last: int) -> None:
        scratch = np.empty((len(panels), weights.shape[1], kernel.TILE))
        kernel.planes(first, last, weights, middle.powers, middle.weighted, panels, scratch, sums)

    share_rows(slabs, n, weights.shape[1] * (panels.size + sums[:, 0].size) // SPEED)
    return sums


def quotients(
    sums: Array, matrices: list[AxisMatrices], offsets: list[Array], with_totals: bool
) -> tuple[Array, Array, float]:
    """Return the totals (M_1, ..., M_d), if they are wanted, the means (M_1, ..., M_d, d), and the least total.

    The offsets are added to the coordinates of the means along their axes.
    """
    kernel = opened("_tensor")
    shape = tuple(len(m.powers) for m in matrices)
    d, lines = len(shape), shape[1] if len(shape) == 3 else 1
    totals = np.empty((shape[0], lines, shape[-1]) if with_totals else (0, 0, 0))
    means = np.empty((shape[0], lines, shape[-1], d))
    added = (*offsets[:-1], np.pad(offsets[-1], (0, kernel.LANES)))
    least = []

    def work(first: int, last: int) -> None:
        tile, spare = np.empty((d + 1, kernel.ROWS, kernel.WIDTH)), np.empty(d * kernel.LANES)
        front = matrices[0].powers, matrices[0].weighted
        least.append(kernel.quotients(first, last, sums, *front, added, tile, spare, totals, means))

    pieces = -(-shape[0] // kernel.HEIGHT) * lines * -(-shape[-1] // kernel.WIDTH)
    share_rows(work, pieces, (d + 1) * sums.shape[1] * (means.size // d // pieces) // SPEED)
    # NaN is least of all
    return totals.reshape(shape) if with_totals else totals, means.reshape(*shape, d), float(np.min(least))


def channels(sums: Array, matrices: list[AxisMatrices]) -> Array:
    """Return the sums, and those weighted with each coordinate, shape (1 + d, M_1, ..., M_d)."""
    kernel = opened("_tensor")
    shape = tuple(len(m.powers) for m in matrices)
    d, lines = len(shape), shape[1] if len(shape) == 3 else 1
    room = -(-shape[-1] // kernel.LANES) * kernel.LANES
    out = np.empty((d + 1, shape[0], lines, room))

    def work(first: int, last: int) -> None:
        kernel.channels(first, last, sums, matrices[0].powers, matrices[0].weighted, out)

    pieces = -(-shape[0] // kernel.HEIGHT)
    share_rows(work, pieces, kernel.HEIGHT * (d + 1) * sums[: len(sums) // d].size // SPEED)
    out = out.reshape(d + 1, *shape[:-1], room)[..., : shape[-1]]
    return out[[0, *range(d, 0, -1)]]


def add_odd_series(means: Array, a: Array, scale: Array, coefficients: Array) -> None:
    """Add scale_k s sum_n coefficients[n] s^{2n}, s = scale_k a_k, to means (m, d) in place."""
    kernel = opened("_tensor")
    a, coefficients = np.ascontiguousarray(a), np.ascontiguousarray(coefficients)

    def work(first: int, last: int) -> None:
        kernel.add_odd_series(first, last, means, a, scale, coefficients)

    share_rows(work, len(a), len(coefficients))
