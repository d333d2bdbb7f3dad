"""Gaussian data stay Gaussian: two matrix equations solve the continuity equation exactly.

The field of N(m, S) is affine, v(t, x) = v(t, m) + J (x - m), so

    m' = v(t, m),   S' = J S + S J^T;      for the raw law J = sum_h V_h S B_h^T.

With A' = J A, A = I at first, the flow is Phi_t(y) = m_t + A_t (y - m_0), and S_t = A_t S_0 A_t^T is a covariance
whatever the rounding. The rescaled law is solved in a frame that stays, and its solution is the image in its own.

With V B > 0 the variance blows up at a finite depth (d = 1: t* = 1/(2 V B s_0^2)). It is found ahead, in a variable s
in which nothing becomes infinite in finite time: with dt/ds = (L^{-2} + |J|^2)^{-1/2}, L the depth asked for, log S
grows at most linearly in s while t tends to t*, geometrically.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from meanfield.checkpoint import Checkpoint
from meanfield.curve import Curve
from meanfield.gaussian import Gaussian
from particles.checks import Array
from particles.dynamics import Dynamics, Raw, Rescaled
from particles.march import STOPPED, march
from particles.steppers import Adaptive, Stepper

_TIGHT = Adaptive(rtol=1e-12, atol=1e-14)
_SCALED = Adaptive(rtol=1e-12, atol=1e-12)  # for numbers of order 1
_AT_BLOW_UP = 1e-13  # of the depth: what is left of it, up to a factor near 1
_SHORT = 0.1  # of the span: a blow-up before it is looked for again, on a span of its own size
_KNOWN = 1e-11  # of the span: within it a blow-up is found
_SAFE_EXPONENT = 250.0  # e^{2 * 250} times the largest entries of Q and K is far from overflow
_LOOKS = 65  # depths besides those asked for
_MOST_FOLDINGS = 1e5  # in s: log S passes the range of double precision long before


@dataclass(frozen=True)
class Riccati:
    """Mean and covariance of Gaussian data by their own differential equations.

    A blow-up between the asked depths ends the curve before it; its depth is in `stats["blow_up"]` and in `message`.

    Parameters
    ----------
    stepper : Stepper
        How they are integrated.
    """

    stepper: Stepper = _TIGHT

    def check(self, dynamics: Dynamics, mu0: Any) -> None:
        """Refuse data that are not Gaussian."""
        if not isinstance(mu0, Gaussian):
            raise ValueError(f"`mu0` must be a Gaussian for Riccati; got {type(mu0).__name__}.")

    def run(self, dynamics: Dynamics, mu0: Gaussian, times: Array, progress: bool, checkpoint: Checkpoint) -> Curve:
        """Return the Gaussian at each depth."""
        found = checkpoint.load()
        blow_up = blow_up_depth(dynamics, mu0.cov, times) if found is None else found[1]["blow_up"]
        flow = Flow.of(dynamics, mu0, float(times[0]))
        run = march(
            flow.velocity,
            flow.start,
            times_before(blow_up, times),
            self.stepper,
            row="moment",
            progress=progress,
            checkpoint=checkpoint.beside({}, {"blow_up": blow_up}, found),
        )
        measures = tuple(flow.measure(float(t), state) for t, state in zip(run.times, run.states, strict=True))
        return ended_by(blow_up, Curve(run.times, measures, run.stats, run.status, run.message))


@dataclass(frozen=True, eq=False)
class Flow:
    """The equations of m_t and A_t, for the rescaled law in the frame at the first depth, which stays as it is.

    A state holds m in its first row and A below.

    Attributes
    ----------
    law, held : Dynamics
        The law asked for, and the same in the frame at the first depth.
    mu0 : Gaussian
        The data.
    begin : float
        The first depth.
    """

    law: Dynamics
    held: Dynamics
    mu0: Gaussian
    begin: float

    @classmethod
    def of(cls, law: Dynamics, mu0: Gaussian, begin: float) -> Flow:
        """Return the equations for data given at the depth `begin`."""
        try:
            return cls(law, in_held_frame(law, begin), mu0, begin)
        except ArithmeticError:  # there is no such frame, nor a velocity: the run will say so
            return cls(law, law, mu0, begin)

    @property
    def start(self) -> Array:
        """The state to begin with, shape (1 + d, d)."""
        return np.vstack([self.mu0.mean, np.eye(self.mu0.dim)])

    @cached_property
    def _safe(self) -> float:
        """Depth up to which |e^{tU}| certainly is in range: there it need not be computed."""
        if not isinstance(self.law, Rescaled):
            return np.inf
        return _SAFE_EXPONENT / max(float(np.linalg.norm(self.law.attention.U)), 1e-300)

    def velocity(self, t: float, state: Array) -> Array:
        """Return m' and A' = J A."""
        if abs(t) > self._safe:
            self.law.attention_at(t)  # complains where the law itself leaves the range of double precision
        m, A = state[0], state[1:]
        S = A @ self.mu0.cov @ A.T
        slope = self.held.velocity(t, m[None, :], Gaussian.trusted(m, S))
        return np.vstack([slope, _jacobian(self.held, t, S) @ A])

    def seen(self, t: float, state: Array) -> tuple[Array, Array]:
        """Return m_t and A_t in the frame of the law."""
        m, A = state[0], state[1:]
        if isinstance(self.held, Raw) and isinstance(self.law, Rescaled):
            turning, since = Rescaled(self.held.attention), t - self.begin
            return turning.rescaled_points(since, m[None, :])[0], turning.rescaled_points(since, A.T).T
        return m, A

    def measure(self, t: float, state: Array) -> Gaussian:
        """Return N(m_t, A_t S A_t^T) in the frame of the law."""
        m, A = self.seen(t, state)
        return Gaussian(m, A @ self.mu0.cov @ A.T)


def blow_up_depth(dynamics: Dynamics, cov: Array, times: Array) -> float | None:
    """Return the depth at which the covariance becomes infinite; None if not before the last of `times`.

    It is the same in every frame, so the rescaled law is replaced by one whose frame does not grow ill-conditioned.
    """
    start, span = float(times[0]), float(times[-1] - times[0])
    try:
        dynamics = in_held_frame(dynamics, start)
    except ArithmeticError:
        return None  # the run will say so
    after = _until_blow_up(dynamics, cov, start, span)
    while after is not None and after < _SHORT * span:  # known to so much of the span: again on a shorter one
        span = 2 * after + _KNOWN * span
        again = _until_blow_up(dynamics, cov, start, span)
        if again is None:
            break
        after = again
    return None if after is None else start + after


def in_held_frame(law: Dynamics, t: float) -> Dynamics:
    """Return the law in its own frame at depth t, for all depths: the raw law with the attention that is seen there.

    With w = F(t_0)^{-1} x, w' is the field of that attention, and z = F(t)^{-1} x = e^{-(t - t_0) U} w.
    """
    return Raw(law.attention_at(t)) if isinstance(law, Rescaled) else law


def _until_blow_up(dynamics: Dynamics, cov: Array, start: float, span: float) -> float | None:
    """Return how far after `start` the covariance becomes infinite, right to 1e-12 of the span; None if not in it."""
    size = float(np.linalg.norm(cov))
    if span == 0 or size == 0 or not np.isfinite(size):
        return None

    def paced(state: Array) -> tuple[float, Array, Array]:
        """Return dt/ds, S/|S| and (J S + S J^T)/|S| dt/ds at the state: share of the depth, log |S|, S/|S|."""
        shape = state[2:].reshape(cov.shape)
        with np.errstate(over="raise"):
            scale = size * float(np.exp(state[1]))
        J = _jacobian(dynamics, start + span * state[0], scale * shape)
        pace = float(1 / np.hypot(1 / span, np.linalg.norm(J)))
        half = J @ shape
        return pace, shape, pace * (half + half.T)

    def velocity(s: float, state: Array) -> Array:
        pace, shape, slope = paced(state)
        growth = float((shape * slope).sum() / (shape * shape).sum())
        return np.concatenate([[pace / span, growth], (slope - growth * shape).ravel()])

    state = np.concatenate([[0.0, 0.0], cov.ravel() / size])
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            for step in _SCALED.steps(velocity, 0.0, state, np.array([0.0, _MOST_FOLDINGS])):
                done = float(step.state[0])
                if done >= 1:
                    return None
                if paced(step.state)[0] <= _AT_BLOW_UP * span:
                    return span * done
    except ArithmeticError:
        pass  # the law itself leaves the range of double precision: the run will say so
    return None


def _jacobian(dynamics: Dynamics, t: float, S: Array) -> Array:
    """Return J, which does not depend on the mean."""
    centre = np.zeros(len(S))
    return dynamics.jacobian(t, centre[None, :], Gaussian.trusted(centre, S))[0]


def before_blow_up(law: Dynamics, mu0: Any, times: Array, solved: Callable[[Array], Curve]) -> Curve:
    """Return solved(times), the curve of mu0; of a Gaussian up to its blow-up, with that told."""
    if not isinstance(mu0, Gaussian):
        return solved(times)
    blow_up = blow_up_depth(law, mu0.cov, times)
    return ended_by(blow_up, solved(times_before(blow_up, times)))


def times_before(blow_up: float | None, times: Array) -> Array:
    """Return the times before a blow-up; the first one, where the data are given, always."""
    if blow_up is None:
        return times
    return times[: max(1, int(np.searchsorted(times, blow_up)))]


def ended_by(blow_up: float | None, curve: Curve) -> Curve:
    """Return the curve of Gaussian data that ends before a blow-up, with the blow-up told."""
    if blow_up is None:
        return curve
    stats = {**curve.stats, "blow_up": blow_up}
    if curve.status == STOPPED:
        return replace(curve, stats=stats)
    doubts = curve.message.removeprefix(f"reached t = {curve.times[-1]:.6g}")
    return replace(curve, stats=stats, status=STOPPED, message=_told(blow_up, curve) + doubts)


def _told(blow_up: float, curve: Curve) -> str:
    first, last = (float(np.abs(curve[k].cov).max()) for k in (0, -1))
    return (
        f"stopped after t = {curve.times[-1]:.6g}: blow-up: the covariance becomes infinite at t = {blow_up:.10g}; "
        f"it grew from {first:.3g} at t = {curve.times[0]:.6g} to {last:.3g} at t = {curve.times[-1]:.6g}"
    )


def looked_at(times: Array) -> Array:
    """Return the times, and depths between them at which the exact solution is looked at too."""
    return np.union1d(times, np.linspace(times[0], times[-1], _LOOKS))


def outlook(B: Array, R: Array) -> float:
    """Return rho = |R^T B R|: how many deviations out a point looks, for each that it stands out; R R^T = S_t."""
    return float(np.linalg.norm(R.T @ B @ R, 2))
