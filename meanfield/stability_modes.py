"""What a coupling's displacement grows to when its first modes are known: delta' = A(t) delta + e.

Phi(t) solves Phi' = A Phi, Phi(0) = 1. The displacement at depth 0 of an optimal coupling is a gradient field of its
label y. Let P_1, P_2, ... be the orthogonal projections of L2(w) on the gradients of polynomials of degree 1 (shifts),
2 (dilations, strains), 3, 4, each without the ones before, and the last on what remains. With Phi_k = Phi P_k and the
shares u_k = |P_k delta_0|, in operator norms,

    |Phi delta_0|^2 <= min( sum_kl |Phi_k^T Phi_l| u_k u_l,  |Phi|^2 |delta_0|^2 )
    |delta(t)| <= |Phi delta_0| + int_0^t e^(Lambda(t) - Lambda(s)) |e(s)| ds,         Lambda = int log_norm dt

which is sharper than e^Lambda because a perturbation that grows at one depth need not grow at the next, and because the
share of each mode is known, though not its shape. Phi is found by Magnus' method of order 4,

    Phi(t + h) = exp( h/6 (A_0 + 4 A_1/2 + A_1) - h^2/12 [A_0, A_1] ) Phi(t),

once more with the double step; the difference of the two is added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise

import numpy as np

from meanfield.coupling import Coupling
from particles.checks import Array

_DEGREE = 4
_DEPENDENT = 1e-8  # of the largest singular value: a field that the lower degrees hold already
_LARGEST_STEP = 64.0  # |h A|; beyond, the method says nothing


@dataclass(frozen=True, eq=False)
class Modes:
    """The images of all modes, by `fine` and `coarse` steps; None once a step was too large.

    Attributes
    ----------
    fine, coarse : (n d, n d) array or None
        Phi in orthonormal coordinates, the columns in the order of the modes.
    blocks : tuple of slices
        Which columns belong to P_1, P_2, ...
    shares : (len(blocks),) array
        u.
    """

    fine: Array | None
    coarse: Array | None
    blocks: tuple[slice, ...]
    shares: Array

    @classmethod
    def of(cls, pairs: Coupling) -> Modes:
        """Return the modes at depth 0."""
        columns = _orthonormal(pairs)
        basis = np.concatenate(columns, axis=1)
        ends = np.cumsum([0, *(part.shape[1] for part in columns)])
        blocks = tuple(slice(int(a), int(b)) for a, b in pairwise(ends))
        parts = basis.T @ (np.sqrt(pairs.weights)[:, None] * (pairs.x - pairs.y)).ravel()
        return cls(basis, basis, blocks, np.array([np.linalg.norm(parts[block]) for block in blocks]))

    def moved(self, matrices: Sequence[Array], h: float) -> Modes:
        """Return the modes after a step of length h, from A at its five points 0, h/4, ..., h."""
        from scipy.linalg import expm  # slow to import

        if self.fine is None or self.coarse is None:
            return self
        first, second = (_magnus(matrices[k], matrices[k + 1], matrices[k + 2], h / 2) for k in (0, 2))
        whole = _magnus(matrices[0], matrices[2], matrices[4], h)
        if max(np.linalg.norm(step, ord=1) for step in (first, second, whole)) > _LARGEST_STEP:
            return Modes(None, None, self.blocks, self.shares)
        fine = expm(second) @ (expm(first) @ self.fine)
        return Modes(fine, expm(whole) @ self.coarse, self.blocks, self.shares)

    def bound(self, forced: float) -> float:
        """Return log of the bound on |delta(t)|, given the last integral; inf where nothing is known."""
        if self.fine is None or self.coarse is None:
            return math.inf
        gram, apart = self.fine.T @ self.fine, self.fine - self.coarse
        sizes = np.array([[_norm(gram[k, m]) for m in self.blocks] for k in self.blocks])
        square = min(self.shares @ sizes @ self.shares, _norm(gram) * float(self.shares @ self.shares))
        missed = sum(_norm(apart[:, k]) * share for k, share in zip(self.blocks, self.shares, strict=True))
        return math.log(math.sqrt(square) + missed + forced)


def _orthonormal(pairs: Coupling) -> list[Array]:
    """Return an orthonormal basis of L2(w): gradients of monomials of the label y by degree, and what remains."""
    centred = pairs.y - pairs.weights @ pairs.y
    label = centred / max(float(np.abs(centred).max()), np.finfo(float).tiny)
    n, d = label.shape
    found: list[Array] = []
    for degree in range(1, _DEGREE + 1):
        fields = []
        for monomial in combinations_with_replacement(range(d), degree):
            powers = np.bincount(monomial, minlength=d)
            field = np.zeros((n, d))
            for k in np.flatnonzero(powers):
                lower = powers.copy()
                lower[k] -= 1
                field[:, k] = powers[k] * np.prod(label**lower, axis=1)
            fields.append((np.sqrt(pairs.weights)[:, None] * field).ravel())
        columns = np.stack(fields, axis=1)
        scale = np.linalg.norm(columns, axis=0).max()
        for _ in range(2):  # once more, for rounding
            for lower_part in found:
                columns = columns - lower_part @ (lower_part.T @ columns)
        left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
        found.append(left[:, sizes > _DEPENDENT * max(scale, np.finfo(float).tiny)])
    basis = np.concatenate(found, axis=1)
    rest = np.linalg.qr(basis, mode="complete")[0][:, basis.shape[1] :]
    return [part for part in (*found, rest) if part.shape[1]]


def _magnus(start: Array, middle: Array, end: Array, h: float) -> Array:
    return h / 6 * (start + 4 * middle + end) - h**2 / 12 * (start @ end - end @ start)


def _norm(matrix: Array) -> float:
    """The operator norm, by the smaller Gram matrix: right to half the digits at least."""
    rows, columns = matrix.shape
    gram = matrix.T @ matrix if rows > columns else matrix @ matrix.T
    return math.sqrt(max(0.0, float(np.linalg.eigvalsh(gram)[-1])))
