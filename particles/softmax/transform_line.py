"""The separable transform along one axis: moments and answers at points in any order (see `_line`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.chebyshev import Cells
from particles.softmax.kernels import opened, read_only

_PIECE = 1 << 17  # keys whose moments are summed apart, whatever the number of threads


def moments(cells: Cells, terms: int, keys: Array, origin: Array, weights: Array) -> Array:
    """Return M[channel, (cell, r)] = sum_j weights[channel, j] T_r(t_j), r < terms, over the keys of a cell."""
    kernel = opened("_line")
    count, n = int(cells.counts[0]), len(keys)
    pieces = -(-n // _PIECE)
    padded = -(-terms // kernel.LANES) * kernel.LANES
    partial = np.zeros((pieces, len(weights) * count * padded))
    where = (read_only(keys.T), origin, cells.lower, cells.scale, cells.counts, padded, weights, partial)
    share_rows(lambda a, b: kernel.moments(a, b, pieces, *where), pieces, 10 * len(weights) * min(n, _PIECE))
    total = partial[0]
    for row in partial[1:]:
        total += row
    return np.ascontiguousarray(total.reshape(len(weights), count, padded)[..., :terms]).reshape(len(weights), -1)


def answers(
    cells: Cells, terms: int, directions: Array, table: Array, slopes: bool, tilts: Array, shift: float,
    offsets: Array, least: Array,
) -> tuple[Array, Array, NDArray[np.bool_]]:  # fmt: skip
    """Return log sums (m,), means (m, 1 or channels - 1) and which sums reach `least` of their cell.

    Parameters
    ----------
    table : (channels, cells terms) array
        Coefficients; with `slopes` the derivative of the only channel makes the mean.
    tilts, offsets, least : (cells,) arrays
        What was divided out, the logarithm of the unit of the sums, and the smallest certain sum.
    shift : float
        What the keys were taken relative to.
    """
    kernel = opened("_line")
    m = len(directions)
    log_sums, certain = np.empty(m), np.empty(m, np.bool_)
    means = np.empty((m, 1 if slopes else len(table) - 1))
    alpha = 0.5 / cells.scale[0]
    where = (
        read_only(directions.T), cells.lower, cells.scale, cells.counts, terms, table.reshape(-1), slopes, alpha,
        tilts, shift, offsets, least, log_sums, means, certain,
    )  # fmt: skip
    blocks = -(-m // kernel.TOGETHER)
    share_rows(lambda a, b: kernel.answers(a, b, *where), blocks, 20 * len(table) * kernel.TOGETHER)
    return log_sums, means, certain
