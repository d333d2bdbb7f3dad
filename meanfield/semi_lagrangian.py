"""The continuity equation by a conservative semi-Lagrangian scheme: no limit on the step.

The unknowns are cell masses. They are carried along the characteristics of the field at half the step, one axis at a
time (`remap`), in Strang's order x/2, y/2, z, y/2, x/2. That field is the one half a step ahead, found in the same
way:

    mu*      = mu_n carried for dt/4 in X[mu_n]
    mu**     = mu_n carried for dt/2 in X[mu*]
    mu_{n+1} = mu_n carried for dt   in X[mu**]

which is of second order in dt and in the cells. The box is that round the support, which moves along. What the scheme
spreads beyond the support is not attended to there (`footprint`): it must not lead.

Steps are taken in a frame that moves as one atom would (`comoving`), and the box as a whole is placed so that the
centre of mass m moves as the mean of the field over the measure says, m' = int X[mu] dmu: without attention (B = 0) it
is exact.

Conservative remap along characteristics, one axis at a time: Crouseilles, Mehrenberger, Sonnendruecker, J. Comput.
Phys. 2010. Parabolas on cells: Colella, Woodward, J. Comput. Phys. 1984.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from meanfield import initial
from meanfield.checkpoint import Checkpoint
from meanfield.comoving import drift, drifted
from meanfield.curve import Curve
from meanfield.density import Density
from meanfield.grid import tensor_points
from meanfield.moving_state import State, packed, require_cells, unpacked
from meanfield.on_grid import solved_on_grid
from meanfield.remap import LEAST_NODES, Sampled
from particles import checks
from particles.checkpoint import Saved
from particles.checks import Array
from particles.course import Course
from particles.dynamics import Dynamics
from particles.failures import Growth
from particles.march import FINISHED, STOPPED, progress_bar
from particles.measure import Measure

_NESTED = (0.25, 0.5, 1.0)  # of a step: each takes the field where the one before has ended
_WHOLE = 1e-9  # of a step: an interval this little longer than whole steps is these
_BYTES = {1: 300, 2: 400, 3: 700}  # for each cell at the peak of a step, measured


@dataclass(frozen=True)
class SemiLagrangian:
    """Conservative remap along characteristics on the moving box, in d = 1, 2 and 3.

    Each result is a `Density`. The step limits accuracy, not stability: on smooth data the error is C_1 dt^2 + C_2 h^2,
    h being the cells' width, and long steps spread edges less than many short ones. Data are taken as `FiniteVolume`
    takes them, and the support is followed as there: where exponents across one cell are large, results depend on the
    cells to first order; compare with `ParticleMethod`. `stats` holds the steps, `courant`, how many cells the fastest
    point has crossed in one of them, the least cell mass, the error of the total mass, and for a Gaussian what
    `FiniteVolume` tells of one.

    Parameters
    ----------
    cells : int or sequence of d ints
        Cells along each axis.
    dt : float
        The longest step in depth; each interval between asked depths is cut into equal ones.
    width : float, optional
        For atoms: the side of the box over which each is spread evenly. This alone moves the measure by at most
        width sqrt(d/12) in W2; it leaves the centre of mass where it is.

    Raises
    ------
    ValueError
        If cells, dt or width are not as described.
    """

    cells: Any
    dt: float
    width: float | None = None

    def __post_init__(self) -> None:
        """Refuse numbers of cells and steps that do not exist."""
        problems = checks.Problems()
        initial.check_sizes(self.cells, self.width, problems)
        checks.positive("dt", self.dt, problems)
        problems.raise_if_any()

    def check(self, dynamics: Dynamics, mu0: Measure) -> None:
        """Refuse data that cannot be put on a grid, and dimensions above 3."""
        initial.check(mu0, self.cells, self.width, "SemiLagrangian")

    def run(self, dynamics: Dynamics, mu0: Any, times: Array, progress: bool, checkpoint: Checkpoint) -> Curve:
        """Return the cell masses at each depth, going on from the checkpoint if that holds a state.

        Raises
        ------
        MemoryError
            If the run would need more memory than is free.
        """

        def advance(run: _Run, till: Array) -> None:
            self._advance(run, dynamics, till, progress, checkpoint)

        return solved_on_grid(self, dynamics, mu0, times, checkpoint, runs=_Run, advance=advance, room=_BYTES)

    def _advance(self, run: _Run, law: Dynamics, times: Array, progress: bool, checkpoint: Checkpoint) -> None:
        """Bring the run to its end, be that the last of the times or a failure."""
        with np.errstate(over="ignore", invalid="ignore"), progress_bar(times[-1] - times[0], progress) as bar:
            bar.update(run.now - times[0])
            try:
                while len(run.reached) < len(times):
                    begin, end = float(times[len(run.reached) - 1]), float(times[len(run.reached)])
                    count = max(1, math.ceil((end - begin) / self.dt - _WHOLE))
                    ahead = begin + (end - begin) * (run.within + 1) / count if run.within + 1 < count else end
                    run.take(*stepped(law, run.now, ahead - run.now, run.state), ahead, ahead == end)
                    bar.update(run.now - times[0] - bar.n)
                    if checkpoint.due():
                        checkpoint.save(*run.saved())
            except ArithmeticError as trouble:
                run.end(STOPPED, f"stopped after t = {run.now:.6g}: {run.growth.explain(trouble)}")
            else:
                run.end(FINISHED, f"reached t = {times[-1]:.6g}")


def stepped(law: Dynamics, t: float, dt: float, state: State) -> tuple[State, float]:
    """Return the state at depth t + dt, and how many cells the fastest point of the box has crossed.

    Raises
    ------
    ArithmeticError
        If the field is not finite, is too steep for the step, or the support shrinks to a point.
    """
    centre = state.mean
    here = ahead = state.shifted(-centre)
    start = 0.0
    for share in _NESTED:
        lone = drifted(law, centre, start * dt)
        flow = sampled(law, t + start * dt, ahead.shifted(lone), _way(here, ahead), lone)
        pull = flow.mean(ahead.edged, [ahead.grid.edges(k) for k in range(ahead.grid.dim)])
        ahead, start = carried(here, flow, share * dt).centred(share * dt * pull), share
    crossed = dt * flow.fastest() / ahead.grid.widths
    ahead = ahead.shifted(drifted(law, centre, dt))
    # anew: what a state has found out about itself must not depend on whether it comes from a file
    return State(ahead.lower, ahead.upper, ahead.masses, ahead.support), float(crossed.max())


def carried(state: State, flow: Sampled, duration: float) -> State:
    """Return the state after a motion, its axes taken in Strang's order."""
    last = state.grid.dim - 1
    for k in (*range(last), last, *reversed(range(last))):
        state = swept(state, flow, k, duration if k == last else 0.5 * duration)
    return state


