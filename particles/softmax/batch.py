"""The same softmax for many small systems: independent replicas with one set of weights."""

from __future__ import annotations

import numpy as np

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.dense import FAR, FEW, Dense
from particles.softmax.kernels import LOG2_E, opened, read_only


def replicated(points: Array, log_weights: Array, a: Array) -> tuple[Array, Array]:
    """Return log sums (R, m) and tilted means (R, m, d) of atoms (R, n, d) with weights (n,) at a (R, m, d)."""
    replicas, m, d = a.shape
    weights = np.empty(len(log_weights))
    top, least, carrying = opened("_layout").weigh(read_only(log_weights), weights)
    if carrying < len(weights):
        kept = log_weights > -np.inf
        return replicated(points[:, kept], log_weights[kept], a)
    log_sums, means = np.empty((replicas, m)), np.empty((replicas, m, d))
    if d > FEW or top - least > FAR:
        for r in range(replicas):
            log_sums[r], means[r] = Dense(points[r], log_weights).log_sum_and_mean(a[r])
        return log_sums, means
    width = (0.0,) * (1 + d)
    kernel = opened("_batch")
    points, a = read_only(np.ascontiguousarray(points)), read_only(np.ascontiguousarray(a))

    def work(first: int, last: int) -> None:
        kernel.log_sums_and_means(first, last, points, weights, top, a, LOG2_E, width, log_sums, means)

    share_rows(work, replicas, m * points.shape[1])
    return log_sums, means
