"""One matrix for each axis, applied to a tensor axis by axis.

out[i_1, ..., i_k] = sum_j K_1[i_1, j_1] ... K_k[i_k, j_k] tensor[j_1, ..., j_k]
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.axis import chebyshev
from particles.softmax.kernels import aligned, opened

_SMALL = 20_000  # multiplications; fewer are quicker by numpy, which takes one thread for them


def axis_matrix(
    a: Array, alpha: float, y: Array, eta: float, tilts: Array, scales: Array, degree: int, terms: int
) -> Array:
    """Return the series of e^{a y - (a - a_I) tilt_I - scale_I} in both cells, ((I, q), (J, r)).

    Parameters
    ----------
    a, y : arrays
        Centres of the cells of directions and of keys.
    alpha, eta : float
        Their half widths.
    tilts, scales : arrays like a
        What is divided out in each cell of directions.
    degree, terms : int
        Terms kept in the cells of directions and of keys.
    """
    cosines, points = chebyshev(terms + 4)
    out = np.empty((len(a), degree, len(y), terms))

    def work(first: int, last: int) -> None:
        part = slice(first, last)
        opened("_transform").matrix(
            a[part], alpha, y, eta, tilts[part], scales[part], degree, cosines[:terms], points, out[part]
        )

    share_rows(work, len(a), (100 + degree * terms // 4) * (terms + 4) * len(y))
    return out.reshape(len(a) * degree, len(y) * terms)


def along_axes(matrices: Sequence[Array], tensor: Array) -> Array:
    """Apply one matrix to each of the last axes of a tensor, the last axis first."""
    kernel = opened("_transform")
    for axis in range(len(matrices) - 1, -1, -1):
        matrix = matrices[axis]
        at = tensor.ndim - len(matrices) + axis
        size_out, size_in = matrix.shape
        before, behind = prod(tensor.shape[:at]), prod(tensor.shape[at + 1 :])
        if before * behind * size_out * size_in < _SMALL:
            tensor = np.moveaxis(np.tensordot(matrix, tensor, (1, at)), 0, at)
            continue
        tensor = np.ascontiguousarray(tensor)
        out = np.empty((*tensor.shape[:at], size_out, *tensor.shape[at + 1 :]))
        flat, answer = tensor.reshape(-1), out.reshape(-1)
        if behind == 1:
            factor = np.ascontiguousarray(matrix.T).reshape(-1)
            units = -(-before // kernel.STRIP)
            form, many = kernel.along_last, before
        else:
            factor = np.ascontiguousarray(matrix).reshape(-1)
            units = before * -(-behind // kernel.PANEL)
            form, many = kernel.along, behind

        def work(first: int, last: int, form: Any = form, factor: Array = factor, many: int = many) -> None:
            sizes = (factor, size_out, size_in)  # noqa: B023  # used before the loop moves on
            panel, edge = aligned(size_in * kernel.PANEL), aligned(kernel.BLOCK * kernel.PANEL)  # noqa: B023
            form(first, last, *sizes, flat, many, answer, panel, edge)  # noqa: B023

        share_rows(work, units, 1 + before * behind * size_out * size_in // (10 * units))
        tensor = out
    return np.ascontiguousarray(tensor)
