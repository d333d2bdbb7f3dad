"""Softmax sums over the atoms that matter: the kernel for peaked attention, exact to a tolerance.

    Λ(a) = log Σ_j w_j e^{⟨a, y_j⟩},   of which the atoms outside a set S_a carry at most the share `budget`

Directions are taken in blocks that lie close together, and each block keeps the atoms that can matter to one of its
directions; see `_pruned`. Where a block of very many meets very many atoms, one series stands for them; see `_series`.
What is dropped is bounded from above, so that the tolerance holds for any data.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_WIDTHS = 1024, 256  # directions in a block that one series is tried for
_SERIES_AXES = 3
_NARROW = 64  # directions in a block of others
_ASKED = 6  # blocks on which a series is tried
_WORTH_ASKING = 40  # blocks among which that hardly costs
_SAMPLED_ROWS, _SAMPLED_ATOMS = 12, 512


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
            exponents = rows @ keys.T + logs
            exponents -= exponents.max(axis=1, keepdims=True)
            shares = np.exp(exponents)
            total = shares.sum(axis=1)
            means = shares @ keys / total[:, None]
            reach = np.abs(keys - means[:, None, :])
            exponents -= np.log(total)[:, None]

            def spread(width: int) -> Array:
                halves = _half_sides(rows, sample, min(width, m) / m)
                return np.asarray((reach * halves[:, None, :]).sum(axis=2))

            def kept(away: Array) -> Array:
                return np.asarray((exponents + away > np.log(self.tol / len(atoms))).mean(axis=1))

            seconds = [_seconds(n, m, a.shape[1], float(kept(spread(_NARROW)).mean()))]
            for width in _WIDTHS:
                if a.shape[1] <= _SERIES_AXES and m > _WORTH_ASKING * width:
                    away = spread(width)
                    atom = _seconds_by_series(exponents, away, a.shape[1], self.tol)
                    block = float((kept(away) * atom).mean()) * n  # not a number where a series can do nothing
                    seconds.append(_seconds(n, m, a.shape[1], 0.0) + block * m / width)
        return float(np.nanmin(seconds))

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
        order = sound[arranged(a[sound], compiled.NARROWEST)]
        directions = np.ascontiguousarray(a[order].T) * LOG2_E
        count = len(order)
        # without covariances a shorter kernel is compiled
        squares = np.empty((count, channels, channels)) if covariances else None
        found = np.empty(count), np.empty((channels, count)), squares

        def blocks(width: int, pieces: Sequence[tuple[int, int]], trial: bool) -> NDArray[np.int64]:
            counts = np.zeros((-(-count // width), 3), np.int64)
            room, columns = atoms.room(width)
            for first, last in pieces:
                compiled.evaluate(
                    first,
                    last,
                    width,
                    trial,
                    directions,
                    atoms.columns,
                    atoms.nodes,
                    budget,
                    room,
                    columns,
                    *found,
                    counts,
                )
            return counts

        width = compiled.NARROW
        if not covariances and len(atoms.centre) <= _SERIES_AXES:
            for wider in _WIDTHS:
                last = -(-count // wider) - 1
                if last + 1 < _WORTH_ASKING:
                    continue
                asked = np.unique(np.linspace(0, last, _ASKED).astype(np.int64))
                counts = blocks(wider, [(block, block + 1) for block in asked.tolist()], True)
                if 2 * counts[:, 2].sum() > (np.minimum(count, (asked + 1) * wider) - asked * wider).sum():
                    width = wider
                    break

        def work(first: int, last: int) -> None:
            blocks(width, [(first, last)], False)

        share_rows(work, -(-count // width), width * max(1024, atoms.size // 10))
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
    return 1e-9 * ((n + m) * order + m * kept * n * interaction + m / _NARROW * per_block)


def _seconds_by_series(exponents: Array, away: Array, axes: int, tol: float) -> Array:
    """Return for each row the forecast for one atom of a block whose sums are taken by one series, inf if none does."""
    degrees = np.full(len(away), np.inf)
    for theta in (2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0):
        bound = np.exp(exponents + 0.5 * away * (theta + 1.0 / theta)).sum(axis=1)
        degrees = np.fmin(degrees, np.log(100.0 * bound / tol) / np.log(theta))
    degrees = np.where(np.exp(exponents + away).sum(axis=1) * 1e-15 < 0.1 * tol, degrees, np.inf)
    terms = np.ones(len(away))
    for k in range(1, axes + 1):
        terms *= (degrees + k) / k
    return 1e-9 * np.where(terms < 2500.0, 40.0 + 0.1 * terms, np.inf)


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

        series = opened("_series")
        packed = rows(2 + carried, self.size + series.BATCH)
        near, plain = packed[2 : 2 + dim], packed[-channels:]
        halves = tuple(np.zeros(1) for _ in range(carried))
        room = (packed, near, plain, halves, rows(carried, 1), (*rows(dim, 1), np.ones(1)), (0.0,) * len(packed))
        tables = np.zeros(series.TABLE), np.empty(series.MOST_TERMS * series.LANES), np.empty(len(packed[0]))
        sums = np.empty((channels + 1, width))
        work = (rows(1 + channels, len(packed[0])), rows(dim, width), rows(channels, 1))
        return room, (*work, np.zeros(width), sums, np.empty(dim), tables)


def _centred(points: Array) -> tuple[Array, Array]:
    """Return the centre of the points' box, and the points from there, one row a coordinate."""
    centre = 0.5 * points.min(axis=0) + 0.5 * points.max(axis=0)
    return centre, np.ascontiguousarray((points - centre).T)
