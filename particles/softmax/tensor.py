"""Atoms on a tensor grid seen from a tensor grid of directions, axis by axis.

e^{<a,y>} is a product over axes, so the sums over one axis after the other are products with the axes' matrices:

    Z(a_1, a_2) = sum_{y_1} e^{a_1 y_1} sum_{y_2} w(y_1, y_2) e^{a_2 y_2}

and the tilted means are quotients of such sums, with y_k w for w. Cost d N^{d+1} instead of N^{2d}. Each row of a
matrix is divided by its largest entry, so nothing overflows; where the sum of the products comes near the end of the
range of floating-point numbers (weights concentrated far from where the exponent is largest), it is done again in the
log domain,

    L(y_1, a_2) = log sum_{y_2} w(y_1, y_2) e^{a_2 y_2},   Lambda(a_1, a_2) = log sum_{y_1} e^{L(y_1, a_2) + a_1 y_1}

with the tilted means travelling along as values: exponents of any size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.axis import axis_matrices, axis_panels
from particles.softmax.kernels import LOG2_E, LOG_2, opened
from particles.softmax.lattice import Lattice, lattice
from particles.softmax.products import DIMENSIONS, inner_sums, quotients
from particles.softmax.sheared import sheared_field
from particles.softmax.tensor_series import TensorSeries, plan, widened

_WORTHWHILE = 1.5  # a tensor grid of directions may have so many times the points asked for
_LEAST = 16  # fewer directions are not worth looking at
_FLOOR = 1e-250  # of sums of products: what underflowed on the way is below 1e-300
_TOLERANCE = 1e-12  # of series
_EACH = 0.4  # nanoseconds for one atom and one direction
_LEAST_SECONDS = 1e-4  # below it summing over the atoms is quicker than evaluating a series
_MOST = 1e5  # exponents above which no product of matrices stays in range


Added = Callable[[int, Array], tuple[Array, Array]]


@dataclass(frozen=True, eq=False)
class TensorAxes:
    """Directions a of shape (m, d) as points of a tensor grid.

    Parameters
    ----------
    axes : list of d arrays
        Values of each coordinate.
    index : tuple of d integer arrays (m,), optional
        Where each direction lies on the axes; if left out, they are all points of the grid, in order.
    order : tuple of d ints
        The coordinates from the slowest to the fastest, if the directions are in order.
    """

    axes: list[Array]
    index: tuple[Array, ...] | None = None
    order: tuple[int, ...] = ()

    def placed(self, values: Array) -> Array:
        """Return the values on the grid, (M_1, ..., M_d) or (M_1, ..., M_d, c), in the order of the directions."""
        if self.index is not None:
            return values[self.index]
        d = len(self.axes)
        return values.transpose(*self.order, *range(d, values.ndim)).reshape(-1, *values.shape[d:])


def tensor_axes(a: Array) -> TensorAxes | None:
    """Return the tensor grid that the directions a (m, d) fill, or None if they do not fill one."""
    found = arrangement(a)
    return found if isinstance(found, TensorAxes) else None


def arrangement(a: Array) -> TensorAxes | Lattice | None:
    """Return the tensor grid or the sheared lattice that the directions a (m, d) fill, or None if they fill none."""
    m, d = a.shape
    if d == 1 or m < _LEAST or not np.isfinite(a).all():
        return None
    found = lattice(a)
    if found is None:
        return _unordered_axes(a)
    return found if found.columns is None else TensorAxes(found.axes, order=found.columns)


def _unordered_axes(a: Array) -> TensorAxes | None:
    m, d = a.shape
    # a grid that small has an axis with fewer values than there are points here, so some of these agree on it
    first = a[: int((_WORTHWHILE * m) ** (1 / d)) + 1]
    if all(len(np.unique(column)) == len(first) for column in first.T):
        return None
    axes, index = zip(*(np.unique(column, return_inverse=True) for column in a.T), strict=True)
    if np.prod([float(len(axis)) for axis in axes]) > _WORTHWHILE * m:
        return None
    return TensorAxes(list(axes), tuple(i.ravel() for i in index))


@dataclass(frozen=True, eq=False)
class Tensor:
    """Atoms at all points with coordinates from `axes`.

    Parameters
    ----------
    axes : list of d arrays (N_k,)
        Coordinates along each axis.
    log_weights : (N_1, ..., N_d) array
        Natural logarithms of the weights, -inf allowed.
    added : callable, optional
        A law with independent coordinates that is added to that of the atoms: (k, a) to the logarithm of the moment
        generating function of coordinate k at a (m,), and to the tilted mean.
    """

    axes: list[Array]
    log_weights: Array
    added: Added | None = None

    def log_sum_and_mean(self, directions: TensorAxes) -> tuple[Array, Array]:
        """Return log sums (m,) and tilted means (m, d) at the given directions."""
        logs, means = self._evaluate(directions.axes)
        return directions.placed(logs), directions.placed(means)

    def mean(self, directions: TensorAxes) -> Array:
        """Return the tilted means (m, d) at the given directions."""
        return directions.placed(self._evaluate(directions.axes, means_only=True)[1])

    @cached_property
    def heaviest(self) -> float:
        """Logarithm of the largest weight."""
        return float(self.log_weights.max())

    @cached_property
    def core(self) -> tuple[list[Array], Array]:
        """The atoms without the outer slabs that carry nothing: axes, and weights of which the largest is 1."""
        weights = np.exp(self.log_weights - self.heaviest)
        some, axes = weights > 0, list[Array]()
        for k, axis in enumerate(self.axes):
            carrying = np.flatnonzero(some.any(axis=_others(k, some.ndim)))
            used = slice(carrying[0], carrying[-1] + 1)
            weights = weights[(slice(None),) * k + (used,)]
            axes.append(axis[used])
        return axes, np.ascontiguousarray(weights)

    def sheared(
        self, directions: Lattice, with_logs: bool = True, tol: float = _TOLERANCE
    ) -> tuple[Array, Array, NDArray[np.bool_]] | None:
        """Do as `scattered` for a lattice of directions; log sums only if they are wanted."""
        if len(self.axes) not in DIMENSIONS or not np.isfinite(self.heaviest):
            return None
        axes, weights = self.core
        dense = 1e-9 * _EACH * weights.size * len(directions.points)
        found = sheared_field(axes, weights, directions, tol, with_logs, dense)
        if found is None:
            return None
        logs, means = found
        return logs + self.heaviest, means, ~np.isnan(logs)

    def scattered(self, a: Array, tol: float = _TOLERANCE) -> tuple[Array, Array, NDArray[np.bool_]] | None:
        """Return log sums (m,) and tilted means (m, d) of the atoms alone, and for which directions they are certified.

        Log sums are right to tol, means to tol times the half sides of the box. None if summing over the atoms for
        each direction is quicker.
        """
        if len(a) == 0 or not np.isfinite(self.heaviest):
            return None
        axes, weights = self.core
        dense = 1e-9 * _EACH * weights.size * len(a)
        series = next((s for s in self._series if s.tol <= tol and s.covers(a)), None)
        if series is None:
            lower, upper = widened(a)
            halves = np.array([0.5 * np.ptp(axis) for axis in axes])
            best = plan(0.5 * (upper - lower) * halves, weights.shape, len(a), tol)
            if best is None or best.seconds > dense:
                return None
            series = TensorSeries.of(axes, weights, lower, upper, best, tol)
            self._series[:] = [series]
        elif dense < _LEAST_SECONDS:
            return None
        logs, means, certified = series.log_sum_and_mean(a)
        return logs + self.heaviest, means, certified

    @cached_property
    def _series(self) -> list[TensorSeries]:
        """The series made last."""
        return []

    def _evaluate(self, targets: list[Array], means_only: bool = False) -> tuple[Array, Array]:
        """Return log sums (M_1, ..., M_d), unless only means are wanted, and means (M_1, ..., M_d, d)."""
        if not self._in_range(targets):
            return self._in_logs(targets)
        totals, means, shifts, least = self._products(targets, with_totals=not means_only)
        if least > _FLOOR:
            return (totals if means_only else _logs(totals, shifts)), means
        if means_only:
            return self._evaluate(targets)
        lost = ~(totals > _FLOOR)
        logs = _logs(np.where(lost, 1.0, totals), shifts)
        rows = [np.flatnonzero(lost.any(axis=_others(k, lost.ndim))) for k in range(lost.ndim)]
        again = np.ix_(*rows)
        logs[again], means[again] = self._in_logs([axis[i] for axis, i in zip(targets, rows, strict=True)])
        return logs, means

    def _in_range(self, targets: list[Array]) -> bool:
        """Whether products are worth trying."""
        if len(targets) not in DIMENSIONS or not np.isfinite(self.heaviest):
            return False
        ranges = (np.ptp(axis) * np.abs(a).max() for axis, a in zip(self.axes, targets, strict=True))
        return sum(ranges) < _MOST

    def _products(self, targets: list[Array], with_totals: bool) -> tuple[Array, Array, list[Array], float]:
        """Return sums, tilted means, the logarithms along each axis that sums lack, and the least sum."""
        axes, weights = self.core
        own = self._own(targets)
        matrices = [axis_matrices(a, y) for a, y in zip(targets, axes, strict=True)]
        sums = inner_sums(weights, matrices, axis_panels(targets[-1], axes[-1]))
        offsets = [m.centre + mean for m, (_, mean) in zip(matrices, own, strict=True)]
        shifts = [m.shifts + log for m, (log, _) in zip(matrices, own, strict=True)]
        shifts[0] += self.heaviest
        totals, means, least = quotients(sums, matrices, offsets, with_totals)
        return totals, means, shifts, least

    def _in_logs(self, targets: list[Array]) -> tuple[Array, Array]:
        logs, means = self.log_weights * LOG2_E, list[Array]()
        for k in reversed(range(len(self.axes))):
            logs, means = _along_axis(k, self.axes[k], targets[k], logs, means)
        logs *= LOG_2
        for k, (log, mean) in enumerate(self._own(targets)):
            logs += log.reshape(_along(k, len(targets)))
            means[-1 - k] += mean.reshape(_along(k, len(targets)))
        return logs, np.stack(means[::-1], axis=-1)

    def _own(self, targets: list[Array]) -> list[tuple[Array, Array]]:
        """What the law that is added contributes to log sums and means along each axis."""
        if self.added is None:
            return [(np.zeros(len(a)), np.zeros(len(a))) for a in targets]
        return [self.added(k, a) for k, a in enumerate(targets)]


def _logs(totals: Array, shifts: list[Array]) -> Array:
    """Return log totals + shifts, in place."""
    logs = np.log(totals, out=totals)
    for k, shift in enumerate(shifts):
        logs += shift.reshape(_along(k, len(shifts)))
    return logs


def _along(k: int, d: int) -> tuple[int, ...]:
    return tuple(-1 if j == k else 1 for j in range(d))


def _others(k: int, d: int) -> tuple[int, ...]:
    return tuple(j for j in range(d) if j != k)


def _along_axis(k: int, y: Array, a: Array, logs: Array, means: list[Array]) -> tuple[Array, list[Array]]:
    """Sum along axis k, replacing its N_k atoms by its directions; the means so far are averaged along."""
    kernel = opened("_online")
    front = np.moveaxis(logs, k, -1)
    shape = front.shape[:-1]
    flat = np.ascontiguousarray(front.reshape(-1, len(y)))
    centre = 0.5 * (y.min() + y.max())
    values = np.empty((len(flat), 1 + len(means), len(y)))
    for c, mean in enumerate(means):
        values[:, c] = np.moveaxis(mean, k, -1).reshape(flat.shape)
    values[:, -1] = y - centre
    log_sums = np.empty((len(flat), len(a)))
    averages = np.empty((len(flat), values.shape[1], len(a)))
    directions, keys = a[None, :] * LOG2_E, y[None, :] - centre

    def work(first: int, last: int) -> None:
        kernel.batches(first, last, directions, keys, flat, values, log_sums, averages, np.empty(kernel.BLOCK))

    share_rows(work, len(flat), len(y) * len(a))
    log_sums += directions * centre
    averages[:, -1] += centre

    def back(array: Array) -> Array:
        return np.moveaxis(array.reshape(*shape, len(a)), -1, k)

    return back(log_sums), [back(averages[:, c]) for c in range(values.shape[1])]
