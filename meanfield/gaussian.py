"""The normal law N(m, S): Lambda(a) = <a, m> + <a, S a>/2, so the field is affine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
from scipy import linalg
from scipy.special import roots_hermitenorm

from meanfield.grid import tensor_points
from meanfield.smooth import Smooth
from particles import checks
from particles.checks import Array
from particles.measure import Empirical
from particles.quantiles import OnTheLine

_SINGULAR = 1e-14  # least over largest variance
_NO_WIDTH = 1.5e-8  # least over largest deviation: below, an axis along which there is nothing to stretch
_ASYMMETRY = 1e-12  # of the largest entry; above it a covariance is refused, below it is rounding


@dataclass(frozen=True, eq=False)
class Gaussian(OnTheLine):
    """The normal law N(m, S); S may be singular.

    Parameters
    ----------
    mean : (d,) array
        m.
    cov : (d, d) array
        S, symmetric and positive semi-definite.

    Raises
    ------
    ValueError
        If the shapes do not fit, an entry is not finite, or S is not a covariance.
    """

    mean: Array
    cov: Array

    def __init__(self, mean: Any, cov: Any) -> None:
        """Check and store mean and covariance."""
        problems = checks.Problems()
        m, S = checks.real_array("mean", mean, problems), checks.real_array("cov", cov, problems)
        if m is not None:
            m = np.atleast_1d(m)
            if m.ndim != 1 or m.size == 0:
                problems.add(f"`mean` must have shape (d,); got {m.shape}.")
        if S is not None and m is not None and not problems:
            S = np.atleast_2d(S)
            _check_covariance(S, m.size, problems)
        problems.raise_if_any()
        assert m is not None and S is not None
        object.__setattr__(self, "mean", checks.frozen(m))
        object.__setattr__(self, "cov", checks.frozen(0.5 * (S + S.T)))

    @classmethod
    def trusted(cls, mean: Array, cov: Array) -> Gaussian:
        """Return N(mean, cov) without the checks: between two steps of a time loop S may be slightly off."""
        law = object.__new__(cls)
        object.__setattr__(law, "mean", mean)
        object.__setattr__(law, "cov", cov)
        return law

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.mean.size

    @cached_property
    def root(self) -> Array:
        """A with A A^T = S: scaled principal axes in its columns, shape (d, d)."""
        variances, axes = np.linalg.eigh(self.cov)
        return axes * np.sqrt(np.maximum(variances, 0.0))

    def cgf(self, a: Any) -> Array:
        """<a, m> + <a, S a>/2 for a of shape (m, d); shape (m,)."""
        a = checks.directions("a", a, self.dim)
        return a @ self.mean + 0.5 * ((a @ self.root) ** 2).sum(axis=1)

    def tilted_mean(self, a: Any) -> Array:
        """m + S a, shape (m, d)."""
        return self.mean + checks.directions("a", a, self.dim) @ self.cov

    def tilted_cov(self, a: Any) -> Array:
        """S, for every a; shape (m, d, d)."""
        a = checks.directions("a", a, self.dim)
        return self.cov + 0.0 * a[:, :1, None]  # NaN stays NaN

    def pdf(self, x: Any) -> Array:
        """Density at x of shape (m, d); shape (m,).

        Raises
        ------
        ValueError
            If S is singular, so that there is no density.
        """
        x = checks.directions("x", x, self.dim)
        variances, axes = np.linalg.eigh(self.cov)
        if variances[0] <= _SINGULAR * variances[-1]:
            raise ValueError("the Gaussian has no density: its covariance is singular.")
        squares = ((x - self.mean) @ axes) ** 2 @ (1 / variances)
        return np.exp(-0.5 * (squares + np.log(2 * np.pi * variances).sum()))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent draws, shape (n, d)."""
        return self.mean + rng.standard_normal((n, self.dim)) @ self.root.T

    def quadrature(self, n: int) -> Empirical:
        """Return n Gauss-Hermite nodes along each principal axis, n^d in all, with their weights.

        Moments of degree below 2n along each axis are exact.
        """
        nodes, weights = roots_hermitenorm(n)
        axes, shares = [nodes] * self.dim, [weights / weights.sum()] * self.dim
        product = reduce(np.multiply.outer, shares).ravel()
        return Empirical(self.mean + tensor_points(axes) @ self.root.T, product / product.sum())

    @property
    def has_density(self) -> bool:
        """Whether the covariance is regular."""
        return bool(np.linalg.eigvalsh(self.cov)[0] > _SINGULAR * np.trace(self.cov))

    def mass_beyond(self, deviations: float) -> float:
        """Bound the mass outside the box m +- deviations sqrt(diag S): d erfc(deviations / sqrt 2)."""
        return self.dim * math.erfc(deviations / math.sqrt(2))

    def truncated(self, deviations: float = 8.0) -> Smooth:
        """Return the law restricted to the box m +- deviations sqrt(diag S), renormalised.

        The mass left out is at most `mass_beyond(deviations)`: 1.2e-15 d at 8.
        """
        if not np.diag(self.cov).all():
            raise ValueError("the Gaussian has no density to restrict: its covariance is singular.")
        reach = deviations * np.sqrt(np.diag(self.cov))
        lower, upper = self.mean - reach, self.mean + reach
        return Smooth.normalised(self.pdf, lower, upper)


def _check_covariance(S: Array, d: int, problems: checks.Problems) -> None:
    if S.shape != (d, d):
        problems.add(f"`cov` must have shape ({d}, {d}), as `mean` has {d} entries; got {S.shape}.")
        return
    scale = np.abs(S).max()
    asymmetry = np.abs(S - S.T).max()
    if asymmetry > _ASYMMETRY * scale:
        problems.add(f"`cov` must be symmetric; entries differ from their mirror by {asymmetry:.3g}.")
        return
    least = np.linalg.eigvalsh(S)[0]
    if least < -_ASYMMETRY * scale:
        problems.add(f"`cov` must be positive semi-definite; its least eigenvalue is {least:.3g}.")


def bures(A: Array, B: Array) -> float:
    """Return ||A - B U||_F, U the orthogonal polar factor of B^T A: W2 of N(0, A A^T) and N(0, B B^T)."""
    left, _, right = linalg.svd(B.T @ A)
    return float(np.linalg.norm(A - B @ (left @ right)))


def optimal_map(S: Array, T: Array) -> Array:
    """Return S^{-1/2} (S^{1/2} T S^{1/2})^{1/2} S^{-1/2}, the optimal map from N(0, S) to N(0, T)."""
    root = _symmetric_root(S)
    inverse = np.linalg.pinv(root, rcond=_NO_WIDTH, hermitian=True)
    return inverse @ _symmetric_root(root @ T @ root) @ inverse


def _symmetric_root(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
