"""A Gaussian on a grid: cut, and compared with the exact solution.

N(m, S_t) is exact (`meanfield.riccati`); a grid carries what lies within eight deviations of it. In deviations, a point
looks rho_t = |R^T B^T R| times as far out as it stands, R R^T = S_t. While rho_t < 1 the cut is not felt in the middle;
beyond, the middle follows the edge in the end, and what is left out does matter. The cut law has a solution at every
depth, also after the one at which the Gaussian's ends: it is no solution to the problem, and is not shown.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from meanfield.checkpoint import NOWHERE
from meanfield.curve import Curve
from meanfield.gaussian import Gaussian
from meanfield.riccati import Riccati, looked_at, outlook
from particles.dynamics import Dynamics

DEVIATIONS = 8.0  # a Gaussian is cut there: it leaves out 1e-15


def judged(law: Dynamics, mu0: Any, curve: Curve) -> Curve:
    """Return the curve; of a Gaussian with its distance from the exact one, and where this comes from if it is the cut.

    `stats` then holds `cov_error`, the largest error of the covariance in units of its size.
    """
    if not isinstance(mu0, Gaussian):
        return curve
    exact = Riccati().run(law, mu0, looked_at(curve.times), False, NOWHERE)
    at = np.searchsorted(exact.times, curve.times[curve.times <= exact.times[-1]])
    pairs = [(mu.cov, exact[k].cov) for mu, k in zip(curve.measures, at.tolist(), strict=False)]
    error = max(float(np.linalg.norm(found - right) / np.linalg.norm(right)) for found, right in pairs)
    message = curve.message
    beyond = [t for t, mu in zip(exact.times, exact.measures, strict=True) if _looks(law, float(t), mu) > 1]
    if beyond:
        message += (
            f"; from t = {beyond[0]:.6g} on points look further out than they stand, and the middle follows the cut: "
            f"the covariance is up to {error:.2g} of its size off the exact one"
        )
    return replace(curve, stats={**curve.stats, "cov_error": error}, message=message)


def _looks(law: Dynamics, t: float, mu: Any) -> float:
    return max(outlook(B, mu.root) for B, _ in law.attention_at(t).heads)
