"""The continuity equation by finite volumes on a box that moves with the support.

The unknowns are cell masses, so mass is kept to rounding. Markers on the boundary of the support move with the flow;
the box round them is the grid's: nothing leaves, nothing enters, and the resolution follows the measure. Inner walls
move in proportion; fluxes use the velocity relative to the wall,

    m_c' = - sum over walls of area * (u^+ rho_left + u^- rho_right),  u = X_k - wall speed.

Order 1: piecewise constant density, forward Euler. Order 2: linear reconstruction, limited, and Heun's step
(strong-stability preserving). The step is chosen so that no cell can lose more than it holds. Steps are taken in
a frame that moves as one atom would, and the box as a whole is placed so that the centre of mass moves as the field's
mean says: without attention (B = 0) it is exact.

What the scheme spreads beyond the support is put back to its edge after each step (`meanfield.footprint`): it must
not lead.

The idea of transporting measures by a scheme that converges in W1: Piccoli, Rossi, Arch. Ration. Mech. Anal. 2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from meanfield import initial
from meanfield.checkpoint import Checkpoint
from meanfield.comoving import drift, drifted
from meanfield.curve import Curve
from meanfield.density import Density
from meanfield.moving_state import State, packed, unpacked, velocities
from meanfield.on_grid import solved_on_grid
from particles import checks
from particles.checkpoint import Saved
from particles.checks import Array
from particles.course import Course
from particles.dynamics import Dynamics
from particles.failures import Growth
from particles.march import FINISHED, STOPPED, progress_bar
from particles.measure import Measure

_CFL = 0.5  # share of its mass a cell may lose, and of its width a wall may move, in one step
_LEAST_STEP = 1e-13  # of the depth: below it a step is lost in rounding
_BYTES = {1: 400, 2: 400, 3: 1200}  # for each cell at the peak of a step: measured, up to twice as much as seen


@dataclass(frozen=True)
class FiniteVolume:
    """Finite volumes on the moving box, in d = 1, 2 and 3.

    Each result is a `Density`. Data are `Uniform`, `Smooth` or `Density`; a `Gaussian`, which is cut at 8 deviations
    and ends before its blow-up; or atoms, `Empirical`, with a `width`. The support is where mu0 has mass, a region of
    any shape: markers, one at each cell corner on its boundary, move with the flow. Attention sees the edge to a part
    of a cell; mass that the scheme spreads beyond is seen, and given out, at the edge.

    `stats` holds the CFL number, the steps, how many were `redone` with a shorter step, the least step and cell mass,
    the error of the total mass, and `edge_mass`: the mass in cells that the boundary cuts at the end. Where this is
    not small, results depend on the cells to first order; compare with `ParticleMethod`. For a Gaussian, also
    `discarded_mass` and `cov_error`, the largest distance of the covariance from the exact one, in units of its size.

    Parameters
    ----------
    cells : int or sequence of d ints
        Cells along each axis.
    order : 1 or 2
        Order in cell width and depth on smooth data.
    width : float, optional
        For atoms: the side of the box over which each is spread evenly. This alone moves the measure by at most
        width sqrt(d/12) in W2; it leaves the centre of mass where it is.

    Raises
    ------
    ValueError
        If cells, order or width are not as described.
    """

    cells: Any
    order: int = 2
    width: float | None = None

    def __post_init__(self) -> None:
        """Refuse numbers of cells, orders and widths that do not exist."""
        problems = checks.Problems()
        initial.check_sizes(self.cells, self.width, problems)
        if self.order not in (1, 2):
            problems.add(f"`order` must be 1 or 2; got {self.order!r}.")
        problems.raise_if_any()

    def check(self, dynamics: Dynamics, mu0: Measure) -> None:
        """Refuse data that cannot be put on a grid, and dimensions above 3."""
        initial.check(mu0, self.cells, self.width, "FiniteVolume")

    def run(self, dynamics: Dynamics, mu0: Any, times: Array, progress: bool, checkpoint: Checkpoint) -> Curve:
        """Return the cell masses at each depth.

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
            try:
                while len(run.reached) < len(times):
                    self._step(law, run, float(times[len(run.reached)]))
                    bar.update(run.t - bar.n - times[0])
                    if checkpoint.due():
                        checkpoint.save(*run.saved())
            except ArithmeticError as trouble:
                run.end(STOPPED, f"stopped after t = {run.t:.6g}: {_explained(run.growth, trouble)}")
            else:
                run.end(FINISHED, f"reached t = {times[-1]:.6g}")

    def _step(self, law: Dynamics, run: _Run, end: float) -> None:
        """Take one admissible step towards the depth `end`."""
        t, state, left = run.t, run.state, end - run.t
        c = state.mean
        v = drift(law, c)
        here = velocities(law, t, state, v)
        dt = min(left, _CFL / here.speed if here.speed > 0 else np.inf)
        while True:
            if dt < _LEAST_STEP * max(abs(t), abs(end)) and dt < left:
                raise _NoStep(f"the step that the cells allow fell below rounding, {dt:.2g}")
            ahead, lost = state.moved(here, dt, self.order)
            if lost > _CFL:
                dt *= max(0.1, 0.95 * _CFL / lost)
                continue
            there = drifted(law, c, dt)
            origin = ahead.gathered()
            by = c + dt * here.mean - origin.mean + (there - c)
            if self.order == 1:
                break
            ahead = origin.shifted(by)
            next_field = velocities(law, t + dt, ahead, drift(law, there))
            beyond, lost = ahead.moved(next_field, dt, self.order)
            if lost <= 1:
                origin = state.halfway(beyond.shifted(c - there)).gathered()
                by = c + 0.5 * dt * (here.mean + next_field.mean) - origin.mean + (there - c)
                break
            run.figures["redone"] += 1
            dt *= 0.5
        run.arrived(origin, by, dt, end)


