"""Quantile functions of measures on the line: F^{-1}(u) = inf {x : mu((-inf, x]) >= u}.

One is kept as two halves, F^{-1} on the levels [0, 1/2] and that of the mirrored measure (the law of -x),
because a level near 0 has sixteen significant digits and a level near 1 has not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Any

import numpy as np
from scipy import special

from meanfield.density import Density
from meanfield.gaussian import Gaussian
from meanfield.inverse_cdf import SLIVER, cumulative, inverse_cdf
from meanfield.push_forward import PushForward
from meanfield.smooth import Smooth
from meanfield.uniform import Uniform
from particles.checks import Array
from particles.measure import Empirical


@dataclass(frozen=True, eq=False)
class Half:
    """F^{-1} on [0, 1/2]: linear between `levels`, then through `curve` if there is one.

    Parameters
    ----------
    levels : (k + 1,) array
        Strictly increasing from 0 to 1/2.
    starts, ends : (k,) arrays
        Values at both ends of each piece, one and the same array where all pieces are flat. A jump between an
        end and the next start is a gap in the support.
    curve : callable, optional
        A non-decreasing map applied to the linear value, elementwise; (m,) -> (m,).
    kinks : (j,) array
        Levels in (0, 1/2) at which the curve is not smooth.
    """

    levels: Array
    starts: Array
    ends: Array
    curve: Callable[[Array], Array] | None = None
    kinks: Array = field(default_factory=lambda: np.empty(0))

    def piece(self, u: Array) -> Any:
        """Return the index of the piece that begins at or before each level."""
        return np.searchsorted(self.levels[:-1], u, side="right") - 1

    @property
    def flat(self) -> bool:
        """Whether every piece is constant."""
        return self.ends is self.starts and self.curve is None

    def at(self, u: Array, piece: Any) -> Array:
        """Return F^{-1}(u), reading each level u on the given piece, its limit at a jump included."""
        if self.flat:
            return np.broadcast_to(self.starts[piece], u.shape)
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
        low = u <= 0.5
        near, far = u[low], 1.0 - u[~low]
        value = np.empty_like(u)
        value[low] = self.lower.at(near, self.lower.piece(near))
        value[~low] = -self.upper.at(far, self.upper.piece(far))
        return value

    def pushed(self, flow: Callable[[Array], Array], masses: Array) -> Quantile:
        """Return the quantile function of the image under a non-decreasing `flow`, (m, 1) -> (m, 1).

        The flow is smooth on pieces from left to right that hold `masses`.
        """
        return Quantile(
            _then(self.lower, lambda x: flow(x[:, None])[:, 0], masses),
            _then(self.upper, lambda x: -flow(-x[:, None])[:, 0], masses[::-1]),
        )


def _then(half: Half, curve: Callable[[Array], Array], masses: Array) -> Half:
    inner, ends = half.curve, np.cumsum(masses)
    return replace(
        half,
        curve=curve if inner is None else lambda x: curve(inner(x)),
        kinks=np.concatenate([half.kinks, ends[(ends > 0) & (ends < 0.5)]]),
    )


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
    order = np.argsort(mu.points[:, 0])
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
        _whole(inverse_cdf(lambda x: mu.pdf(x[:, None]), lower, upper)),
        _whole(inverse_cdf(lambda x: mu.pdf(-x[:, None]), -upper, -lower)),
    )


@quantile.register
def _(mu: PushForward) -> Quantile:
    if not mu.resolved:
        return quantile(mu.nodes)
    masses = mu.nodes.weights.reshape(len(mu.panels), -1).sum(axis=1)
    return quantile(mu.source).pushed(mu.flow, masses[np.argsort(mu.panels.lower[:, 0])])


def _whole(curve: Callable[[Array], Array]) -> Half:
    return Half(np.array([0.0, 0.5]), np.zeros(1), np.full(1, 0.5), curve)


def _pieces(masses: Array, starts: Array, ends: Array) -> Quantile:
    """Pieces from left to right, each with its mass; flat where `ends` is `starts`."""
    held = masses > 0
    values = starts[held]
    last = values if ends is starts else ends[held]
    mirrored = -last[::-1]
    return Quantile(
        _half(masses[held], values, last),
        _half(masses[held][::-1], mirrored, mirrored if ends is starts else -values[::-1]),
    )


def _half(masses: Array, starts: Array, ends: Array) -> Half:
    levels = cumulative(masses)
    count = int(np.searchsorted(levels, 0.5 * (1.0 - SLIVER)))  # the pieces that reach 1/2 are 0 .. count - 1
    wide = np.diff(levels[: count + 1]) > 0
    begins = starts[:count][wide]
    if ends is starts:
        return Half(_up_to_half(levels[:count][wide]), begins, begins)
    finals = ends[:count][wide]
    if levels[count] > 0.5:
        share = (0.5 - levels[count - 1]) / (levels[count] - levels[count - 1])
        finals[-1] = begins[-1] + (finals[-1] - begins[-1]) * share
    return Half(_up_to_half(levels[:count][wide]), begins, finals)


def _up_to_half(levels: Array) -> Array:
    return np.append(levels, 0.5)
