"""The exponential e^{tU} of one matrix at many depths t, which takes tokens x of (1.1) to z = e^{-tU} x of (3.1).

    e^{tU} = (e^{hm} sum_{k <= 24} (hA)^k / k!)^{2^s},    A = U - m,    h = t / 2^s,    m the mean eigenvalue.

A time loop asks for a dozen depths a step, so powers of A are formed once: a depth then costs one combination of them
and s squarings. The series is exact to rounding, as a backward error, while

    |h| max(|A^4|^{1/4}, |A^5|^{1/5}) <= 2    and    |h|^24 | |A|^25 | / (25! |A|) <= 2^-53,

which far from normal takes fewer squarings than a bound on |hA| would, and squarings lose digits (Al-Mohy, Higham, SIAM
J. Sci. Comput. 33 (2011) 488). Taking out m saves more of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil, factorial, inf, isfinite, log2

import numpy as np

from particles.checks import Array

_DEGREE = 24
_LARGEST = 2.0  # |hA|: terms up to e^2 times the sum lose a digit at most
_DEGREES = np.arange(_DEGREE + 1.0)
_COEFFICIENTS = np.array([1.0 / factorial(k) for k in range(_DEGREE + 1)])
_NEGLECTED = 53 - log2(factorial(_DEGREE + 1))
_FEW, _SMALL = 5, 64  # 24 powers of a matrix of a thousand rows would fill 200 MB
_LEAST = -30.0  # h up to 2^30 if A is nilpotent: its powers stay numbers


@dataclass(frozen=True, eq=False)
class Exponential:
    """The map t -> e^{tU}.

    Parameters
    ----------
    matrix : (d, d) array
        U, any real matrix; taken as it is, not checked.

    Examples
    --------
    >>> turn = Exponential(np.array([[0.0, -1.0], [1.0, 0.0]]))
    >>> turn.at(np.pi / 2).round(12) + 0.0
    array([[ 0., -1.],
           [ 1.,  0.]])
    """

    matrix: Array

    def at(self, t: float) -> Array:
        """Return e^{tU}, shape (d, d), with inf or NaN in it if an entry leaves the range of double precision.

        The error is that of rounding, eps |tU| times the norm, unless U is so far from normal that rounding U itself
        changes the exponential more.
        """
        with np.errstate(all="ignore"):
            if self._is_diagonal:
                return np.diag(np.exp(t * self.matrix.diagonal()))
            scaled, shift = t * self._unit, t * self._mean
            if not isfinite(scaled) or not isfinite(shift):
                return np.full(self.matrix.shape, np.nan)
            s = max(0, ceil(log2(abs(scaled)) + self._excess)) if scaled else 0
            coefficients = _COEFFICIENTS * (scaled / 2.0**s) ** _DEGREES
            coefficients *= np.exp(shift / 2.0**s)
            F = self._series(coefficients)
            for k in range(s, 0, -1):
                self._correct(F, t / 2.0**k)
                F = F @ F
            self._correct(F, t)
        return F

    def _series(self, coefficients: Array) -> Array:
        """Return sum_k coefficients[k] A^k, in powers of A^5 if few powers are kept."""
        powers = self._powers
        kept = _DEGREE + 1 if len(powers) > _DEGREE else _FEW
        # not a product by a library: its last bits may depend on its threads
        *parts, F = np.einsum("jk,kab->jab", coefficients.reshape(-1, kept), powers[:kept])
        for part in reversed(parts):
            F = F @ powers[kept] + part
        return np.asarray(F)

    @cached_property
    def _is_diagonal(self) -> bool:
        return bool(np.count_nonzero(self.matrix) == np.count_nonzero(self.matrix.diagonal()))

    @cached_property
    def _mean(self) -> float:
        return float(self.matrix.diagonal().mean())

    @cached_property
    def _unit(self) -> float:
        """A power of 2 near |A|: powers are taken of A over it, so that they do not overflow."""
        norm = _norm(self.matrix - self._mean * np.eye(len(self.matrix)))
        return float(2.0 ** max(ceil(log2(norm)), -1000)) if 0 < norm < inf else norm

    @cached_property
    def _powers(self) -> Array:
        """The powers of A over its unit, shape (25, d, d), or those up to the fifth if d is large."""
        eye = np.eye(len(self.matrix))
        powers = [eye, (self.matrix - self._mean * eye) / self._unit]
        for k in range(2, 1 + (_DEGREE if len(eye) <= _SMALL else _FEW)):
            powers.append(powers[k // 2] @ powers[k - k // 2])
        return np.stack(powers)

    @cached_property
    def _excess(self) -> float:
        """The base-2 logarithm of 1 / |h| for the largest h, A over its unit."""
        powers = self._powers
        moduli, row, bound = np.abs(powers[1]), np.ones(len(self.matrix)), -log2(_norm(powers[1]))
        for _ in range(_DEGREE + 1):
            row = row @ moduli
            largest = float(row.max())
            if largest == 0:
                return _LEAST
            row, bound = row / largest, bound + log2(largest)
        size = max(_norm(powers[4]) ** (1 / 4), _norm(powers[5]) ** (1 / 5))
        needed = log2(size / _LARGEST) if size else _LEAST
        return max(_LEAST, needed, (bound + _NEGLECTED) / _DEGREE)

    @cached_property
    def _side(self) -> int:
        """1 if U is upper, -1 if it is lower triangular, else 0."""
        return 1 if not np.tril(self.matrix, -1).any() else -1 if not np.triu(self.matrix, 1).any() else 0

    def _correct(self, F: Array, t: float) -> None:
        """Replace, for a triangular U, the diagonal of F = e^{tU} and the one beside it, which have closed forms."""
        if self._side == 0:
            return
        values, beside = t * self.matrix.diagonal(), t * self.matrix.diagonal(self._side)
        half = 0.5 * np.diff(values)
        near = np.abs(half) < 0.5  # where a difference of exponentials would cancel
        safe = np.where(near & (half != 0), half, 1.0)
        close = np.exp(0.5 * (values[1:] + values[:-1])) * np.where(half == 0, 1.0, np.sinh(safe) / safe)
        far = np.diff(np.exp(values)) / np.where(near, 1.0, 2 * half)
        k = np.arange(len(values))
        F[k, k] = np.exp(values)
        rows, columns = (k[:-1], k[1:]) if self._side > 0 else (k[1:], k[:-1])
        F[rows, columns] = np.where(near, close, far) * beside


def _norm(matrix: Array) -> float:
    return float(np.abs(matrix).sum(axis=0).max())
