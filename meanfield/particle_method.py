"""The continuity equation by quadrature particles.

Weights come from a quadrature rule for mu_0, nodes are moved by the ODE x' = velocity(t, x, mu). The flow map is
analytic, so the error falls exponentially in the number of nodes as long as they resolve it, not like n^{-1/2}.

To a tolerance: panels are refined along the flow (`meanfield.refinement`) at the tolerance and at a tenth of it. The
particles of the finer panels are then moved once more, from the start, and compared with the coarser run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from meanfield.checkpoint import Checkpoint
from meanfield.curve import Curve
from meanfield.cut_off import Cut
from meanfield.density import Density
from meanfield.gaussian import Gaussian
from meanfield.push_forward import PushForward, nodes_of, panels_of
from meanfield.riccati import before_blow_up
from meanfield.smooth import Smooth
from meanfield.to_tolerance import ToTolerance
from meanfield.uniform import Uniform
from particles import checks, memory
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.march import march
from particles.measure import Empirical, Measure
from particles.steppers import Adaptive, Stepper

_TIGHT = Adaptive(rtol=1e-11, atol=1e-12)
_DEFAULT_TOL = 1e-8
_LEAST_TOL = 1e-11  # below it the finer run's tolerance would reach rounding


@dataclass(frozen=True)
class ParticleMethod:
    """Quadrature particles: on panels that follow the flow to a tolerance, or n nodes along each axis.

    `Uniform`, `Smooth` and `Density` data get Gauss-Legendre nodes, and each result is a `PushForward`. `Empirical`
    data are moved as they are; each result is an `Empirical`. A curve of `Gaussian` data ends before the depth at
    which the exact solution blows up, `stats["blow_up"]`. With `n` they get Gauss-Hermite nodes along the principal
    axes, and are read as atoms. To a tolerance they are cut off where what is left out cannot matter, if there is
    such a place, `stats["deviations"]` from the mean (`stats["discarded"]` is the mass left out), and compared with
    the exact solution: `stats["cut_error"]` bounds the distance in W1 and the error of moments and of tilted means seen
    from within two deviations, over all depths. If that is above `tol` the status is "unresolved", the message says
    why, and `stats["trusted"]` is the last depth at which it is not.

    Parameters
    ----------
    tol : float, optional
        Wanted error of tilted means, of moments and in W1, over all depths; where coordinates are larger than 1, in
        units of the largest. 1e-8 if neither argument is given. Two runs, at ten times `tol` and at `tol`, are
        compared: the difference is `stats["estimate"]` (`stats["estimate_w2"]` the same in W2, which sees little
        masses more), the result is the finer one. If they are further apart than `tol`, finer ones follow; if that
        does not help the curve's status is "unresolved" and its message gives the estimate. d = 1, 2, 3.
    n : int, optional
        Nodes along each axis, n^d in all, instead of a tolerance.
    stepper : Stepper, optional
        With `n`: how the particles are moved; `Adaptive` with a tight tolerance if left out.

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
        if self.n is not None or isinstance(mu0, Empirical):
            return
        if mu0.dim > 3:
            raise ValueError(
                f"`mu0` must live in dimension 1, 2 or 3 for a tolerance; got {mu0.dim}. Give `n` instead."
            )
        if isinstance(mu0, Gaussian) and not mu0.has_density:
            raise ValueError("`mu0` is a Gaussian without a density, its covariance is singular: give `n` instead.")

    def run(self, dynamics: Dynamics, mu0: Measure, times: Array, progress: bool, checkpoint: Checkpoint) -> Curve:
        """Return the measure at each depth."""
        return before_blow_up(dynamics, mu0, times, lambda till: self._curve(dynamics, mu0, till, progress, checkpoint))

    def _curve(self, dynamics: Dynamics, mu0: Measure, times: Array, progress: bool, checkpoint: Checkpoint) -> Curve:
        if self.n is not None and not isinstance(mu0, Empirical):
            nodes = float(self.n) ** mu0.dim
            memory.require(8.0 * mu0.dim * nodes * (32 + len(times)), f"ParticleMethod with {nodes:.4g} particles")
        if self.n is not None or isinstance(mu0, Empirical):
            return _moved(dynamics, mu0, self.n or 1, self.stepper or _TIGHT, times, progress, checkpoint)
        tol = self.tol or _DEFAULT_TOL
        if isinstance(mu0, Gaussian):
            cut = Cut.of(mu0, dynamics, times, tol)
            return cut.judged(ToTolerance(dynamics, cut.source, times, tol, progress, checkpoint).curve())
        assert isinstance(mu0, Uniform | Smooth | Density)
        curve = ToTolerance(dynamics, mu0, times, tol, progress, checkpoint).curve()
        return replace(curve, stats={**curve.stats, "discarded": 0.0})


def _moved(
    dynamics: Dynamics, mu0: Measure, n: int, stepper: Stepper, times: Array, progress: bool, checkpoint: Checkpoint
) -> Curve:
    """Return the solution with n nodes along each axis."""
    start, wrap = _discretised(mu0, n)

    def velocity(t: float, points: Array) -> Array:
        return dynamics.velocity(t, points, start.moved_to(points))

    run = march(velocity, start.points, times, stepper, row="particle", progress=progress, checkpoint=checkpoint)
    measures = tuple(wrap(start.moved_to(checks.frozen(state))) for state in run.states)
    return Curve(run.times, measures, {**run.stats, "particles": len(start.points)}, run.status, run.message)


def _discretised(mu0: Measure, n: int) -> tuple[Empirical, Callable[[Empirical], Measure]]:
    """Return the moving atoms, and how to read a moved copy of them as a measure."""
    if isinstance(mu0, Uniform | Smooth | Density):
        panels = panels_of(mu0, n)
        return nodes_of(mu0, panels), lambda moved: PushForward(mu0, panels, moved)
    if isinstance(mu0, Gaussian):
        return mu0.quadrature(n), lambda moved: moved
    assert isinstance(mu0, Empirical)
    return mu0, lambda moved: moved
