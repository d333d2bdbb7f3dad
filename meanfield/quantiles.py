"""Quantile functions of measures on the line: F^{-1}(u) = inf {x : mu((-inf, x]) >= u}.

One is kept as two halves, F^{-1} on the levels [0, 1/2] and that of the mirrored measure (the law of -x), because a
level near 0 has sixteen significant digits and a level near 1 has not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.polynomial import legendre
from scipy import special

from meanfield.density import Density, Smooth
from meanfield.gaussian import Gaussian
from meanfield.push_forward import PushForward
from meanfield.quadrature import gauss_legendre
from meanfield.uniform import Uniform
from particles.checks import Array
from particles.measure import Empirical

SLIVER = 4 * float(
    np.finfo(float).eps
)  # Levels closer than this, relatively, differ by the rounding of the weights only.
_RESOLVED = 1e-15  # share of the mass by which a panel of a smooth density may be wrong
_DEEPEST = 60  # halvings after which a panel is narrower than rounding


@dataclass(frozen=True, eq=False)
class Half:
    """F^{-1} on [0, 1/2]: linear between `levels`, then through `curve` if there is one.

    Parameters
    ----------
    levels : (k + 1,) array
        Strictly increasing from 0 to 1/2.
    starts, ends : (k,) arrays
        Values at both ends of each piece; a jump between an end and the next start is a gap in the support.
    curve : callable, optional
        A non-decreasing map applied to the linear value, elementwise; (m,) -> (m,).
    """

    levels: Array
    starts: Array
    ends: Array
    curve: Callable[[Array], Array] | None = None

    def piece(self, u: Array) -> Any:
        """Return the index of the piece that begins at or before each level."""
        return np.searchsorted(self.levels[:-1], u, side="right") - 1

    def at(self, u: Array, piece: Any) -> Array:
        """Return F^{-1}(u), reading each level u on the given piece, its limit at a jump included."""
        left = self.levels[piece]
        share = (u - left) / (self.levels[piece + 1] - left)
        value = self.starts[piece] + (self.ends[piece] - self.starts[piece]) * share
        return value if self.curve is None else self.curve(value.ravel()).reshape(value.shape)


@dataclass(frozen=True, eq=False)
class Quantile:
    """F^{-1} as its lower half and the lower half of the mirrored measure.

    Examples
    --------
    >>> quantile(Uniform([0.0], [2.0]))(np.array([0.25, 0.75]))
    array([0.5, 1.5])
    """

    lower: Half
    upper: Half

    def __call__(self, u: Array) -> Array:
        """Return F^{-1}(u) for levels u in [0, 1], shape (m,)."""
        u = np.asarray(u, dtype=float)
        near, far = np.minimum(u, 0.5), np.minimum(1.0 - u, 0.5)
        below = self.lower.at(near, self.lower.piece(near))
        above = -self.upper.at(far, self.upper.piece(far))
        return np.where(u <= 0.5, below, above)

    def pushed(self, flow: Callable[[Array], Array]) -> Quantile:
        """Return the quantile function of the image under a non-decreasing `flow`, (m, 1) -> (m, 1)."""
        return Quantile(
            _then(self.lower, lambda x: flow(x[:, None])[:, 0]),
            _then(self.upper, lambda x: -flow(-x[:, None])[:, 0]),
        )


def _then(half: Half, curve: Callable[[Array], Array]) -> Half:
    inner = half.curve
    return replace(half, curve=curve if inner is None else lambda x: curve(inner(x)))


@singledispatch
def quantile(mu: Any) -> Quantile:
    """Return the quantile function F^{-1} of a measure on the line.

    Parameters
    ----------
    mu : measure with dim 1

    Raises
    ------
    TypeError
        If the measure is of a kind that has no quantile function here.
    """
    raise TypeError(f"`mu` must be a measure on the line that this package knows; got {type(mu).__name__}.")


@quantile.register
def _(mu: Empirical) -> Quantile:
    order = np.argsort(mu.points[:, 0], kind="stable")
    values = mu.points[order, 0]
    return _pieces(mu.weights[order], values, values)


@quantile.register
def _(mu: Uniform) -> Quantile:
    return _pieces(np.ones(1), mu.lower, mu.upper)


@quantile.register
def _(mu: Density) -> Quantile:
    edges = mu.grid.edges(0)
    return _pieces(mu.masses, edges[:-1], edges[1:])


@quantile.register
def _(mu: Gaussian) -> Quantile:
    mean, spread = float(mu.mean[0]), float(np.sqrt(mu.cov[0, 0]))
    if spread == 0.0:
        return _pieces(np.ones(1), mu.mean, mu.mean)
    return Quantile(
        _whole(lambda u: mean + spread * special.ndtri(u)),
        _whole(lambda u: -mean + spread * special.ndtri(u)),
    )


@quantile.register
def _(mu: Smooth) -> Quantile:
    lower, upper = float(mu.lower[0]), float(mu.upper[0])
    return Quantile(
        _whole(_inverse_cdf(lambda x: mu.pdf(x[:, None]), lower, upper)),
        _whole(_inverse_cdf(lambda x: mu.pdf(-x[:, None]), -upper, -lower)),
    )


@quantile.register
def _(mu: PushForward) -> Quantile:
    return quantile(mu.source).pushed(mu.flow)


def _whole(curve: Callable[[Array], Array]) -> Half:
    return Half(np.array([0.0, 0.5]), np.zeros(1), np.full(1, 0.5), curve)


def _pieces(masses: Array, starts: Array, ends: Array) -> Quantile:
    held = masses > 0
    masses, starts, ends = masses[held], starts[held], ends[held]
    return Quantile(_half(masses, starts, ends), _half(masses[::-1], -ends[::-1], -starts[::-1]))


def _half(masses: Array, starts: Array, ends: Array) -> Half:
    levels = _cumulative(masses)
    last = int(np.searchsorted(levels, 0.5 * (1.0 - SLIVER)))  # the pieces that reach 1/2 are 0 .. last - 1
    ends = ends[:last].copy()
    if levels[last] > 0.5:
        share = (0.5 - levels[last - 1]) / (levels[last] - levels[last - 1])
        ends[-1] = starts[last - 1] + (ends[-1] - starts[last - 1]) * share
    levels = np.append(levels[:last], 0.5)
    wide = np.diff(levels) > 0
    return Half(levels[np.append(wide, True)], starts[:last][wide], ends[wide])


def _cumulative(masses: Array) -> Array:
    """Levels 0 .. 1, each to its own last digit."""
    if (masses == masses[0]).all():
        return np.arange(len(masses) + 1) / len(masses)
    sums = np.cumsum(masses, dtype=np.longdouble)
    return np.concatenate([[0.0], (sums / sums[-1]).astype(float)])


def _inverse_cdf(pdf: Callable[[Array], Array], lower: float, upper: float) -> Callable[[Array], Array]:
    """F^{-1} of the density pdf / mass on [lower, upper], to rounding of the box.

    The density is a Legendre series on each panel, its integral one degree more; Newton's method solves for the
    level, kept inside its bracket by bisection.
    """
    left, width, series = _panels(pdf, lower, upper)
    integrals = legendre.legint(series, lbnd=-1.0) * (0.5 * width)
    masses = np.maximum(legendre.legval(1.0, integrals), 0.0)
    held = masses > 0
    left, width, series, integrals, masses = (
        left[held],
        width[held],
        series[:, held],
        integrals[:, held],
        masses[held],
    )
    levels = _cumulative(masses)
    slopes = series * (0.5 * width)

    def inverse(u: Array) -> Array:
        k = np.clip(np.searchsorted(levels, u, side="right") - 1, 0, len(masses) - 1)
        share = np.clip((u - levels[k]) / (levels[k + 1] - levels[k]), 0.0, 1.0)
        s = _root(integrals[:, k], slopes[:, k], share * masses[k])
        return np.minimum(left[k] + 0.5 * width[k] * (1.0 + s), upper)

    return inverse


def _panels(pdf: Callable[[Array], Array], lower: float, upper: float) -> tuple[Array, Array, Array]:
    """Panels of [lower, upper], halved until the density's Legendre series ends: left ends, widths, series."""
    nodes, weights, _ = gauss_legendre(16)
    degrees = np.arange(16)
    to_series = (degrees[:, None] + 0.5) * legendre.legvander(nodes, 15).T * weights
    left, width = np.linspace(lower, upper, 17)[:-1], np.full(16, (upper - lower) / 16)
    done: list[tuple[Array, Array, Array]] = []
    for depth in range(_DEEPEST):
        x = left[:, None] + 0.5 * width[:, None] * (1.0 + nodes)
        series = to_series @ pdf(x.ravel()).reshape(x.shape).T
        masses = series[0] * width
        total = sum((part[1] @ part[2][0] for part in done), masses.sum())
        rough = np.abs(series[-2:]).max(axis=0) * width > _RESOLVED * total
        if depth == _DEEPEST - 1:
            rough[:] = False
        done.append((left[~rough], width[~rough], series[:, ~rough]))
        if not rough.any():
            break
        half = 0.5 * width[rough]
        left, width = np.concatenate([left[rough], left[rough] + half]), np.concatenate([half, half])
    order = np.argsort(np.concatenate([part[0] for part in done]))
    return (
        np.concatenate([part[0] for part in done])[order],
        np.concatenate([part[1] for part in done])[order],
        np.concatenate([part[2] for part in done], axis=1)[:, order],
    )


def _root(integral: Array, slope: Array, target: Array) -> Array:
    """Solve integral(s) = target on [-1, 1], one non-decreasing Legendre series (columns) for each target."""
    low, high = -np.ones_like(target), np.ones_like(target)
    s = np.zeros_like(target)
    for _ in range(_DEEPEST):
        excess = legendre.legval(s, integral, tensor=False) - target
        low, high = np.where(excess < 0, s, low), np.where(excess < 0, high, s)
        steepness = legendre.legval(s, slope, tensor=False)
        sound = steepness > np.abs(excess) * 0.25  # else Newton would leave [-1, 1] anyway
        newton = s - excess / np.where(sound, steepness, 1.0)
        sound &= (low < newton) & (newton < high)
        following = np.where(sound, newton, 0.5 * (low + high))
        if np.abs(following - s).max(initial=0.0) <= SLIVER:
            return following
        s = following
    return s
