"""Independent replicas of one system of tokens, for averages over initial data: moved and evaluated in one call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from particles import checks
from particles.checks import Array
from particles.measure import Empirical
from particles.softmax import replicated


@dataclass(frozen=True, eq=False)
class Replicas:
    """R measures mu_r = sum_j w_j delta_{x_rj} with the same number of atoms and the same weights.

    Laws of motion and `Attention.field` take it in the place of a measure, with points of shape (R, m, d): replica r
    moves the r-th m points.

    Parameters
    ----------
    points : (R, n, d) array
        The atoms of each replica.
    weights : (n,) array, optional
        Probabilities, the same in each replica; 1/n each if left out.

    Raises
    ------
    ValueError
        If points are not finite of shape (R, n, d), or weights are not n probabilities.

    Examples
    --------
    >>> pairs = Replicas([[[0.0], [1.0]], [[2.0], [4.0]]])
    >>> pairs.tilted_mean([[[0.0]], [[0.0]]]).ravel()
    array([0.5, 3. ])
    """

    points: Array
    weights: Array

    def __init__(self, points: Any, weights: Any = None) -> None:
        """Check and store the atoms."""
        problems = checks.Problems()
        atoms = checks.real_array("points", points, problems)
        if atoms is not None and (atoms.ndim != 3 or 0 in atoms.shape):
            problems.add(f"`points` must have shape (R, n, d), none of them 0; got {atoms.shape}.")
        problems.raise_if_any()
        assert atoms is not None
        n = atoms.shape[1]
        probabilities = np.full(n, 1.0 / n) if weights is None else checks.weights("weights", weights, n, problems)
        problems.raise_if_any()
        assert probabilities is not None
        self._set(checks.frozen(atoms), checks.frozen(probabilities))

    def _set(self, points: Array, weights: Array) -> None:
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "weights", weights)

    def __len__(self) -> int:
        """Return the number R of replicas."""
        return len(self.points)

    def __getitem__(self, r: int) -> Empirical:
        """Return replica r as a measure of its own."""
        return Empirical(self.points[r], self.weights)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.points.shape[2]

    @cached_property
    def log_weights(self) -> Array:
        """log w_j, -inf where w_j = 0; shape (n,)."""
        with np.errstate(divide="ignore"):
            return checks.frozen(np.log(self.weights))

    def cgf(self, a: Any) -> Array:
        """Return Lambda_r(a_r) for a of shape (R, m, d); shape (R, m)."""
        return self.cgf_and_mean(a)[0]

    def tilted_mean(self, a: Any) -> Array:
        """Return grad Lambda_r(a_r) for a of shape (R, m, d); shape (R, m, d)."""
        return self.cgf_and_mean(a)[1]

    def cgf_and_mean(self, a: Any) -> tuple[Array, Array]:
        """Return `cgf(a)` and `tilted_mean(a)`, which one pass gives together."""
        return replicated(self.points, self.log_weights, checks.directions("a", a, self.dim, len(self)))

    def moved_to(self, points: Array) -> Replicas:
        """Return the same weights on other points of shape (R, n, d), taken as they are."""
        if points.shape != self.points.shape:
            raise ValueError(f"`points` must have shape {self.points.shape}; got {points.shape}.")
        moved = object.__new__(Replicas)
        moved._set(points, self.weights)
        moved.__dict__["log_weights"] = self.log_weights
        return moved
