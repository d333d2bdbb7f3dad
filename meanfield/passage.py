"""One step of the particles, kept so that others can make the same step after them.

A Runge-Kutta step visits a measure at each of its stages. Points that carry no mass feel those measures and change
none of them: they can be sent through the step later, at the cost of their own velocities only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from particles.checks import Array
from particles.dynamics import Dynamics
from particles.measure import Empirical


@cache
def _dop853() -> Any:
    from scipy.integrate import DOP853  # takes a quarter of a second to import

    return DOP853


@dataclass(frozen=True, eq=False)
class Passage:
    """An accepted step of DOP853.

    Attributes
    ----------
    start, end : float
        Depths.
    points : (n, d) array
        Where the particles are at the end.
    following : float
        The size proposed for the step after this one.
    stages : list of measures
        Those of the stages, the first at `start`.
    evaluations : int
        Fields computed for it, those of refused trials included.
    """

    law: Dynamics
    start: float
    end: float
    points: Array
    following: float
    stages: list[Empirical]
    evaluations: int

    def of(self, points: Array) -> Array:
        """Return where points (m, d) at the start are at the end, moved by the particles without moving them."""
        method, h = _dop853(), self.end - self.start
        slopes = np.empty((len(self.stages), *points.shape))
        for k, (a, c, mu) in enumerate(zip(method.A, method.C, self.stages, strict=True)):
            here = points + h * np.tensordot(a[:k], slopes[:k], axes=1)
            slopes[k] = self.law.velocity(self.start + c * h, here, mu)
        return points + h * np.tensordot(method.B, slopes, axes=1)


def passage(
    law: Dynamics, nodes: Empirical, start: float, end: float, first: float | None, rtol: float, atol: float
) -> Passage:
    """Make one step from `start` towards `end`, of size `first` at most if that is given.

    Raises
    ------
    ArithmeticError
        If the velocity is not finite, or the step falls below rounding.
    """
    method, shape = _dop853(), nodes.points.shape
    visited: list[Empirical] = []

    def velocity(t: float, y: Array) -> Array:
        mu = nodes.moved_to(y.reshape(shape).copy())
        visited.append(mu)
        try:
            slope = law.velocity(t, mu.points, mu).ravel()
        except FloatingPointError:
            if len(visited) == 1:
                raise
            return np.full_like(y, np.nan)  # a trial stage out of range asks for a smaller step
        if len(visited) == 1 and not np.isfinite(slope).all():  # choosing the first step would never end
            raise ArithmeticError(
                f"the velocity of particle {int(np.argmin(np.isfinite(slope))) // shape[1]} is not finite"
            )
        return slope

    trial = None if first is None else min(first, end - start)
    solver = method(velocity, start, nodes.points.ravel(), end, rtol=rtol, atol=atol, first_step=trial)
    complaint = solver.step()
    if solver.status == "failed":
        raise ArithmeticError(complaint or "the step size fell below rounding")
    stages = [visited[0], *visited[-method.n_stages : -1]]
    return Passage(law, start, float(solver.t), solver.y.reshape(shape), solver.h_abs, stages, len(visited))
