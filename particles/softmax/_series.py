"""Exponential sums over one block of directions as a single series, where that is cheaper than atom by atom.

In a frame turned with the block, delta = sum_k alpha_k t_k e_k with |t_k| <= 1, the sum over the packed atoms is

    F(delta) = sum_j w_j e^{<delta, d_j>} = sum_r M_r T_r1(t_1) T_r2(t_2) T_r3(t_3),   M_r = sum_j w_j prod_k c_rk(x_jk)

with x_jk = alpha_k <d_j, e_k>, c_r = 2 I_r (c_0 = I_0). Kept are total degrees up to p, and r_k <= cap_k. By the
addition theorem of the Bessel functions, and theta > 1,

    sum_{|r| = q} prod_k c_rk(x_k) <= 8 I_q(z),   sum_{q > p} I_q(z) <= theta^-(p+1) e^{z (theta + 1/theta) / 2},

z = sum_k |x_k|. So one sum over the atoms for each of a few theta bounds what any degree leaves out.
"""

import math

import numpy as np
from numba import njit

from particles.softmax._chebyshev import TILE, basis_at
from particles.softmax._exp import EXACT
from particles.softmax._lanes import constant, fma, load, store
from particles.softmax._moments import eight
from particles.softmax._sieve import reached
from particles.softmax._simd import LANES, STEP, clamped, exp2, larger, peaks, spread, totals

BATCH = 8 * LANES  # atoms taken together
DEGREE = 40  # the largest
BATCHED = TILE  # directions evaluated together
TABLE = 3 * (DEGREE + 2) * BATCH  # working room
THETAS = np.array([1.0, 2.0, 3.0, 4.5, 7.0, 11.0, 18.0, 30.0])
ROUND = 5e-16  # error of the series relative to sum_j w_j e^{z_j}
MOST_TERMS = 2600  # terms whose moments, lane by lane, stay in the second cache
NEAR_TERMS = 400  # and of so many in the first
LEAST_SIZE = 0.25  # of an axis times the radius: below, derivatives along it would cost degrees
HIGHEST = 900.0  # exponents in base 2
_LOG_2 = math.log(2.0)


@njit(nogil=True, cache=True)
def _places(at):
    """Return the offsets of a batch's packs."""
    return eight(at, LANES)


@njit(nogil=True, cache=True)
def _frame(rows, steps, centre, frame, sizes):
    """Choose axes, in rows of `frame`, among the coordinates' and some turned with the centre; fill half sides."""
    dim = centre.size
    first = 3 - dim
    length = 0.0
    for k in range(dim):
        length += centre[k] * centre[k]
    length = math.sqrt(length)
    mirror, square = np.empty(dim), 0.0
    for k in range(dim):
        mirror[k] = centre[k] / max(length, 1e-300)
        if k == 0:
            mirror[k] += math.copysign(1.0, mirror[k])
        square += mirror[k] * mirror[k]
    axes, extents, bulk = np.zeros((2, 3, 3)), np.zeros((2, 3)), np.ones(2)
    for k in range(dim):
        for i in range(dim):
            same = 1.0 if i == k else 0.0
            axes[0, first + k, i] = same
            axes[1, first + k, i] = same - 2.0 * mirror[k] * mirror[i] / square
    for choice in range(2):
        for k in range(first, 3):
            for t in range(rows):
                along = 0.0
                for i in range(dim):
                    along += axes[choice, k, i] * steps[i][t]
                extents[choice, k] = max(extents[choice, k], abs(along))
            bulk[choice] *= 2.0 + extents[choice, k]
    best = 1 if bulk[1] < bulk[0] else 0
    for k in range(3):
        sizes[k] = extents[best, k]
        for i in range(3):
            frame[k, i] = axes[best, k, i]


@njit(nogil=True, cache=True)
def _turned(near, frame, axis, at, scale):
    """Return scale <d_j, e_axis> for a batch."""
    places = _places(at)
    total = constant(0.0, places)
    for k in range(len(near)):
        total = fma(constant(scale * frame[axis, k], places), load(near[k], places), total)
    return total


