"""Tokens moved by a method for stiff equations, in the frame u = e^{-at} x, where a is the largest real part of U's.

    u_i' = sum_h V_h m_hi - a u_i,    m_hi = sum_j P^h_ij u_j,    P^h_i = softmax_j(e^{2at} <B_h^T u_i, u_j>)

A token at which two exponents are nearly equal may be held there: whom it turns to pushes it back. Its equation is then
stiff like e^{2at}, and explicit steps have to be that short. LSODA takes implicit ones there, with the derivatives

    dm_i / du_j = P_ij I + e^{2at} P_ij (u_j - m_i) (B^T u_i)^T + [i = j] e^{2at} Cov_i B^T,

Cov_i the covariance of the u_j under P_i.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.integrate import ODEintWarning, odeint

from particles import Attention
from particles.checks import Array

_STEPS = 6000  # of the solver, in one call: what asks for more balances on a divide that rounding does not show


@dataclass(frozen=True, eq=False)
class Stiff:
    """The equation of u.

    Parameters
    ----------
    attention : Attention
        The heads.
    rate : float
        a, by which the frame grows.
    """

    attention: Attention
    rate: float

    def velocity(self, t: float, flat: Array) -> Array:
        """Return u', flat."""
        u = flat.reshape(-1, self.attention.dim)
        return (pull(self.attention, self._sharp(t), u) - self.rate * u).ravel()

    def jacobian(self, t: float, flat: Array) -> Array:
        """Return the derivative of u', shape (nd, nd)."""
        u = flat.reshape(-1, self.attention.dim)
        (n, d), sharp, own = u.shape, self._sharp(t), np.arange(len(u))
        whole = np.zeros((n, d, n, d))
        for B, V in self.attention.heads:
            P = _weights(sharp, B, u)
            apart = u - (P @ u)[:, None]
            drawn = P[:, :, None] * apart
            whole += P[:, None, :, None] * V[None, :, None, :]
            whole += np.swapaxes(drawn @ V.T, 1, 2)[:, :, :, None] * (sharp * (u @ B))[:, None, None, :]
            whole[own, :, own, :] += sharp * (V @ (np.swapaxes(drawn, 1, 2) @ apart) @ B.T)
        return whole.reshape(n * d, n * d) - self.rate * np.eye(n * d)

    def moved(self, u: Array, before: float, after: float, tol: float) -> Array | None:
        """Return the tokens at the later depth; None if the solver gives up."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", ODEintWarning)  # what it says is looked at below
            found, told = odeint(
                self.velocity,
                u.ravel(),
                [before, after],
                Dfun=self.jacobian,
                tfirst=True,
                rtol=tol,
                atol=1e-2 * tol * float(np.abs(u).max()),
                mxstep=_STEPS,
                full_output=True,
            )
        if "successful" not in told["message"] or not np.isfinite(found[-1]).all():
            return None
        end: Array = found[-1].reshape(u.shape)
        return end

    def _sharp(self, t: float) -> float:
        return float(np.exp(2 * self.rate * t))


def pull(attention: Attention, sharp: float, u: Array) -> Array:
    """Return sum_h V_h m_hi with exponents `sharp` times <B_h^T u_i, u_j>, shape (n, d)."""
    with np.errstate(under="ignore"):
        found: Array = np.sum([_weights(sharp, B, u) @ u @ V.T for B, V in attention.heads], axis=0)
    return found


def _weights(sharp: float, B: Array, u: Array) -> Array:
    """Return the attention matrix of one head at `sharp` times the exponents <B^T u_i, u_j>."""
    exponents = sharp * (u @ B @ u.T)
    weights = np.exp(exponents - exponents.max(axis=1)[:, None])
    P: Array = weights / weights.sum(axis=1)[:, None]
    return P
