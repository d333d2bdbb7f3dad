"""The axes' matrices, and their products with tensors.

A matrix holds e^{a y} for one axis as Chebyshev series in both cells,

    e^{a y} = sum_{q r} K[(I, q), (J, r)] T_q(s) T_r(t),    a = a_I + alpha s,  y = y_J + eta t,

by the exact series in s at Chebyshev's nodes in t: e^{alpha s y} has the coefficients 2 I_q(alpha y), the first I_0.
So every coefficient has small relative error, however high q is: derivatives in s amplify nothing but the answer.
"""

import math

import numpy as np
from numba import njit

from particles.softmax._chebyshev import corner_of
from particles.softmax._exp import EXACT, REDUCE, exp2, log, maximum
from particles.softmax._product import TILE as PANEL
from particles.softmax._product import product
from particles.softmax.kernels import LOG2_E

BLOCK = 8  # rows of a product beside its edge
TOGETHER = 2048  # points handled together
STRIP = 96  # rows of the tensor between packings, along the last axis


@njit(nogil=True, cache=True, error_model="numpy")
def _bessel(x, terms, out):
    """Fill out[r] with the Chebyshev coefficients of e^{x t - |x|}, r < terms, by Miller's recurrence."""
    size = abs(x)
    if size < 1e-30:
        for r in range(terms):
            out[r] = 0.0
        out[0] = 1.0
        return
    start = terms + 12 + int(math.sqrt(80.0 * size))
    slope = 2.0 / size
    above, here, total = 0.0, 1e-280, 0.0
    for r in range(start, 0, -1):
        if r < terms:
            out[r] = 2.0 * here
        total += 2.0 * here
        below = above + r * slope * here
        above, here = here, below
        if here > 1e200:
            above *= 1e-200
            here *= 1e-200
            total *= 1e-200
            for k in range(r, terms):
                out[k] *= 1e-200
    out[0] = here
    total += here
    for r in range(terms):
        out[r] /= total
    if x < 0:
        for r in range(1, terms, 2):
            out[r] = -out[r]


@njit(nogil=True, cache=True)
def series_of(x, out):
    """Fill out[i] with the Chebyshev coefficients of e^{x_i t - |x_i|}."""
    for i in range(x.size):
        _bessel(x[i], out.shape[1], out[i])


@njit(fastmath=REDUCE, nogil=True, cache=True)
def matrix(a, alpha, y, eta, tilts, scales, degree, cosines, nodes, out):
    """Fill K for e^{a y - (a - a_I) tilt_I - scale_I}; a and y are the centres of the cells, of half widths alpha, eta.

    cosines[r, n] takes values at nodes[n] to the coefficient of T_r; out has the shape (cells, degree, cells, terms).
    """
    terms, count = cosines.shape
    series = np.empty((count, degree))
    for i in range(a.size):
        for j in range(y.size):
            for n in range(count):
                at = y[j] + eta * nodes[n]
                x = alpha * (at - tilts[i])
                _bessel(x, degree, series[n])
                factor = math.exp(a[i] * at + abs(x) - scales[i])
                for q in range(degree):
                    series[n, q] *= factor
            for q in range(degree):
                for r in range(terms):
                    total = 0.0
                    for n in range(count):
                        total += cosines[r, n] * series[n, q]
                    out[i, q, j, r] = total


@njit(fastmath=EXACT, nogil=True, cache=True)
def _panel(right, at, width, depth, columns, panel):
    """Copy `columns` columns of the right factor side by side, zeros beyond."""
    for k in range(depth):
        a, b = at + k * width, k * PANEL
        for j in range(columns):
            panel[b + j] = right[a + j]
        for j in range(columns, PANEL):
            panel[b + j] = 0.0


@njit(nogil=True, cache=True)
def _rows_by_panel(left, at, width, rows, depth, panel, columns, answer, to, across, edge):
    """All rows of the left factor times one panel."""
    if columns == PANEL:
        product(left, at, width, panel, 0, answer, to, across, PANEL, rows, depth, PANEL)
        return
    for i in range(0, rows, BLOCK):
        count = min(BLOCK, rows - i)
        product(left, at + i * width, width, panel, 0, edge, 0, PANEL, PANEL, count, depth, columns)
        for u in range(count):
            for j in range(columns):
                answer[to + (i + u) * across + j] = edge[u * PANEL + j]


