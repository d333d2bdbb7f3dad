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
from particles.softmax.chebyshev import Cells, Sorted
from particles.softmax.kernels import opened
from particles.softmax.transform_axes import along_axes, axis_matrix
from particles.softmax.transform_plan import Plan


@dataclass(frozen=True, eq=False)
class CellPairs:
    """For each axis: tilts of the cells, matrices; for each cell of directions its log and a bound on its terms."""

    plan: Plan
    tilts: list[Array]
    logs: Array
    matrices: list[Array]
    largest: Array
    left_out: Array
    rhos: tuple[float, ...]

    @classmethod
    def of(
        cls, plan: Plan, sources: Cells, targets: Cells, centre: Array, lost: float, tensor: Array, at: Sorted
    ) -> CellPairs:
        """Return the pairs for moments `tensor` and sorted directions `at`; `lost` is added to each cell's weight."""
        k = len(centre)
        degrees, terms = plan.terms.degrees[3 - k :], plan.key_terms.degrees[3 - k :]
        eta, alpha = sources.upper / plan.key_cells, 0.5 * (targets.upper - targets.lower) / plan.cells
        y = [_centres(r, c) for r, c in zip(sources.upper, plan.key_cells, strict=True)]
        a = [_centres(h * c, c) for h, c in zip(alpha, plan.cells, strict=True)]
        scales = [(abs(x) + h) * r for x, h, r in zip(a, alpha, sources.upper, strict=True)]
        weights = tensor[0][tuple(slice(None, None, p) for p in terms)] + lost
        counts = np.zeros(int(np.prod(plan.cells)))
        np.add.at(counts, at.chunks[:, 0], at.chunks[:, 2] - at.chunks[:, 1])
        rhos = tuple(transform_plan.round_up(x) for x in alpha * sources.upper)
        means = _means(a, y, scales, weights, counts.reshape(plan.cells))
        tilts, peaks, tails = [], [], []
        for i in range(k):
            x, share = transform_plan.tail(rhos[i], int(degrees[i]))
            marginal = weights.sum(axis=tuple(j for j in range(k) if j != i))
            tilt = np.zeros(plan.cells[i])
            peak, tail = np.zeros((2, plan.cells[i], plan.key_cells[i]))
            opened("_transform").bounds(
                a[i], alpha[i], y[i], eta[i], means[i], scales[i], x, share, plan.eps, marginal, tilt, peak, tail
            )
            tilts.append(tilt)
            peaks.append(peak)
            tails.append(tail)
        matrices = [
            axis_matrix(a[i], alpha[i], y[i], eta[i], tilts[i], scales[i], degrees[i], terms[i]) for i in range(k)
        ]
        largest = along_axes(peaks, weights)
        left_out = plan.eps * largest
        for i in range(k):
            left_out += along_axes([tails[j] if j == i else peaks[j] for j in range(k)], weights)
        logs = scales[0]
        for scale in scales[1:]:
            logs = logs[..., None] + scale
        return cls(plan, tilts, logs.ravel(), matrices, largest.ravel(), left_out.ravel(), rhos)

    def least(self, tensor: Array, tol: float, slopes: int) -> Array:
        """Return, for each cell of directions, the smallest sum for which the errors stay below tol."""
        plan = self.plan
        k = len(plan.cells)
        degrees = plan.terms.degrees
        cells = np.ones(3, np.int64)
        cells[3 - k :] = plan.cells
        weights = transform_plan.weights(tuple(degrees), self.rhos, slopes)
        dropped = np.empty(len(self.logs))
        flat = tensor.reshape(-1)

        def work(first: int, last: int) -> None:
            opened("_transform").dropped(
                first, last, cells, degrees, plan.terms.limits, weights, flat, flat.size // len(tensor), dropped
            )

        share_rows(work, len(dropped), int(np.prod(degrees)) - plan.terms.kept)
        lost = transform_plan.SLACK[k - 1] * (self.left_out + dropped)
        return (lost + transform_plan.ROUNDINGS * self.largest) / tol


def _centres(radius: float, cells: int) -> Array:
    return radius * ((2.0 * np.arange(cells) + 1.0) / cells - 1.0)


def _means(a: list[Array], y: list[Array], scales: list[Array], weights: Array, counts: Array) -> list[Array]:
    """Return for each cell along each axis the mean of its targets' tilted means, atoms at their cells' centres."""
    k = len(a)
    plain = [np.exp(np.outer(x, z) - s[:, None]) for x, z, s in zip(a, y, scales, strict=True)]
    total = along_axes(plain, weights)
    means = []
    for i in range(k):
        moment = along_axes([plain[j] * y[j] if j == i else plain[j] for j in range(k)], weights)
        mean = np.divide(moment, total, out=np.zeros_like(total), where=total > 0)
        others = tuple(j for j in range(k) if j != i)
        many = counts.sum(axis=others)
        means.append(np.divide((counts * mean).sum(axis=others), many, out=np.zeros(len(many)), where=many > 0))
    return means
