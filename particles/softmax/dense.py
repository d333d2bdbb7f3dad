"""Streamed softmax over weighted atoms: O(n m) time, O(n + m) memory, safe for any exponents.

The error is a few roundings of the largest exponent: eps max_j |<a, y_j - c>|, c the centre of the atoms' box.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.kernels import LOG2_E, LOG_2, kernels


@dataclass(frozen=True, eq=False)
class Dense:
    """Sums over atoms with weights w_j = e^{log_weights_j}, keys y_j and values v_j.

    Parameters
    ----------
    keys : (n, k) array
        The points y_j in the exponent.
    log_weights : (n,) array
        Natural logarithms of the weights; -inf for an atom that carries nothing.
    values : (n, c) array, optional
        What is averaged; the keys themselves if left out.
    """

    keys: Array
    log_weights: Array
    values: Array | None = None
    _centre: Array = field(init=False, repr=False)
    _value_centre: Array = field(init=False, repr=False)
    _columns: tuple[Array, Array, Array] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Centre on the box (which keeps digits far from the origin) and lay the columns out for the kernel."""
        carrying = self.log_weights > -np.inf
        some = not carrying.all()
        keys = self.keys[carrying] if some else self.keys
        logs = (self.log_weights[carrying] if some else self.log_weights) * LOG2_E
        centre = 0.5 * (keys.min(axis=0) + keys.max(axis=0))
        columns = np.ascontiguousarray((keys - centre).T)
        if self.values is None:
            value_centre, value_columns = centre, columns
        else:
            values = self.values[carrying] if some else self.values
            value_centre = 0.5 * (values.min(axis=0) + values.max(axis=0))
            value_columns = np.ascontiguousarray((values - value_centre).T)
        object.__setattr__(self, "_centre", centre)
        object.__setattr__(self, "_value_centre", value_centre)
        object.__setattr__(self, "_columns", (columns, np.ascontiguousarray(logs), value_columns))

    def _base_two(self, a: Array) -> Array:
        return np.ascontiguousarray(a.T) * LOG2_E

    def log_sum_and_mean(self, a: Array) -> tuple[Array, Array]:
        """Return log sum_j w_j e^{<a_i, y_j>}, shape (m,), and the tilted means of the values, shape (m, c)."""
        log_sums, means = self._centred(self._base_two(a))
        return log_sums * LOG_2 + a @ self._centre, means.T + self._value_centre

    def covariance(self, a: Array) -> Array:
        """Return the tilted covariances of the values, shape (m, c, c)."""
        kernel = kernels()
        keys, logs, values = self._columns
        directions = self._base_two(a)
        log_sums, means = self._centred(directions)
        covs = np.empty((len(values), len(values), len(a)))

        def work(first: int, last: int) -> None:
            scratch = np.empty(kernel.BLOCK)
            kernel.covariances(first, last, directions, keys, logs, values, log_sums, means, covs, scratch)

        share_rows(work, len(a), keys.shape[1])
        return np.moveaxis(covs, -1, 0)

    def _centred(self, directions: Array) -> tuple[Array, Array]:
        """Return base-2 log sums and means for atoms centred on their boxes; directions are (k, m), base 2."""
        kernel = kernels()
        keys, logs, values = self._columns
        m = directions.shape[1]
        log_sums, means = np.empty(m), np.empty((len(values), m))

        def work(first: int, last: int) -> None:
            scratch = np.empty(kernel.BLOCK)
            kernel.log_sums_and_means(first, last, directions, keys, logs, values, log_sums, means, scratch)

        share_rows(work, m, keys.shape[1])
        return log_sums, means