class _NoStep(ArithmeticError):
    """No step is short enough for the cells."""


def _explained(growth: Growth, trouble: ArithmeticError) -> str:
    told = growth.explain(trouble)
    if isinstance(trouble, _NoStep) and told == str(trouble):  # it has not grown
        return (
            f"stiff: {trouble} while |x| stays below {max(growth.first, growth.last):.3g}: the field crosses the "
            "support too fast for this depth. Take a shorter depth or fewer cells"
        )
    return told


@dataclass
class _Run(Course):
    """Where a run is: depth, state, the measures reached, and running figures.

    The state is kept with the shift `by` that ended its step, not yet made: which cells the support touches was found
    out before, and a run that goes on from a checkpoint must find the same to the last bit.
    """

    t: float
    origin: State
    by: Array
    state: State
    reached: list[Density]
    growth: Growth
    figures: dict[str, float]

    @classmethod
    def begun(cls, t: float, start: initial.Initial) -> _Run:
        state = start.state()
        figures = {"steps": 0, "redone": 0, "least_step": np.inf, "least_mass": np.inf}
        figures |= {"mass_error": 0.0, "edge_mass": 0.0}
        growth = Growth.of(t, state.support.markers)
        return cls(t, state, np.zeros(state.grid.dim), state, [state.measure()], growth, figures)

    @classmethod
    def resumed(cls, saved: Saved) -> _Run:
        arrays, record = saved
        origin, by = State.unpacked(arrays), arrays["by"]
        record = {**record, "figures": dict(record["figures"])}  # they change with every step
        state, growth = origin.gathered().shifted(by), Growth(*arrays["growth"].tolist())
        return cls(origin=origin, by=by, state=state, reached=unpacked(arrays), growth=growth, **record)

    def saved(self) -> Saved:
        names = ("t", "figures", "status", "message")
        arrays = {**self.origin.packed(), **packed(self.reached), "by": self.by}
        arrays["growth"] = np.array(self.growth.sizes)
        return arrays, {name: getattr(self, name) for name in names} | {"seconds": self.elapsed}

    def arrived(self, origin: State, by: Array, dt: float, end: float) -> None:
        """Note a step of length dt on the way to the depth `end`, to the state `origin` shifted."""
        self.origin, self.by, self.state = origin, by, origin.shifted(by)
        state, figures, masses = self.state, self.figures, origin.masses
        self.t = end if self.t + dt >= end else self.t + dt
        self.growth.note(self.t, state.support.markers)
        figures["steps"] += 1
        figures["least_step"] = min(figures["least_step"], float(dt))
        figures["least_mass"] = min(figures["least_mass"], float(masses.min()))
        figures["mass_error"] = max(figures["mass_error"], abs(float(masses.sum()) - 1.0))
        figures["edge_mass"] = float(masses[state.footprint.cut].sum())
        if self.t == end:
            self.reached.append(state.measure())

    def stats(self) -> dict[str, float]:
        """Return the figures, with the CFL number and the depth reached."""
        return {**self.figures, "cfl": _CFL, "seconds": self.elapsed, "reached": self.t}
