"""A Gaussian cut off where what is left out cannot matter at a tolerance.

Attention looks at N(m, S) tilted by e^{<a, .>}, which is N(m + S a, S): seen from a point k deviations out, along a
direction that B stretches by at most rho = |S^{1/2} B S^{1/2}|, the mass stands up to rho k deviations off the mean.
So that all points within k deviations see theirs, the box reaches (1 + rho) k.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from meanfield.gaussian import Gaussian
from meanfield.smooth import Smooth
from particles.dynamics import Dynamics

_BEYOND = 1e-3  # of the tolerance: mass that no point need see


def cut_off(mu0: Gaussian, law: Dynamics, tol: float) -> tuple[Smooth, float]:
    """Return the Gaussian on a box wide enough for the tolerance, and a bound on the mass left out.

    The centre counts: <B m, y> is a tilt that all points share.
    """
    deviations = np.sqrt(np.diag(mu0.cov))
    k = -float(special.ndtri(0.5 * _BEYOND * tol / mu0.dim))
    heads = law.attention_at(0.0).heads
    rho = max(np.linalg.norm(mu0.root.T @ B @ mu0.root, 2) for B, _ in heads)
    shift = max(np.linalg.norm(mu0.root.T @ (B.T @ mu0.mean)) for B, _ in heads)
    reach = (1 + min(float(rho), 1.0)) * k + float(shift)
    lower, upper = mu0.mean - reach * deviations, mu0.mean + reach * deviations
    return Smooth.trusted(mu0.pdf, lower, upper, 64), mu0.mass_beyond(reach)
