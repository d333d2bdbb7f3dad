"""The one hot primitive: log-sum-exp and tilted means over weighted atoms.

Every measure of this project evaluates Lambda(a) = log sum_j w_j e^{<a, y_j>} and its derivatives through an
engine with the form below. `Dense` does every atom, `Transform` moments of cells in low dimension, `Pruned` the atoms
that matter; `Automatic` chooses.
"""

from __future__ import annotations

from functools import partial
from typing import Protocol

from particles.checks import Array
from particles.softmax.automatic import Automatic
from particles.softmax.batch import replicated
from particles.softmax.dense import Dense
from particles.softmax.pruned import Pruned
from particles.softmax.transform import Transform

__all__ = ["Automatic", "Dense", "Engine", "MakeEngine", "Pruned", "Transform", "replicated", "within"]


class Engine(Protocol):
    """What an engine answers, for directions a of shape (m, k)."""

    def log_sum_and_mean(self, a: Array) -> tuple[Array, Array]:
        """Return log sums (m,) and tilted means of the values (m, c)."""
        ...

    def covariance(self, a: Array) -> Array:
        """Return the tilted covariances of the values (m, c, c)."""
        ...

    def cost(self, a: Array) -> float:
        """Return the predicted seconds of one core for `log_sum_and_mean`."""
        ...


class MakeEngine(Protocol):
    """How an engine is made from atoms."""

    def __call__(self, keys: Array, log_weights: Array, values: Array | None = None) -> Engine:
        """Return an engine for the given atoms."""
        ...


def within(tol: float) -> MakeEngine:
    """Return how to make an `Automatic` engine whose error is at most tol, for `Empirical(..., softmax=...)`."""
    return partial(Automatic, tol=tol)
