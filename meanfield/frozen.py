"""A law of motion in the field of one given measure: the linear equation d_t mu + div(velocity(t, ., nu) mu) = 0.

Points of mu then move independently of each other. Only the measure is held: the rescaled law keeps its own dependence
on t, e^{tV}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from particles.attention import Attention
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.measure import Measure


@dataclass(frozen=True, eq=False)
class Frozen:
    """A law of motion in the field of one given measure, whatever measure it is asked about."""

    law: Dynamics
    measure: Measure

    @property
    def dim(self) -> int:
        """Dimension d of the tokens."""
        return self.law.dim

    @property
    def step(self) -> float | None:
        """The step of the law."""
        return self.law.step

    def velocity(self, t: float, x: Any, mu: Any) -> Array:
        """Velocity at depth t of points x (m, d) in the field of the held measure, shape (m, d)."""
        return self.law.velocity(t, x, self.measure)

    def jacobian(self, t: float, x: Any, mu: Any) -> Array:
        """Derivative of the velocity in x, shape (m, d, d)."""
        return self.law.jacobian(t, x, self.measure)

    def attention_at(self, t: float) -> Attention:
        """The attention of the law at depth t."""
        return self.law.attention_at(t)

    def frame(self, t: float) -> Array:
        """The frame of the law at depth t."""
        return self.law.frame(t)
