"""A Gaussian cut off where what is left out cannot matter at a tolerance, as far as there is such a place.

N(m, S) stays Gaussian under an affine flow, Phi_t(y) = m_t + A_t (y - m), A' = J A (J as in `meanfield.riccati`). In
deviations from the mean, xi = S^{-1/2} (y - m), and with R_t = A_t S^{1/2}, the particle at xi sees by head h the law

    N(R_t^T B_h^T (m_t + R_t xi), I),    so at most shift_t + rho_t |xi| out,  rho_t = |R_t^T B_h^T R_t|.

While rho_t < 1, what is seen from what is seen, and so on, stays about shift / (1 - rho), and a box that reaches k
(1 + rho) deviations beyond holds all that particles within k see. Once rho_t > 1 a particle looks further out than it
stands: whatever the box, the middle follows the edge in the end, and the error falls like a power of the width only. On
the line the box is then as wide as numbers allow, which puts that off a little; everywhere the run is compared with the
exact flow, and says how far it can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from meanfield.curve import Curve
from meanfield.gaussian import Gaussian
from meanfield.push_forward import PushForward
from meanfield.riccati import Flow, looked_at, outlook
from meanfield.smooth import Smooth
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.march import FINISHED, UNRESOLVED, march
from particles.steppers import Adaptive

_BEYOND = 1e-3  # of the tolerance: mass that no point need see
_FURTHEST = 37.0  # deviations: e^{-37^2/2} is about the least density that is a full number
_FURTHEST_ELSE = 20.0  # in the plane and in space, where panels far out are many
_CHAINED = 0.9  # rho up to which the geometric series is taken at its word
_NODES = 64
_TIGHT = Adaptive(rtol=1e-12, atol=1e-14)
_SEEN_FROM = np.array([0.0, 1.0, 2.0])  # deviations at which tilted means are compared with the exact ones
_SIZE = 2.0  # deviations beyond the mean: the size of a law that has no largest coordinate


@dataclass(frozen=True, eq=False)
class Path:
    """The exact flow of a Gaussian at some depths, as far as it could be followed."""

    flow: Flow
    times: Array
    states: list[Array]

    @classmethod
    def of(cls, law: Dynamics, mu0: Gaussian, times: Array) -> Path:
        """Return it at the times and at some between them."""
        flow = Flow.of(law, mu0, float(times[0]))
        run = march(flow.velocity, flow.start, looked_at(times), _TIGHT, row="moment")
        return cls(flow, run.times, run.states)

    def at(self, t: float) -> tuple[Array, Array] | None:
        """Return m_t and A_t in the law's frame, t one of the depths; None if they are not known there."""
        k = int(np.searchsorted(self.times, t))
        return self.flow.seen(t, self.states[k]) if k < len(self.times) else None

    def looks(self) -> tuple[Array, Array]:
        """Return rho_t and shift_t at all depths."""
        rho, shift = np.zeros(len(self.times)), np.zeros(len(self.times))
        for k, (t, state) in enumerate(zip(self.times, self.states, strict=True)):
            m, R = state[0], state[1:] @ self.flow.mu0.root
            for B, _ in self.flow.held.attention_at(float(t)).heads:
                rho[k] = max(rho[k], outlook(B, R))
                shift[k] = max(shift[k], np.linalg.norm(R.T @ (B.T @ m)))
        return rho, shift


@dataclass(frozen=True, eq=False)
class Cut:
    """A Gaussian on a box, and the exact solution that it stands for.

    Attributes
    ----------
    source : Smooth
        The Gaussian's density on the box.
    reach : float
        How many deviations the box reaches from the mean.
    near : float
        Deviations within which particles matter by their mass.
    tol : float
        The tolerance that it is meant for.
    path : Path
        The exact solution.
    """

    source: Smooth
    reach: float
    near: float
    tol: float
    path: Path

    @classmethod
    def of(cls, mu0: Gaussian, law: Dynamics, times: Array, tol: float) -> Cut:
        """Return the Gaussian on a box that is wide enough for the tolerance at all `times`, where there is one."""
        path = Path.of(law, mu0, times)
        k = -float(special.ndtri(0.5 * _BEYOND * tol / mu0.dim))
        rho, shift = path.looks()
        wanted = float(((1 + rho) * k + shift / (1 - np.minimum(rho, _CHAINED))).max())
        furthest = _FURTHEST if mu0.dim == 1 else _FURTHEST_ELSE
        reach = furthest if mu0.dim == 1 and (rho >= 1).any() else min(wanted, furthest)
        wide = reach * np.sqrt(np.diag(mu0.cov))
        return cls(Smooth.trusted(mu0.pdf, mu0.mean - wide, mu0.mean + wide, _NODES), reach, k, tol, path)

    def judged(self, curve: Curve) -> Curve:
        """Return the curve of the cut Gaussian with its distance from the exact solution told, and judged by it."""
        errors = [
            self._error(float(t), mu)
            for t, mu in zip(curve.times, curve.measures, strict=True)
            if isinstance(mu, PushForward)
        ]
        right = next((k for k, error in enumerate(errors) if not error <= self.tol), len(errors))
        stats = {**curve.stats, "discarded": self.path.flow.mu0.mass_beyond(self.reach), "deviations": self.reach}
        stats |= {"cut_error": max(error for error in errors if np.isfinite(error))}
        stats |= {"trusted": float(curve.times[right - 1])} if right else {}
        status, message = curve.status, curve.message
        if right < len(errors) and status in (FINISHED, UNRESOLVED):
            until = f"up to t = {stats['trusted']:.6g}" if right else "at no depth"
            status, message = UNRESOLVED, message + self._told(stats["cut_error"], until)
        return replace(curve, stats=stats, status=status, message=message)

    def _error(self, t: float, mu: PushForward) -> float:
        """Return how far mu is from N(m_t, A_t S A_t^T), in units of the law's size if that is above 1.

        It is the largest of a bound on W1, the error of mean and covariance, and that of tilted means seen from within
        two deviations; inf where the exact solution is not known.
        """
        start, exact = self.path.flow.mu0, self.path.at(t)
        if exact is None:
            return np.inf
        m, A = exact
        R = A @ start.root
        nu = Gaussian.trusted(m, R @ R.T)
        unit = max(1.0, float((np.abs(m) + _SIZE * np.sqrt(np.diag(nu.cov))).max()))
        gaps = np.linalg.norm(mu.nodes.points - (m + (mu.panels.points - start.mean) @ A.T), axis=1)
        axes = np.concatenate([np.eye(nu.dim), -np.eye(nu.dim)])
        x = m + (_SEEN_FROM[:, None, None] * axes).reshape(-1, nu.dim) @ R.T
        errors = [mu.nodes.weights @ gaps, np.abs(mu.mean - m).max(), np.abs(mu.cov - nu.cov).max() / unit]
        for B, _ in self.path.flow.law.attention_at(t).heads:
            errors.append(np.abs(mu.tilted_mean(x @ B) - nu.tilted_mean(x @ B)).max())
        return float(np.max(errors)) / unit

    def _told(self, error: float, until: str) -> str:
        told = (
            f", but the Gaussian cut off at {self.reach:.3g} deviations is {error:.2g} > tol = {self.tol:.2g} from the "
            f"exact solution, and within tol {until}"
        )
        rho, shift = self.path.looks()
        if (rho > 1).any():
            return (
                f"{told}: from t = {self.path.times[(rho > 1).argmax()]:.6g} on particles look further out than they "
                "stand, and the middle follows the edge of any box"
            )
        return f"{told}: particles look up to {(shift + rho * self.near).max():.3g} deviations out"
