"""Optimal transport on the line: the monotone coupling is optimal for every p >= 1.

    W_p(mu, nu)^p = int_0^1 |F^{-1}(u) - G^{-1}(u)|^p du

The integral is taken over [0, 1/2] twice, once for the mirrored measures: in closed form where both sides are
piecewise linear, on adaptive Gauss-Legendre panels otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import legendre
from scipy import sparse

from meanfield.push_forward import PushForward
from meanfield.quadrature import gauss_legendre
from meanfield.quantiles import Half, Quantile
from particles.checks import Array
from particles.measure import Empirical
from particles.quantiles import SLIVER, cumulative

_EPS = float(np.finfo(float).eps)
_TOLERANCE = 1e-11
_NODES, _WEIGHTS, _ = gauss_legendre(12)
_LAST = (np.arange(10, 12)[:, None] + 0.5) * legendre.legvander(_NODES, 11).T[10:] * _WEIGHTS  # last coefficients
_GRADING = 0.5 * 4.0 ** -np.arange(120.0, 0.0, -1.0)  # a tail is smooth in log u, so panels keep their ratio
_PANELS_AT_ONCE = 1 << 15
_NOISE = 16  # units of rounding in a value of a quantile function
_ROUNDS = 100
_LEAST = 4 * _EPS  # relative width of a panel that can be halved


def distance(f: Quantile, g: Quantile, p: float) -> float:
    """Return W_p = (int_0^1 |F^{-1} - G^{-1}|^p du)^{1/p}.

    Closed form where both are piecewise linear, adaptive Gauss-Legendre panels to about 1e-11 otherwise.
    """
    parts = [_power_integral(f.lower, g.lower, p), _power_integral(f.upper, g.upper, p)]
    scale = max(size for size, _ in parts)
    if scale == 0.0:
        return 0.0
    return float(scale * sum((size / scale) ** p * integral for size, integral in parts) ** (1.0 / p))


def _power_integral(f: Half, g: Half, p: float) -> tuple[float, float]:
    """(s, I) with int_0^{1/2} |f - g|^p = s^p I, so that no power overflows."""
    smooth = f.curve is not None or g.curve is not None
    more = np.concatenate([_GRADING, f.kinks, g.kinks]) if smooth else _GRADING[:0]
    left, right, i, j = merged(f.levels[:-1], g.levels[:-1], 0.5, more)
    if smooth:
        return _adaptive(_Levels(f, g), left, right, p)
    first = f.at(left, i) - g.at(left, j)
    final = first if f.flat and g.flat else f.at(right, i) - g.at(right, j)
    scale = max(np.abs(first).max(), np.abs(final).max())
    if scale == 0.0:
        return 0.0, 0.0
    return float(scale), float((right - left) @ mean_power(first / scale, final / scale, p))


def merged(f: Array, g: Array, end: float, more: Array) -> tuple[Array, Array, Any, Any]:
    """Return the intervals on which both sides are one piece: left and right ends, and the pieces.

    `f` and `g` are the levels at which pieces begin, from 0; `more` are further cuts. Slivers that only the
    rounding of the levels has made are left out.
    """
    cuts = np.concatenate([f, g, more])
    order = np.argsort(cuts, kind="stable")
    left = cuts[order]
    right = np.append(left[1:], end)
    wide = right - left > SLIVER * right
    i = np.cumsum(order < len(f))[wide] - 1
    j = np.cumsum((order >= len(f)) & (order < len(f) + len(g)))[wide] - 1
    return left[wide], right[wide], i, j


def mean_power(first: Array, final: Array, p: float) -> Array:
    """Return int_0^1 |(1 - s) first + s final|^p ds without cancellation, for any real p >= 1; shape (m,).

    With b >= a the sizes of the end values it is b^p (1 - (1 - r)^{p+1}) / ((p+1) r), r = (b - a) / b, where
    the line keeps its sign, and (a^{p+1} + b^{p+1}) / ((p+1) (a + b)) where it changes sign.
    """
    a, b = np.minimum(np.abs(first), np.abs(final)), np.maximum(np.abs(first), np.abs(final))
    mean, power = b**p, p + 1.0
    crosses = (first < 0) != (final < 0)
    share = a[crosses] / b[crosses]
    mean[crosses] *= (1.0 + share**power) / (power * (1.0 + share))
    bends = np.flatnonzero(~crosses & (a < b))
    ratio = (b[bends] - a[bends]) / b[bends]
    inner = ratio < 1.0
    mean[bends[~inner]] /= power
    ratio = ratio[inner]
    mean[bends[inner]] *= -np.expm1(power * np.log1p(-ratio)) / (power * ratio)
    return mean


def between_flows(mu: PushForward, nu: PushForward, p: float) -> float:
    """Return W_p of two images of one source on the line: both flows keep the order of points, so it is that of flows.

    W_p^p = int |Phi(y) - Psi(y)|^p dmu_0(y)
    """
    edges = np.unique([*mu.panels.lower[:, 0], *mu.panels.upper[:, 0], *nu.panels.lower[:, 0], *nu.panels.upper[:, 0]])
    scale, integral = _adaptive(_Flows(mu, nu), edges[:-1], edges[1:], p)
    return float(scale * integral ** (1 / p))


@dataclass(frozen=True, eq=False)
class _Levels:
    """Two quantile functions, compared at levels u."""

    f: Half
    g: Half

    def at(self, low: Array, u: Array) -> tuple[Array, Array, Array | float]:
        """Return both values at u (k, m), of pieces that begin at `low` or before, and the weight of u."""
        return self.f.at(u, self.f.piece(low)[:, None]), self.g.at(u, self.g.piece(low)[:, None]), 1.0


@dataclass(frozen=True, eq=False)
class _Flows:
    """Two flows of one source, compared at its points y."""

    mu: PushForward
    nu: PushForward

    def at(self, low: Array, y: Array) -> tuple[Array, Array, Array | float]:
        """Return both images of y (k, m), and the source's density there."""
        points = y.reshape(-1, 1)
        values = (self.mu.flow(points), self.nu.flow(points), self.mu.source.pdf(points))
        x, z, weight = (value.reshape(y.shape) for value in values)
        return x, z, weight


