"""The uniform law on a box, in closed form.

With c the centre, h the half sides and s_k = h_k a_k:

    Lambda(a) = <a, c> + sum_k log(sinh s_k / s_k),  grad_k = c_k + h_k L(s_k),  hess = diag h_k^2 L'(s_k),

L(s) = coth s - 1/s the Langevin function.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from scipy.special import zeta

from meanfield.box import on_box
from particles import checks
from particles.checks import Array
from particles.quantiles import OnTheLine

_SERIES_BELOW = 1.0  # where coth s - 1/s would cancel
_EVEN = 2 * np.arange(1, 19)  # the series converge for |s| < pi, so 18 terms leave less than 1e-17 at 1
_SERIES = np.where(_EVEN % 4 == 2, 2.0, -2.0) * zeta(_EVEN) / np.pi**_EVEN  # of s coth s - 1, in s^2
_LOG_SINHC = Polynomial([0.0, *(_SERIES / _EVEN)])
_LANGEVIN_OVER_S = Polynomial(_SERIES)
_SLOPE = Polynomial(_SERIES * (_EVEN - 1))


def log_sinhc(s: Array) -> Array:
    """log(sinh s / s), right to rounding for every s."""
    small = np.abs(s) < _SERIES_BELOW
    t = np.where(small, _SERIES_BELOW, np.abs(s))
    return np.where(small, _LOG_SINHC(_clipped(s) ** 2), t - np.log(2 * t) + np.log1p(-np.exp(-2 * t)))


def langevin(s: Array) -> Array:
    """L(s) = coth s - 1/s, the derivative of `log_sinhc`."""
    small = np.abs(s) < _SERIES_BELOW
    t = np.where(small, _SERIES_BELOW, s)
    return np.where(small, _clipped(s) * _LANGEVIN_OVER_S(_clipped(s) ** 2), 1 / np.tanh(t) - 1 / t)


def langevin_slope(s: Array) -> Array:
    """L'(s) = 1/s^2 - 1/sinh^2 s."""
    small = np.abs(s) < _SERIES_BELOW
    t = np.where(small, _SERIES_BELOW, np.abs(s))
    sinh_squared = (np.exp(-t) / (-np.expm1(-2 * t))) ** 2 * 4  # 1/sinh^2 without overflow
    return np.where(small, _SLOPE(_clipped(s) ** 2), (1 / t) ** 2 - sinh_squared)


def _clipped(s: Array) -> Array:
    return np.clip(s, -_SERIES_BELOW, _SERIES_BELOW)


@dataclass(frozen=True, eq=False)
class Uniform(OnTheLine):
    """The uniform law on the box [lower, upper].

    Parameters
    ----------
    lower, upper : (d,) array
        Opposite corners.

    Raises
    ------
    ValueError
        If the corners are not finite, or lower is not below upper.
    """

    lower: Array
    upper: Array

    def __init__(self, lower: Any, upper: Any) -> None:
        """Check and store the box."""
        problems = checks.Problems()
        box = checks.box(lower, upper, problems)
        problems.raise_if_any()
        assert box is not None
        object.__setattr__(self, "lower", box[0])
        object.__setattr__(self, "upper", box[1])

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.lower.size

    @cached_property
    def mean(self) -> Array:
        """The centre c, shape (d,)."""
        return checks.frozen(0.5 * (self.lower + self.upper))

    @cached_property
    def _half(self) -> Array:
        return 0.5 * (self.upper - self.lower)

    @cached_property
    def cov(self) -> Array:
        """diag(h^2 / 3), shape (d, d)."""
        return checks.frozen(np.diag(self._half**2 / 3))

    def cgf(self, a: Any) -> Array:
        """<a, c> + sum_k log(sinh s_k / s_k) for a of shape (m, d); shape (m,)."""
        a = checks.directions("a", a, self.dim)
        return a @ self.mean + log_sinhc(a * self._half).sum(axis=1)

    def tilted_mean(self, a: Any) -> Array:
        """c + h L(h a), shape (m, d)."""
        return self.mean + self._half * langevin(checks.directions("a", a, self.dim) * self._half)

    def tilted_cov(self, a: Any) -> Array:
        """diag(h^2 L'(h a)), shape (m, d, d)."""
        a = checks.directions("a", a, self.dim)
        return np.eye(self.dim) * (self._half**2 * langevin_slope(a * self._half))[:, None, :]

    def pdf(self, x: Any) -> Array:
        """1/volume inside the box, 0 outside, for x of shape (m, d); shape (m,)."""
        x = checks.directions("x", x, self.dim)
        return on_box(lambda inside: np.full(len(inside), 1 / np.prod(2 * self._half)), self.lower, self.upper, x)

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent draws, shape (n, d)."""
        return rng.uniform(self.lower, self.upper, (n, self.dim))
