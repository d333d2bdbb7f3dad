"""Problem data together with the exact answer, and the obvious formula of everything that the kernels do."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import mpmath
import numpy as np
from scipy.linalg import expm

from meanfield import Gaussian
from particles import Attention, Raw, Rescaled
from particles.checks import Array
from particles.dynamics import Dynamics

FIG_6_VALUES = np.array([[0.64709742, 0.81911926], [0.61210449, 0.63263484]])
EPS = float(np.finfo(float).eps)


# ------------------------------------------------------------------------------------------------ attentions


def line(B: float, V: float) -> Attention:
    """Attention on the line with the given product B = QK and value V."""
    return Attention(Q=[[B]], K=[[1.0]], V=[[V]])


def random_attention(seed: int, dim: int, heads: int | None = None, rows: int | None = None) -> Attention:
    """Random Q, K, V with entries of order 1/sqrt(dim); Q and K need not be square."""
    rng = np.random.default_rng(seed)
    front = () if heads is None else (heads,)
    k = dim if rows is None else rows
    scale = dim**-0.5
    Q, K, V = (scale * rng.standard_normal((*front, r, dim)) for r in (k, k, dim))
    return Attention(Q, K, V)


def non_commuting(heads: int | None = None) -> Attention:
    """Plane rotation-and-shear values and a non-symmetric B; VB has no positive part that blows up early."""
    V = np.array([[-0.6, 0.8], [-0.5, -0.4]])
    B = np.array([[0.7, -0.3], [0.5, 0.4]])
    if heads is None:
        return Attention(Q=np.eye(2), K=B, V=V)
    turns = [expm(h * np.array([[0.0, -0.4], [0.4, 0.0]])) for h in range(heads)]
    return Attention(Q=np.stack([np.eye(2)] * heads), K=np.stack([R @ B for R in turns]), V=np.stack(turns) @ V / heads)


# ------------------------------------------------------------------------------- the obvious formulas, in numpy


def softmax_by_hand(points: Array, weights: Array, a: Array, values: Array | None = None) -> tuple[Array, Array, Array]:
    """Lambda, its gradient and Hessian by the definition, in extended precision where the machine has it.

    With values of their own, their tilted mean and covariance.
    """
    y, w, a, v = (
        np.asarray(x, dtype=np.longdouble) for x in (points, weights, a, points if values is None else values)
    )
    y, w, v = y[w > 0], w[w > 0], v[w > 0]
    exponents = np.einsum("ik,jk->ij", a, y) + np.log(w)
    top = exponents.max(axis=1, keepdims=True)
    powers = np.exp(exponents - top)
    total = powers.sum(axis=1, keepdims=True)
    P = powers / total
    mean = np.einsum("ij,jk->ik", P, v)
    gaps = v[None, :, :] - mean[:, None, :]
    cov = np.einsum("ij,ijk,ijl->ikl", P, gaps, gaps)
    return tuple(v.astype(float) for v in ((top + np.log(total))[:, 0], mean, cov))  # type: ignore[return-value]


def softmax_in_mpmath(points: Array, weights: Array, a: Array) -> tuple[float, Array]:
    """Lambda and its gradient at one direction, with 60 digits."""
    with mpmath.workdps(60):
        y = [[mpmath.mpf(float(v)) for v in row] for row in points]
        terms = [
            mpmath.mpf(float(w))
            * mpmath.exp(mpmath.fsum(mpmath.mpf(float(s)) * v for s, v in zip(a, row, strict=True)))
            for w, row in zip(weights, y, strict=True)
        ]
        total = mpmath.fsum(terms)
        mean = [mpmath.fsum(t * row[k] for t, row in zip(terms, y, strict=True)) / total for k in range(len(a))]
        return float(mpmath.log(total)), np.array([float(v) for v in mean])


def field_by_hand(attention: Attention, points: Array, weights: Array, x: Array) -> Array:
    """sum_h sum_j softmax_j(<Q_h x, K_h x_j>) V_h x_j, token by token."""
    d = attention.dim
    Q, K, V = (m.reshape(-1, *m.shape[-2:]) for m in (attention.Q, attention.K, attention.V))
    answer = np.zeros((len(x), d))
    for query, key, value in zip(Q, K, V, strict=True):
        for i, target in enumerate(x):
            scores = (points @ key.T) @ (query @ target)
            P = weights * np.exp(scores - scores.max())
            answer[i] += value @ (P @ points / P.sum())
    return answer


def differences(f: Callable[[Array], Array], x: Array, h: float) -> Array:
    """Derivative of a rowwise f (m, d) -> (m, ...) in x by central differences of order 4; (m, ..., d)."""
    columns = []
    for e in np.eye(x.shape[1]):
        near, far = f(x + h * e) - f(x - h * e), f(x + 2 * h * e) - f(x - 2 * h * e)
        columns.append((8 * near - far) / (12 * h))
    return np.stack(columns, axis=-1)


# ---------------------------------------------------------------------------------- motions with exact answers


@dataclass(frozen=True)
class Motion:
    """Tokens, their law and where they are at depth t."""

    law: Dynamics
    tokens: Array
    exact: Callable[[float], Array]


def translation(dim: int, n: int = 7, rescaled: bool = False) -> Motion:
    """B = 0: every token feels the same constant pull, x(t) = x_0 + (e^{tV} - I) m_0."""
    rng = np.random.default_rng(dim)
    V = 0.5 * rng.standard_normal((dim, dim))
    attention = Attention(Q=np.zeros((dim, dim)), K=np.eye(dim), V=V)
    tokens = rng.uniform(-1, 1, (n, dim))
    pull = tokens.mean(axis=0)

    def raw(t: float) -> Array:
        return tokens + (expm(t * V) - np.eye(dim)) @ pull

    if rescaled:
        return Motion(Rescaled(attention), tokens, lambda t: raw(t) @ expm(-t * V).T)
    return Motion(Raw(attention), tokens, raw)


def one_atom(dim: int) -> Motion:
    """A single token attends to itself: x(t) = e^{tV} x_0, whatever Q and K."""
    attention = random_attention(40 + dim, dim)
    tokens = np.linspace(-1, 2, dim)[None, :]
    return Motion(Raw(attention), tokens, lambda t: tokens @ expm(t * attention.V).T)


def mirrored_pair(x0: float = 0.7) -> Motion:
    """Two tokens +-x on the line, Q = K = V = 1: x' = x tanh(x^2)."""
    return Motion(
        Raw(line(1.0, 1.0)), np.array([[-x0], [x0]]), lambda t: mirrored_position(x0, t) * np.array([[-1.0], [1.0]])
    )


