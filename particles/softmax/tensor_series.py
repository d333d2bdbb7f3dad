"""Atoms on a tensor grid seen from scattered directions: Z and its weighted sums as piecewise Chebyshev series.

The coefficients are sums over the tensor grid by products (`products`), with matrices of series for the axes
(`axis`): every e^{<a,y>} is a product of interpolants, each right to delta relative to its factor, so Z is right to
(1 + delta)^d - 1 of itself and the tilted mean to twice that times the half sides of the atoms' box, whatever the
weights. Adding coefficients rounds relative to the largest value in a cell, e^{2 rho d} times the least: that bounds
rho. Cells where the sums come near the end of the range of floating-point numbers are not certified.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from particles.checks import Array
from particles.softmax.axis import AxisMatrices, panels, series_matrices, terms_for
from particles.softmax.chebyshev import Cells, Series, Truncation
from particles.softmax.products import DIMENSIONS, channels, inner_sums

_RHO = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5)
_ROUNDING = 1e-15  # of the largest value in a cell, when coefficients are added
_FLOOR = 1e-250  # of the sums: what underflowed on the way is below 1e-300
_WIDER = 0.02  # of its sides: how much the box of directions is widened, so that the next call may use it too
_MOST = 1 << 25  # coefficients of all channels


@dataclass(frozen=True)
class Plan:
    """Cells and terms along each axis, and the predicted seconds of one core."""

    cells: tuple[int, ...]
    terms: tuple[int, ...]
    seconds: float


def plan(exponents: Array, shape: tuple[int, ...], m: int, tol: float) -> Plan | None:
    """Return the cheapest series for m directions; `exponents` are half ranges of a times those of y, (d,)."""
    d = len(shape)
    if d not in DIMENSIONS or not np.isfinite(exponents).all():
        return None
    found: Plan | None = None
    for rho in _RHO:
        if _ROUNDING * np.exp(2 * rho * d) > 0.25 * tol:
            break
        cells = np.maximum(1.0, np.ceil(exponents / rho))
        found_terms = [terms_for(float(r), tol / (8 * d)) for r in exponents / cells]
        terms = [p for p in found_terms if p is not None]
        if cells.max() > 1e5 or len(terms) < d:
            continue
        sizes = cells * np.array(terms, float)
        if (d + 1) * np.prod(sizes) > _MOST:
            continue
        option = Plan(tuple(map(int, cells)), tuple(terms), _seconds(sizes, shape, terms, m))
        found = option if found is None or option.seconds < found.seconds else found
    return found


def _seconds(sizes: Array, shape: tuple[int, ...], terms: list[int], m: int) -> float:
    d, front, multiplications = len(shape), float(np.prod(shape)), 0.0
    for k in range(d - 1, -1, -1):
        front *= sizes[k]
        multiplications += (d - k + 1) * front
        front /= shape[k]
    entries = float(np.dot(sizes, shape))
    evaluation = m * (100.0 + (d + 1) * float(np.prod(np.array(terms, float))) / 10.0)
    return 1e-9 * (multiplications / 20.0 + 3.0 * entries + 2.0 * (d + 1) * float(np.prod(sizes)) + evaluation) + 1e-3


@dataclass(frozen=True, eq=False)
class TensorSeries:
    """Sums over a tensor grid as series for directions in a box.

    Parameters
    ----------
    series : Series
        Z and its d weighted sums, each cell divided by the exponential of its shift.
    shifts : list of d arrays
        What the cells along each axis contribute to the shift.
    centre : (d,) array
        The middle of the atoms' box.
    tol : float
        Relative error of Z.
    """

    series: Series
    shifts: list[Array]
    centre: Array
    tol: float

    @classmethod
    def of(cls, axes: list[Array], weights: Array, lower: Array, upper: Array, by: Plan, tol: float) -> TensorSeries:
        """Return the series for weights on the tensor grid with the given axes."""
        matrices: list[AxisMatrices] = [
            series_matrices(*rest) for rest in zip(lower, upper, by.cells, by.terms, axes, strict=True)
        ]
        coefficients = channels(inner_sums(weights, matrices, panels(matrices[-1])), matrices)
        series = Series(Cells(lower, upper, np.array(by.cells)), Truncation.full(np.array(by.terms)), coefficients)
        return cls(series, [m.shifts for m in matrices], np.array([m.centre for m in matrices]), tol)

    def covers(self, a: Array) -> bool:
        """Whether the directions lie in the box."""
        cells = self.series.cells
        lower, upper = box(a)
        return bool((lower >= cells.lower).all() and (upper <= cells.upper).all())

    def log_sum_and_mean(self, a: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return log sums (m,), tilted means (m, d), and for which directions they are certified."""
        sums = self.series.values(a)
        certified = sums[0] > _FLOOR
        totals = np.where(certified, sums[0], 1.0)
        cells = self.series.cells
        logs = np.log(totals) + a @ self.centre
        for k, shifts in enumerate(self.shifts):
            if len(shifts) == 1:
                logs += shifts[0]
            else:
                index = ((a[:, k] - cells.lower[k]) * cells.scale[k]).astype(np.int64)
                logs += shifts[np.minimum(index, len(shifts) - 1)]
        means = np.empty(a.shape)
        for k, centre in enumerate(self.centre):
            np.add(sums[1 + k] / totals, centre, out=means[:, k])
        return logs, means, certified


def box(a: Array) -> tuple[Array, Array]:
    """Return the box of the directions; column by column, which is much quicker than along the first axis."""
    columns = [a[:, k] for k in range(a.shape[1])]
    return np.array([column.min() for column in columns]), np.array([column.max() for column in columns])


def widened(a: Array) -> tuple[Array, Array]:
    """Return the box of the directions, a little wider."""
    lower, upper = box(a)
    more = _WIDER * (upper - lower) + 1e-12 * np.maximum(np.abs(lower), np.abs(upper)) + 1e-300
    return lower - more, upper + more
