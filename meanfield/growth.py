"""Volumes along with the particles: G' = div velocity(t, x(t), mu_t), so that rho_t(x(t)) = rho_0(x(0)) e^{-G}.

G is an integral along paths that are known, not an equation to be solved: on each step of the particles four Gauss
nodes in depth give it to the eighth order, which is that of the step, for a third of the divergences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from meanfield.quadrature import gauss_legendre
from particles.checks import Array
from particles.steppers import Memory, Step, Stepper, Velocity

_NODES = 4


@dataclass(frozen=True)
class Growing:
    """A stepper for particles with a last column that integrates a rate along their paths.

    Parameters
    ----------
    stepper : Stepper
        Moves the particles, all columns but the last; it must know the states within a step.
    rate : callable
        (t, points (n, d)) -> (n,), what the last column integrates.
    """

    stepper: Stepper
    rate: Callable[[float, Array], Array]

    def steps(
        self, velocity: Velocity, start: float, state: Array, times: Array, memory: Memory | None = None
    ) -> Iterator[Step]:
        """Yield the steps of the particles with the integral beside them."""
        t, total = start, state[:, -1]
        for step in self.stepper.steps(velocity, start, np.ascontiguousarray(state[:, :-1]), times, memory):

            def at(s: float, step: Step = step, t: float = t, total: Array = total) -> Array:
                return np.column_stack([step.at(s), total + self._integral(step, t, s)])

            ahead = at(step.time)
            yield Step(step.time, ahead, at, step.evaluations, step.memory)
            t, total = step.time, ahead[:, -1]

    def _integral(self, step: Step, start: float, end: float) -> Array:
        nodes, weights, _ = gauss_legendre(_NODES)
        half = 0.5 * (end - start)
        depths = start + half * (1 + nodes)
        return half * np.sum([w * self.rate(s, step.at(s)) for w, s in zip(weights, depths, strict=True)], axis=0)
