"""Points times a small matrix, x B, by threads that do not wait by spinning as those of a library's product do."""

from __future__ import annotations

import numpy as np

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.kernels import opened, read_only

_LEAST = 16384  # fewer points are left to the library, which takes one thread for them
_EACH = 4  # interactions in the time of one point


def turned(points: Array, matrix: Array) -> Array:
    """Return points @ matrix, for points (m, d) or (R, m, d)."""
    d = points.shape[-1]
    if d not in (2, 3) or matrix.shape != (d, d) or points.size < _LEAST * d:
        return points @ matrix
    kernel = opened("_linear")
    turn = kernel.turn_in_plane if d == 2 else kernel.turn_in_space
    flat = read_only(np.ascontiguousarray(points).reshape(-1, d))
    matrix, out = read_only(np.ascontiguousarray(matrix)), np.empty(flat.shape)

    def work(first: int, last: int) -> None:
        turn(first, last, flat, matrix, out)

    share_rows(work, len(flat), _EACH)
    return out.reshape(points.shape)
