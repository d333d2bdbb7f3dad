"""Three runs of the same tokens side by side: what two of them say otherwise, double precision does not decide.

The first is the solution. The others start from tokens moved by a few roundings, one to either side, and have a
hundred times the tolerance: a token that balances on a divide falls off it to one side in one of them and to the other
in the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from particles.attention import Attention
from particles.checks import Array
from particles.dynamics import Raw
from particles.march import FINISHED
from particles.measure import Empirical
from particles.solve import solve
from particles.steppers import Adaptive

_MOVED = 1e-14  # of the size of the tokens
_LOOSER = 100.0


@dataclass(frozen=True, eq=False)
class Abreast:
    """The runs at one depth.

    Attributes
    ----------
    law : Raw
        What moves them.
    start : Empirical
        The tokens at depth 0, with their weights.
    tolerances : tuple of float
        Relative tolerances of the runs' steps; the absolute ones are these times `size`.
    size : float
        The largest coordinate at depth 0.
    depth : float
        t.
    states : tuple of (n, d) arrays
        Raw tokens of each run at that depth.
    """

    law: Raw
    start: Empirical
    tolerances: tuple[float, ...]
    size: float
    depth: float
    states: tuple[Array, ...]

    @classmethod
    def of(cls, attention: Attention, start: Empirical, tolerance: float) -> Abreast:
        """Return the runs at depth 0."""
        x = start.points
        size = float(np.abs(x).max()) or 1.0
        aside = _MOVED * size * np.cos(1.0 + np.arange(x.size)).reshape(x.shape)
        tolerances = (tolerance, _LOOSER * tolerance, _LOOSER * tolerance)
        return cls(Raw(attention), start, tolerances, size, 0.0, (x, x + aside, x - aside))

    def moved(self, step: float, most_steps: int) -> Abreast | None:
        """Return the runs at depth t + step; None if one of them needs more than so many steps, or fails."""
        times = [self.depth, self.depth + step]
        runs = [
            solve(self.law, self.start.moved_to(x), times, stepper=Adaptive(tol, tol * self.size, most_steps))
            for x, tol in zip(self.states, self.tolerances, strict=True)
        ]
        if any(run.status != FINISHED for run in runs):
            return None
        return replace(self, depth=times[-1], states=tuple(run.points[-1] for run in runs))
