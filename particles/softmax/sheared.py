"""Atoms on a tensor grid seen from a lattice whose axes are not theirs: the walls of cells under a general B.

With G = L D U (pivots first), x on the lattice's axes and y on the atoms', <x, G y> = sum_k D_k s_k u_k, where

    s_k = x_k + sum_{l > k} L_lk x_l,    u_k = y_k + sum_{l > k} U_kl y_l,

so the sum over y_0 can be done first, for stations s_0 instead of all the points of the lattice; e^{D_0 s_0 U_0l y_l}
joins the weights, and so on to the last axis, whose s is x itself. Then the sums, positive combinations of e^{s_k u_k},
are interpolated between the stations of one axis after the other at Chebyshev's nodes, as in `axis`: right to delta for
each axis, relative, whatever the weights. Cost as for a tensor grid, with stations for points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.axis import chebyshev, terms_for
from particles.softmax.kernels import opened
from particles.softmax.lattice import Lattice
from particles.softmax.products import SPEED

_RHO = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
_ROUNDING = 1e-15  # of the largest value in a cell, when coefficients are added
_MOST = 1 << 23  # numbers in the stations of eight rows, for each thread
_MOST_SUMS = 1 << 25  # numbers in the sums at the stations
_LEAST_SECONDS = 1e-3  # for making matrices and stations


@dataclass(frozen=True, eq=False)
class Shear:
    """G with rows and columns permuted is L D U; the first axis here is the last pivot, whose targets are exact.

    Parameters
    ----------
    rows, columns : tuples of d ints
        Which axis of the lattice, and which of the atoms, comes where.
    left, right : (d, d) arrays
        left[k, l] is the multiple of x_l in s_k, right[k, l] that of y_l in u_k, for l < k.
    pivots : (d,) array
        D.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    left: Array
    right: Array
    pivots: Array


def shear(G: Array) -> Shear | None:
    """Return the factors of G with complete pivoting, None if it is singular to rounding."""
    d = len(G)
    rest, rows, columns = G.copy(), list(range(d)), list(range(d))
    left, right, pivots = np.eye(d), np.eye(d), np.zeros(d)
    size = np.abs(G).max()
    for k in range(d - 1, -1, -1):  # the last axis is summed first
        i, j = divmod(int(np.abs(rest[: k + 1, : k + 1]).argmax()), k + 1)
        if np.abs(rest[k, k]) >= 0.5 * np.abs(rest[i, j]):
            i = j = k
        rest[[i, k]] = rest[[k, i]]
        rest[:, [j, k]] = rest[:, [k, j]]
        for names, factor, at in ((rows, left, i), (columns, right, j)):
            names[at], names[k] = names[k], names[at]
            factor[k + 1 :, [at, k]] = factor[k + 1 :, [k, at]]
        pivot = rest[k, k]
        if not abs(pivot) > 1e-9 * size:
            return None
        pivots[k] = pivot
        left[k, :k], right[k, :k] = rest[:k, k] / pivot, rest[k, :k] / pivot
        rest[:k, :k] -= np.outer(rest[:k, k], rest[k, :k]) / pivot
    return Shear(tuple(rows), tuple(columns), left, right, pivots)


@dataclass(frozen=True, eq=False)
class Stations:
    """Chebyshev's nodes in equal cells of [-half, half].

    Parameters
    ----------
    half : float
        Largest s.
    cells, terms : int
        Cells, and nodes in each.
    """

    half: float
    cells: int
    terms: int

    @property
    def middles(self) -> Array:
        """Middles of the cells, shape (cells,)."""
        return self.half * ((2.0 * np.arange(self.cells) + 1.0) / self.cells - 1.0)

    @property
    def nodes(self) -> Array:
        """All nodes, shape (cells, terms)."""
        return self.middles[:, None] + self.half / self.cells * chebyshev(self.terms)[1]

    def powers(self, rate: float, tilt: float, y: Array) -> tuple[Array, Array]:
        """Return e^{(rate s + tilt) y}, over e^{shift of the cell}, (cells, terms, n), and the shifts (cells,)."""
        shifts = np.abs(rate * self.middles + tilt) * np.abs(y).max()
        return np.exp((rate * self.nodes + tilt)[..., None] * y - shifts[:, None, None]), shifts


