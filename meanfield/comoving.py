"""The motion of one atom, which every measure's centre of mass follows where nothing is attended to (B = 0).

Raw: c' = U c, so c(t + s) = e^{sU} c(t). Rescaled: c' = 0. Schemes step what is left after this motion is taken off.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

from particles.checks import Array
from particles.dynamics import Dynamics, Raw


def drift(law: Dynamics, c: Array) -> Array:
    """Return the velocity of an atom at c (d,) that attends to itself alone; 0 for laws other than `Raw`."""
    return law.attention.U @ c if isinstance(law, Raw) else np.zeros_like(c)


def drifted(law: Dynamics, c: Array, dt: float) -> Array:
    """Return where that atom is a depth dt later, to rounding."""
    return expm(dt * law.attention.U) @ c if isinstance(law, Raw) else c
