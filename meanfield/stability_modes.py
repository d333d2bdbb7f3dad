"""What a coupling's displacement grows to when its first modes are known: delta' = A(t) delta + e.

Phi(t) solves Phi' = A Phi, Phi(0) = 1. The displacement at depth 0 of an optimal coupling is a gradient field of its
label y. Let P_1, P_2, ... be the orthogonal projections of L2(w) on the gradients of polynomials of degree 1 (shifts),
2 (dilations, strains), 3, 4, each without the ones before, and R that on what remains. With Phi_k = Phi P_k and the
shares u_k = |P_k delta_0|, in operator norms,

    |Phi delta_0|^2 <= min( sum_kl |Phi_k^T Phi_l| u_k u_l,  |Phi|^2 |delta_0|^2 )                          (modes)

which knows how much of the displacement is of which kind, not what it looks like. A displacement without smoothness is
moved by its own place more than by the other pairs: with the propagators L_i' = J_i L_i of the local part of A,

    |Phi delta_0| <= |Phi (1 - R) delta_0 + L R delta_0 + (Phi - L) H delta_0| + s |(R - H) delta_0|      (carried)

carries its smooth part along, takes the local part of the rest as an average over the coupling, and of what the rest
does through the measure, (Phi - L) R, the eight directions H in which it does most (right singular vectors). Only what
all others do is bounded by a norm, the ninth singular value s. To both comes

    int_0^t e^(Lambda(t) - Lambda(s)) |e(s)| ds,         Lambda = int log_norm dt.

Both are sharper than e^Lambda because a perturbation that grows at one depth need not grow at the next. Phi is found by
Magnus' method of order 4,

    Phi(t + h) = exp( h/6 (A_0 + 4 A_1/2 + A_1) - h^2/12 [A_0, A_1] ) Phi(t),

once more with the double step; the difference of the two is added. L need not be exact: any would do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, pairwise

import numpy as np

from meanfield.coupling import Coupling
from meanfield.stability_rates import Lift
from particles.checks import Array

_DEGREE = 4
_DEPENDENT = 1e-8  # of the largest singular value: a field that the lower degrees hold already
_HEARD = 8  # directions in which what the rest does through the measure is known
_LARGEST_STEP = 64.0  # |h A|; beyond, the method says nothing


@dataclass(frozen=True, eq=False)
class Modes:
    """The images of all modes, by `fine` and `coarse` steps; None once a step was too large.

    Attributes
    ----------
    fine, coarse : (n d, n d) array or None
        Phi in orthonormal coordinates, the columns in the order of the modes.
    local : (n, d, d) array
        L.
    basis : (n d, n d) array
        The modes at depth 0.
    blocks : tuple of slices
        Which columns belong to P_1, P_2, ..., and to R if anything remains.
    smooth : int
        How many columns there are before R.
    parts : (n d,) array
        The coordinates of delta_0.
    """

    fine: Array | None
    coarse: Array | None
    local: Array
    basis: Array
    blocks: tuple[slice, ...]
    smooth: int
    parts: Array

    @classmethod
    def of(cls, pairs: Coupling) -> Modes:
        """Return the modes at depth 0."""
        columns = _gradients(pairs)
        smooth = sum(part.shape[1] for part in columns)
        columns = [part for part in (*columns, _complement(columns)) if part.shape[1]]
        basis = np.concatenate(columns, axis=1)
        ends = np.cumsum([0, *(part.shape[1] for part in columns)])
        blocks = tuple(slice(int(a), int(b)) for a, b in pairwise(ends))
        parts = basis.T @ (np.sqrt(pairs.weights)[:, None] * (pairs.x - pairs.y)).ravel()
        n, d = pairs.x.shape
        return cls(basis, basis, np.tile(np.eye(d), (n, 1, 1)), basis, blocks, smooth, parts)

    @property
    def shares(self) -> Array:
        """u, shape (len(blocks),)."""
        return np.array([np.linalg.norm(self.parts[block]) for block in self.blocks])

    def moved(self, lifts: Sequence[Lift], h: float) -> Modes:
        """Return the modes after a step of length h, from A = J + T at its five points 0, h/4, ..., h."""
        from scipy.linalg import expm  # slow to import

        if self.fine is None or self.coarse is None:
            return self
        matrices = [lift.matrix for lift in lifts]
        first, second = (_magnus(matrices[k : k + 3], h / 2) for k in (0, 2))
        whole = _magnus(matrices[::2], h)
        if max(np.linalg.norm(step, ord=1) for step in (first, second, whole)) > _LARGEST_STEP:
            return replace(self, fine=None, coarse=None)
        own = [lift.local for lift in lifts]
        return replace(
            self,
            fine=expm(second) @ (expm(first) @ self.fine),
            coarse=expm(whole) @ self.coarse,
            local=expm(_magnus(own[2:], h / 2)) @ (expm(_magnus(own[:3], h / 2)) @ self.local),
        )

    def bounds(self, forced: float) -> tuple[float, float]:
        """Return logs of the two bounds on |delta(t)|, `modes` and `carried`, given the integral over |e|.

        inf where nothing is known.
        """
        if self.fine is None or self.coarse is None:
            return math.inf, math.inf
        shares, apart = self.shares, self.fine - self.coarse
        missed = sum(_norm(apart[:, k]) * share for k, share in zip(self.blocks, shares, strict=True)) + forced
        gram = self.fine.T @ self.fine
        sizes = np.array([[_norm(gram[k, m]) for m in self.blocks] for k in self.blocks])
        square = min(shares @ sizes @ shares, _norm(gram) * float(shares @ shares))
        return math.log(math.sqrt(square) + missed), math.log(self._carried(self.fine) + missed)

    def _carried(self, fine: Array) -> float:
        """|Phi (1 - R) delta_0 + L R delta_0 + (Phi - L) H delta_0| + s |(R - H) delta_0|."""
        from scipy.linalg import eigh  # slow to import

        smooth = fine[:, : self.smooth] @ self.parts[: self.smooth]
        if self.smooth == len(self.parts):
            return float(np.linalg.norm(smooth))
        rest = self.parts[self.smooth :]
        n, d, _ = self.local.shape
        moved = (self.local @ self.basis[:, self.smooth :].reshape(n, d, -1)).reshape(n * d, -1)
        through = fine[:, self.smooth :] - moved
        size = len(rest)
        squares, directions = eigh(through.T @ through, subset_by_index=[max(0, size - 1 - _HEARD), size - 1])
        beyond, heard = (squares[0], directions[:, 1:]) if size > _HEARD else (0.0, directions)
        known = heard @ (heard.T @ rest)
        carried = float(np.linalg.norm(smooth + moved @ rest + through @ known))
        return carried + math.sqrt(max(0.0, float(beyond))) * float(np.linalg.norm(rest - known))


def _gradients(pairs: Coupling) -> list[Array]:
    """Return orthonormal columns in L2(w) for each degree: gradients of monomials of the label y."""
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
    return found


def _complement(columns: list[Array]) -> Array:
    """Return orthonormal columns for all that is orthogonal to the given ones."""
    basis = np.concatenate(columns, axis=1)
    return np.linalg.qr(basis, mode="complete")[0][:, basis.shape[1] :]


def _magnus(matrices: Sequence[Array], h: float) -> Array:
    start, middle, end = matrices
    return h / 6 * (start + 4 * middle + end) - h**2 / 12 * (start @ end - end @ start)


def _norm(matrix: Array) -> float:
    """The operator norm, by the smaller Gram matrix: right to half the digits at least."""
    rows, columns = matrix.shape
    gram = matrix.T @ matrix if rows > columns else matrix @ matrix.T
    return math.sqrt(max(0.0, float(np.linalg.eigvalsh(gram)[-1])))
