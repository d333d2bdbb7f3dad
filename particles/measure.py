"""Probability measures as the field sees them: through the cumulant generating function.

Lambda_mu(a)      = log int e^{<a,y>} dmu(y)
grad Lambda_mu(a) = mean of mu tilted by e^{<a,.>}
hess Lambda_mu(a) = covariance of the tilted measure
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np

from particles import checks
from particles.checks import Array
from particles.quantiles import OnTheLine, Quantile, pieces, quantile
from particles.softmax import Automatic, Engine, MakeEngine


@runtime_checkable
class Measure(Protocol):
    """What every probability measure on R^d answers."""

    @property
    def dim(self) -> int:
        """Dimension d."""
        ...

    @property
    def mean(self) -> Array:
        """Mean, shape (d,)."""
        ...

    @property
    def cov(self) -> Array:
        """Covariance, shape (d, d)."""
        ...

    def cgf(self, a: Array) -> Array:
        """Lambda(a) for a of shape (m, d); shape (m,)."""
        ...

    def tilted_mean(self, a: Array) -> Array:
        """grad Lambda(a), shape (m, d)."""
        ...

    def tilted_cov(self, a: Array) -> Array:
        """hess Lambda(a), shape (m, d, d)."""
        ...

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent draws, shape (n, d)."""
        ...


@dataclass(frozen=True, eq=False)
class Empirical(OnTheLine):
    """Weighted atoms mu = sum_j w_j delta_{x_j}.

    Parameters
    ----------
    points : (n, d) array
        The atoms, one a row.
    weights : (n,) array, optional
        Probabilities; 1/n each if left out. An atom of weight 0 only watches: it moves and is not attended to.
    softmax : callable, optional
        How sums over the atoms are evaluated; by default as is fastest, with relative error 1e-12. For another error
        pass `particles.softmax.within(tol)`, for no error but rounding `particles.softmax.Dense`.

    Raises
    ------
    ValueError
        If points are not finite of shape (n, d), or weights are not n probabilities.

    Examples
    --------
    >>> mu = Empirical([[0.0], [1.0]])
    >>> mu.tilted_mean([[0.0]])
    array([[0.5]])
    """

    points: Array
    weights: Array = None  # type: ignore[assignment]  # the check below replaces None by 1/n
    softmax: MakeEngine = Automatic

    def __init__(self, points: Any, weights: Any = None, *, softmax: MakeEngine = Automatic) -> None:
        """Check and store the atoms."""
        problems = checks.Problems()
        atoms = checks.points("points", points, problems)
        if weights is None:
            probabilities = None if atoms is None else np.full(len(atoms), 1.0 / len(atoms))
        else:
            count = len(atoms) if atoms is not None else np.size(weights)
            probabilities = checks.weights("weights", weights, count, problems)
        problems.raise_if_any()
        assert atoms is not None and probabilities is not None
        self._set(checks.frozen(atoms), checks.frozen(probabilities), softmax)

    def _set(self, points: Array, weights: Array, softmax: MakeEngine) -> None:
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "softmax", softmax)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.points.shape[1]

    @cached_property
    def mean(self) -> Array:
        """Mean, shape (d,)."""
        return checks.frozen(self.weights @ self.points)

    @cached_property
    def cov(self) -> Array:
        """Covariance, shape (d, d)."""
        centred = self.points - self.mean
        return checks.frozen((self.weights[:, None] * centred).T @ centred)

    @cached_property
    def log_weights(self) -> Array:
        """log w_j, -inf where w_j = 0; shape (n,)."""
        with np.errstate(divide="ignore"):
            return checks.frozen(np.log(self.weights))

    @cached_property
    def _engine(self) -> Engine:
        return self.softmax(self.points, self.log_weights)

    def cgf(self, a: Any) -> Array:
        """Return Lambda(a) = log sum_j w_j e^{<a, x_j>} for a of shape (m, d); shape (m,)."""
        return self.cgf_and_mean(a)[0]

    def tilted_mean(self, a: Any) -> Array:
        """Return grad Lambda(a), the softmax-weighted means of the atoms; shape (m, d)."""
        return self.cgf_and_mean(a)[1]

    def cgf_and_mean(self, a: Any) -> tuple[Array, Array]:
        """Return `cgf(a)` and `tilted_mean(a)`, which one pass over the atoms gives together."""
        return self._engine.log_sum_and_mean(checks.directions("a", a, self.dim))

    def own_tilted_mean(self, B: Array) -> Array:
        """Return grad Lambda at B^T x_i for every atom x_i; shape (n, d). A symmetric B is used to halve the work."""
        by_symmetry = getattr(self._engine, "at_own_keys", None)
        if by_symmetry is None or not np.array_equal(B, B.T):
            return self.tilted_mean(self.points @ B)
        return by_symmetry(B)[1]

    def tilted_cov(self, a: Any) -> Array:
        """Return hess Lambda(a), the softmax-weighted covariances of the atoms; shape (m, d, d)."""
        return self._engine.covariance(checks.directions("a", a, self.dim))

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n atoms drawn independently by their weights; shape (n, d)."""
        return self.points[rng.choice(len(self.points), size=n, p=self.weights / self.weights.sum())]

    def moved_to(self, points: Array) -> Empirical:
        """Return the same weights on other points of shape (n, d): the push-forward by x_j -> points_j.

        The points are taken as they are, not copied and not checked for NaN: this is the step of a time loop.
        """
        if points.shape != self.points.shape:
            raise ValueError(f"`points` must have shape {self.points.shape}; got {points.shape}.")
        moved = object.__new__(Empirical)
        moved._set(points, self.weights, self.softmax)
        moved.__dict__["log_weights"] = self.log_weights
        return moved


@quantile.register
def _(mu: Empirical) -> Quantile:
    order = np.argsort(mu.points[:, 0])
    values = mu.points[order, 0]
    return pieces(mu.weights[order], values, values)
