"""The continuity equation by quadrature particles.

Weights come from a quadrature rule for mu_0, nodes are moved by the ODE x' = velocity(t, x, mu). The flow map is
analytic, so the error falls exponentially in the number of nodes as long as they resolve it, not like n^{-1/2}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from meanfield.box import corners
from meanfield.curve import Curve
from meanfield.density import Density
from meanfield.gaussian import Gaussian
from meanfield.push_forward import PushForward, quadrature
from meanfield.smooth import Smooth
from meanfield.uniform import Uniform
from particles import checks
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.march import FINISHED, march
from particles.measure import Empirical, Measure
from particles.steppers import Adaptive, Stepper

UNRESOLVED = "unresolved"

_TIGHT = Adaptive(rtol=1e-11, atol=1e-12)
_FIRST_NODES = 8
_GROWTH = 1.5
_MOST_PARTICLES = 4096
_PATIENCE = 3
_LEAST_TOL = 1e-11  # below it the ODE's own tolerance would reach rounding


@dataclass(frozen=True)
class ParticleMethod:
    """Quadrature particles: n nodes along each axis, or as many as a tolerance asks for.

    `Uniform`, `Smooth` and `Density` data get Gauss-Legendre nodes, and each result is a `PushForward`. `Gaussian`
    data get Gauss-Hermite nodes along the principal axes, `Empirical` data are moved as they are; each result is
    an `Empirical`.

    Parameters
    ----------
    tol : float, optional
        The rule is refined until the flow map moves by less than `tol` (largest change over all depths, over the
        nodes and corners of the box): an estimate of the distance W_inf. 1e-8 if neither argument is given. If
        4096 particles are not enough, or more stop helping, the curve's status is "unresolved" and its message gives
        the estimate.
    n : int, optional
        Nodes along each axis, n^d in all, instead of a tolerance.
    stepper : Stepper, optional
        How the particles are moved; `Adaptive` with a tolerance to match if left out.

    Raises
    ------
    ValueError
        If both or unusable arguments are given.
    """

    tol: float | None = None
    n: int | None = None
    stepper: Stepper | None = None

    def __post_init__(self) -> None:
        """Refuse arguments that contradict each other."""
        problems = checks.Problems()
        if self.tol is not None and self.n is not None:
            problems.add("give either `tol` or `n`, not both.")
        if self.tol is not None:
            tol = checks.positive("tol", self.tol, problems)
            if tol is not None and not _LEAST_TOL <= tol < 1:
                problems.add(f"`tol` must lie in [{_LEAST_TOL:g}, 1); got {self.tol}.")
        if self.n is not None:
            checks.count("n", self.n, problems)
        problems.raise_if_any()

    def check(self, dynamics: Dynamics, mu0: Any) -> None:
        """Refuse data that this method cannot discretise."""
        if not isinstance(mu0, Uniform | Smooth | Density | Gaussian | Empirical):
            raise ValueError(
                "`mu0` must be a Uniform, Smooth, Density, Gaussian or Empirical for ParticleMethod; "
                f"got {type(mu0).__name__}. A PushForward goes on from its `nodes`."
            )

    def run(self, dynamics: Dynamics, mu0: Measure, times: Array, progress: bool) -> Curve:
        """Return the measure at each depth."""
        if self.n is not None or isinstance(mu0, Empirical):
            return _solution(dynamics, mu0, times, self.n or 1, self.stepper or _TIGHT, progress)
        return self._refined(dynamics, mu0, times, self.tol or 1e-8, progress)

    def _refined(self, dynamics: Dynamics, mu0: Measure, times: Array, tol: float, progress: bool) -> Curve:
        stepper = self.stepper or Adaptive(rtol=max(tol / 20, 1e-13), atol=tol / 20)
        sizes = _sizes(mu0)
        curve, estimates = _solution(dynamics, mu0, times, sizes[0], stepper, progress), [np.inf]
        for n in sizes[1:]:
            finer = _solution(dynamics, mu0, times, n, stepper, progress)
            estimates.append(_distance(curve, finer) if len(finer) == len(curve) else np.inf)
            curve = finer
            if estimates[-1] <= tol or _stagnant(estimates):
                break
        estimate = estimates[-1]
        stats = {**curve.stats, "estimate": float(estimate)}
        status, message = curve.status, curve.message
        if status == FINISHED and estimate > tol:
            status = UNRESOLVED
            message = (
                f"{message}, but the flow still moves by {estimate:.2g} > tol = {tol:.2g} "
                f"at {int(stats['particles'])} particles"
            )
        return Curve(curve.times, curve.measures, stats, status, message)


def _solution(dynamics: Dynamics, mu0: Measure, times: Array, n: int, stepper: Stepper, progress: bool) -> Curve:
    """Return the solution with n nodes along each axis."""
    start, wrap = _discretised(mu0, n)

    def velocity(t: float, points: Array) -> Array:
        return dynamics.velocity(t, points, start.moved_to(points))

    run = march(velocity, start.points, times, stepper, row="particle", progress=progress)
    measures = tuple(wrap(start.moved_to(checks.frozen(state))) for state in run.states)
    stats = {**run.stats, "particles": len(start.points)}
    return Curve(run.times, measures, stats, run.status, run.message)


def _discretised(mu0: Measure, n: int) -> tuple[Empirical, Any]:
    """Return the moving atoms, and how to read a moved copy of them as a measure."""
    if isinstance(mu0, Uniform | Smooth | Density):
        rule, atoms = quadrature(mu0, n)
        return atoms, lambda moved: PushForward(mu0, rule, moved)
    if isinstance(mu0, Gaussian):
        return mu0.quadrature(n), lambda moved: moved
    assert isinstance(mu0, Empirical)
    return mu0, lambda moved: moved


def _sizes(mu0: Measure) -> list[int]:
    """Nodes along each axis to try in turn; for a `Density` whole numbers of nodes in each cell."""
    unit, first = (max(mu0.grid.shape), 1) if isinstance(mu0, Density) else (1, _FIRST_NODES)
    sizes = [first * unit]
    while (
        larger := unit * max(sizes[-1] // unit + 1, round(_GROWTH * sizes[-1] / unit))
    ) ** mu0.dim <= _MOST_PARTICLES:
        sizes.append(larger)
    return sizes


def _stagnant(estimates: list[float]) -> bool:
    """Whether the last sizes brought the estimate down by less than a half: the flow separates, no rule resolves it."""
    return len(estimates) > 2 * _PATIENCE and min(estimates[-_PATIENCE:]) > 0.5 * min(estimates[:-_PATIENCE])


def _distance(coarse: Curve, fine: Curve) -> float:
    """Largest difference of two solutions: of flow maps, or of mean and root variance where there is no flow."""
    return max(_difference(a, b) for a, b in zip(coarse.measures, fine.measures, strict=True))


def _difference(coarse: Measure, fine: Measure) -> float:
    if isinstance(coarse, PushForward) and isinstance(fine, PushForward):
        probes = np.concatenate([fine.rule.points, corners(fine.source.lower, fine.source.upper)])
        return float(np.abs(coarse.flow(probes) - fine.flow(probes)).max())
    spread = np.sqrt(np.trace(fine.cov)) or 1.0
    return float(max(np.abs(coarse.mean - fine.mean).max(), np.abs(coarse.cov - fine.cov).max() / spread))
