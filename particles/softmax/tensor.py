"""Atoms on a tensor grid seen from a tensor grid of directions, axis by axis.

e^{<a,y>} is a product over axes, so the sums over one axis after the other are products with the axes' matrices:

    Z(a_1, a_2) = sum_{y_1} e^{a_1 y_1} sum_{y_2} w(y_1, y_2) e^{a_2 y_2}

and the tilted means are quotients of such sums, with y_k w for w. Cost d N^{d+1} instead of N^{2d}. Each row of a
matrix is divided by its largest entry, so nothing overflows; where the sum of the products comes near the end of the
range of floating-point numbers (weights concentrated far from where the exponent is largest), it is done again in the
log domain (`tensor_logs`): exponents of any size.

Where exponents are so small that a few nodes along each axis carry all directions, only these are summed over the atoms
(`nodes`); so are lattices of directions whose axes are not those of the atoms.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from particles.checks import Array
from particles.softmax.axis import along, axis_matrices, axis_panels
from particles.softmax.lattice import Frame, Lattice, lattice
from particles.softmax.nodes import NodeSums, from_nodes, nodes, terms_of
from particles.softmax.products import DIMENSIONS, inner_sums, multiply_adds, quotients
from particles.softmax.sheared import sheared_field
from particles.softmax.tensor_logs import in_logs
from particles.softmax.tensor_series import TensorSeries, plan, widened

_WORTHWHILE = 1.5  # a tensor grid of directions may have so many times the points asked for
_LEAST = 16  # fewer directions are not worth looking at
_FLOOR = 1e-250  # of sums of products: what underflowed on the way is below 1e-300
_TOLERANCE = 1e-12  # of series
_EACH = 0.4  # nanoseconds for one atom and one direction
_LEAST_SECONDS = 1e-4  # below it summing over the atoms is quicker than evaluating a series
_MOST = 1e5  # exponents above which no product of matrices stays in range
_EPS = float(np.finfo(float).eps)
_ROUNDING = 1e-15  # of a sum
_OVERHEAD = 1e7  # multiply-adds in the time that interpolation takes to set up
_FEWER = 4  # times fewer nodes than points make a lattice worth interpolating

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
    if d == 1 or m < _LEAST:
        return None
    found = lattice(a)
    if found is None:
        return _unordered_axes(a) if np.isfinite(a).all() else None
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
    weights : (N_1, ..., N_d) array
        Weights, not negative.
    added : callable, optional
        A law with independent coordinates that is added to that of the atoms: (k, a) to the logarithm of the moment
        generating function of coordinate k at a (m,), and to the tilted mean.
    reach : (d,) array, optional
        Half sides of a box round 0 that carries this law, if there is one: only then it is interpolated.
    """

    axes: list[Array]
    weights: Array
    added: Added | None = None
    reach: Array | None = None

    def log_sum_and_mean(self, directions: TensorAxes) -> tuple[Array, Array]:
        """Return log sums (m,) and tilted means (m, d) at the given directions."""
        logs, means = self._evaluate(directions.axes)
        return directions.placed(logs), directions.placed(means)

    def mean(self, directions: TensorAxes) -> Array:
        """Return the tilted means (m, d) at the given directions."""
        return directions.placed(self._evaluate(directions.axes, means_only=True)[1])

    @cached_property
    def log_weights(self) -> Array:
        """Natural logarithms of the weights."""
        with np.errstate(divide="ignore"):
            return np.log(self.weights)

    @cached_property
    def _largest(self) -> float:
        return float(self.weights.max())

    @cached_property
    def heaviest(self) -> float:
        """Logarithm of the largest weight."""
        return math.log(self._largest) if self._largest > 0 else -math.inf

    @cached_property
    def core(self) -> tuple[list[Array], Array]:
        """The atoms without the outer slabs that carry nothing: axes, and weights of which the largest is 1."""
        weights = self.weights / self._largest
        if weights.min() > 0:
            return self.axes, weights
        some, axes = weights > 0, list[Array]()
        for k, axis in enumerate(self.axes):
            carrying = np.flatnonzero(some.any(axis=_others(k, some.ndim)))
            used = slice(carrying[0], carrying[-1] + 1)
            weights = weights[(slice(None),) * k + (used,)]
            axes.append(axis[used])
        return axes, np.ascontiguousarray(weights)

    @cached_property
    def middle(self) -> Array:
        """Mean of the atoms, shape (d,)."""
        axes, weights = self.core
        means = list[float]()
        for axis in axes:
            front = weights.reshape(len(axis), -1)
            each = front.sum(axis=1)
            means.append(float(each @ axis / each.sum()))
            weights = front.sum(axis=0)
        return np.array(means)

    def interpolated(
        self, frame: Frame, with_logs: bool = True, turn: Array | None = None, tol: float = _TOLERANCE
    ) -> tuple[Array, Array] | None:
        """Return log sums (m,), if they are wanted, and means (m, d), or `turn` times the means, at a frame's points.

        Log sums are right to tol, means to twice tol times the half sides of the box. None if something else is better.
        """
        if len(self.axes) not in DIMENSIONS or (self.added is not None and self.reach is None):
            return None
        if not (np.isfinite(self.heaviest) and frame.is_full):
            return None
        known = next((sums for sums in self._node_sums if sums.error <= tol and sums.steps(frame) is not None), None)
        if known is None:
            known = self._sums_at_nodes(frame)
            if known is None or not known.error <= tol or known.steps(frame) is None:
                return None
            self._node_sums[:] = [known]
        logs, means = (known if turn is None else known.turned(turn)).log_sum_and_mean(frame, with_logs)
        return logs.reshape(-1), means.reshape(-1, len(self.axes))

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
        logs, means, _ = found
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
        d, shape = len(targets), tuple(len(a) for a in targets)
        found = self.interpolated(Frame(np.zeros(d), np.eye(d), targets), not means_only)
        if found is None:
            return self._at_all(targets, means_only)
        logs, means = found
        return (logs if means_only else logs.reshape(shape)), means.reshape(*shape, d)

    def _at_all(self, targets: list[Array], means_only: bool = False) -> tuple[Array, Array]:
        """Do as `_evaluate` by products with the matrices for all targets."""
        totals, means, shifts, least = self._products(targets, with_totals=not means_only)
        if least > _FLOOR:
            return (totals if means_only else _logs(totals, shifts)), means
        if means_only:
            return self._at_all(targets)
        lost = ~(totals > _FLOOR)
        logs = _logs(np.where(lost, 1.0, totals), shifts)
        rows = [np.flatnonzero(lost.any(axis=_others(k, lost.ndim))) for k in range(lost.ndim)]
        again = np.ix_(*rows)
        logs[again], means[again] = self._in_logs([axis[i] for axis, i in zip(targets, rows, strict=True)])
        return logs, means

    def _sums_at_nodes(self, frame: Frame) -> NodeSums | None:
        """Return the sums at nodes in the box of a frame, None if they are too many or cannot be had."""
        box, reach = frame.box(), self._reach
        terms = terms_of(box, reach)
        if terms is None:
            return None
        at = nodes(box, terms)
        if at.columns is None:
            worthwhile = _FEWER * math.prod(terms) < math.prod(frame.shape)
            found = self._sheared_at(at) if worthwhile else None
        else:
            order = [at.columns.index(c) for c in range(len(terms))]
            few, all_of_them = (tuple(shape[k] for k in order) for shape in (terms, frame.shape))
            work = multiply_adds(self.core[1].shape, few) + (1 + len(terms)) * from_nodes(terms, frame.shape)
            worthwhile = 2 * work + _OVERHEAD < multiply_adds(self.core[1].shape, all_of_them)
            found = self._products_at(at) if worthwhile else None
        if found is None:
            return None
        logs, means, error = found
        exponents = np.abs(box.start) @ reach + (np.abs(box.directions) @ reach).sum()
        return NodeSums.of(box, terms, logs, means, self.middle, error + _EPS * float(exponents))

    def _products_at(self, at: Frame) -> tuple[Array, Array, float]:
        """Return log sums (m,) and tilted means (m, d) at a frame along the atoms' axes, and their relative error."""
        assert at.columns is not None
        targets: list[Array] = [at.start] * len(at.columns)
        for t, m, c in zip(at.steps, at.directions, at.columns, strict=True):
            targets[c] = at.start[c] + t * m[c]
        directions = TensorAxes(targets, order=at.columns)
        logs, means = self._at_all(targets)
        return directions.placed(logs), directions.placed(means), _ROUNDING

    def _sheared_at(self, at: Frame) -> tuple[Array, Array, float] | None:
        """Do as `_products_at` for any frame; None if there is no quick way."""
        (axes, weights), points = self.core, at.points()
        dense = 1e-9 * _EACH * weights.size * len(points)
        found = sheared_field(axes, weights, Lattice(points, at.shape), _ROUNDING, True, dense, self.middle)
        if found is None:
            return None
        logs, means, spread = found
        logs += self.heaviest
        for k, (log, mean) in enumerate(self._own(list(points.T))):
            logs += log
            means[:, k] += mean
        return logs, means, _ROUNDING * (1.0 + spread * 2.0 ** (0.5 * (len(axes) - 1)))

    @property
    def _reach(self) -> Array:
        """Largest distance from the atoms' mean along each axis, with the law that is added."""
        own = np.zeros(len(self.axes)) if self.reach is None else self.reach
        return own + np.array([np.abs(y - at).max() for y, at in zip(self.core[0], self.middle, strict=True)])

    @cached_property
    def _node_sums(self) -> list[NodeSums]:
        """The sums made last."""
        return []

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
        logs, means = in_logs(self.axes, self.log_weights, targets)
        for k, (log, mean) in enumerate(self._own(targets)):
            logs += log.reshape(along(k, len(targets)))
            means[..., k] += mean.reshape(along(k, len(targets)))
        return logs, means

    def _own(self, targets: list[Array]) -> list[tuple[Array, Array]]:
        """What the law that is added contributes to log sums and means along each axis."""
        if self.added is None:
            return [(np.zeros(len(a)), np.zeros(len(a))) for a in targets]
        return [self.added(k, a) for k, a in enumerate(targets)]


def _logs(totals: Array, shifts: list[Array]) -> Array:
    """Return log totals + shifts, in place."""
    logs = np.log(totals, out=totals)
    for k, shift in enumerate(shifts):
        logs += shift.reshape(along(k, len(shifts)))
    return logs


def _others(k: int, d: int) -> tuple[int, ...]:
    return tuple(j for j in range(d) if j != k)