@njit(nogil=True, cache=True)
def _rows_of_bessel(near, frame, axis, at, scale, cap, count, table, to):
    """Fill rows r <= cap of c_r(x), x = 2 scale <d_j, e_axis>, for a batch.

    I_r(2 u) = u^r U_r, U_r = sum_k u^2k / (k! (r + k)!), and U_{r-1} = r U_r + u^2 U_{r+1}, all of one sign.
    """
    places = _places(0)
    zero, one = constant(0.0, places), constant(1.0, places)
    u = _turned(near, frame, axis, at, scale)
    q = fma(u, u, zero)
    above, here = one, one
    for k in range(count, 0, -1):
        above = fma(fma(above, q, zero), constant(1.0 / (k * (cap + 1.0 + k)), places), one)
        here = fma(fma(here, q, zero), constant(1.0 / (k * (cap + k)), places), one)
    factorial = 1.0
    for r in range(2, cap + 1):
        factorial *= r
    here = fma(here, constant(1.0 / factorial, places), zero)
    above = fma(above, constant(1.0 / (factorial * (cap + 1.0)), places), zero)
    for r in range(cap, 0, -1):
        store(table, _places(to + r * BATCH), here)
        below = fma(here, constant(float(r), places), fma(q, above, zero))
        above = here
        here = below
    store(table, _places(to), here)
    power = fma(u, constant(2.0, places), zero)
    for r in range(1, cap + 1):
        row = _places(to + r * BATCH)
        store(table, row, fma(load(table, row), power, zero))
        power = fma(power, u, zero)


@njit(nogil=True, cache=True)
def _two_dots(left, table, at, sums, to):
    """Add the products of a batch with two rows, lane by lane."""
    pair = (to, to + LANES)
    total = load(sums, pair)
    for u in range(8):
        here = at + u * LANES
        total = fma((left[u], left[u]), load(table, (here, here + BATCH)), total)
    store(sums, pair, total)


@njit(nogil=True, cache=True)
def _moments(size, near, column, frame, scales, degree, caps, counts, table, sums):
    """Fill the moments M_r, lane by lane, r_3 fastest and two by two; the table must hold numbers."""
    sums[: count_terms(degree, caps) * LANES] = 0.0
    places = _places(0)
    zero = constant(0.0, places)
    width = (DEGREE + 2) * BATCH
    for at in range(0, size, BATCH):
        for axis in range(3):
            _rows_of_bessel(near, frame, axis, at, 0.5 * scales[axis], caps[axis], counts[axis], table, axis * width)
        weights = load(column, _places(at))
        to = 0
        for r1 in range(min(degree, caps[0]) + 1):
            first = fma(weights, load(table, _places(r1 * BATCH)), zero)
            for r2 in range(min(degree - r1, caps[1]) + 1):
                both = fma(first, load(table, _places(width + r2 * BATCH)), zero)
                for r3 in range(0, min(degree - r1 - r2, caps[2]) + 1, 2):
                    _two_dots(both, table, 2 * width + r3 * BATCH, sums, to)
                    to += 2 * LANES


