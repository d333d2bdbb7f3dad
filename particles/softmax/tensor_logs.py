"""Sums over a tensor grid in the log domain, axis by axis: for exponents of any size.

    L(y_1, a_2) = log sum_{y_2} w(y_1, y_2) e^{a_2 y_2},   Lambda(a_1, a_2) = log sum_{y_1} e^{L(y_1, a_2) + a_1 y_1}

with the tilted means travelling along as values.
"""

from __future__ import annotations

import numpy as np

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.kernels import LOG2_E, LOG_2, opened


def in_logs(axes: list[Array], log_weights: Array, targets: list[Array]) -> tuple[Array, Array]:
    """Return log sums (M_1, ..., M_d) and tilted means (M_1, ..., M_d, d) at all points of the targets' grid."""
    logs, means = log_weights * LOG2_E, list[Array]()
    for k in reversed(range(len(axes))):
        logs, means = _along_axis(k, axes[k], targets[k], logs, means)
    logs *= LOG_2
    return logs, np.stack(means[::-1], axis=-1)


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