@njit(nogil=True, cache=True)
def along(first, last, matrix, size_out, size_in, tensor, behind, answer, panel, edge):
    """Do answer[f, :, b] = matrix tensor[f, :, b] for panels of b, first <= (f, panel) < last."""
    panels = (behind + PANEL - 1) // PANEL
    for u in range(first, last):
        f, b = u // panels, (u % panels) * PANEL
        columns = min(PANEL, behind - b)
        _panel(tensor, f * size_in * behind + b, behind, size_in, columns, panel)
        to = f * size_out * behind + b
        _rows_by_panel(matrix, 0, size_in, size_out, size_in, panel, columns, answer, to, behind, edge)


@njit(nogil=True, cache=True)
def along_last(first, last, turned, size_out, size_in, tensor, rows, answer, panel, edge):
    """Do answer[f, :] = tensor[f, :] turned for strips of rows f; turned is (size_in, size_out)."""
    for u in range(first, last):
        f = u * STRIP
        count = min(STRIP, rows - f)
        for b in range(0, size_out, PANEL):
            columns = min(PANEL, size_out - b)
            _panel(turned, b, size_out, size_in, columns, panel)
            to = f * size_out + b
            _rows_by_panel(tensor, f * size_in, size_in, count, size_in, panel, columns, answer, to, size_out, edge)


@njit(nogil=True, cache=True)
def bounds(a, alpha, y, eta, means, scales, step, share, eps, marginal, tilts, peaks, tails):
    """Choose tilts among parts of the means, and bound the terms of each pair of cells under them.

    peaks[I, J] is the largest e^{a y - (a - a_I) tilt_I - scale_I} over both cells, tails[I, J] what the series there
    leave out; share[x / step] tells it for exponents up to x, relative to the largest. The chosen tilt has the least
    sum of both over J, weighted by `marginal`.
    """
    peak, tail = np.empty(y.size), np.empty(y.size)
    for i in range(a.size):
        best = math.inf
        for part in range(4, -1, -1):
            tilt = 0.25 * part * means[i]
            bound = 0.0
            for j in range(y.size):
                top = -math.inf
                for p in (-alpha, alpha):
                    for q in (-eta, eta):
                        top = max(top, (a[i] + p) * (y[j] + q) - p * tilt)
                peak[j] = math.exp(top - scales[i])
                away = alpha * (abs(y[j] - tilt) + eta) / step
                tail[j] = peak[j] * share[min(math.ceil(away), share.size - 1)]
                bound += marginal[j] * (tail[j] + eps * peak[j])
            if bound < best:
                best = bound
                tilts[i] = tilt
                for j in range(y.size):
                    peaks[i, j] = peak[j]
                    tails[i, j] = tail[j]


