"""The attention field: linear algebra around grad Lambda.

X[mu](x) = sum_h V_h grad Lambda_mu(B_h^T x),  B_h = Q_h^T K_h                       (6.2), section 12
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from particles import checks
from particles.checks import Array
from particles.measure import Empirical, Measure
from particles.replicas import Replicas
from particles.softmax.linear import turned


@dataclass(frozen=True, eq=False)
class Attention:
    """Self-attention with query, key and value matrices; a leading axis means several heads.

    Parameters
    ----------
    Q, K : (k, d) or (h, k, d) array
        Query and key matrices; they need not be square. Only B = Q^T K enters.
    V : (d, d) or (h, d, d) array
        Value matrix.

    Raises
    ------
    ValueError
        If an entry is not finite or the shapes do not fit together; every problem on a line.

    References
    ----------
    Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv 2305.05465, (1.1), (1.2), (6.2), section 12.
    """

    Q: Array
    K: Array
    V: Array

    def __init__(self, Q: Any, K: Any, V: Any) -> None:
        """Check and store the matrices."""
        problems = checks.Problems()
        query, key, value = (checks.real_array(n, m, problems) for n, m in (("Q", Q), ("K", K), ("V", V)))
        _check_shapes(query, key, value, problems)
        problems.raise_if_any()
        assert query is not None and key is not None and value is not None
        for name, matrix in (("Q", query), ("K", key), ("V", value)):
            object.__setattr__(self, name, checks.frozen(matrix))

    @classmethod
    def trusted(cls, Q: Array, K: Array, V: Array) -> Attention:
        """Return the attention with these matrices as they are: no copy, no check."""
        attention = object.__new__(cls)
        for name, matrix in (("Q", Q), ("K", K), ("V", V)):
            object.__setattr__(attention, name, matrix)
        return attention

    @property
    def dim(self) -> int:
        """Dimension d of the tokens."""
        return self.V.shape[-1]

    @cached_property
    def B(self) -> Array:
        """Q^T K, shape (d, d), or (h, d, d) with several heads."""
        return checks.frozen(np.swapaxes(self.Q, -1, -2) @ self.K)

    @cached_property
    def heads(self) -> tuple[tuple[Array, Array], ...]:
        """The pairs (B_h, V_h)."""
        if self.V.ndim == 2:
            return ((self.B, self.V),)
        d = self.dim
        return tuple(zip(self.B.reshape(-1, d, d), self.V.reshape(-1, d, d), strict=True))

    @cached_property
    def U(self) -> Array:
        """sum_h V_h, shape (d, d); V itself with one head."""
        return self.V if self.V.ndim == 2 else checks.frozen(self.V.sum(axis=0))

    def field(self, mu: Measure | Replicas, x: Any) -> Array:
        """X[mu](x) = sum_h V_h grad Lambda_mu(B_h^T x) (6.2) at x of shape (m, d); shape (m, d).

        With R replicas in the place of mu, x is of shape (R, m, d) and so is the field.

        Raises
        ------
        ValueError
            If x or mu does not have this attention's dimension.
        """
        targets = self._targets(mu, x)
        if isinstance(mu, Empirical) and x is mu.points:
            return self._sum([mu.own_tilted_mean(B) @ V.T for B, V in self.heads])
        return self._sum([_turned_mean(mu, targets, B, V) for B, V in self.heads])

    def jacobian(self, mu: Measure, x: Any) -> Array:
        """DX[mu](x) = sum_h V_h hess Lambda_mu(B_h^T x) B_h^T at x of shape (m, d); shape (m, d, d)."""
        x = self._targets(mu, x)
        return self._sum([V @ mu.tilted_cov(x @ B) @ B.T for B, V in self.heads])

    def divergence(self, mu: Measure, x: Any) -> Array:
        """div X[mu](x), the trace of the Jacobian, at x of shape (m, d); shape (m,)."""
        return np.trace(self.jacobian(mu, x), axis1=-2, axis2=-1)

    def matrix(self, mu: Empirical) -> Array:
        """P_ij = w_j e^{<Q x_i, K x_j>} / sum_l w_l e^{<Q x_i, K x_l>} (1.2), shape (n, n), or (h, n, n)."""
        x = self._targets(mu, mu.points)
        return np.stack([_rows(x @ B @ x.T + mu.log_weights) for B, _ in self.heads]).reshape(
            *self.B.shape[:-2], len(x), len(x)
        )

    def _targets(self, mu: Measure | Replicas, x: Any) -> Array:
        if mu.dim != self.dim:
            raise ValueError(f"`mu` must live in dimension {self.dim}; got dimension {mu.dim}.")
        return checks.directions("x", x, self.dim, len(mu) if isinstance(mu, Replicas) else None)

    @staticmethod
    def _sum(terms: list[Array]) -> Array:
        return terms[0] if len(terms) == 1 else np.sum(terms, axis=0)


def _turned_mean(mu: Measure | Replicas, x: Array, B: Array, V: Array) -> Array:
    """V grad Lambda_mu(B^T x), by the measure itself if it knows a shorter way."""
    own = getattr(mu, "turned_mean", None)
    return turned(mu.tilted_mean(turned(x, B)), V.T) if own is None else own(x, B, V)


def _rows(exponents: Array) -> Array:
    """Softmax of each row, in place."""
    exponents -= exponents.max(axis=1, keepdims=True)
    np.exp(exponents, out=exponents)
    exponents /= exponents.sum(axis=1, keepdims=True)
    return exponents


def _check_shapes(Q: Array | None, K: Array | None, V: Array | None, problems: checks.Problems) -> None:
    for name, matrix in (("Q", Q), ("K", K), ("V", V)):
        if matrix is not None and (matrix.ndim not in (2, 3) or 0 in matrix.shape):
            shape = "(d, d) or (h, d, d)" if name == "V" else "(k, d) or (h, k, d)"
            problems.add(f"`{name}` must have shape {shape}; got {matrix.shape}.")
    if problems:
        return
    assert Q is not None and K is not None and V is not None
    d = V.shape[-1]
    if V.shape[-2] != d:
        problems.add(f"`V` must be square, (d, d) or (h, d, d); got {V.shape}.")
    for name, matrix in (("Q", Q), ("K", K)):
        if matrix.shape[-1] != d:
            hint = f" Its transpose would fit: pass {name}.T." if matrix.shape[-2] == d else ""
            problems.add(f"`{name}` must have {d} columns, as V has; got shape {matrix.shape}.{hint}")
    if Q.shape[-2] != K.shape[-2]:
        problems.add(f"`Q` and `K` must have the same number of rows; got {Q.shape[-2]} and {K.shape[-2]}.")
    if not Q.shape[:-2] == K.shape[:-2] == V.shape[:-2]:
        problems.add(
            "`Q`, `K` and `V` must have the same number of heads (leading axis); "
            f"got shapes {Q.shape}, {K.shape}, {V.shape}."
        )