def swept(state: State, flow: Sampled, k: int, duration: float) -> State:
    """Return the state after the motion along axis k alone."""
    grid, support = state.grid, state.support.moved_to(flow.carried(state.support.markers, k, duration))
    lower, upper = state.lower.copy(), state.upper.copy()
    lower[k], upper[k] = (end[k] for end in support.box)
    require_cells(lower, upper, grid.shape)
    masses = flow.remapped(state.masses, [grid.edges(j) for j in range(grid.dim)], k, (lower[k], upper[k]), duration)
    return State(lower, upper, masses, support)


def sampled(law: Dynamics, t: float, state: State, box: tuple[Array, Array], centre: Array) -> Sampled:
    """Return the state's field on the walls of as many cells in a box, seen from one atom at `centre` and moving on.

    Attention sees the mass beyond the support put back to its edge, and this moved as a whole so that its centre is
    the state's: a measure shifted by s adds U s to the field.
    """
    mu, cells = state.seen(law, t), state.masses.shape
    axes = [np.linspace(a, b, max(n + 1, LEAST_NODES)) for a, b, n in zip(*box, cells, strict=True)]
    points = tensor_points([axis + c for axis, c in zip(axes, centre, strict=True)])
    velocity = law.velocity(t, points, mu)
    if not np.isfinite(velocity).all():
        at = points[int(np.argmin(np.isfinite(velocity).all(axis=1)))]
        raise FloatingPointError(f"the velocity is not finite at every corner of a cell, first at x = {at}")
    velocity -= drift(law, centre)
    if state.grid.dim > 1:
        velocity += law.attention_at(t).U @ (state.mean - mu.mean)
    lower, upper = box
    shape = tuple(len(axis) for axis in axes)
    return Sampled(lower, (upper - lower) / (np.array(shape) - 1), velocity.reshape(*shape, -1))


def _way(here: State, half: State) -> tuple[Array, Array]:
    """Return a box round a state, the state after half its way and what that makes of the whole way."""
    lower = np.minimum(here.lower, np.minimum(half.lower, 2 * half.lower - here.lower))
    upper = np.maximum(here.upper, np.maximum(half.upper, 2 * half.upper - here.upper))
    return lower, upper


@dataclass
class _Run(Course):
    """Everything a run is after a step: what it needs to go on, and what it has to show."""

    now: float
    state: State
    reached: list[Density]
    growth: Growth
    within: int = 0  # steps since the last asked depth
    steps: int = 0
    courant: float = 0.0
    least_mass: float = 0.0
    mass_error: float = 0.0

    @classmethod
    def begun(cls, t: float, start: initial.Initial) -> _Run:
        state = start.state()
        least = float(state.masses.min())
        return cls(t, state, [state.measure()], Growth.of(t, state.support.markers), least_mass=least)

    @classmethod
    def resumed(cls, saved: Saved) -> _Run:
        arrays, record = saved
        return cls(
            float(arrays["now"]), State.unpacked(arrays), unpacked(arrays), Growth(*arrays["growth"].tolist()), **record
        )

    def saved(self) -> Saved:
        arrays = {"now": np.array(self.now), "growth": np.array(self.growth.sizes)}
        arrays |= self.state.packed() | packed(self.reached)
        names = ("within", "steps", "courant", "least_mass", "mass_error", "status", "message")
        return arrays, {name: getattr(self, name) for name in names} | {"seconds": self.elapsed}

    def take(self, state: State, courant: float, t: float, asked: bool) -> None:
        self.now, self.state = t, state
        self.steps, self.within = self.steps + 1, 0 if asked else self.within + 1
        self.courant = max(self.courant, courant)
        self.least_mass = min(self.least_mass, float(state.masses.min()))
        self.mass_error = max(self.mass_error, abs(float(state.masses.sum()) - 1.0))
        self.growth.note(t, state.support.markers)
        if asked:
            self.reached.append(state.measure())

    def stats(self) -> dict[str, float]:
        return {
            "steps": self.steps,
            "courant": self.courant,
            "least_mass": self.least_mass,
            "mass_error": self.mass_error,
            "seconds": self.elapsed,
            "reached": self.now,
        }
