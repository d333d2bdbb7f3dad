"""Sums over a tensor grid at the points of a sheared lattice: stations along the sheared axes, interpolated last.

A panel holds one cell of the last axis: first the values at its stations, then its Chebyshev coefficients.
"""

import math

import numpy as np
from numba import njit

from particles.softmax._exp import EXACT
from particles.softmax._product import ROWS, TILE, product

__all__ = ["HEIGHT", "ROWS", "TILE", "lines", "planes", "targets"]

HEIGHT = 8 * ROWS
BATCH = 64  # targets in a row that are interpolated together
FLOOR = 1e-250
_ZERO, _TILE = np.int64(0), np.int64(TILE)  # for a literal numba compiles a callee anew


@njit(nogil=True, cache=True)
def _turn(values, at, rows, factors, c, start):
    for r in range(rows):
        for q in range(TILE):
            values[at + r * TILE + q] *= factors[c, start + r, q]


@njit(nogil=True, cache=True)
def lines(first, last, weights, matrices, factors, convert, scratch, sums):
    """Sum the pieces first..last of HEIGHT rows of the weights (N_0, N_1) over the last axis."""
    slabs, n = weights.shape
    start, stop = first * HEIGHT, min(last * HEIGHT, slabs)
    A, B, C, D, M = weights.reshape(-1), matrices.reshape(-1), sums.reshape(-1), scratch, convert.reshape(-1)
    cells = len(matrices) // 2
    for i in range(start, stop, HEIGHT):
        rows = min(HEIGHT, stop - i)
        product(A, i * n, n, B, _ZERO, D, _ZERO, _TILE, rows * TILE, rows, n, 2 * cells * TILE)
        for panel in range(2 * cells):
            at = panel * rows * TILE
            _turn(D, at, rows, factors, panel % cells, i)
            product(D, at, _TILE, M, _ZERO, C, (panel * slabs + i) * TILE, _TILE, _ZERO, rows, _TILE, _TILE)


@njit(nogil=True, cache=True)
def planes(
    first, last, weights, matrices, factors, front, convert, powers, weighted, turns, scratch, left, sums
):  # fmt: skip
    """Sum the slabs first..last of the weights (N_0, N_1, N_2) over the last two axes, at their stations.

    sums (channels * stations of the middle axis * cells of the last, N_0, TILE).
    """
    slabs, rows, n = weights.shape
    cells, height = len(matrices) // 2, len(powers)
    A, B, C, D, M = weights.reshape(-1), matrices.reshape(-1), sums.reshape(-1), scratch, convert.reshape(-1)
    half, panel_step, station = 2 * cells * rows * TILE, slabs * TILE, cells * slabs * TILE
    for i in range(first, last):
        product(A, i * rows * n, n, B, _ZERO, D, _ZERO, _TILE, rows * TILE, rows, n, 2 * cells * TILE)
        for panel in range(2 * cells):
            at, c = panel * rows * TILE, panel % cells
            _turn(D, at, rows, factors, c, 0)
            for r in range(rows):
                for q in range(TILE):
                    D[at + r * TILE + q] *= front[c, i, q]
            product(D, at, _TILE, M, _ZERO, D, half + at, _TILE, _ZERO, rows, _TILE, _TILE)
        for r in range(height):
            for k in range(rows):
                left[r * rows + k] = turns[i, r] * powers[r, k]
                left[(height + r) * rows + k] = turns[i, r] * weighted[r, k]
        out = i * TILE
        product(left, _ZERO, rows, D, half, C, out, station, panel_step, height, rows, cells * TILE)
        at = half + cells * rows * TILE
        product(left, _ZERO, rows, D, at, C, out + height * station, station, panel_step, height, rows, cells * TILE)
        out += 2 * height * station
        product(left, height * rows, rows, D, half, C, out, station, panel_step, height, rows, cells * TILE)


@njit(nogil=True, cache=True)
def _cell(s, half, cells):
    """Return the cell of s in [-half, half] and the local coordinate in it."""
    position = (s + half) * (cells / (2.0 * half))
    c = min(max(int(position), 0), cells - 1)
    return c, 2.0 * (position - c) - 1.0


@njit(nogil=True, cache=True)
def _basis(t, terms, basis):
    basis[0], basis[1] = 1.0, t
    for r in range(2, terms):
        basis[r] = 2.0 * t * basis[r - 1] - basis[r - 2]


@njit(fastmath=EXACT, nogil=True, cache=True)
def _next_polynomial(t, before, last, out):
    for j in range(t.size):
        out[j] = 2.0 * t[j] * last[j] - before[j]


@njit(fastmath=EXACT, nogil=True, cache=True)
def _add_four(out, a, b, c, d, x, y, z, w):
    for j in range(out.size):
        out[j] += (a * x[j] + b * y[j]) + (c * z[j] + d * w[j])


