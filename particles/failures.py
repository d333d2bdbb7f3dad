"""Why a run cannot go on: blow-up, growth past the range of double precision, or a stiff equation.

All three end the same way, with no step small enough or with values that are not finite. They differ in how
log |x| has grown: at blow-up faster and faster, its last rate far above the mean one; with x' = Vx steadily; in a
stiff equation not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from particles.checks import Array
from particles.steppers import NoFurtherStep

_GREW = 1e3  # times the size at the start
_FASTER = 10.0  # times the mean rate: double precision holds e^700, so a steady growth cannot end so fast
_NEAR_RANGE = 1e100  # a product of a few such numbers overflows


@dataclass
class Growth:
    """The size |x| = max |x_ik| at the start, before the last step and now, with the depths."""

    start: float
    first: float
    before: float
    previous: float
    now: float
    last: float

    @classmethod
    def of(cls, t: float, state: Array, since: tuple[float, float] | None = None) -> Growth:
        """Begin at depth t; `since` is depth and size at the start, if that was earlier."""
        size = size_of(state)
        return cls(*(since or (t, size)), t, size, t, size)

    def note(self, t: float, state: Array) -> None:
        """Take one more step."""
        self.before, self.previous = self.now, self.last
        self.now, self.last = t, size_of(state)

    @property
    def sizes(self) -> tuple[float, ...]:
        """Everything, to be saved: `Growth(*sizes)` is this again."""
        return (self.start, self.first, self.before, self.previous, self.now, self.last)

    def explain(self, trouble: ArithmeticError) -> str:
        """Return what the trouble means in view of how the solution has grown."""
        scale = max(self.first, np.finfo(float).tiny)
        if self.last > _GREW * scale:
            kind = "blow-up" if self._last_rate > _FASTER * self._mean_rate else "growth"
            if kind == "blow-up":
                return (
                    f"blow-up: |x| grew from {self.first:.3g} to {self.last:.3g}, ever faster, "
                    f"and becomes infinite at about t = {self.now:.6g}: {trouble}"
                )
            if self.last > _NEAR_RANGE:
                return (
                    f"overflow: |x| grew from {self.first:.3g} to {self.last:.3g}, past the range of double "
                    f"precision: {trouble}. Stop earlier, or take the other form of the law, raw or rescaled"
                )
        if isinstance(trouble, NoFurtherStep):
            return (
                f"stiff: {trouble} while |x| stays below {max(self.first, self.last):.3g}: the velocity changes "
                "over distances or depths too small for these tolerances. Loosen `rtol` and `atol`, take a shorter "
                "depth or a smaller box, or a stepper with a fixed dt"
            )
        return str(trouble)

    @property
    def _mean_rate(self) -> float:
        return _rate(self.first, self.last, self.now - self.start)

    @property
    def _last_rate(self) -> float:
        return _rate(self.previous, self.last, self.now - self.before)


def size_of(state: Array) -> float:
    """Return |x| = max |x_ik|."""
    return float(np.abs(state).max())


def _rate(before: float, after: float, span: float) -> float:
    least = np.finfo(float).tiny
    return float(np.log(max(after, least) / max(before, least)) / span) if span > 0 else 0.0