@cache
def mirrored_position(x0: float, t: float) -> float:
    """x(t) of x' = x tanh(x^2), right to 15 digits."""
    with mpmath.workdps(25):
        return float(mpmath.odefun(lambda _, x: x * mpmath.tanh(x * x), 0, mpmath.mpf(x0))(t))


def gaussian_variance(V: float, B: float, variance: float, t: float) -> float:
    """d = 1: s^2(t) = s_0^2 / (1 - 2 V B s_0^2 t), up to blow-up at 1/(2 V B s_0^2)."""
    return variance / (1 - 2 * V * B * variance * t)


def plane_gaussian() -> Gaussian:
    """A Gaussian whose axes are those of neither V nor B of `non_commuting`."""
    return Gaussian([0.4, -0.3], [[0.30, 0.12], [0.12, 0.20]])


# --------------------------------------------------------------------------------- the uniform law, in mpmath


def log_sinhc(s: float) -> float:
    with mpmath.workdps(60):
        s = mpmath.mpf(s)
        return float(mpmath.log(mpmath.sinh(s) / s))


def langevin(s: float) -> float:
    with mpmath.workdps(60):
        s = mpmath.mpf(s)
        return float(mpmath.coth(s) - 1 / s)


def langevin_slope(s: float) -> float:
    with mpmath.workdps(60):
        s = mpmath.mpf(s)
        return float(1 / s**2 - 1 / mpmath.sinh(s) ** 2)
