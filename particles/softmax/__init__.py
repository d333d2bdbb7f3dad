"""The one hot primitive: log-sum-exp and tilted means over weighted atoms.

Every measure of this project evaluates Lambda(a) = log sum_j w_j e^{<a, y_j>} and its derivatives through an
engine with the form below. `Dense` is the engine for every size and dimension.
"""

from __future__ import annotations

from typing import Protocol

from particles.checks import Array
from particles.softmax.dense import Dense

__all__ = ["Dense", "Engine", "MakeEngine"]


class Engine(Protocol):
    """What an engine answers, for directions a of shape (m, k)."""

    def log_sum_and_mean(self, a: Array) -> tuple[Array, Array]:
        """Return log sums (m,) and tilted means of the values (m, c)."""
        ...

    def covariance(self, a: Array) -> Array:
        """Return the tilted covariances of the values (m, c, c)."""
        ...


class MakeEngine(Protocol):
    """How an engine is made from atoms."""

    def __call__(self, keys: Array, log_weights: Array, values: Array | None = None) -> Engine:
        """Return an engine for the given atoms."""
        ...