def _choice(factors: Shear, tol: float, most_terms: int) -> list[Stations] | None:
    """Return the stations for all axes but the first, as few as the tolerance allows."""
    best: list[Stations] | None = None
    for rho in _RHO:
        if _ROUNDING * np.exp(2 * rho * (len(factors.pivots) - 1)) > 0.25 * tol:
            break
        found = _stations(factors, rho, tol, most_terms)
        if found is not None and (best is None or _size(found) < _size(best)):
            best = found
    return best


def _stations(factors: Shear, rho: float, tol: float, most_terms: int) -> list[Stations] | None:
    """Return the stations in cells where exponents are at most rho, None if they are too many."""
    d, found = len(factors.pivots), list[Stations]()
    for k in range(1, d):
        half = float(np.abs(factors.left[k]).sum())
        exponent = half * float(np.abs(factors.right[k]).sum() * abs(factors.pivots[k]))
        if not exponent < 1e5:
            return None
        cells = max(1, int(np.ceil(exponent / rho)))
        terms = terms_for(exponent / cells, tol / (8 * d))
        if terms is None or (k == d - 1 and terms > most_terms):
            return None
        found.append(Stations(half, cells, terms))
    return found


def _size(stations: list[Stations]) -> float:
    """Return how many sums there are for each point of the first axis."""
    return 24.0 * stations[-1].cells * float(np.prod([s.cells * s.terms for s in stations[:-1]]))