@njit(nogil=True, cache=True)
def _series(t, terms, line, at, step, basis, out):
    """Fill out[channel, j] with the series of coefficients line[at + channel step:] at t[j]; basis is scratch."""
    count = t.size
    for j in range(count):
        basis[0, j], basis[1, j] = 1.0, t[j]
    for q in range(2, terms):
        _next_polynomial(t, basis[q - 2, :count], basis[q - 1, :count], basis[q, :count])
    for channel in range(len(out)):
        row = out[channel, :count]
        for j in range(count):
            row[j] = 0.0
        for q in range(0, terms, 4):  # coefficients beyond the last are 0
            c = at + channel * step + q
            parts = basis[q, :count], basis[q + 1, :count], basis[q + 2, :count], basis[q + 3, :count]
            _add_four(row, line[c], line[c + 1], line[c + 2], line[c + 3], *parts)


@njit(fastmath=EXACT, nogil=True, cache=True)
def _add_multiple(line, weight, values):
    for q in range(line.size):
        line[q] += weight * values[q]


@njit(nogil=True, cache=True)
def _interpolate(values, row, panels, cells, channels, station, weights, line):
    """Fill line[channel, cell, q] from the stations of one cell of the middle axis."""
    for q in range(line.size):
        line[q] = 0.0
    for channel in range(channels):
        for r in range(len(weights)):
            for c in range(cells):
                to = (channel * cells + c) * TILE
                at = ((channel * panels + (station + r) * cells + c) * ROWS + row) * TILE
                _add_multiple(line[to : to + TILE], weights[r], values[at : at + TILE])


@njit(nogil=True, cache=True)
def targets(
    first, last, sums, powers, weighted, x, shear, halves, cells, terms, convert, shifts, strides, coordinates, offsets,
    values, line, with_logs, logs, means
):  # fmt: skip
    """Sum over the first axis, interpolate and divide, for pieces first..last of ROWS of its targets.

    Axes 0, ..., d - 1 of x, strides and coordinates are in the order of `sums`, the last one interpolated last. Targets
    that are not certified get NaN for their logs. Return the largest quotient of the sums, at stations, and the sum at
    a target of the same x_0: of use where each axis has one cell.
    """
    n, d = sums.shape[1], means.shape[1]
    three = d == 3
    E, F, C = powers.reshape(-1), weighted.reshape(-1), sums.reshape(-1)
    panels = len(sums) // d
    basis, found, t = np.zeros((TILE, BATCH)), np.empty((d + 1, BATCH)), np.empty(BATCH)
    middle = np.zeros(max(2, terms[1]))
    weights = np.empty(terms[1])
    end, spread = d - 1, 1.0
    for piece in range(first, last):
        start = piece * ROWS
        rows = min(ROWS, len(powers) - start)
        for channel in range(d + 1):
            source, left = (0, F) if channel == d else (channel, E)
            to = channel * panels * ROWS * TILE
            at = source * panels * n * TILE
            product(left, start * n, n, C, at, values, to, _TILE, ROWS * _TILE, rows, n, panels * TILE)
        for row in range(rows):
            i = start + row
            x0 = x[0][i]
            largest, least = 0.0, math.inf
            for station in range(panels):
                bound = 0.0  # for all values of a series
                for q in range(TILE):
                    bound += math.fabs(values[(station * ROWS + row) * TILE + q])
                largest = max(largest, bound)
            for j in range(len(x[1]) if three else 1):
                base, extra = shear[end, 0] * x0, shifts[0][i]
                flat = i * strides[0]
                if three:
                    x1 = x[1][j]
                    c, local = _cell(x1 + shear[1, 0] * x0, halves[1], cells[1])
                    _basis(local, terms[1], middle)
                    for r in range(terms[1]):
                        weights[r] = 0.0
                        for s in range(terms[1]):
                            weights[r] += middle[s] * convert[s, r]
                    _interpolate(values, row, panels, cells[end], d + 1, c * terms[1], weights, line)
                    base += shear[2, 1] * x1
                    extra += shifts[1][c]
                    flat += j * strides[1]
                else:
                    for channel in range(d + 1):
                        for c in range(cells[end]):
                            at = ((channel * panels + c) * ROWS + row) * TILE
                            to = (channel * cells[end] + c) * TILE
                            for q in range(TILE):
                                line[to + q] = values[at + q]
                step, stop = cells[end] * TILE, 0
                while stop < len(x[end]):
                    begin = stop
                    c, t[0] = _cell(x[end][begin] + base, halves[end], cells[end])
                    stop += 1
                    while stop < len(x[end]) and stop - begin < BATCH:
                        here, t[stop - begin] = _cell(x[end][stop] + base, halves[end], cells[end])
                        if here != c:
                            break
                        stop += 1
                    count = stop - begin
                    _series(t[:count], terms[end], line, c * TILE, step, basis, found)
                    for k in range(count):
                        out, total = flat + (begin + k) * strides[end], found[0, k]
                        least = min(least, total)
                        inverse = 1.0 / total if total > FLOOR else math.nan
                        logs[out] = inverse
                        if with_logs and total > FLOOR:
                            logs[out] = math.log(total) + extra + shifts[end][c]
                        for channel in range(1, d + 1):
                            to = coordinates[d - channel]
                            means[out, to] = offsets[to] + found[channel, k] * inverse
            spread = max(spread, largest / least if least > FLOOR else math.inf)
    return spread
