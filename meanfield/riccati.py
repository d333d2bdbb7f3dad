"""Gaussian data stay Gaussian: two matrix equations solve the continuity equation exactly.

The field of N(m, S) is affine, v(t, x) = v(t, m) + J (x - m), so

    m' = v(t, m),   S' = J S + S J^T;      for the raw law J = sum_h V_h S B_h^T.

With V B > 0 the variance blows up at a finite depth (d = 1: t* = 1/(2 V B s_0^2)); the run then stops and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from meanfield.curve import Curve
from meanfield.gaussian import Gaussian
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.march import STOPPED, march
from particles.steppers import Adaptive, Stepper

_TIGHT = Adaptive(rtol=1e-12, atol=1e-14)


@dataclass(frozen=True)
class Riccati:
    """Mean and covariance of Gaussian data by their own differential equations.

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

    def run(self, dynamics: Dynamics, mu0: Gaussian, times: Array, progress: bool) -> Curve:
        """Return the Gaussian at each depth."""

        def velocity(t: float, state: Array) -> Array:
            m, S = state[0], state[1:]
            here, law = m[None, :], Gaussian.trusted(m, S)
            half = dynamics.jacobian(t, here, law)[0] @ S
            return np.vstack([dynamics.velocity(t, here, law), half + half.T])

        run = march(velocity, np.vstack([mu0.mean, mu0.cov]), times, self.stepper, row="moment", progress=progress)
        message = run.message
        if run.status == STOPPED:
            message += (
                f"; the covariance had reached {_largest(run.states[-1]):.3g} at t = {run.times[-1]:.6g} and blows up"
            )
        measures = tuple(Gaussian(state[0], state[1:]) for state in run.states)
        return Curve(run.times, measures, run.stats, run.status, message)


def _largest(state: Array) -> float:
    return float(np.abs(state[1:]).max())