@njit(nogil=True, cache=True)
def count_terms(degree, caps):
    """Return how many r have |r| <= degree and r_k <= caps_k, with pairs of r_3 filled up."""
    total = 0
    for r1 in range(min(degree, caps[0]) + 1):
        for r2 in range(min(degree - r1, caps[1]) + 1):
            total += 2 * ((min(degree - r1 - r2, caps[2]) + 2) // 2)
    return total


@njit(fastmath=EXACT, nogil=True, cache=True)
def _evaluate(rows, steps, frame, sizes, degree, caps, coefficients, sloped, channel, table, sums):
    """Fill sums[channel, t] with the series, or, `sloped`, sums[:, t] with it and the sums of w_j d_j."""
    dim = len(steps)
    pair = (0, LANES)
    zero = constant(0.0, pair)
    width = (DEGREE + 1) * BATCHED
    local, found = np.zeros(BATCHED), np.empty(4 * BATCHED)
    for begin in range(0, rows, BATCHED):
        here = min(BATCHED, rows - begin)
        for axis in range(3):
            local[:] = 0.0
            for i in range(here):
                for k in range(dim):
                    local[i] += frame[axis, k] * steps[k][begin + i]
                local[i] /= sizes[axis]
            basis_at(local, 0, caps[axis] + 1, 1, table, axis * width, 3 * width)
        value, slope1, slope2, slope3 = zero, zero, zero, zero
        at = 0
        for r1 in range(min(degree, caps[0]) + 1):
            a = r1 * BATCHED
            sum2, sum2_slope2, sum2_slope3 = zero, zero, zero
            for r2 in range(min(degree - r1, caps[1]) + 1):
                b = width + r2 * BATCHED
                sum3, sum3_slope = zero, zero
                for r3 in range(min(degree - r1 - r2, caps[2]) + 1):
                    c = 2 * width + r3 * BATCHED
                    m = constant(coefficients[at], pair)
                    sum3 = fma(m, load(table, (c, c + LANES)), sum3)
                    c += 3 * width
                    sum3_slope = fma(m, load(table, (c, c + LANES)), sum3_slope)
                    at += 1
                at += at % 2
                along = load(table, (b, b + LANES))
                sum2 = fma(along, sum3, sum2)
                sum2_slope3 = fma(along, sum3_slope, sum2_slope3)
                b += 3 * width
                sum2_slope2 = fma(load(table, (b, b + LANES)), sum3, sum2_slope2)
            along = load(table, (a, a + LANES))
            value = fma(along, sum2, value)
            slope2 = fma(along, sum2_slope2, slope2)
            slope3 = fma(along, sum2_slope3, slope3)
            a += 3 * width
            slope1 = fma(load(table, (a, a + LANES)), sum2, slope1)
        store(found, (0, LANES), value)
        store(found, (BATCHED, BATCHED + LANES), slope1)
        store(found, (2 * BATCHED, 2 * BATCHED + LANES), slope2)
        store(found, (3 * BATCHED, 3 * BATCHED + LANES), slope3)
        for i in range(here):
            sums[channel, begin + i] = found[i]
            if sloped:
                for k in range(dim):
                    total = 0.0
                    for axis in range(3):
                        total += frame[axis, k] * found[(1 + axis) * BATCHED + i] / sizes[axis]
                    sums[1 + k, begin + i] = total / _LOG_2


@njit(nogil=True, cache=True)
def _tail(x, cap):
    """Return a bound on sum_{r > cap} 2 I_r(x)."""
    if x >= cap + 2.0:
        return math.inf
    term = 2.0 * math.exp(x * x / (4.0 * (cap + 2.0)))
    for r in range(1, cap + 2):
        term *= 0.5 * x / r
    return term / (1.0 - 0.5 * x / (cap + 2.0))


@njit(nogil=True, cache=True, error_model="numpy")
def _choose(bounds, reaches, sizes, radius, eps, sloped, dim, caps):
    """Fill the caps and return the total degree that leave out at most eps; 0 if there is none.

    bounds[i] = sum_j w_j e^{z_j (theta_i + 1 / theta_i) / 2}, the first with theta = 1; reaches[k] = max_j |x_jk|.
    """
    for axis in range(3):
        caps[axis] = 0
        if axis >= 3 - dim:
            for cap in range(1, DEGREE + 1):
                caps[axis] = cap
                steep = (cap + 1.0) ** 2 / (sizes[axis] * radius) if sloped else 0.0
                if bounds[0] * _tail(reaches[axis], cap) * max(2.0, steep) <= 0.1 * eps:
                    break
    for degree in range(1, DEGREE + 1):
        steep = 2.0
        if sloped:
            for axis in range(3 - dim, 3):
                steep = max(steep, min(caps[axis], degree + 1.0) ** 2 / (sizes[axis] * radius))
        if ROUND * bounds[0] * max(1.0, 0.1 * steep) > 2.0 * eps:
            return 0
        for i in range(1, THETAS.size):
            if 2.0**dim * bounds[i] * steep * THETAS[i] ** -(degree + 1.0) <= 0.5 * eps:
                for axis in range(3 - dim, 3):
                    caps[axis] = min(caps[axis], degree)
                return degree
    return 0


@njit(nogil=True, cache=True)
def _bounds(size, logs, near, frame, sizes, sums, bounds, reaches):
    """Fill what `_choose` needs; sizes are in base 2."""
    pair = (0, LANES)
    zero, one = constant(0.0, pair), constant(1.0, pair)
    tops = (zero[0], zero[0], zero[0])
    halves = spread((sizes[0], sizes[1], sizes[2]))
    unit = spread((1.0,))
    widest = 0.0
    for j in range(0, size, STEP):
        places = (j, j + LANES)
        first, second, third = zero, zero, zero
        for k in range(len(near)):
            row = load(near[k], places)
            first = fma(constant(frame[0, k], pair), row, first)
            second = fma(constant(frame[1, k], pair), row, second)
            third = fma(constant(frame[2, k], pair), row, third)
        first, second, third = reached(zero, unit, first), reached(zero, unit, second), reached(zero, unit, third)
        tops = larger(tops, first + second + third)
        store(sums, places, reached(zero, halves, first + second + third))
    found = peaks(tops)
    for axis in range(3):
        reaches[axis] = found[axis] * sizes[axis] * _LOG_2
        widest += found[axis] * sizes[axis]
    for i in range(THETAS.size):
        bend = 0.5 * (THETAS[i] + 1.0 / THETAS[i])
        bounds[i] = math.inf
        if bend * widest <= HIGHEST:
            total = zero
            slope = constant(bend, pair)
            for j in range(0, size, STEP):
                places = (j, j + LANES)
                powers = exp2(clamped(fma(slope, load(sums, places), load(logs, places))))
                total = fma(one, powers, total)
            both = totals(total)
            bounds[i] = both[0] + both[1]


@njit(nogil=True, cache=True)
def _exchange(row, i, j):
    held = row[i]
    row[i] = row[j]
    row[j] = held


@njit(nogil=True, cache=True)
def _order(caps, frame, sizes, reaches):
    """Put the axis with the most terms last."""
    for i in (0, 1, 0):
        if caps[i] > caps[i + 1]:
            _exchange(caps, i, i + 1)
            _exchange(sizes, i, i + 1)
            _exchange(reaches, i, i + 1)
            for k in range(3):
                _exchange(frame[:, k], i, i + 1)


@njit(nogil=True, cache=True)
def _powers(reach, cap):
    """Return how many terms the series of U_cap takes at x = reach."""
    term, count = 1.0, 0
    while term > 1e-17:
        count += 1
        term *= 0.25 * reach * reach / (count * (cap + count))
    return count


@njit(nogil=True, cache=True)
def series_sums(rows, steps, centre, logs, near, columns, own, size, eps, radius, room, sums):
    """Fill sums[c, t] = sum_j columns[c][j] 2^<steps_t, near_j> within eps, if that is cheaper than one by one.

    logs are the base-2 logarithms of columns[0]; `own` says that the others are columns[0] times near. `size` is a
    multiple of BATCH. Returns whether it has done so.
    """
    table, lanes, spare = room
    dim = len(near)
    frame, sizes, reaches = np.empty((3, 3)), np.empty(3), np.empty(3)
    caps, counts = np.zeros(3, np.int64), np.zeros(3, np.int64)
    bounds = np.empty(THETAS.size)
    _frame(rows, steps, centre, frame, sizes)
    for axis in range(3):
        sizes[axis] = max(sizes[axis], LEAST_SIZE / (radius * _LOG_2)) if axis >= 3 - dim else 1.0
    _bounds(size, logs, near, frame, sizes, spare, bounds, reaches)
    degree = _choose(bounds, reaches, sizes, radius * _LOG_2, eps, own, dim, caps)
    _order(caps, frame, sizes, reaches)
    terms = count_terms(degree, caps)
    if degree == 0 or terms > MOST_TERMS:
        return False
    work = 0.0
    scales = np.empty(3)
    for axis in range(3):
        scales[axis] = sizes[axis] * _LOG_2
        counts[axis] = _powers(reaches[axis], caps[axis] + 0.0)
        work += 0.1 * (2 * caps[axis] + counts[axis])
    channels = 1 if own else len(columns)
    each = work + terms * (0.06 if terms < NEAR_TERMS else 0.13)
    if channels * (size * each + rows * 0.1 * terms) > 0.5 * size * rows:  # nanoseconds, measured
        return False
    for channel in range(channels):
        _moments(size, near, columns[channel], frame, scales, degree, caps, counts, table, lanes)
        for i in range(terms):
            total = 0.0
            for lane in range(LANES):
                total += lanes[i * LANES + lane]
            lanes[i] = total
        _evaluate(rows, steps, frame, sizes, degree, caps, lanes, own, channel, table, sums)
    return True
