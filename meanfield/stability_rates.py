"""How fast a coupling can grow: rates r with D' <= r D, from the crudest to the sharpest.

The ends of the pairs (x_i, y_i) of weight w_i move with their own measures mu and nu, and delta = x - y. Gauss' rule
with nodes s_g and weights c_g on the segments from y to x gives a matrix A on the pairs, L2(w),

    (A h)_i = J_i h_i + (T h)_i,           J_i = sum_g c_g D_x velocity[mu](y_i + s_g delta_i)
    (T h)_i = sum_g c_g sum_heads V sum_j P_ij (h_j + (Y_j - m_i) <a_i, h_j>),     a = B^T y_i, Y = y + s_g delta,

P and m being weights and mean of the law of Y tilted by e^{<a,.>}: the derivative of grad Lambda_s(a) in s. What the
rule misses is computed, not estimated: e = velocity[mu](x) - velocity[nu](y) - A delta, so that
delta' = A delta + e and

    D D' = <delta, A delta> + <delta, e>         in L2(w), without any supremum over the segments.

For any set of pairs, hence for every two atomic measures, each of these rates is at least D'/D:

    log_norm   largest eigenvalue of (A + A^T)/2, plus the defect
    averaged   sum_i w_i |delta_i|^2 l_i / D^2 + |T|, l_i the largest eigenvalue of (J_i + J_i^T)/2, plus the defect
    split      max_i l_i + |T|, plus the defect;     at least `log_norm` and at least `averaged`
    basic      L1 + L2, plus the defect;             at least `split`

where the defect is max(0, <delta, e>)/D^2, |T| the norm of T on L2(w), and

    L1 = max |D_x velocity[mu]| at the nodes and ends of the segments
    L2 = sum_heads |V| max_s ( sum_i w_i kappa_s(B^T y_i)^2 )^{1/2},
    kappa_s(a)^2 = E_s[(1 + |a||Y - m|)^2 e^{<a,Y> - Lambda_s(a)}].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from meanfield.coupling import Coupling
from meanfield.quadrature import gauss_legendre
from particles import memory
from particles.attention import Attention
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.measure import Empirical

_NODES = 4  # of Gauss' rule on the segments
_COPIES = 20  # of the matrix A, at the peak: T and A at five depths, three of the modes, an exponential
_ROWS = 256


@dataclass(frozen=True, eq=False)
class Lift:
    """The field at a coupling, taken apart: delta' = A delta + e.

    Attributes
    ----------
    local : (n, d, d) array
        J.
    spread : (n d, n d) array
        T in orthonormal coordinates of L2(w): (w_i/w_j)^{1/2} T_ij.
    delta, change, missed : (n, d) array
        delta = x - y, its velocity delta', and e.
    """

    local: Array
    spread: Array
    delta: Array
    change: Array
    missed: Array

    @cached_property
    def matrix(self) -> Array:
        """A in orthonormal coordinates of L2(w), shape (n d, n d)."""
        n, d = self.delta.shape
        whole = self.spread.copy().reshape(n, d, n, d)
        i = np.arange(n)
        whole[i, :, i, :] += self.local
        return whole.reshape(n * d, n * d)


@dataclass(frozen=True)
class Rates:
    """Bounds on D'/D at one depth; `exact` is D'/D itself, `missed` is |e|."""

    exact: float
    log_norm: float
    averaged: float
    split: float
    basic: float
    missed: float


def lifted(law: Dynamics, t: float, pairs: Coupling) -> Lift:
    """Return J, T and what they miss for a coupling at depth t."""
    n, d = pairs.x.shape
    memory.require(8.0 * _COPIES * (n * d) ** 2, f"the growth of a coupling of {n} pairs in dimension {d}")
    delta = pairs.x - pairs.y
    nodes, weights, _ = gauss_legendre(_NODES)
    local, spread = np.zeros((n, d, d)), np.zeros((n, d, n, d))
    for s, c in zip(0.5 * (1 + nodes), 0.5 * weights, strict=True):
        between = pairs.y + s * delta
        local += c * law.jacobian(t, between, pairs.mu)
        for B, V in law.attention_at(t).heads:
            _add_spread(spread, c * V, pairs.y @ B, Empirical(between, pairs.weights))
    change = law.velocity(t, pairs.x, pairs.mu) - law.velocity(t, pairs.y, pairs.nu)
    flat = spread.reshape(n * d, n * d)
    missed = change - np.einsum("iab,ib->ia", local, delta) - (flat @ delta.ravel()).reshape(n, d)
    root = np.sqrt(pairs.weights)
    spread *= root[:, None, None, None]
    spread /= root[None, None, :, None]
    return Lift(local, flat, delta, change, missed)


def _add_spread(total: Array, V: Array, a: Array, law: Empirical) -> None:
    """Add V sum_j P_ij (I + (Y_j - m_i) a_i^T), block by block of rows."""
    cgf, means = law.cgf_and_mean(a)
    for k in range(0, len(a), _ROWS):
        rows = slice(k, k + _ROWS)
        P = np.exp(a[rows] @ law.points.T - cgf[rows, None]) * law.weights
        away = (law.points[None, :, :] - means[rows, None, :]) @ V.T
        blocks = away.transpose(0, 2, 1)[:, :, :, None] * a[rows, None, None, :] + V[None, :, None, :]
        total[rows] += P[:, None, :, None] * blocks


def rates_of(law: Dynamics, t: float, pairs: Coupling, lift: Lift) -> Rates:
    """Return D'/D and its bounds."""
    sizes = pairs.weights * (lift.delta**2).sum(axis=1)
    square = float(sizes.sum())
    local = np.linalg.eigvalsh(0.5 * (lift.local + lift.local.transpose(0, 2, 1)))[:, -1]
    strength = float(np.sqrt(max(0.0, _largest(lift.spread.T @ lift.spread))))
    defect = max(0.0, float(pairs.weights @ (lift.delta * lift.missed).sum(axis=1)) / square)
    matrix = lift.matrix
    return Rates(
        exact=float(pairs.weights @ (lift.delta * lift.change).sum(axis=1)) / square,
        log_norm=_largest(0.5 * (matrix + matrix.T)) + defect,
        averaged=float(sizes @ local) / square + strength + defect,
        split=float(local.max()) + strength + defect,
        basic=growth_rate(law, t, pairs) + defect,
        missed=float(np.sqrt(pairs.weights @ (lift.missed**2).sum(axis=1))),
    )


