"""The separable transform: softmax over atoms in one to three dimensions at a cost nearly linear in their number.

    Z(a) = sum_j w_j e^{<a, y_j>} = sum_{q, r} T_q(s) K_1[q_1, r_1] ... K_k[q_k, r_k] M[r],   M[r] = sum_j w_j T_r(t_j)

Keys and directions are cut into cells with local coordinates t and s. The moments M cost O(n), the product with one
matrix for each axis depends on the extent of the exponents only, and the series in s is summed at the m directions.
Its derivatives give tilted means and covariances of the keys; other values have moments of their own.

Each target is certified: what was left out and what rounding can have done is bounded by sums of the largest terms of
each pair of cells, and compared with the sum found. Targets that fail are evaluated by `Dense`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from particles.checks import Array
from particles.softmax.dense import Dense
from particles.softmax.transform_atoms import DENSE, Answers, Atoms


@dataclass(frozen=True, eq=False)
class Transform:
    """Sums over atoms with weights w_j = e^{log_weights_j}, keys y_j in R^k, k <= 3, and values v_j.

    With r = max_j |v_j - c|, c the centre of the box of the values, errors are at most `tol` r in the means, `tol` r^2
    in the covariances, and `tol` + 1e-14 max_j |<a, y_j>| in the log sums. Memory: O(n + m) and at most about 1 GiB of
    tensors; problems that would need more go to `Dense`.

    Parameters
    ----------
    keys : (n, k) array
        The points y_j in the exponent.
    log_weights : (n,) array
        Natural logarithms of the weights; -inf for an atom that carries nothing.
    values : (n, c) array, optional
        What is averaged; the keys themselves if left out.
    tol : float
        Largest error, relative to the radius of the values.
    """

    keys: Array
    log_weights: Array
    values: Array | None = None
    tol: float = field(default=1e-12, kw_only=True)

    @cached_property
    def _dense(self) -> Dense:
        return Dense(self.keys, self.log_weights, self.values)

    @cached_property
    def _atoms(self) -> Atoms:
        return Atoms.of(self.keys, self.log_weights, self.values)

    def cost(self, a: Array) -> float:
        """Return the predicted seconds of one core for `log_sum_and_mean` at directions a, inf if it cannot be done."""
        return self._atoms.seconds(a, False, self.tol)

    def log_sum_and_mean(self, a: Array) -> tuple[Array, Array]:
        """Return log sum_j w_j e^{<a_i, y_j>}, shape (m,), and the tilted means of the values, shape (m, c)."""
        answers = self._twice(a, False)
        left = ~answers.certain
        if left.any():
            answers.log_sums[left], answers.means[left] = self._dense.log_sum_and_mean(a[left])
        return answers.log_sums, answers.means

    def covariance(self, a: Array) -> Array:
        """Return the tilted covariances of the values, shape (m, c, c)."""
        answers = self._twice(a, True)
        moments, left = answers.means, ~answers.certain
        c = self._atoms.values.shape[1]
        i, j = np.triu_indices(c)
        covs = np.empty((len(a), c, c))
        covs[:, i, j] = covs[:, j, i] = moments[:, c:] - moments[:, i] * moments[:, j]
        covs *= self._atoms.frame.size**2
        if left.any():
            covs[left] = self._dense.covariance(a[left])
        return covs

    def _twice(self, a: Array, second: bool) -> Answers:
        """Evaluate, and once more with greater caution where that failed, if `Dense` would take longer."""
        atoms = self._atoms
        answers = atoms.evaluate(a, second, self.tol)
        some = np.flatnonzero(~answers.certain)
        if atoms.seconds(a[some], second, self.tol, caution=2) < len(some) * len(atoms.keys) * DENSE:
            answers.put(some, atoms.evaluate(a[some], second, self.tol, caution=2))
        return answers
