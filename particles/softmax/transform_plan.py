"""How finely to cut keys and directions, and how many terms to keep: Bessel tails and a model of the cost.

Along one axis e^{a eta t} = sum_r c_r T_r(t), c_r = 2 I_r(a eta) (c_0 = I_0), and sum_r c_r = e^{|a eta|}. With
cells of the keys so small that |a eta| <= rho for every direction, what a set of terms leaves out is known beforehand,
relative to the largest value in the cell; likewise for the cells of the directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log2

import numpy as np

from particles.checks import Array
from particles.softmax.axis import along
from particles.softmax.chebyshev import Integers, Truncation
from particles.softmax.kernels import opened

SLACK = (8.0, 1.0, 1.0)  # of errors over what is left out, which has slopes; measured: 5.6, 0.4, 0.3
COARSER = (1.0, 16.0, 16.0)  # what series in directions may leave out over what those in keys may: it is measured
ROUNDINGS = 8.0 * float(np.finfo(float).eps)  # of errors over the largest terms; measured: 4 roundings
_RHO = (0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0)
_MOST_TERMS = 70
_MEMORY = 1 << 30  # bytes


def round_up(rho: float) -> float:
    """Return the next of eight steps an octave, at least 2^-20."""
    return float(2.0 ** (ceil(8 * log2(max(rho, 2.0**-20)) - 1e-9) / 8))


@lru_cache(1024)
def coefficients(rho: float) -> Array:
    """Return the largest share of c_r in e^{|x|} over |x| <= rho."""
    largest = _shares(np.linspace(0.0, rho, 65)[1:], _MOST_TERMS).max(axis=0)
    largest[0] = 1.0
    return largest


def _shares(x: Array, terms: int) -> Array:
    """Return 2 I_r(x) e^{-x} for r < terms, the first one halved, shape (x, r)."""
    out = np.empty((len(x), terms))
    opened("_transform").series_of(x, out)
    return out


@lru_cache(1024)
def truncation(rhos: tuple[float, ...], eps: float, slopes: int) -> Truncation:
    """Return the fewest terms that leave out at most eps, or eps of the derivatives of order `slopes` too."""
    rows = [np.ones(1)] * (3 - len(rhos)) + [coefficients(rho) for rho in rhos]
    rows = [row[: 1 + np.count_nonzero(row > 1e-3 * eps)] for row in rows]
    share = rows[0][:, None, None] * rows[1][:, None] * rows[2]
    share = share * weights(share.shape, rhos, slopes)
    flat = np.sort(share, axis=None)
    enough = flat[min(int(np.searchsorted(np.cumsum(flat), eps)), flat.size - 1)]
    limits = np.count_nonzero(share >= enough, axis=2)
    limits = np.maximum.accumulate(limits[::-1, ::-1], axis=0)
    limits = np.maximum.accumulate(limits, axis=1)[::-1, ::-1]
    limits[0, 0] = max(limits[0, 0], 1)
    kept = np.nonzero(limits)
    return Truncation(np.ascontiguousarray(limits[: kept[0].max() + 1, : kept[1].max() + 1], dtype=np.int64))


def weights(shape: tuple[int, ...], rhos: tuple[float, ...], slopes: int) -> Array:
    """Return how much a term counts for derivatives relative to the radius: max over axes of (r^2 / rho)^slopes."""
    weight = np.ones(shape)
    if slopes:
        for axis, rho in enumerate(rhos, 3 - len(rhos)):
            bend = (np.arange(shape[axis]) ** 2 / rho) ** slopes
            weight = np.maximum(weight, bend.reshape(along(axis, 3)))
    return weight


@lru_cache(256)
def tail(rho: float, degree: int) -> tuple[float, Array]:
    """Return a step h and, for x = 0, h, 2 h, ..., the share of e^{|x|} in terms from `degree` on, or of slopes."""
    x = np.linspace(0.0, 6.0 * rho, 193)
    r = np.arange(degree, degree + 60)
    terms = _shares(x, degree + 60)[:, degree:] * np.maximum(1.0, r**2 / rho)
    return float(x[1]), np.maximum.accumulate(terms.sum(axis=1))


@dataclass(frozen=True, eq=False)
class Plan:
    """Cells for keys and for directions, how far sums may lie below their largest terms, and seconds of one core.

    What may be left out follows from the spread that is measured, `spread` is what was expected.
    """

    key_cells: Integers
    cells: Integers
    key_rhos: tuple[float, ...]
    rhos: tuple[float, ...]
    spread: float
    seconds: float

    def terms(self, spread: float, tol: float, slopes: int) -> tuple[float, Truncation, Truncation]:
        """Return what may be left out of the largest value of a cell, and the terms of keys' and directions' cells."""
        eps = _eps(spread, len(self.rhos), tol)
        return eps, truncation(self.key_rhos, eps, 0), truncation(self.rhos, eps * COARSER[len(self.rhos) - 1], slopes)


@dataclass(frozen=True)
class Work:
    """What is to be evaluated: n keys, m directions, channels of moments, order of derivatives."""

    n: int
    m: int
    channels: int
    order: int


def best(products: Array, work: Work, tol: float, caution: int = 1) -> Plan | None:
    """Return the cheapest plan for half ranges with the given products A_k R_k, None if none fits.

    With more caution sums are expected further below the largest terms of their cells.
    """
    if not products.max() <= 1e4 or max(work.n, work.m) >= 1 << 31:  # places are numbers of 32 bits
        return None
    # sizes are rounded up, so that a system that moves a little keeps its plan
    sizes = Work(_rounded(work.n), _rounded(work.m), work.channels, work.order)
    return _best(tuple(round_up(float(x)) for x in products), sizes, tol, caution)


def cheapest(products: Array, work: Work, tol: float, caution: int = 1, depth: int = 3) -> tuple[float, Plan | None]:
    """Return predicted seconds and the plan; without a plan, inf or those of the box of directions cut in halves."""
    plan = best(products, work, tol, caution)
    seconds = np.inf if plan is None else plan.seconds
    if depth and 8.0 < products.max() < 1e4:
        parts = 2 ** len(products)
        fewer = Work(work.n, max(1, work.m // parts), work.channels, work.order)
        halves = parts * (cheapest(0.5 * products, fewer, tol, caution, depth - 1)[0] + 30e-9 * work.n)
        if halves < seconds:
            return halves, None
    return float(seconds), plan


def _rounded(count: int) -> int:
    return int(2.0 ** (ceil(4 * log2(max(count, 1)) - 1e-9) / 4))


@lru_cache(4096)
def _best(sizes: tuple[float, ...], work: Work, tol: float, caution: int) -> Plan | None:
    products = np.array(sizes)
    found: tuple[float, tuple[float, float]] | None = None
    for i, rho in enumerate(_RHO):
        for key_rho in _RHO[max(0, i - 2) : i + 3]:
            seconds = _seconds(products, work, tol, key_rho, rho, caution)
            if seconds is not None and (found is None or seconds < found[0]):
                found = seconds, (key_rho, rho)
    if found is None:
        return None
    seconds, rhos = found
    key_cells, key_rhos = _cut(products, rhos[0])
    cells, target_rhos = _cut(products, rhos[1])
    return Plan(key_cells, cells, key_rhos, target_rhos, _spread(key_rhos, target_rhos, caution), seconds)


def _cut(products: Array, rho: float) -> tuple[Integers, tuple[float, ...]]:
    cells = np.maximum(1, np.ceil(products / rho)).astype(np.int64)
    return cells, tuple(round_up(x) for x in products / cells)


def _spread(key_rhos: tuple[float, ...], rhos: tuple[float, ...], caution: int) -> float:
    """Return how far sums are expected to lie below the largest terms of their cells; measured on even densities."""
    share = 0.5 if len(rhos) == 1 else 0.42
    return float(1.5 * np.exp(share * caution * (sum(key_rhos) + sum(rhos))))


def _eps(spread: float, k: int, tol: float) -> float:
    """Return what may be left out of the largest value of a cell; a power of two, so that plans are found again."""
    return float(2.0 ** np.floor(log2(tol / (4.0 * SLACK[k - 1] * spread))))


def _seconds(products: Array, work: Work, tol: float, key_rho: float, rho: float, caution: int) -> float | None:
    k = len(products)
    key_cells, key_rhos = _cut(products, key_rho)
    cells, rhos = _cut(products, rho)
    spread = _spread(key_rhos, rhos, caution)
    if ROUNDINGS * spread > 0.2 * tol:
        return None
    eps = _eps(spread, k, tol)
    if float(np.prod(key_cells.astype(float))) * 50 > _MEMORY or float(np.prod(cells.astype(float))) * 50 > _MEMORY:
        return None
    keys, targets = truncation(key_rhos, eps, 0), truncation(rhos, eps * COARSER[k - 1], work.order)
    if max(*keys.degrees, *targets.degrees) >= _MOST_TERMS - 10:
        return None
    sizes = [float(x) for x in key_cells * keys.degrees[3 - k :]]
    multiplications, largest = 0.0, float(np.prod(sizes))
    for axis in range(k - 1, -1, -1):
        multiplications += np.prod(sizes) * cells[axis] * targets.degrees[3 - k + axis]
        sizes[axis] = float(cells[axis] * targets.degrees[3 - k + axis])
        largest = max(largest, float(np.prod(sizes)))
    if 16 * largest * work.channels > _MEMORY:
        return None
    nanoseconds = _each_point(work, keys, targets, key_cells, cells)
    nanoseconds += work.channels * (multiplications / 13.0 + 8.0 * largest) + 6e5 * (1 + k)
    pairs = min(float(work.n), float(np.prod(key_cells))) * min(float(work.m), float(np.prod(cells)))
    nanoseconds += 0.6 * 2**k * pairs  # the sums at the cells' centres
    for axis in range(k):
        few, many = float(keys.degrees[3 - k + axis]), float(targets.degrees[3 - k + axis])
        nanoseconds += float(key_cells[axis] * cells[axis]) * (few + 4.0) * (250.0 + 0.2 * few * many)
    return float(nanoseconds * 1e-9)


def _each_point(work: Work, keys: Truncation, targets: Truncation, key_cells: Integers, cells: Integers) -> float:
    """Return the predicted nanoseconds for moments of all keys and series at all directions."""
    if len(cells) == 1:
        return work.n * (12.0 + 0.3 * work.channels * keys.kept) + work.m * (
            10.0 + work.channels * targets.kept * (1 + work.order) * 0.5
        )
    occupied = min(float(work.n), float(np.prod(key_cells))) * keys.kept
    padded = work.m + 8.0 * min(float(work.m), float(np.prod(cells)))
    return (
        work.n * (40.0 + work.channels * keys.kept / 9.0)
        + occupied * work.channels
        + padded * (50.0 + work.channels * targets.kept * (1 + work.order) / 12.0)
    )
