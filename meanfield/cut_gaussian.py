"""A Gaussian on a grid: cut, ended before its blow-up, and compared with the exact solution.

N(m, S_t) is exact (`meanfield.riccati`); a grid carries what lies within eight deviations of it. In deviations, a point
looks rho_t = |R^T B^T R| times as far out as it stands, R R^T = S_t. While rho_t < 1 the cut is not felt in the middle;
beyond, the middle follows the edge in the end, and what is left out does matter. The cut law has a solution at every
depth, also after the one at which the Gaussian's ends: it is no solution to the problem, and is not shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from meanfield.checkpoint import NOWHERE
from meanfield.curve import Curve
from meanfield.gaussian import Gaussian
from meanfield.riccati import Riccati, blow_up_depth, ended_by, times_before
from particles.checks import Array
from particles.dynamics import Dynamics

DEVIATIONS = 8.0  # a Gaussian is cut there: it leaves out 1e-15
_LOOKS = 65  # depths at which rho is looked at, besides those asked for


def before_blow_up(law: Dynamics, mu0: Any, times: Array, solved: Callable[[Array], Curve]) -> Curve:
    """Return solved(times), the curve of mu0; if that is a Gaussian, up to its blow-up and judged by the exact curve.

    `stats` then holds `cov_error`, the largest error of the covariance in units of its size, and `blow_up`, its depth.
    """
    if not isinstance(mu0, Gaussian):
        return solved(times)
    blow_up = blow_up_depth(law, mu0.cov, times)
    times = times_before(blow_up, times)
    return ended_by(blow_up, _judged(law, mu0, solved(times)))


def _judged(law: Dynamics, mu0: Gaussian, curve: Curve) -> Curve:
    """Return the curve with its distance from the exact one, and where this comes from if it is the cut."""
    depths = np.union1d(curve.times, np.linspace(curve.times[0], curve.times[-1], _LOOKS))
    exact = Riccati().run(law, mu0, depths, False, NOWHERE)
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
    """Return rho: how many deviations out a point looks, for each that it stands out itself."""
    return max(float(np.linalg.norm(mu.root.T @ B.T @ mu.root, 2)) for B, _ in law.attention_at(t).heads)
