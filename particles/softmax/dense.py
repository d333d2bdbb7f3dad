"""Streamed softmax over weighted atoms: O(n m) time, O(n + m) memory, safe for any exponents.

The error is a few roundings of the largest exponent: eps max_j |<a, y_j - c>|, c the centre of the atoms' box.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.kernels import LOG2_E, opened, read_only
from particles.softmax.symmetric import symmetric_sums

FEW = 7  # coordinates and channels whose running sums fit the registers
FAR = 200.0  # log weights further apart than this enter the exponents instead of the sums


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
    _atoms: Atoms = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Lay the atoms out for the kernel."""
        object.__setattr__(self, "_atoms", _atoms(self.keys, self.log_weights, self.values))

    def cost(self, a: Array) -> float:
        """Return the predicted seconds of one core for `log_sum_and_mean` at directions a."""
        return self._atoms.nanoseconds * 1e-9 * len(self.keys) * len(a)

    def log_sum_and_mean(self, a: Array) -> tuple[Array, Array]:
        """Return log sum_j w_j e^{<a_i, y_j>}, shape (m,), and the tilted means of the values, shape (m, c)."""
        a = self._atoms.extended(a)
        return self._atoms.finished(a, *self._atoms.sums(_base_two(a)))

    def at_own_keys(self, B: Array) -> tuple[Array, Array]:
        """Return `log_sum_and_mean` at a_i = B y_i for a symmetric B, with each exponential computed once."""
        found = symmetric_sums(self._atoms, B) if self._atoms.count == len(self.keys) else None
        a = self.keys @ B
        return self.log_sum_and_mean(a) if found is None else self._atoms.finished(a, *found)

    def covariance(self, a: Array) -> Array:
        """Return the tilted covariances of the values, shape (m, c, c)."""
        return self._atoms.covariances(_base_two(self._atoms.extended(a)))


def _base_two(a: Array) -> Array:
    """Return the directions as rows (k, m), for powers of 2."""
    return np.multiply(a.T, LOG2_E, order="C")


@dataclass(frozen=True, eq=False)
class Atoms:
    """Atoms as the kernels take them: centred, one row a coordinate, padded."""

    keys: Array
    columns: Array  # the weights, then the weighted values
    values: Array  # (c, n)
    centres: Array  # of the keys, of the values
    halves: Any  # a tuple where its length must be compiled in, else an array
    count: int
    channels: int
    log_weight: float  # of the heaviest atom
    lifted: bool  # the log weights are one more coordinate, along which every direction is 1
    kernel: Any

    @property
    def width(self) -> tuple[float, ...]:
        """A tuple with one entry for each column, where their number must be compiled in."""
        return (0.0,) * (1 + self.channels) if self.narrow else ()

    @property
    def narrow(self) -> bool:
        """Whether the registers hold all running sums."""
        return max(len(self.halves), self.channels) <= FEW

    @property
    def nanoseconds(self) -> float:
        """About what one interaction costs a core with vector registers of eight numbers."""
        k, c = len(self.halves), self.channels
        return 0.4 + 0.06 * (k + c) if self.narrow else 0.33 + 0.04 * (k + c)

    @property
    def _work(self) -> int:
        """What a direction costs, in interactions of few coordinates."""
        return self.values.shape[1] * (1 + (len(self.halves) + self.channels) // 16)

    def extended(self, a: Array) -> Array:
        """Return the directions (m, k), with a coordinate for the log weights if they have one."""
        return np.column_stack([a, np.ones(len(a))]) if self.lifted else a

    def sums(self, directions: Array) -> tuple[Array, Array]:
        """Return the sums over the columns, (columns, m), and the shifts of their exponents, (m,); base 2."""
        m = directions.shape[1]
        sums, shifts = np.empty((1 + self.channels, m)), np.empty(m)
        kernel = self.kernel

        def work(first: int, last: int) -> None:
            kernel.weighted_sums(
                first, last, directions, self.halves, self.keys, self.columns, self.width, shifts, sums
            )

        share_rows(work, m, self._work)
        return sums, shifts

    def finished(self, a: Array, sums: Array, shifts: Array) -> tuple[Array, Array]:
        """Return the log sums (m,) and means (m, c) of the atoms before they were centred."""
        log_sums, means = np.empty(len(a)), np.empty((len(a), self.channels))
        opened("_layout").finish(
            sums, shifts, self.log_weight, read_only(np.ascontiguousarray(a)), self.centres, log_sums, means
        )
        return log_sums, means

    def covariances(self, directions: Array) -> Array:
        """Return the covariances of the values under the tilted weights, (m, c, c)."""
        m, c = directions.shape[1], self.channels
        sums, shifts = self.sums(directions)
        logs, means = np.log2(sums[0]) + shifts, sums / sums[0]
        covs = np.empty((m, c, c))
        kernel = self.kernel

        def work(first: int, last: int) -> None:
            kernel.covariances(
                first,
                last,
                directions,
                self.halves,
                self.keys,
                self.columns,
                self.width,
                self.values,
                logs,
                means,
                covs,
            )

        share_rows(work, m, self._work)
        return covs


def _atoms(keys: Array, log_weights: Array, values: Array | None) -> Atoms:
    weights = np.empty(len(keys))
    layout = opened("_layout")
    top, least, carrying = layout.weigh(read_only(log_weights), weights)
    if carrying < len(keys):
        kept = log_weights > -np.inf
        return _atoms(keys[kept], log_weights[kept], None if values is None else values[kept])
    lifted = top - least > FAR
    values = keys if values is None else values
    if lifted:
        keys, weights, top = np.column_stack([keys, log_weights]), np.ones(len(keys)), 0.0
    n, k, c = *keys.shape, values.shape[1]
    kernel = opened("_dense" if max(k, c) <= FEW else "_wide")
    centres, halves = np.empty((2, max(k, c))), np.empty((2, max(k, c)))
    points = (read_only(np.ascontiguousarray(x)) for x in (keys, values))
    key_rows, columns, value_rows = kernel.laid_out(*points, weights, centres, halves)
    half: Any = halves[0, :k]
    if kernel is opened("_dense"):
        half = tuple(half.tolist())
    return Atoms(key_rows, columns, value_rows, centres, half, n, c, top, lifted, kernel)
