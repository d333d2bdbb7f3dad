"""Gaussian data stay Gaussian: two matrix equations solve the continuity equation exactly.

The field of N(m, S) is affine, v(t, x) = v(t, m) + J (x - m), so

    m' = v(t, m),   S' = J S + S J^T;      for the raw law J = sum_h V_h S B_h^T.

With V B > 0 the variance blows up at a finite depth (d = 1: t* = 1/(2 V B s_0^2)). It is found ahead, in a variable s
in which nothing becomes infinite in finite time: with dt/ds = (L^{-2} + |J|^2)^{-1/2}, L the depth asked for, log S
grows at most linearly in s while t tends to t*, geometrically.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from meanfield.checkpoint import Checkpoint
from meanfield.curve import Curve
from meanfield.gaussian import Gaussian
from particles.checks import Array
from particles.dynamics import Dynamics, Raw, Rescaled
from particles.march import FINISHED, STOPPED, march
from particles.steppers import Adaptive, Stepper

_TIGHT = Adaptive(rtol=1e-12, atol=1e-14)
_SCALED = Adaptive(rtol=1e-12, atol=1e-12)  # for numbers of order 1
_AT_BLOW_UP = 1e-13  # of the depth: what is left of it, up to a factor near 1
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

        def velocity(t: float, state: Array) -> Array:
            m, S = state[0], state[1:]
            slope = dynamics.velocity(t, m[None, :], Gaussian.trusted(m, S))
            return np.vstack([slope, _covariance_slope(dynamics, t, S)[1]])

        found = checkpoint.load()
        blow_up = blow_up_depth(dynamics, mu0.cov, times) if found is None else found[1]["blow_up"]
        before = times if blow_up is None else times[times < blow_up]
        run = march(
            velocity,
            np.vstack([mu0.mean, mu0.cov]),
            before,
            self.stepper,
            row="moment",
            progress=progress,
            checkpoint=checkpoint.beside({}, {"blow_up": blow_up}, found),
        )
        status, message, stats = run.status, run.message, run.stats
        if blow_up is not None:
            stats = {**stats, "blow_up": blow_up}
            if status == FINISHED:
                status, message = STOPPED, _told(blow_up, run.times, run.states)
        measures = tuple(Gaussian(state[0], state[1:]) for state in run.states)
        return Curve(run.times, measures, stats, status, message)


def blow_up_depth(dynamics: Dynamics, cov: Array, times: Array) -> float | None:
    """Return the depth at which the covariance becomes infinite; None if not before the last of `times`.

    It is the same in every frame, so the rescaled law is replaced by the raw one, whose J has no ill-conditioned frame.
    """
    if isinstance(dynamics, Rescaled):
        F = dynamics.frame(float(times[0]))
        with np.errstate(over="ignore"):
            dynamics, cov = Raw(dynamics.attention), F @ cov @ F.T
    start, span, size = float(times[0]), float(times[-1] - times[0]), float(np.linalg.norm(cov))
    if span == 0 or size == 0 or not np.isfinite(size):
        return None

    def paced(state: Array) -> tuple[float, Array, Array]:
        """Return dt/ds, S/|S| and (J S + S J^T)/|S| dt/ds at the state: share of the depth, log |S|, S/|S|."""
        shape = state[2:].reshape(cov.shape)
        with np.errstate(over="raise"):
            scale = size * float(np.exp(state[1]))
        J, slope = _covariance_slope(dynamics, start + span * state[0], scale * shape)
        pace = float(1 / np.hypot(1 / span, np.linalg.norm(J)))
        return pace, shape, pace * slope / scale

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
                    return start + span * done
    except ArithmeticError:
        pass  # the law itself leaves the range of double precision: the run will say so
    return None


def _covariance_slope(dynamics: Dynamics, t: float, S: Array) -> tuple[Array, Array]:
    """Return J and J S + S J^T; neither depends on the mean."""
    centre = np.zeros(len(S))
    J = dynamics.jacobian(t, centre[None, :], Gaussian.trusted(centre, S))[0]
    half = J @ S
    return J, half + half.T


def _told(blow_up: float, times: Array, states: list[Array]) -> str:
    first, last = (float(np.abs(state[1:]).max()) for state in (states[0], states[-1]))
    return (
        f"stopped after t = {times[-1]:.6g}: blow-up: the covariance becomes infinite at t = {blow_up:.10g}; "
        f"it grew from {first:.3g} at t = {times[0]:.6g} to {last:.3g} at t = {times[-1]:.6g}"
    )
