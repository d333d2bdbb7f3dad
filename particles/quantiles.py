"""Quantile functions of measures on the line: F^{-1}(u) = inf {x : F(x) >= u}, F(x) = mu((-inf, x]).

One is kept as two halves, F^{-1} on the levels [0, 1/2] and that of the mirrored measure (the law of -x),
because a level near 0 has sixteen significant digits and a level near 1 has not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Any

import numpy as np

from particles import checks
from particles.checks import Array

SLIVER = 4 * float(np.finfo(float).eps)  # levels closer than this, relatively, differ by rounding only
_HALF_ULP = 0.5 * float(np.finfo(float).eps)  # what a level u above 1/2, and so 1 - u, may be rounded by


class OnTheLine:
    """A measure whose kind is registered with `quantile`: one that answers for its quantiles in d = 1."""

    def quantile(self, u: Any) -> Array:
        """Return F^{-1}(u) = inf {x : mu((-inf, x]) >= u}, for a measure on the line.

        The ends are those of the support: F^{-1}(0) is its infimum and F^{-1}(1) its supremum, which may be infinite.

        Parameters
        ----------
        u : array
            Levels in [0, 1], of any shape.

        Returns
        -------
        array
            The quantiles, in the shape of `u`.

        Raises
        ------
        ValueError
            If the measure is not on the line, or a level is not a number in [0, 1].
        """
        problems = checks.Problems()
        levels = _levels(u, problems)
        dim = getattr(self, "dim")  # noqa: B009  every measure has one; the mix-in does not say so
        if dim != 1:
            problems.add(f"`quantile` is for measures on the line, d = 1; this one lives in dimension {dim}.")
        problems.raise_if_any()
        assert levels is not None
        return quantile(self)(levels)


def _levels(u: Any, problems: checks.Problems) -> Array | None:
    levels = checks.real_array("u", u, problems)
    if levels is None:
        return None
    bad = (levels < 0) | (levels > 1)
    if bad.any():
        problems.add(f"`u` must lie in [0, 1]; got {levels[bad][0]} ({int(bad.sum())} such in all).")
    return levels


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

    def piece_below(self, u: Array) -> Any:
        """Return the index of the piece that begins before each level, the first one at 0."""
        return np.maximum(np.searchsorted(self.levels[:-1], u, side="left") - 1, 0)

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

    def within(self, u: Array, piece: Any) -> Array:
        """Return F^{-1} at the level of the given piece that is nearest to u."""
        return self.at(np.clip(u, self.levels[piece], self.levels[piece + 1]), piece)


@dataclass(frozen=True, eq=False)
class Quantile:
    """F^{-1} as its lower half and the lower half of the mirrored measure.

    Examples
    --------
    >>> from particles import Empirical
    >>> quantile(Empirical([[0.0], [1.0], [4.0]]))(np.array([0.25, 1 / 3, 0.75]))
    array([0., 0., 4.])
    """

    lower: Half
    upper: Half

    def __call__(self, u: Array) -> Array:
        """Return F^{-1}(u) for levels u in [0, 1], of any shape.

        Where F jumps, a level that equals one of its values up to rounding is that value.
        """
        u = np.asarray(u, dtype=float)
        low = u <= 0.5
        near, far = u[low], 1.0 - u[~low]
        value = np.empty_like(u)
        value[low] = self.lower.within(near, self.lower.piece_below(near * (1.0 - SLIVER)))
        value[~low] = -self.upper.within(far, self.upper.piece(far + _HALF_ULP * (far > 0)))
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


def cumulative(masses: Array) -> Array:
    """Return the levels 0 .. 1 between masses (k,), each to its own last digit; shape (k + 1,)."""
    if (masses == masses[0]).all():
        return np.arange(len(masses) + 1) / len(masses)
    sums = np.cumsum(masses, dtype=np.longdouble)
    return np.concatenate([[0.0], (sums / sums[-1]).astype(float)])


def whole(curve: Callable[[Array], Array]) -> Half:
    """Return a half that is one curve of the level."""
    return Half(np.array([0.0, 0.5]), np.zeros(1), np.full(1, 0.5), curve)


def pieces(masses: Array, starts: Array, ends: Array) -> Quantile:
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