def _adaptive(pair: _Levels | _Flows, left: Array, right: Array, p: float) -> tuple[float, float]:
    """As `_power_integral`, by halving the panels on which |f - g|^p is no polynomial yet.

    A change of sign or a jump costs a few dozen halvings of one panel, since its share falls with its width. A
    panel rough by the curves' own rounding would be halved for ever: each round keeps the roughest panels only,
    and all rounds together have a budget.
    """
    x, y, _ = pair.at(left, 0.5 * (left + right)[:, None])
    size = float(max(np.abs(x).max(), np.abs(y).max()))
    scale = float(np.abs(x - y).max()) or size or 1.0
    noise = _NOISE * _EPS * size / scale
    most, budget = 2 * len(left), _ROUNDS * len(left)
    tolerance = _TOLERANCE / len(left)
    settled = 0.0
    while True:
        values, errors, floors = _on_panels(pair, left, right, p, scale, noise)
        budget -= len(left)
        rough = errors > np.maximum(tolerance * (settled + values.sum()), floors)
        rough &= right - left > _LEAST * np.maximum(np.abs(left), np.abs(right))  # a jump is between two neighbours
        if rough.sum() > most:
            rough &= errors >= np.partition(errors, -most)[-most]
        if budget < 0 or not rough.any():
            return scale, settled + float(values.sum())
        settled += float(values[~rough].sum())
        left, right = left[rough], right[rough]
        middle = 0.5 * (left + right)
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])


def _on_panels(
    pair: _Levels | _Flows, left: Array, right: Array, p: float, scale: float, noise: float
) -> tuple[Array, Array, Array]:
    """Integrals of |(f - g) / scale|^p over the panels, their estimated errors, and what rounding leaves."""
    parts = []
    for start in range(0, len(left), _PANELS_AT_ONCE):
        low, high = left[start : start + _PANELS_AT_ONCE], right[start : start + _PANELS_AT_ONCE]
        width = high - low
        f, g, weight = pair.at(low, low[:, None] + 0.5 * width[:, None] * (1.0 + _NODES))
        gap = np.abs(f - g) / scale
        power, peak = weight * gap**p, gap.max(axis=1)
        heaviest = weight.max(axis=1) if isinstance(weight, np.ndarray) else weight
        floors = heaviest * width * peak ** (p - 1) * (_NOISE * _EPS * peak + p * noise)
        parts.append((0.5 * width * (power @ _WEIGHTS), width * np.abs(power @ _LAST.T).max(axis=1), floors))
    values, errors, floors = (np.concatenate(column) for column in zip(*parts, strict=True))
    return values, errors, floors


def monotone(mu: Empirical, nu: Empirical) -> sparse.coo_array:
    """Return the monotone coupling of atoms on the line, shape (n, m): optimal for every p >= 1 at once."""
    return in_order(mu.weights, np.argsort(mu.points[:, 0]), nu.weights, np.argsort(nu.points[:, 0]))


def in_order(a: Array, rows: Any, b: Array, columns: Any) -> sparse.coo_array:
    """Return the coupling of masses a (n,) and b (m,) that takes both in the given orders, shape (n, m)."""
    shape = len(a), len(b)
    rows, columns = rows[a[rows] > 0], columns[b[columns] > 0]
    f, g = cumulative(a[rows]), cumulative(b[columns])
    left, right, i, j = merged(f[:-1], g[:-1], 1.0, _GRADING[:0])
    return sparse.coo_array((right - left, (rows[i], columns[j])), shape=shape)
