"""What one axis of a tensor grid contributes to sums over it: matrices e^{a_i y_j}, at values a_i or as series in a.

As series: an interval of a is cut into cells so small that |a - a_c| |y - y_c| <= rho, and on each cell e^{a y} is
interpolated at Chebyshev's nodes. The interpolant of one exponential is right to

    delta(rho, p) = 4 e^rho sum_{r >= p} I_r(rho)

relative to the exponential itself, wherever it stands in the cell (the series' tail, counted twice for aliasing, over
the least value e^{-rho}). So any sum of exponentials with weights that are not negative is right to delta as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from particles.checks import Array
from particles.softmax.kernels import opened

_REMEMBERED = 1 << 21  # entries of the largest matrix that is kept for the next call
_MOST_TERMS = 40


@dataclass(frozen=True, eq=False)
class AxisMatrices:
    """What one axis contributes to the sums at a_i.

    Parameters
    ----------
    powers : (m, n) array
        e^{a_i (y_j - centre)} / e^{shift_i}, at most 1.
    weighted : (m, n) array
        The same times y_j - centre.
    shifts : (m,) array
        Logarithms of what a row has been divided by, with that of e^{a_i centre}.
    centre : float
        The middle of the axis.
    """

    powers: Array
    weighted: Array
    shifts: Array
    centre: float


def axis_matrices(a: Array, y: Array) -> AxisMatrices:
    """Return the matrices of one axis; those of the last few axes are remembered."""
    make = _axis_matrices if len(a) * len(y) <= _REMEMBERED else _axis_matrices.__wrapped__
    return make(a.tobytes(), y.tobytes())


def axis_panels(a: Array, y: Array) -> Array:
    """Return `panels` of the matrices of one axis; those of the last few axes are remembered."""
    make = _axis_panels if len(a) * len(y) <= _REMEMBERED else _axis_panels.__wrapped__
    return make(a.tobytes(), y.tobytes())


def panels(matrices: AxisMatrices) -> Array:
    """Return both matrices in panels of columns, (panels, n, TILE): what rows of weights are multiplied with."""
    m, n = matrices.powers.shape
    tile = opened("_product").TILE
    count = -(-m // tile)
    columns = np.zeros((2, count * tile, n))
    columns[0, :m], columns[1, :m] = matrices.powers, matrices.weighted
    return np.ascontiguousarray(columns.reshape(2 * count, tile, n).transpose(0, 2, 1))


@lru_cache(maxsize=16)
def _axis_matrices(a_bytes: bytes, y_bytes: bytes) -> AxisMatrices:
    a, y = np.frombuffer(a_bytes), np.frombuffer(y_bytes)
    centre = 0.5 * (y.min() + y.max())
    y = y - centre
    exponents = np.multiply.outer(a, y)
    shifts = exponents.max(axis=1)
    exponents -= shifts[:, None]
    powers = np.exp(exponents, out=exponents)
    return AxisMatrices(powers, powers * y, shifts + a * centre, float(centre))


@lru_cache(maxsize=8)
def _axis_panels(a_bytes: bytes, y_bytes: bytes) -> Array:
    return panels(_axis_matrices(a_bytes, y_bytes))


def series_matrices(lower: float, upper: float, cells: int, terms: int, y: Array) -> AxisMatrices:
    """Return the matrices for coefficients instead of values: rows (cell, r) of Chebyshev series on cells of a.

    Rows of a cell are divided by the largest power at its middle.
    """
    centre = 0.5 * (y.min() + y.max())
    y = y - centre
    half = 0.5 * (upper - lower) / cells
    middles = lower + half * (2.0 * np.arange(cells) + 1.0)
    to_coefficients, nodes = chebyshev(terms)
    shifts = np.abs(middles) * np.abs(y).max()
    exponents = (middles[:, None, None] + half * nodes[:, None]) * y - shifts[:, None, None]
    powers = (to_coefficients @ np.exp(exponents)).reshape(cells * terms, len(y))
    return AxisMatrices(powers, powers * y, shifts, float(centre))


@cache
def chebyshev(terms: int) -> tuple[Array, Array]:
    """Return the matrix from values at the nodes to coefficients, and the nodes."""
    angles = np.pi * (np.arange(terms) + 0.5) / terms
    matrix = np.cos(np.outer(np.arange(terms), angles)) * (2.0 / terms)
    matrix[0] *= 0.5
    return matrix, np.cos(angles)


def along(k: int, d: int) -> tuple[int, ...]:
    """Return the shape of a vector along axis k of d."""
    return tuple(-1 if j == k else 1 for j in range(d))


@lru_cache(maxsize=256)
def _errors(rho: float) -> Array:
    """Return delta(rho, p) for p = 0, 1, ..."""
    from scipy.special import ive  # a sixth of a second that only those pay who come here

    terms = ive(np.arange(_MOST_TERMS + 40), rho)
    return 4.0 * np.exp(2.0 * rho) * np.cumsum(terms[::-1])[::-1][:_MOST_TERMS]


def terms_for(rho: float, tol: float) -> int | None:
    """Return the least p with delta(rho, p) <= tol, None if it takes too many."""
    enough = _errors(rho) <= tol
    return max(2, int(enough.argmax())) if enough.any() else None
