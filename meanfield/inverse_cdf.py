"""The inverse of a distribution function, from its density on an interval."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial import legendre

from meanfield.quadrature import gauss_legendre
from particles.checks import Array
from particles.quantiles import SLIVER, cumulative

_RESOLVED = 1e-15  # share of the mass by which a panel may be wrong
_DEEPEST = 60  # halvings after which a panel is narrower than rounding


def inverse_cdf(pdf: Callable[[Array], Array], lower: float, upper: float) -> Callable[[Array], Array]:
    """Return F^{-1} of the density pdf / mass on [lower, upper], to rounding of the box.

    The density is a Legendre series on each panel and its integral one of one degree more. Newton's method
    solves for the level, kept inside its bracket by bisection.
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
    levels = cumulative(masses)
    slopes = series * (0.5 * width)

    def inverse(u: Array) -> Array:
        k = np.clip(np.searchsorted(levels, u, side="right") - 1, 0, len(masses) - 1)
        share = np.clip((u - levels[k]) / (levels[k + 1] - levels[k]), 0.0, 1.0)
        s = _root(integrals[:, k], slopes[:, k], share * masses[k])
        return np.minimum(left[k] + 0.5 * width[k] * (1.0 + s), upper)

    return inverse


def _panels(pdf: Callable[[Array], Array], lower: float, upper: float) -> tuple[Array, Array, Array]:
    """Panels of [lower, upper], halved until the Legendre series ends: left ends, widths, series."""
    nodes, weights, _ = gauss_legendre(16)
    degrees = np.arange(16)
    to_series = (degrees[:, None] + 0.5) * legendre.legvander(nodes, 15).T * weights
    offsets = (upper - lower) / 16 * np.concatenate([[0.0], 4.0 ** np.arange(-26.0, 0.0), np.arange(1.0, 17.0)])
    left, width = lower + offsets[:-1], np.diff(offsets)  # graded, so that low levels keep their digits
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
    root = np.zeros_like(target)
    open_, s, low, high = np.arange(len(target)), root.copy(), root - 1.0, root + 1.0
    for _ in range(_DEEPEST):
        excess = legendre.legval(s, integral, tensor=False) - target
        low, high = np.where(excess < 0, s, low), np.where(excess < 0, high, s)
        steepness = legendre.legval(s, slope, tensor=False)
        sound = steepness > 0.25 * np.abs(excess)  # else Newton would leave [-1, 1] anyway
        newton = s - excess / np.where(sound, steepness, 1.0)
        sound &= (low <= newton) & (newton <= high)
        following = np.where(sound, newton, 0.5 * (low + high))
        root[open_] = following
        going = np.abs(following - s) > SLIVER
        if not going.any():
            break
        open_, s, low, high, target = open_[going], following[going], low[going], high[going], target[going]
        integral, slope = integral[:, going], slope[:, going]
    return root
