"""The spectrum of V, as Definitions 4.1 and 5.1 and the codimension conjecture ask for it.

**Good triple** (Def. 4.1): the eigenvalue of V of largest modulus, lambda_1, is real, positive and simple, every other
one is smaller in modulus, and <Q phi_1, K phi_1> > 0 for V phi_1 = lambda_1 phi_1. The hyperplanes of Theorem 4.2 are
level sets of the *left* eigenvector, phi_1^* V = lambda_1 phi_1^* with <phi_1^*, phi_1> = 1: along phi_1 only
if F = span phi_1 is orthogonal to its invariant complement. It exists whether V can be diagonalised or not, as lambda_1
is simple.

**Good triple with multiplicity** (Def. 5.1): B = Q^T K is symmetric and positive definite; R^d = F + G with F and G
invariant, V = lambda I on F, lambda > 0, and rho(V|G) < lambda. F and G come from an ordered Schur form
V = Z T Z^T with lambda first: F is spanned by the first columns of Z, and the projector onto F along G is

    pi_F = Z [I Y; 0 0] Z^T,   T_11 Y - Y T_22 = T_12.

How far eigenvalues can be told apart: an error eps |V| in V moves an eigenvalue, or the mean of some, by about
eps |V| |pi|, pi its spectral projector. A Jordan block of size k is seen as eigenvalues eps^(1/k) apart whose
projectors are of size eps^(1/k - 1), so that very distance. Eigenvalues no further than 100 d times it are one here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import rsf2csf, schur, solve_sylvester
from scipy.linalg.lapack import dtrsen, ztrsen

from particles import checks
from particles.attention import Attention
from particles.checks import Array
from particles.geometry.limits import positive_definite_trouble

_TOLD_APART = 100.0  # times d eps |V| |pi|
_EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class GoodTriple:
    """Whether (Q, K, V) is a good triple (Def. 4.1), and its leading eigenvalue.

    Attributes
    ----------
    holds : bool
        Whether it is one.
    failed : tuple of str
        Names of the conditions that fail: "real", "positive", "simple", "largest", "pairing".
    problems : tuple of str
        The same in sentences with the numbers.
    value : float
        lambda_1; its real part if it is not real.
    right, left : (d,) arrays
        phi_1 of norm 1, its largest entry positive, and phi_1^* with <phi_1^*, phi_1> = 1; NaN unless lambda_1 is real
        and simple.
    gap : float
        |lambda_1| - |lambda_2|, eigenvalues counted as often as they come; |lambda_1| itself if d = 1.
    pairing : float
        <Q phi_1, K phi_1>, NaN with phi_1.
    """

    holds: bool
    failed: tuple[str, ...]
    problems: tuple[str, ...]
    value: float
    right: Array
    left: Array
    gap: float
    pairing: float


@dataclass(frozen=True, eq=False)
class GoodTripleWithMultiplicity:
    """Whether (Q, K, V) is a good triple with multiplicity (Def. 5.1), and its subspaces.

    Attributes
    ----------
    holds : bool
        Whether it is one.
    failed : tuple of str
        Names of the conditions that fail: "symmetric", "definite", "real", "positive", "largest", "paranormal".
    problems : tuple of str
        The same in sentences with the numbers.
    value : float
        lambda; the real part of the leading eigenvalue if that is not real.
    multiplicity : int
        k, the dimension of F: how many eigenvalues are lambda.
    basis : (d, k) array
        Orthonormal basis of F, one vector a column.
    onto : (d, d) array
        pi_F, the projector onto F along G.
    radius : float
        rho(V|G), 0 if G = {0}.
    """

    holds: bool
    failed: tuple[str, ...]
    problems: tuple[str, ...]
    value: float
    multiplicity: int
    basis: Array
    onto: Array
    radius: float


def good_triple(attention: Attention) -> GoodTriple:
    """Return whether (Q, K, V) is a good triple (Def. 4.1), which condition fails, and the leading eigenvectors.

    Raises
    ------
    ValueError
        If the attention has several heads.

    Examples
    --------
    >>> triple = good_triple(Attention(Q=[[1, 0], [0, 1]], K=[[1, 0], [0, 1]], V=[[2, 1], [0, -1]]))
    >>> triple.holds, triple.value, triple.left.round(12).tolist()
    (True, 2.0, [1.0, 0.333333333333])
    """
    V = _values(attention)
    d = len(V)
    split = _leading(V)
    value = split.value.real
    failed = split.failed
    if "real" not in failed and split.count > 1:
        failed["simple"] = f"the leading eigenvalue {value:.6g} is not simple: it comes {split.count} times"
    right = left = np.full(d, np.nan)
    pairing = float("nan")
    if split.count == 1 and "real" not in failed:
        right = split.basis[:, 0] * np.sign(split.basis[np.argmax(np.abs(split.basis[:, 0])), 0])
        left = right @ split.onto
        pairing = float((attention.Q @ right) @ (attention.K @ right))
        size = float(np.linalg.norm(attention.Q @ right) * np.linalg.norm(attention.K @ right))
        if not pairing > d * _EPS * size:
            failed["pairing"] = f"<Q phi_1, K phi_1> must be positive; it is {pairing:.6g}"
    gap = abs(split.value) - split.radius if split.count == 1 else 0.0
    return GoodTriple(not failed, tuple(failed), tuple(failed.values()), value, right, left, gap, pairing)


def good_triple_with_multiplicity(attention: Attention) -> GoodTripleWithMultiplicity:
    """Return whether (Q, K, V) is a good triple with multiplicity (Def. 5.1), which condition fails, F and pi_F.

    Raises
    ------
    ValueError
        If the attention has several heads.

    Examples
    --------
    >>> import numpy as np
    >>> triple = good_triple_with_multiplicity(Attention(Q=np.eye(3), K=np.eye(3), V=np.diag([1, 1, -0.5])))
    >>> triple.holds, triple.multiplicity, triple.radius
    (True, 2, 0.5)
    """
    V = _values(attention)
    failed = {}
    trouble = positive_definite_trouble(attention.B)
    if trouble:
        name = "symmetric" if "symmetric" in trouble else "definite"
        failed[name] = f"Q^T K must be symmetric and positive definite: {trouble}"
    split = _leading(V)
    value = split.value.real
    failed |= split.failed
    if split.off > split.tolerance and "real" not in failed:
        failed["paranormal"] = (
            f"V must be lambda I on the invariant subspace of its leading eigenvalue {value:.6g}, of dimension "
            f"{split.count}: it is off by {split.off:.3g} (a Jordan block)"
        )
    return GoodTripleWithMultiplicity(
        not failed, tuple(failed), tuple(failed.values()), value, split.count, split.basis, split.onto, split.radius
    )


def growing(V: Any, tol: float = 1e-12) -> tuple[int, Array]:
    """Return how many eigenvalues of V have a positive real part, k, and their left invariant subspace, (k, d).

    The rows of L are orthonormal and span the subspace: L V = M L, where M has just these eigenvalues. So
    L e^{-tV} = e^{-tM} L, and L z is the part of a rescaled token of which the codimension conjecture speaks.

    Parameters
    ----------
    V : (d, d) array
        A matrix.
    tol : float
        A real part counts as positive if it is more than this times |V|.

    Raises
    ------
    ValueError
        If V is not a finite square matrix.
    """
    problems = checks.Problems()
    matrix, relative = checks.real_array("V", V, problems), checks.positive("tol", tol, problems)
    if matrix is not None and (matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size):
        problems.add(f"`V` must be square, (d, d); got shape {matrix.shape}.")
    problems.raise_if_any()
    assert matrix is not None and relative is not None
    size = float(np.linalg.norm(matrix, 2))
    T, Z = schur(matrix.T)
    chosen = np.diag(rsf2csf(T, Z)[0]).real > relative * size
    k = int(chosen.sum())
    return k, np.ascontiguousarray(dtrsen(chosen, T, Z, job="N")[1][:, :k].T)


@dataclass(frozen=True, eq=False)
class _Leading:
    """The leading eigenvalue with all that cannot be told from it, and which conditions on it fail."""

    value: complex
    basis: Array
    onto: Array
    radius: float
    off: float
    tolerance: float
    failed: dict[str, str]

    @property
    def count(self) -> int:
        return self.basis.shape[1]


def _leading(V: Array) -> _Leading:
    d, size = len(V), float(np.linalg.norm(V, 2))
    T, Z = schur(V)
    upper, unitary = rsf2csf(T, Z)
    values = np.diag(upper)
    one = _TOLD_APART * d * _EPS * size
    moduli = np.abs(values)
    largest = moduli >= moduli.max() - one
    lead = values[int(np.argmax(np.where(largest, values.real - np.abs(values.imag), -np.inf)))]
    chosen = np.abs(values - lead) <= one
    while True:
        *_, onto = split(upper, unitary, chosen, ztrsen)
        tolerance = one * max(float(np.linalg.norm(onto, 2)), 1.0)
        more = chosen | (np.abs(values - values[chosen].mean()) <= tolerance)
        if (more == chosen).all():
            break
        chosen = more
    value = complex(values[chosen].mean())
    failed = {}
    if abs(value.imag) > tolerance:
        failed["real"] = f"the eigenvalue of largest modulus must be real; it is {value.real:.6g} + {value.imag:.6g}i"
        chosen |= np.abs(values - np.conj(value)) <= tolerance
    elif value.real <= tolerance:
        failed["positive"] = f"the eigenvalue of largest modulus must be positive; it is {value.real:.6g}"
    rest = values[~chosen]
    radius = float(np.abs(rest).max()) if len(rest) else 0.0
    if abs(value) - radius <= tolerance and not failed and len(rest):
        other = rest[int(np.argmax(np.abs(rest)))]
        failed["largest"] = f"no other eigenvalue may be as large in modulus as {value.real:.6g}; {other:.6g} is"
    block, basis, onto = split(T, Z, chosen, dtrsen)
    off = float(np.linalg.norm(block - value.real * np.eye(len(block)), 2))
    return _Leading(value, basis, onto, radius, off, tolerance, failed)


def split(T: Any, Z: Any, chosen: NDArray[np.bool_], reorder: Callable[..., Any]) -> tuple[Any, Any, Any]:
    """Return V on the chosen eigenvalues' invariant subspace, an orthonormal basis of it, and its projector.

    V = Z T Z^H is a Schur form, `chosen` marks eigenvalues on the diagonal of T, pairs as a whole, and `reorder` is
    LAPACK's trsen for its type.
    """
    T, Z = reorder(chosen, T, Z, job="N")[:2]
    k = int(chosen.sum())
    beside = solve_sylvester(T[:k, :k], -T[k:, k:], T[:k, k:]) if k < len(T) else T[:k, k:]
    dual = np.hstack([np.eye(k), beside]) @ Z.conj().T
    return T[:k, :k], Z[:, :k], Z[:, :k] @ dual


def _values(attention: Attention) -> Array:
    if len(attention.heads) > 1:
        raise ValueError(f"`attention` must have one head; got {len(attention.heads)}.")
    return attention.heads[0][1]
