"""The engine that chooses: dense, transform or pruned, whichever is predicted to be fastest for the directions at hand.

Directions in R^k that span only one to three dimensions, as those of a head of low rank do, are turned into them first:
<a, y> = <W^T a, W^T y> for a basis W of the span.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from particles import memory
from particles.checks import Array
from particles.softmax.batch import replicated
from particles.softmax.dense import Dense
from particles.softmax.pruned import Pruned
from particles.softmax.transform import Transform

if TYPE_CHECKING:
    from particles.softmax import Engine

_FEW = 2_000_000  # interactions that the dense engine does in the time it takes to ask the others
_PEAKED = 25.0  # exponents below which hardly an atom is without weight
_SMALL = 20_000  # interactions not worth keeping the atoms laid out for
_LOW = 3  # dimensions in which there is something faster than the dense engine


@dataclass(frozen=True, eq=False)
class Automatic:
    """Sums over atoms with weights w_j = e^{log_weights_j}, keys y_j and values v_j, by the fastest engine.

    Parameters
    ----------
    keys : (n, k) array
        The points y_j in the exponent.
    log_weights : (n,) array
        Natural logarithms of the weights; -inf for an atom that carries nothing.
    values : (n, c) array, optional
        What is averaged; the keys themselves if left out.
    tol : float
        Largest error of the means, relative to the largest distance of a value from the centre of the values' box;
        of covariances, relative to its square; of log sums, absolute. Rounding, eps max_j |<a, y_j>|, comes on top.

    Raises
    ------
    MemoryError
        If the atoms or the answer would not fit into the memory that is free.
    """

    keys: Array
    log_weights: Array
    values: Array | None = None
    tol: float = field(default=1e-12, kw_only=True)

    def log_sum_and_mean(self, a: Array) -> tuple[Array, Array]:
        """Return log sum_j w_j e^{<a_i, y_j>}, shape (m,), and the tilted means of the values, shape (m, c)."""
        if self.values is None and len(self.keys) * len(a) <= _SMALL:
            log_sums, means = replicated(self.keys[None], self.log_weights, a[None])
            return log_sums[0], means[0]
        engine, a = self._for(a)
        return engine.log_sum_and_mean(a)

    def at_own_keys(self, B: Array) -> tuple[Array, Array]:
        """Return `log_sum_and_mean` at a_i = B y_i for a symmetric B."""
        a = self.keys @ B
        if len(a) ** 2 <= _SMALL:
            return self.log_sum_and_mean(a)
        engine, a = self._for(a)
        return self._dense.at_own_keys(B) if engine is self._dense else engine.log_sum_and_mean(a)

    def covariance(self, a: Array) -> Array:
        """Return the tilted covariances of the values, shape (m, c, c)."""
        engine, a = self._for(a)
        return engine.covariance(a)

    def cost(self, a: Array) -> float:
        """Return the predicted seconds of one core for `log_sum_and_mean` at directions a."""
        engine, a = self._for(a)
        return engine.cost(a)

    @cached_property
    def _dense(self) -> Dense:
        return Dense(self.keys, self.log_weights, self.values)

    @cached_property
    def _fast(self) -> tuple[Transform, Pruned]:
        atoms = (self.keys, self.log_weights, self.values)
        return Transform(*atoms, tol=self.tol), Pruned(*atoms, tol=self.tol)

    def _for(self, a: Array) -> tuple[Engine, Array]:
        """Return the engine to use, and the directions as it takes them."""
        (n, k), m = self.keys.shape, len(a)
        if n * m <= _FEW:
            return self._dense, a
        self._require_memory(m)
        if k <= _LOW:
            return self._fastest(a), a
        basis = _span(a, float(np.abs(self.keys).max()))
        if basis is None:
            return self._dense, a
        values = self.keys if self.values is None else self.values
        lower = Automatic(self.keys @ basis, self.log_weights, values, tol=self.tol)
        return lower._for(a @ basis)

    def _fastest(self, a: Array) -> Engine:
        transform, pruned = self._fast
        engines: list[Engine] = [self._dense, transform]
        with np.errstate(over="ignore", invalid="ignore"):
            exponents = np.abs(a).max(axis=0) @ np.abs(self.keys - self.keys.mean(axis=0)).max(axis=0)
        if exponents > _PEAKED:
            engines.append(pruned)
        return min(engines, key=lambda engine: engine.cost(a))

    def _require_memory(self, m: int) -> None:
        c = (self.keys if self.values is None else self.values).shape[1]
        n, k = self.keys.shape
        memory.require(8.0 * (4 * n * (k + c + 1) + 4 * m * (k + c + 1)), f"Softmax over {n} atoms at {m} points")


def _span(a: Array, reach: float) -> Array | None:
    """Return an orthonormal basis (k, r) of the span of the directions if r <= 3, None if they span more.

    A direction is in the span if what is left of it changes no exponent on |y| <= reach by more than rounding.
    """
    size = float(np.abs(a).max())
    if not np.isfinite(size):
        return None
    vectors = np.linalg.eigh(a.T @ a)[1]
    for rank in range(1, _LOW + 1):
        basis = vectors[:, -rank:]
        left = np.abs(a - (a @ basis) @ basis.T).max()
        if left * reach <= 8 * np.finfo(float).eps * max(1.0, size * reach):
            return basis
    return None
