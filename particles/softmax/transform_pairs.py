"""Pairs of cells: one of directions, one of keys. What to divide out, the axes' matrices, and how large errors can be.

In cell I of the directions the transform represents

    F_I(a) = e^{-logs_I} sum_j w_j e^{<a, y_j> - <a - a_I, tilt_I>},

with the tilt near the tilted means of the cell, so that F_I is nearly constant. An error of relative size e in the
terms of keys' cell J is at most e W_J max e^{...} over both cells; that product of one factor per axis is summed over
J by the same axis-by-axis transform, on a grid of cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from particles.checks import Array
from particles.softmax import transform_plan
from particles.softmax._rows import share_rows
from particles.softmax.axis import along
from particles.softmax.chebyshev import Cells, Truncation
from particles.softmax.dense import Dense
from particles.softmax.kernels import opened
from particles.softmax.transform_axes import along_axes, axis_matrix
from particles.softmax.transform_plan import Plan


@dataclass(frozen=True, eq=False)
class CellPairs:
    """The terms in cells of keys and of directions; for each axis tilts of the cells and matrices.

    For each cell of directions its log, the largest terms that its sums can have, and a bound on what they leave out.
    """

    plan: Plan
    key_terms: Truncation
    terms: Truncation
    tilts: list[Array]
    logs: Array
    matrices: list[Array]
    largest: Array
    left_out: Array
    rhos: tuple[float, ...]

    @classmethod
    def of(
        cls, plan: Plan, sources: Cells, targets: Cells, parts: Array, lost: float, counts: Array, spare: float,
        tol: float, slopes: int,
    ) -> CellPairs:  # fmt: skip
        """Return the pairs for keys' cells with such `parts` (see `summary`) and cells with so many directions.

        `lost` is added to each cell's weight; about `spare` directions may be left uncertain.
        """
        k = len(plan.cells)
        eta, alpha = sources.upper / plan.key_cells, 0.5 * (targets.upper - targets.lower) / plan.cells
        y = [_centres(r, c) for r, c in zip(sources.upper, plan.key_cells, strict=True)]
        a = [_centres(h * c, c) for h, c in zip(alpha, plan.cells, strict=True)]
        scales = [(abs(x) + h) * r for x, h, r in zip(a, alpha, sources.upper, strict=True)]
        rhos = tuple(transform_plan.round_up(x) for x in alpha * sources.upper)
        weights = parts[0].reshape(plan.key_cells) + lost
        logs, means = _at_centres(a, y, eta, parts, counts)
        average = [_averages(means[..., i], counts, i) for i in range(k)]

        def bounds(eps: float, terms: Truncation) -> tuple[list[Array], list[Array], list[Array]]:
            tilts, peaks, tails = [], [], []
            for i, degree in enumerate(terms.degrees[3 - k :]):
                x, share = transform_plan.tail(rhos[i], int(degree))
                marginal = weights.sum(axis=tuple(j for j in range(k) if j != i))
                tilt = np.zeros(plan.cells[i])
                peak, tail = np.zeros((2, plan.cells[i], plan.key_cells[i]))
                opened("_transform").bounds(
                    a[i], alpha[i], y[i], eta[i], average[i], scales[i], x, share, eps, marginal, tilt, peak, tail
                )
                tilts.append(tilt)
                peaks.append(peak)
                tails.append(tail)
            return tilts, peaks, tails

        offsets = _sum_of(scales)
        eps, _, terms = plan.terms(plan.spread, tol, slopes)
        tilts, peaks, _ = bounds(eps, terms)
        # log F_I is convex: it falls by no more than its slope at the centre says
        away = [abs(means[..., i] - t.reshape(along(i, k))) * alpha[i] for i, t in enumerate(tilts)]
        least = logs - offsets - sum(away)
        with np.errstate(divide="ignore"):
            spreads = np.log(along_axes(peaks, weights)) - least
        spread = min(np.exp(_exceeded_by(spreads, counts, spare)), plan.spread**2)
        eps, key_terms, terms = plan.terms(float(spread), tol, slopes)
        tilts, peaks, tails = bounds(eps, terms)
        of_axis = zip(a, alpha, y, eta, tilts, scales, terms.degrees[3 - k :], key_terms.degrees[3 - k :], strict=True)
        matrices = [axis_matrix(*one) for one in of_axis]
        largest = along_axes(peaks, weights)
        left_out = eps * largest
        for i in range(k):
            left_out += along_axes([tails[j] if j == i else peaks[j] for j in range(k)], weights)
        return cls(plan, key_terms, terms, tilts, offsets.ravel(), matrices, largest.ravel(), left_out.ravel(), rhos)

    def least(self, tensor: Array, tol: float, slopes: int) -> Array:
        """Return, for each cell of directions, the smallest sum for which the errors stay below tol."""
        plan = self.plan
        k = len(plan.cells)
        degrees = self.terms.degrees
        cells = np.ones(3, np.int64)
        cells[3 - k :] = plan.cells
        weights = transform_plan.weights(tuple(degrees), self.rhos, slopes)
        dropped = np.empty(len(self.logs))
        flat = tensor.reshape(-1)

        def work(first: int, last: int) -> None:
            opened("_transform").dropped(
                first, last, cells, degrees, self.terms.limits, weights, flat, flat.size // len(tensor), dropped
            )

        share_rows(work, len(dropped), int(np.prod(degrees)) - self.terms.kept)
        lost = transform_plan.SLACK[k - 1] * (self.left_out + dropped)
        return (lost + transform_plan.ROUNDINGS * self.largest) / tol


def _centres(radius: float, cells: int) -> Array:
    return radius * ((2.0 * np.arange(cells) + 1.0) / cells - 1.0)


def _sum_of(vectors: list[Array]) -> Array:
    """Return the tensor x_1[i_1] + ... + x_k[i_k]."""
    return np.asarray(sum(x.reshape(along(i, len(vectors))) for i, x in enumerate(vectors)))


def _at_centres(a: list[Array], y: list[Array], eta: Array, parts: Array, counts: Array) -> tuple[Array, Array]:
    """Return log sums and tilted means at the centres of the cells of directions that are not empty.

    The keys of a cell stand for 2^k atoms at their mean plus and minus their deviation along each axis.
    """
    k = len(a)
    full = parts[0] > 0
    mass, first, second = parts[0, full], parts[1 : 1 + k, full], parts[1 + k :, full]
    mean = first / mass
    deviation = np.sqrt(np.maximum(second / mass - mean**2, 0.0))
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * k, indexing="ij")).reshape(k, -1)
    local = np.clip(mean[:, :, None] + deviation[:, :, None] * signs[:, None], -1.0, 1.0)
    centres = np.array(np.meshgrid(*y, indexing="ij")).reshape(k, -1)[:, full]
    atoms = (centres[:, :, None] + eta[:, None, None] * local).reshape(k, -1).T
    weights = np.repeat(np.log(mass) - k * np.log(2.0), signs.shape[1])
    wanted = counts > 0
    directions = np.array(np.meshgrid(*a, indexing="ij"))[:, wanted].T
    logs, means = np.full(counts.shape, np.nan), np.zeros((*counts.shape, k))
    logs[wanted], means[wanted] = Dense(np.ascontiguousarray(atoms), weights).log_sum_and_mean(
        np.ascontiguousarray(directions)
    )
    return logs, means


def _exceeded_by(values: Array, counts: Array, spare: float) -> float:
    """Return the largest value of a cell with directions, but for the cells that hold no more than the spare ones."""
    values, counts = values[counts > 0], counts[counts > 0]
    order = np.argsort(-values)
    return float(values[order][int(np.searchsorted(np.cumsum(counts[order]), spare, side="right"))])


def _averages(values: Array, counts: Array, axis: int) -> Array:
    """Return the averages over all axes but one, weighted by counts; 0 where there are none."""
    others = tuple(j for j in range(counts.ndim) if j != axis)
    many = counts.sum(axis=others)
    return np.divide((counts * values).sum(axis=others), many, out=np.zeros(len(many)), where=many > 0)