@njit(nogil=True, cache=True)
def dropped(first, last, cells, degrees, limits, weights, coefficients, size, sums):
    """Fill sums[c] with the weighted magnitude of the coefficients of cell c that the limits drop, in any channel."""
    width2, width3 = cells[1] * degrees[1], cells[2] * degrees[2]
    for c in range(first, last):
        corner = corner_of(c, cells, degrees)
        most = 0.0
        for channel in range(coefficients.size // size):
            total = 0.0
            for r1 in range(degrees[0]):
                for r2 in range(degrees[1]):
                    at = channel * size + corner + (r1 * width2 + r2) * width3
                    for r3 in range(limits[r1, r2], degrees[2]):
                        total += weights[r1, r2, r3] * abs(coefficients[at + r3])
            most = max(most, total)
        sums[c] = most


@njit(fastmath=EXACT, nogil=True, cache=True, error_model="numpy")
def _answers(begin, end, local, alpha, tilt, shift, base, least, slopes, raw):
    """Turn the series at some places into log sums and means, in place; return whether all sums are large enough."""
    sums = raw[0, 0, begin:end]
    good = True
    for i in range(sums.size):
        good &= (sums[i] >= least) & (sums[i] < math.inf)
    for channel in range(1, raw.shape[0] * raw.shape[1]):
        if slopes:
            rate, offset = 1.0 / alpha[channel - 1], tilt[channel - 1] + shift[channel - 1]
            slope = raw[0, channel, begin:end]
            for i in range(sums.size):
                slope[i] = slope[i] / sums[i] * rate + offset
        else:
            value = raw[channel, 0, begin:end]
            for i in range(sums.size):
                value[i] = value[i] / sums[i]
    for i in range(sums.size):
        sums[i] = log(sums[i]) + base
    for axis in range(local.shape[0]):
        slope, within = alpha[axis] * tilt[axis], local[axis, begin:end]
        for i in range(sums.size):
            sums[i] += slope * within[i]
    return good


@njit(nogil=True, cache=True)
def finish(first, last, chunks, order, local, cells, alpha, tilts, shift, logs, least, slopes, base, raw, certain):
    """Turn series at sorted points into log sums and means; certain[i] is cleared where the sum is too small.

    With `slopes` the rows of raw[0] are a value and its derivatives, otherwise raw[:, 0] are channels. Keys were taken
    relative to the shift: with `slopes`, means are moved back.
    """
    k = cells.size
    tilt = np.empty(k)
    for q in range(first, last):
        c, begin, end = chunks[q, 0], chunks[q, 1], chunks[q, 2]
        at = c
        for axis in range(k - 1, -1, -1):
            tilt[axis] = tilts[axis, at % cells[axis]]
            at //= cells[axis]
        if not _answers(begin, end, local, alpha, tilt, shift, base + logs[c], least[c], slopes, raw):
            for p in range(begin, end):
                certain[order[p]] = False


@njit(nogil=True, cache=True)
def deliver(first, last, places, directions, shift, raw, log_sums, means):
    """Put log sums, moved by <direction, shift>, and means into the points' own order."""
    flat, stride = raw.reshape(-1), raw.shape[2]
    for i in range(first, last):
        p = places[i]
        log_sum = flat[p]
        for axis in range(shift.size):
            log_sum += directions[i, axis] * shift[axis]
        log_sums[i] = log_sum
        for channel in range(means.shape[1]):
            means[i, channel] = flat[(1 + channel) * stride + p]


@njit(fastmath=EXACT, nogil=True, cache=True)
def tilted(first, last, logs, keys, shift, centre, exponents, tops):
    """Fill exponents[j] = logs[j] + <centre, keys[j] - shift> for blocks of TOGETHER atoms; tops[b] is the largest."""
    for b in range(first, last):
        begin, end = b * TOGETHER, min((b + 1) * TOGETHER, logs.size)
        out, given, points = exponents[begin:end], logs[begin:end], keys[begin:end]
        for j in range(out.size):
            out[j] = given[j]
        for axis in range(centre.size):
            along, offset = centre[axis], shift[axis]
            for j in range(out.size):
                out[j] += along * (points[j, axis] - offset)
        top = -math.inf
        for j in range(out.size):
            top = maximum(top, out[j])
        tops[b] = top


@njit(fastmath=EXACT, nogil=True, cache=True)
def powers(first, last, exponents, top):
    """Replace exponents by e^(exponent - top)."""
    for j in range(first, last):
        exponents[j] = exp2((exponents[j] - top) * LOG2_E)


@njit(fastmath=EXACT, nogil=True, cache=True)
def box(first, last, a, low, high):
    """Fill low[b] and high[b], the bounds of blocks of TOGETHER points; not finite if any is not."""
    for b in range(first, last):
        points = a[b * TOGETHER : min((b + 1) * TOGETHER, a.shape[0])]
        for axis in range(a.shape[1]):
            least = most = points[0, axis]
            for i in range(points.shape[0]):
                least = -maximum(-least, -points[i, axis])
                most = maximum(most, points[i, axis])
            low[b, axis] = least
            high[b, axis] = most
