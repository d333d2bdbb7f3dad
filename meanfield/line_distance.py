"""Optimal transport on the line: the monotone coupling is optimal for every p >= 1.

    W_p(mu, nu)^p = int_0^1 |F^{-1}(u) - G^{-1}(u)|^p du

The integral is taken over [0, 1/2] twice, once for the mirrored measures. Where both sides are piecewise linear
it has a closed form; otherwise adaptive Gauss-Legendre panels.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import legendre

from meanfield.quadrature import gauss_legendre
from meanfield.quantiles import SLIVER, Half, Quantile
from particles.checks import Array

_EPS = float(np.finfo(float).eps)
_TOLERANCE = 1e-11
_NODES, _WEIGHTS, _ = gauss_legendre(12)
_LAST = (
    (np.arange(10, 12)[:, None] + 0.5) * legendre.legvander(_NODES, 11).T[10:] * _WEIGHTS
)  # last coefficients
_GRADING = 0.5 * 4.0 ** -np.arange(120.0, 0.0, -1.0)  # a tail is smooth in log u, so panels keep their ratio
_PANELS_AT_ONCE = 1 << 15
_HALVINGS = 50


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
    left, right = _merged(f, g, _GRADING if smooth else np.empty(0))
    if smooth:
        return _adaptive(f, g, left, right, p)
    i, j = f.piece(left), g.piece(left)
    first, final = f.at(left, i) - g.at(left, j), f.at(right, i) - g.at(right, j)
    scale = max(np.abs(first).max(), np.abs(final).max())
    if scale == 0.0:
        return 0.0, 0.0
    return float(scale), float((right - left) @ mean_power(first / scale, final / scale, p))


def _merged(f: Half, g: Half, more: Array) -> tuple[Array, Array]:
    """Return ends of the intervals on which both sides are one piece, without slivers made by rounding."""
    levels = np.concatenate([f.levels, g.levels[1:-1], more])
    levels.sort(kind="stable")
    wide = np.diff(levels) > SLIVER * levels[1:]
    return levels[:-1][wide], levels[1:][wide]


def mean_power(first: Array, final: Array, p: float) -> Array:
    """Return int_0^1 |(1 - s) first + s final|^p ds without cancellation, for any real p >= 1; shape (m,).

    With b >= a the end values' sizes: b^p (1 - (1 - r)^{p+1}) / ((p+1) r), r = (b-a)/b, where the line keeps its
    sign, and (a^{p+1} + b^{p+1}) / ((p+1)(a+b)) where it changes sign.
    """
    a, b = np.minimum(np.abs(first), np.abs(final)), np.maximum(np.abs(first), np.abs(final))
    top = b**p
    bends = a < b
    if not bends.any():
        return top
    a, b, power = a[bends], b[bends], p + 1.0
    ratio = (b - a) / b
    inside = ratio < 1.0
    factor = np.full(len(b), 1.0 / power)
    factor[inside] = -np.expm1(power * np.log1p(-ratio[inside])) / (power * ratio[inside])
    crosses = (first[bends] < 0) != (final[bends] < 0)
    share = a[crosses] / b[crosses]
    factor[crosses] = (1.0 + share**power) / (power * (1.0 + share))
    mean = top
    mean[bends] *= factor
    return mean


def _adaptive(f: Half, g: Half, left: Array, right: Array, p: float) -> tuple[float, float]:
    """As `_power_integral`, by halving the panels on which |f - g|^p is no polynomial yet.

    A change of sign or a jump costs a few dozen halvings of one panel, since its share falls with its width.
    """
    middle = 0.5 * (left + right)
    far, near = f.at(middle, f.piece(left)), g.at(middle, g.piece(left))
    scale = float(np.abs(far - near).max()) or float(np.abs(far).max()) or 1.0
    least = 1.0 / len(left)
    settled = 0.0
    for _ in range(_HALVINGS):
        values, errors, noise = _on_panels(f, g, left, right, p, scale)
        rough = errors > np.maximum(_TOLERANCE * least * (settled + values.sum()), noise)
        settled += float(values[~rough].sum())
        if not rough.any():
            return scale, settled
        left, right = left[rough], right[rough]
        middle = 0.5 * (left + right)
        left, right = np.concatenate([left, middle]), np.concatenate([middle, right])
    return scale, settled + float(values[rough].sum())


def _on_panels(
    f: Half, g: Half, left: Array, right: Array, p: float, scale: float
) -> tuple[Array, Array, Array]:
    """Integral of |(f - g) / scale|^p on each panel, an estimate of its error, and what rounding leaves of it."""
    parts = []
    for start in range(0, len(left), _PANELS_AT_ONCE):
        low, high = left[start : start + _PANELS_AT_ONCE], right[start : start + _PANELS_AT_ONCE]
        width = high - low
        u = low[:, None] + 0.5 * width[:, None] * (1.0 + _NODES)
        x, y = f.at(u, f.piece(low)[:, None]), g.at(u, g.piece(low)[:, None])
        gap = np.abs(x - y) / scale
        power = gap**p
        peak = gap.max(axis=1)
        size = np.maximum(np.abs(x).max(axis=1), np.abs(y).max(axis=1)) / scale
        noise = 8 * _EPS * width * peak ** (p - 1) * (peak + p * size)
        parts.append((0.5 * width * (power @ _WEIGHTS), width * np.abs(power @ _LAST.T).max(axis=1), noise))
    values, errors, noises = (np.concatenate(column) for column in zip(*parts, strict=True))
    return values, errors, noises
