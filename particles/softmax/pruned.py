"""Softmax sums over the atoms that matter: the kernel for peaked attention, exact to a tolerance.

    Λ(a) = log Σ_j w_j e^{⟨a, y_j⟩},   of which the atoms outside a set S_a carry at most the share `budget`

Directions are taken in blocks that lie close together, and each block keeps the atoms that can matter to one of its
directions; see `_pruned`. What is dropped is bounded from above, so that the tolerance holds for any data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.dense import Dense
from particles.softmax.kernels import LOG2_E, LOG_2, opened
from particles.softmax.tree import Tree, arranged

_HUGE = 1e16  # exponents beyond this round by more than the kernel's shares bear: they are left to `Dense`
_SAMPLED_ROWS, _SAMPLED_ATOMS = 12, 512


def _width(axes: int) -> int:
    """Return how many directions make a block: more where they lie denser."""
    return 64 if axes < 3 else 32


@dataclass(frozen=True, eq=False)
class Pruned:
    """Sums over atoms with weights w_j = e^{log_weights_j}, keys y_j and values v_j, within a tolerance.

    Log sums are off by at most tol, means by tol R and covariances by tol R², R the largest distance of a value from
    the centre of the values' box; to this comes rounding, eps max |⟨a, y⟩|. Directions whose exponents exceed 1e16 are
    evaluated by `Dense`.

    Parameters
    ----------
    keys : (n, k) array
        The points y_j in the exponent.
    log_weights : (n,) array
        Natural logarithms of the weights; -inf for an atom that carries nothing.
    values : (n, c) array, optional
        What is averaged; the keys themselves if left out.
    tol : float
        The tolerance, 0 < tol < 1.
    """

    keys: Array
    log_weights: Array
    values: Array | None = None
    tol: float = 1e-12

    def log_sum_and_mean(self, a: Array) -> tuple[Array, Array]:
        """Return log sum_j w_j e^{<a_i, y_j>}, shape (m,), and the tilted means of the values, shape (m, c)."""
        log_sums, means, _ = self._sums(a, self.tol / 2, covariances=False)  # two means are at most 2 R apart
        return log_sums, means

    def covariance(self, a: Array) -> Array:
        """Return the tilted covariances of the values, shape (m, c, c)."""
        return self._sums(a, self.tol / 6, covariances=True)[2]  # R² + R² + (2 R)²

    def cost(self, a: Array) -> float:
        """Predict the seconds of one core that `log_sum_and_mean(a)` takes, from a sample of directions and atoms."""
        n, m = len(self.keys), len(a)
        atoms = np.linspace(0, n - 1, min(n, _SAMPLED_ATOMS)).astype(np.int64)
        keys, logs = self.keys[atoms], self.log_weights[atoms]
        sample = a[np.linspace(0, m - 1, min(m, _SAMPLED_ATOMS)).astype(np.int64)]
        rows = sample[:: max(1, len(sample) // _SAMPLED_ROWS)]
        with np.errstate(all="ignore"):
            halves = _half_sides(rows, sample, min(_width(a.shape[1]), m) / m)
            exponents = rows @ keys.T + logs
            exponents -= exponents.max(axis=1, keepdims=True)
            shares = np.exp(exponents)
            total = shares.sum(axis=1)
            means = shares @ keys / total[:, None]
            reach = np.abs(keys - means[:, None, :])
            exponents += (reach * halves[:, None, :]).sum(axis=2) - np.log(total)[:, None]
            kept = (exponents > np.log(self.tol / len(atoms))).mean()
        return float(_seconds(n, m, a.shape[1], float(kept)))

    @cached_property
    def _atoms(self) -> _Atoms:
        return _Atoms.of(self.keys, self.log_weights, self.values)

    @cached_property
    def _dense(self) -> Dense:
        return Dense(self.keys, self.log_weights, self.values)

    def _sums(self, a: Array, budget: float, *, covariances: bool) -> tuple[Array, Array, Array]:
        compiled, atoms = opened("_pruned"), self._atoms
        channels = len(atoms.value_centre)
        log_sums, means = np.full(len(a), np.nan), np.full((len(a), channels), np.nan)
        covs = np.full((len(a) if covariances else 0, channels, channels), np.nan)
        with np.errstate(over="ignore", invalid="ignore"):
            bearable = np.abs(a) @ atoms.reach < _HUGE
            beyond = np.flatnonzero(np.isfinite(a).all(axis=1) & ~bearable)
        if len(beyond):
            log_sums[beyond], means[beyond] = self._dense.log_sum_and_mean(a[beyond])
            if covariances:
                covs[beyond] = self._dense.covariance(a[beyond])
        sound = np.flatnonzero(bearable)
        if len(sound) == 0:
            return log_sums, means, covs
        width = _width(a.shape[1])
        order = sound[arranged(a[sound], width)]
        directions = np.ascontiguousarray(a[order].T) * LOG2_E
        count = len(order)
        # without covariances a shorter kernel is compiled
        squares = np.empty((count, channels, channels)) if covariances else None
        found = np.empty(count), np.empty((channels, count)), squares
        blocks = -(-count // width)
        counts = np.zeros((blocks, 2), np.int64)

        def work(first: int, last: int) -> None:
            room, columns = atoms.room(width)
            compiled.evaluate(
                first, last, width, directions, atoms.columns, atoms.nodes, budget, room, columns, *found, counts
            )

        share_rows(work, blocks, width * max(1024, atoms.size // 10))
        log_sums[order] = found[0] * LOG_2 + a[order] @ atoms.centre
        means[order] = found[1].T + atoms.value_centre
        if covariances:
            covs[order] = squares
        return log_sums, means, covs


def _half_sides(rows: Array, sample: Array, share: float) -> Array:
    """Return the half sides of boxes around the rows that hold the given share of the sample, or extrapolate to it."""
    distances = np.abs(sample - rows[:, None, :]).max(axis=2)
    distances.sort(axis=1)
    last = len(sample) - 1
    near, far = min(8, last), min(64, last)
    if near == far:
        return np.repeat(distances[:, -1:], rows.shape[1], axis=1)
    radius, wider = distances[:, near], distances[:, far]
    power = np.log(np.maximum(wider, 1e-300) / np.maximum(radius, 1e-300)) / np.log(far / near)
    inside = np.where(radius > 0.0, radius * (share * last / near) ** np.maximum(power, 1.0 / rows.shape[1]), 0.0)
    return np.repeat(inside[:, None], rows.shape[1], axis=1)


def _seconds(n: int, m: int, axes: int, kept: float) -> float:
    """Return the forecast for a share `kept` of the atoms; the numbers are nanoseconds, measured."""
    order = 10.0 + 12.0 * min(axes, 3) * np.log2(1.0 + n / 32.0) / 3.0
    interaction = 0.4 + 0.1 * axes
    per_block = 15e3 + 1e3 * np.log2(1.0 + n / 32.0) + 15.0 * kept * n
    return 1e-9 * ((n + m) * order + m * kept * n * interaction + m / _width(axes) * per_block)


@dataclass(frozen=True, eq=False)
class _Atoms:
    """Atoms in tree order, centred, one row a coordinate, padded to whole leaves with atoms that weigh nothing."""

    columns: tuple[tuple[Array, ...], tuple[Array, ...], int, Array]
    nodes: tuple[NDArray[np.int64], Array, Array, Array, Array]
    centre: Array
    value_centre: Array

    @staticmethod
    def of(keys: Array, log_weights: Array, values: Array | None) -> _Atoms:
        """Order the atoms that carry something."""
        leaf = opened("_tree").LEAF
        carrying = np.flatnonzero(log_weights > -np.inf)
        order = carrying[arranged(keys[carrying], leaf)]
        n, size = len(order), -(-len(order) // leaf) * leaf
        centre, rows = _centred(keys[order])
        logs = log_weights[order] * LOG2_E
        value_centre, value_rows = (centre, rows[:0]) if values is None else _centred(values[order])
        tree = Tree.over(rows, logs)
        total = np.logaddexp2.reduce(tree.masses[tree.starts[-2] :])
        offsets = np.minimum(total, tree.masses - np.log2(tree.sizes / n))
        nodes = (tree.starts, tree.lows, tree.highs, tree.masses, offsets)
        carried = tuple(np.pad(row, (0, size - n), "edge") for row in (*rows, *value_rows))
        padded = np.pad(logs, (0, size - n), constant_values=opened("_pruned").NOTHING)
        offset = 0 if values is None else len(rows)
        columns = ((*carried[: len(rows)], padded), carried, offset, np.abs(rows).max(axis=1))
        return _Atoms(columns, nodes, centre, value_centre)

    @property
    def size(self) -> int:
        """How many atoms there are, with the padding."""
        return len(self.columns[1][0])

    @property
    def reach(self) -> Array:
        """The half sides of the keys' box."""
        return self.columns[3]

    def room(self, width: int) -> tuple[Any, Any]:
        """Return fresh working arrays for one thread; what is not used is never touched, so takes no memory."""
        dim, carried, channels = len(self.centre), len(self.columns[1]), len(self.value_centre)

        def rows(count: int, length: int) -> tuple[Array, ...]:
            return tuple(np.empty(length) for _ in range(count))

        packed = rows(2 + carried, self.size + 2 * opened("_pruned").STEP)
        near, plain = packed[2 : 2 + dim], packed[-channels:]
        halves = tuple(np.zeros(1) for _ in range(carried))
        room = (packed, near, plain, halves, rows(carried, 1), (*rows(dim, 1), np.ones(1)), (0.0,) * len(packed))
        return room, (rows(1 + channels, len(packed[0])), rows(dim, width), rows(channels, 1))


def _centred(points: Array) -> tuple[Array, Array]:
    """Return the centre of the points' box, and the points from there, one row a coordinate."""
    centre = 0.5 * points.min(axis=0) + 0.5 * points.max(axis=0)
    return centre, np.ascontiguousarray((points - centre).T)
