"""V and B = Q^T K in coordinates that set the leading eigenspace F apart from the rest, G.

V = lambda I on F, of dimension p. With phi_1 .. phi_p a basis of F, orthonormal, and phi_k eigenvectors of all other
eigenvalues lambda_k,

    x = sum_k a_k phi_k + sum_k u_k phi_k,    a = pi_F x in R^p,    u in C^(d-p).

Let the tokens of a set attend to none outside it. From u_ik' = lambda_k sum_j P_ij u_jk and averaging (Lemmas 9.1 and
9.3, and so for differences)

    |u_ik| <= R_k e^{nu_k s},    |u_ik - u_jk| <= W_k e^{nu_k s},    nu_k = |lambda_k|,

with R_k the largest |u_ik| and W_k the largest |u_ik - u_jk| of the set at s = 0. For differences of the tokens of two
such sets W_k is the largest over pairs of one token of each.

Where eigenvectors are missing, or nearly, u are coordinates in which V is triangular and small off the diagonal; its
largest sum of a row is then nu_k for all k, and R_k, W_k are the largest of all k.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import rsf2csf, schur

from particles.checks import Array
from particles.leading import Leading

_CONDITION = 1e4  # of the basis, above which a triangular form serves instead
_ABOVE = 0.05  # of lambda - rho: what the part of a triangular form above the diagonal may add to its rate


@dataclass(frozen=True, eq=False)
class Modes:
    """V and B in coordinates (a, u): the leading eigenvalue apart from all others.

    Attributes
    ----------
    value : float
        lambda.
    left : (p, d) array
        What maps x to a. If p = 1 it is phi^*, for phi of norm 1 with its largest entry positive.
    others : (d - p, d) array
        What maps x to u, complex.
    rates : (d - p,) array
        nu_k.
    coupled : bool
        Whether V mixes the coordinates u.
    pairing : (p, p) array
        b_kl = <Q phi_k, K phi_l> for phi_k, phi_l in F.
    before, after : (p, d - p) and (d - p, p) arrays
        b_kl where phi_l, or phi_k, is not in F, complex.
    between : (d - p, d - p) array
        |b_kl| where neither is.
    """

    value: float
    left: Array
    others: NDArray[np.complex128]
    rates: Array
    coupled: bool
    pairing: Array
    before: NDArray[np.complex128]
    after: NDArray[np.complex128]
    between: Array

    @property
    def slower(self) -> bool:
        """Whether all nu_k < lambda, without which no bound can hold."""
        return bool((self.rates < self.value).all())

    def largest(self, sizes: Array) -> Array:
        """Return R or W, the largest over all tokens or pairs of `sizes` (..., d - p); shape (d - p,)."""
        found: Array = sizes.max(axis=tuple(range(sizes.ndim - 1)))
        return np.full_like(found, found.max()) if self.coupled else found


def modes(V: Array, B: Array, spectrum: Leading) -> Modes:
    """Return V and B = Q^T K in coordinates that set the leading eigenvalue apart."""
    p, (values, vectors) = spectrum.multiplicity, np.linalg.eig(V)
    order = np.argsort(-values.real, kind="stable")
    rest = np.sort(order[p:])
    if p == 1:
        right = vectors[:, order[:1]].real / np.linalg.norm(vectors[:, order[0]].real)
        right *= np.sign(right[np.argmax(np.abs(right))])
    else:
        right = np.linalg.svd(spectrum.onto)[0][:, :p]
    beside, rates = vectors[:, rest].astype(complex), np.abs(values[rest])
    coupled = bool(np.linalg.cond(np.column_stack([right, beside])) > _CONDITION)
    if coupled:
        beside, rates = _triangular(V, spectrum)
    basis = np.column_stack([right, beside])
    b = basis.T @ B @ basis
    left, others = right.T @ spectrum.onto, np.linalg.inv(basis)[p:]
    pairing = np.array([[one @ B @ other for other in right.T] for one in right.T])
    return Modes(spectrum.value, left, others, rates, coupled, pairing, b[:p, p:], b[p:, :p], np.abs(b[p:, p:]))


def _triangular(V: Array, spectrum: Leading) -> tuple[NDArray[np.complex128], Array]:
    """Return columns that span what is not leading, in which V is triangular and nearly diagonal, and one rate."""
    q = len(V) - spectrum.multiplicity
    off = np.eye(len(V)) - spectrum.onto
    span = np.linalg.svd(off)[0][:, :q]
    T, U = rsf2csf(*schur(span.T @ V @ span))
    radius = float(np.abs(np.diag(T)).max(initial=0.0))
    above = float(np.abs(np.triu(T, 1)).max(initial=0.0)) * len(V)
    scale = min(1.0, _ABOVE * (spectrum.value - radius) / above) if above > 0 else 1.0
    powers = scale ** np.arange(q)
    rate = float(np.abs(T / powers[:, None] * powers).sum(axis=1).max(initial=0.0))
    return span @ U * powers, np.full(q, rate)