def sheared_field(
    axes: list[Array],
    weights: Array,
    lattice: Lattice,
    tol: float,
    with_logs: bool,
    dense_seconds: float,
    mean: Array | None = None,
) -> tuple[Array, Array, float] | None:
    """Return log sums (m,) and tilted means (m, d) at the lattice's points; NaN where they are not certified.

    Log sums are right to tol, means to tol times the half sides of the box; if `with_logs` is false, log sums only tell
    what is certified. None if there are too many stations, or summing over the atoms takes less than `dense_seconds`.

    With the mean of the atoms each axis is one cell, however much its exponents vary, which takes fewer stations; then
    errors are tol and the roundings times `spread`, the last result: the largest of the sums at stations, from which
    e^{<a, mean>} has been taken out, over the least one found.
    """
    kernel = opened("_sheared")
    centre = np.array([0.5 * (y.min() + y.max()) for y in axes]) if mean is None else mean
    reach = np.array([np.abs(y - at).max() for y, at in zip(axes, centre, strict=True)])
    frame = lattice.frame
    span = np.array([0.5 * np.ptp(t) for t in frame.steps])
    middle = np.array([0.5 * (t.min() + t.max()) for t in frame.steps])
    if not (reach.min() > 0 and span.min() > 0):
        return None
    factors = shear(span[:, None] * frame.directions * reach)
    if factors is None:
        return None
    choice = _choice(factors, tol, kernel.TILE) if mean is None else _stations(factors, np.inf, tol, kernel.TILE)
    if choice is None:
        return None
    stations = choice
    size, d, n = _size(stations), len(axes), len(axes[factors.columns[0]])
    if size * 8 * (d + 1) > _MOST or size * d * n > _MOST_SUMS:
        return None
    outer_products = len(frame.steps[factors.rows[0]]) * n * (d + 1) * size
    products_inside = weights.size * 48.0 * stations[-1].cells + (n * len(axes[factors.columns[1]]) * 3 * size) * (
        d - 2
    )
    m = len(lattice.points)
    if _LEAST_SECONDS + 1e-9 * ((outer_products + products_inside) / 20 + 40 * m) > dense_seconds:
        return None
    rows, columns, D = factors.rows, factors.columns, factors.pivots
    tilt = ((frame.start + middle @ frame.directions) * reach)[list(columns)]
    x = tuple((frame.steps[k] - middle[k]) / span[k] for k in rows)
    y = [(axes[k] - centre[k]) / reach[k] for k in columns]
    sides = reach[list(columns)]
    turned = np.ascontiguousarray(weights.transpose(columns))
    last = stations[-1]

    powers, shift = last.powers(D[-1], tilt[-1], y[-1])
    matrices = np.zeros((2, last.cells, len(y[-1]), kernel.TILE))
    matrices[0, ..., : last.terms] = powers.transpose(0, 2, 1)
    matrices[1] = matrices[0] * (sides[-1] * y[-1])[:, None]
    matrices = matrices.reshape(-1, *matrices.shape[2:])
    convert = np.zeros((kernel.TILE, kernel.TILE))
    convert[: last.terms, : last.terms] = chebyshev(last.terms)[0].T
    shifts = [shift]
    turns = []
    for k in range(d - 1):
        powers, shift = last.powers(D[-1] * factors.right[-1, k], 0.0, y[k])
        turns.append(np.ones((last.cells, len(y[k]), kernel.TILE)))
        turns[k][..., : last.terms] = powers.transpose(0, 2, 1)
        shifts[0] = shifts[0] + shift
    if d == 2:
        sums = np.empty((2 * last.cells, n, kernel.TILE))

        def inner(first: int, stop: int) -> None:
            scratch = np.empty(2 * last.cells * kernel.HEIGHT * kernel.TILE)
            kernel.lines(first, stop, turned, matrices, turns[0], convert, scratch, sums)

        share_rows(inner, -(-n // kernel.HEIGHT), kernel.HEIGHT * matrices.size // SPEED)
        terms, back = [1, last.terms], np.ones((1, 1))
    else:
        between = stations[0]
        powers, shift = between.powers(D[1], tilt[1], y[1])
        powers = powers.reshape(-1, len(y[1]))
        weighted = powers * (sides[1] * y[1])
        more, extra = between.powers(D[1] * factors.right[1, 0], 0.0, y[0])
        across = np.ascontiguousarray(more.reshape(-1, n).T)
        shifts.insert(0, shift + extra)
        sums = np.empty((3 * len(powers) * last.cells, n, kernel.TILE))

        def inner(first: int, stop: int) -> None:
            scratch, left = np.empty(4 * last.cells * len(y[1]) * kernel.TILE), np.empty(2 * powers.size)
            both = turns[1], turns[0], convert, powers, weighted, across, scratch, left, sums
            kernel.planes(first, stop, turned, matrices, *both)

        share_rows(inner, n, (len(y[1]) * matrices.size + sums[:, 0].size * len(y[1])) // SPEED)
        terms, back = [1, between.terms, last.terms], chebyshev(between.terms)[0]
    exponents = np.multiply.outer(D[0] * x[0] + tilt[0], y[0])
    top = exponents.max(axis=1)
    front = np.exp(exponents - top[:, None])
    front_weighted = front * (sides[0] * y[0])
    shifts.insert(0, top)
    logs, means = np.empty(m), np.empty((m, d))
    steps = np.cumprod((1, *lattice.shape[:0:-1]))[::-1][list(rows)]
    halves, cells = np.array([1.0, *(s.half for s in stations)]), np.array([1, *(s.cells for s in stations)])

    spreads = []

    def outer(first: int, stop: int) -> None:
        values = np.empty((d + 1) * (len(sums) // d) * kernel.ROWS * kernel.TILE)
        line = np.empty((d + 1) * last.cells * kernel.TILE)
        spread = kernel.targets(
            first, stop, sums, front, front_weighted, x, factors.left, halves, cells, np.array(terms), back,
            tuple(shifts), steps, np.array(columns), centre, values, line, with_logs, logs, means,
        )  # fmt: skip
        spreads.append(spread)

    pieces = -(-len(front) // kernel.ROWS)
    each = kernel.ROWS * (d + 1) * sums.size // d // SPEED + 20 * m // pieces
    share_rows(outer, pieces, each)
    if with_logs:
        logs += lattice.points @ centre
    return logs, means, float(np.max(spreads))
