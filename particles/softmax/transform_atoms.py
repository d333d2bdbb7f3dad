"""Atoms under the separable transform, for one box of directions or for a box cut in halves along each axis.

A box too wide for one transform is cut; the atoms that none of a part's directions can see are left out there, which
makes the box of the atoms smaller too. What is left out is bounded by the leading atom: w_j e^{<a, y_j>} is at most
e^{-gap} times its term for all a of the box.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from particles.checks import Array
from particles.softmax import transform_line, transform_plan
from particles.softmax._rows import share_rows
from particles.softmax.chebyshev import Cells, Series, Sorted, moments, summary
from particles.softmax.kernels import opened, read_only
from particles.softmax.transform_axes import along_axes
from particles.softmax.transform_pairs import CellPairs
from particles.softmax.transform_plan import Plan, Work

DENSE = 0.6e-9  # seconds of an interaction of the dense engine
_EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class Answers:
    """Log sums (m,), means or moments (m, channels), and which of them are certain."""

    log_sums: Array
    means: Array
    certain: NDArray[np.bool_]

    @classmethod
    def unknown(cls, m: int, channels: int) -> Answers:
        """Return NaN everywhere, nothing certain."""
        return cls(np.full(m, np.nan), np.full((m, channels), np.nan), np.zeros(m, np.bool_))

    def put(self, some: NDArray[np.int64], others: Answers) -> None:
        """Overwrite some rows."""
        self.log_sums[some], self.means[some], self.certain[some] = others.log_sums, others.means, others.certain


@dataclass(frozen=True, eq=False)
class Frame:
    """The box of values: means are found relative to its centre, in units of the largest distance from it."""

    values: Array

    @cached_property
    def centre(self) -> Array:
        """The middle of the box."""
        return _box(self.values)[0]

    @cached_property
    def size(self) -> float:
        """The largest distance of a value from the centre, 1 if there is none."""
        around = self.values - self.centre
        return float(np.sqrt(np.einsum("ij,ij->i", around, around).max())) or 1.0


@dataclass(frozen=True, eq=False)
class Atoms:
    """Atoms that carry something: keys and their box, logs of weights, values and the frame of all values."""

    keys: Array
    centre: Array
    radii: Array
    logs: Array
    values: Array
    frame: Frame
    own_values: bool

    @classmethod
    def of(cls, keys: Array, log_weights: Array, values: Array | None) -> Atoms:
        """Return the atoms whose weight is not zero."""
        carrying = log_weights > -np.inf
        if not carrying.all():
            keys, log_weights = keys[carrying], log_weights[carrying]
            values = None if values is None else values[carrying]
        seen = keys if values is None else values
        return cls(keys, *_box(keys), log_weights, seen, Frame(seen), values is not None)

    def seconds(self, a: Array, second: bool, tol: float, caution: int = 1) -> float:
        """Return the predicted seconds of one core for `evaluate`, inf if it cannot or need not be done."""
        if not np.isfinite(a).all():
            a = a[np.isfinite(a).all(axis=1)]
        if len(a) == 0:
            return np.inf
        _, widths = self._directions(a)
        return transform_plan.cheapest(widths * self.radii, self._work(len(a), second), tol, caution)[0]

    def _directions(self, a: Array) -> tuple[Array, Array]:
        """Return the centre and half widths of the box of directions, widened where slopes would be lost in it."""
        low, high = _bounds(a)
        return 0.5 * (low + high), np.maximum(0.5 * (high - low) * (1 + 4 * _EPS), 0.5 / self.radii)

    def _work(self, m: int, second: bool) -> Work:
        slopes = not (self.own_values or second)
        return Work(len(self.keys), m, 1 if slopes else 1 + self._channels(second), int(slopes))

    def _channels(self, second: bool) -> int:
        c = self.values.shape[1]
        return c + (c * (c + 1) // 2 if second else 0)

    def evaluate(self, a: Array, second: bool, tol: float, caution: int = 1) -> Answers:
        """Return log sums (m,), means, and which targets are certain.

        With `second`, first and second moments in units of the values instead of the means.
        """
        m = len(a)
        if m == 0:
            return Answers.unknown(m, self._channels(second))
        centre, widths = self._directions(a)
        if not np.isfinite(centre).all():
            answers, finite = Answers.unknown(m, self._channels(second)), np.isfinite(a).all(axis=1)
            answers.certain[~finite] = True
            answers.put(np.flatnonzero(finite), self.evaluate(a[finite], second, tol, caution))
            return answers
        seconds, plan = transform_plan.cheapest(widths * self.radii, self._work(m, second), tol, caution)
        if plan is not None:
            return self._whole(a, second, tol, plan, centre, widths)
        answers = Answers.unknown(m, self._channels(second))
        if seconds < np.inf:
            octant = (a > centre) @ (1 << np.arange(a.shape[1]))
            for part in range(1 << a.shape[1]):
                some = np.flatnonzero(octant == part)
                if len(some):
                    near = self._carrying(*self._directions(a[some]), tol)
                    answers.put(some, near.evaluate(a[some], second, tol, caution))
        return answers

    def _carrying(self, centre: Array, widths: Array, tol: float) -> Atoms:
        """Return the atoms that are not negligible beside the leading one, for any direction of a box."""
        exponents = self.logs + (self.keys - self.centre) @ centre
        leader = int(np.argmax(exponents))
        behind = exponents - exponents[leader] + np.abs(self.keys - self.keys[leader]) @ widths
        keep = behind > np.log(tol / (100.0 * len(behind)))
        if keep.mean() > 0.8:
            return self
        keys = self.keys[keep]
        centre, radii = _box(keys)
        return replace(self, keys=keys, centre=centre, radii=radii, logs=self.logs[keep], values=self.values[keep])

    def _whole(self, a: Array, second: bool, tol: float, plan: Plan, centre: Array, widths: Array) -> Answers:
        slopes = not (self.own_values or second)
        weights, top, bottom = self._tilted(centre)
        weights = weights[None] if slopes else np.concatenate([weights[None], weights * self._moments(second)])
        sources = Cells(-self.radii, self.radii, plan.key_cells)
        targets = Cells(centre - widths, centre + widths, plan.cells)
        lost = len(self.keys) * 1e-290 if bottom < top - 660.0 else 0.0
        if len(centre) == 1:
            parts = transform_line.moments(sources, 3, self.keys, self.centre, weights[:1]).reshape(-1, 3).T
            parts = np.stack([parts[0], parts[1], 0.5 * (parts[0] + parts[2])])
            pairs = CellPairs.of(plan, sources, targets, parts, lost, np.ones(plan.cells), 0.0, tol, slopes)
            tensor = transform_line.moments(sources, int(pairs.key_terms.degrees[2]), self.keys, self.centre, weights)
            tensor = along_axes(pairs.matrices, tensor)
            answers = Answers(*transform_line.answers(
                targets, int(pairs.terms.degrees[2]), a, tensor, slopes, pairs.tilts[0], float(self.centre[0]),
                top + pairs.logs, pairs.least(tensor, tol, slopes),
            ))  # fmt: skip
        else:
            keys, at = sources.sort(self.keys, self.centre, weights), targets.sort(a)
            parts, numbers = summary(sources, keys), at.numbers(targets)
            spare = 0.05 * plan.seconds / (len(self.keys) * DENSE)  # what the dense engine does in little time
            pairs = CellPairs.of(plan, sources, targets, parts, lost, numbers, min(spare, 0.01 * len(a)), tol, slopes)
            tensor = along_axes(pairs.matrices, moments(sources, pairs.key_terms, keys))
            raw = Series(targets, pairs.terms, tensor).at(at, int(slopes))
            least = pairs.least(tensor, tol, slopes)
            answers = self._finished(a, at, raw, slopes, pairs, top, least, widths / plan.cells)
        if not (slopes or second):
            np.multiply(answers.means, self.frame.size, out=answers.means)
            np.add(answers.means, self.frame.centre, out=answers.means)
        return answers

    def _finished(
        self, a: Array, at: Sorted, raw: Array, slopes: bool, pairs: CellPairs, top: float, least: Array, alpha: Array
    ) -> Answers:
        """Turn series at sorted directions into answers, in place and then in the directions' own order."""
        kernel = opened("_transform")
        cells, (m, k) = pairs.plan.cells, a.shape
        answers = Answers(np.empty(m), np.empty((m, raw.shape[0] * raw.shape[1] - 1)), np.ones(m, np.bool_))
        tilts = np.zeros((k, max(cells)))
        for axis in range(k):
            tilts[axis, : cells[axis]] = pairs.tilts[axis]
        series = (at.chunks, at.order, at.local[:, :m], cells, alpha, tilts, self.centre, pairs.logs, least)
        share_rows(
            lambda first, last: kernel.finish(first, last, *series, slopes, top, raw, answers.certain),
            len(at.chunks),
            20 * (1 + m // len(at.chunks)),
        )
        where = (at.places, read_only(a), self.centre, raw, answers.log_sums, answers.means)
        share_rows(lambda first, last: kernel.deliver(first, last, *where), m, 20)
        return answers

    def _tilted(self, centre: Array) -> tuple[Array, float, float]:
        """Return weights times e^{<centre, keys> - top}, and the top and bottom of the exponents."""
        kernel = opened("_transform")
        n = len(self.keys)
        weights, tops = np.empty(n), np.empty(-(-n // kernel.TOGETHER))
        where = (read_only(self.logs), read_only(self.keys), self.centre, centre, weights, tops)
        share_rows(lambda first, last: kernel.tilted(first, last, *where), len(tops), 4 * kernel.TOGETHER)
        top, bottom = float(tops.max()), float(weights.min())
        share_rows(lambda first, last: kernel.powers(first, last, weights, top), n, 4)
        return weights, top, bottom

    def _moments(self, second: bool) -> Array:
        v = ((self.values - self.frame.centre) / self.frame.size).T
        if not second:
            return v
        i, j = np.triu_indices(len(v))
        return np.concatenate([v, v[i] * v[j]])


def _bounds(a: Array) -> tuple[Array, Array]:
    """Return the corners of the box of the points (m, k), not finite if any point is not."""
    kernel = opened("_transform")
    pieces = -(-len(a) // kernel.TOGETHER)
    a, low, high = read_only(a), np.empty((pieces, a.shape[1])), np.empty((pieces, a.shape[1]))
    share_rows(lambda first, last: kernel.box(first, last, a, low, high), pieces, 4 * kernel.TOGETHER)
    return low.min(axis=0), high.max(axis=0)


def _box(points: Array) -> tuple[Array, Array]:
    """Return the centre of the points' box and its half widths, a little widened and never zero."""
    low, high = _bounds(points)
    return 0.5 * (low + high), np.maximum(0.5 * (high - low) * (1 + 4 * _EPS), 1e-100)
