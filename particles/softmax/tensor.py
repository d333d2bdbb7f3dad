"""Atoms on a tensor grid seen from a tensor grid of directions: axis by axis, in the log domain.

e^{<a,y>} is a product over axes, so the sum over the last axis can be done for each of its directions first:

    L(y_1, a_2) = log sum_{y_2} w(y_1, y_2) e^{a_2 y_2},   Lambda(a_1, a_2) = log sum_{y_1} e^{L(y_1, a_2) + a_1 y_1}

and the tilted means travel along as values. Cost d N^{d+1} instead of N^{2d}; exponents of any size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.kernels import LOG2_E, LOG_2, kernels

_WORTHWHILE = 1.5  # a tensor grid of directions may have so many times the points asked for


@dataclass(frozen=True)
class TensorAxes:
    """Directions a of shape (m, d) as points of a tensor grid: its axes, and where each point lies on them."""

    axes: list[Array]
    index: tuple[Array, ...]


def tensor_axes(a: Array) -> TensorAxes | None:
    """Return the tensor grid that the directions a (m, d) fill, or None if they do not fill one."""
    m, d = a.shape
    if d == 1 or m < 16 or not np.isfinite(a).all():
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
    """

    axes: list[Array]
    log_weights: Array

    def log_sum_and_mean(self, directions: TensorAxes) -> tuple[Array, Array]:
        """Return log sums (m,) and tilted means (m, d) at the given directions."""
        logs, means = self.log_weights * LOG2_E, list[Array]()
        for k in reversed(range(len(self.axes))):
            logs, means = _along_axis(k, self.axes[k], directions.axes[k], logs, means)
        picked = directions.index
        return logs[picked] * LOG_2, np.stack([mean[picked] for mean in reversed(means)], axis=-1)


def _along_axis(k: int, y: Array, a: Array, logs: Array, means: list[Array]) -> tuple[Array, list[Array]]:
    """Sum along axis k, replacing its N_k atoms by its directions; the means so far are averaged along."""
    kernel = kernels()
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