def _largest(symmetric: Array) -> float:
    """Return the largest eigenvalue."""
    from scipy.linalg import eigh  # slow to import

    last = len(symmetric) - 1
    return float(eigh(symmetric, eigvals_only=True, subset_by_index=(last, last))[0])


def growth_rate(law: Dynamics, t: float, pairs: Coupling) -> float:
    """L1(t) + L2(t) for a coupling at depth t."""
    return spatial_rate(law, t, pairs) + measure_rate(law.attention_at(t), pairs)


def spatial_rate(law: Dynamics, t: float, pairs: Coupling) -> float:
    """L1(t), the largest |D_x velocity| in the field of mu on the segments from y to x."""
    between = np.concatenate([(1 - s) * pairs.y + s * pairs.x for s in _places()])
    return float(np.linalg.norm(law.jacobian(t, between, pairs.mu), ord=2, axis=(1, 2)).max())


def measure_rate(attention: Attention, pairs: Coupling) -> float:
    """L2(t) for the pairs' coupling."""
    total = 0.0
    for B, V in attention.heads:
        directions = pairs.y @ B
        squares = [
            pairs.weights @ _kappa_squared(directions, Empirical((1 - s) * pairs.y + s * pairs.x, pairs.weights))
            for s in _places()
        ]
        total += float(np.linalg.norm(V, ord=2) * np.sqrt(max(squares)))
    return total


def _places() -> Array:
    """The nodes of Gauss' rule on [0, 1], and its ends."""
    return np.concatenate([[0.0], 0.5 * (1 + gauss_legendre(_NODES)[0]), [1.0]])


def _kappa_squared(a: Array, law: Empirical) -> Array:
    """kappa(a)^2 = sum_i w_i (1 + |a||Y_i - m|)^2 e^{2(<a,Y_i> - Lambda(a))} for each direction a (m, d)."""
    cgf, means = law.cgf_and_mean(a)
    out = np.empty(len(a))
    for k in range(0, len(a), _ROWS):
        rows = slice(k, k + _ROWS)
        away = np.linalg.norm(law.points[None, :, :] - means[rows, None, :], axis=2)
        density = np.exp(a[rows] @ law.points.T - cgf[rows, None])
        sizes = np.linalg.norm(a[rows], axis=1)[:, None]
        out[rows] = ((1 + sizes * away) * density) ** 2 @ law.weights
    return out
