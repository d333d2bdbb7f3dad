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

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from meanfield import initial
from meanfield.checkpoint import Checkpoint
from meanfield.comoving import drift, drifted
from meanfield.curve import Curve
from meanfield.density import Density
from meanfield.grid import Grid, cells_per_axis
from meanfield.moving_state import State, velocities
from meanfield.support import Support
from particles import checks, memory
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.march import FINISHED, STOPPED, progress_bar
from particles.measure import Measure

_CFL = 0.5  # share of its mass a cell may lose, and of its width a wall may move, in one step
_LEAST_STEP = 1e-13  # of the depth: below it a step is lost in rounding
_BYTES = {1: 400, 2: 400, 3: 1200}  # for each cell at the peak of a step: measured, up to twice as much as seen


@dataclass(frozen=True)
class FiniteVolume:
    """Finite volumes on the moving box, in d = 1, 2 and 3.

    Each result is a `Density`. Data are `Uniform`, `Smooth` or `Density`; a `Gaussian`, which is cut at 8 deviations,
    with the mass left out in `stats`; or atoms, `Empirical`, with a `width`. The support is where mu0 has mass, a
    region of any shape: markers, one at each cell corner on its boundary, move with the flow. Attention sees the edge
    to a part of a cell; mass that the scheme spreads beyond is seen, and given out, at the edge.

    `stats` holds the CFL number, the steps, how many were `redone` with a shorter step, the least step and cell mass,
    the error of the total mass, and `edge_mass`: the mass in cells that the boundary cuts at the end. Where this is
    not small, results depend on the cells to first order; compare with `ParticleMethod`.

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
        cells_per_axis("cells", self.cells, None, problems)
        if self.order not in (1, 2):
            problems.add(f"`order` must be 1 or 2; got {self.order!r}.")
        if self.width is not None:
            checks.positive("width", self.width, problems)
        problems.raise_if_any()

    def check(self, dynamics: Dynamics, mu0: Measure) -> None:
        """Refuse data that cannot be put on a grid, and dimensions above 3."""
        problems = checks.Problems()
        if mu0.dim > 3:
            problems.add(f"`mu0` must live in dimension 1, 2 or 3 for FiniteVolume; got {mu0.dim}.")
        cells_per_axis("cells", self.cells, mu0.dim, problems)
        initial.check(mu0, self.width, problems)
        problems.raise_if_any()

    def run(self, dynamics: Dynamics, mu0: Any, times: Array, progress: bool, checkpoint: Checkpoint) -> Curve:
        """Return the cell masses at each depth.

        Raises
        ------
        MemoryError
            If the run would need more memory than is free.
        """
        problems = checks.Problems()
        shape = cells_per_axis("cells", self.cells, mu0.dim, problems)
        problems.raise_if_any()
        cells = float(math.prod(shape))
        memory.require(cells * (_BYTES[mu0.dim] + 8 * len(times)), f"FiniteVolume with {cells:.3g} cells")
        start = initial.initial(mu0, self.cells, self.width)
        run = _Run(State(start.grid.lower, start.grid.upper, start.masses, start.support), float(times[0]))
        run.resume(checkpoint, len(times))
        status, message = FINISHED, f"reached t = {times[-1]:.6g}"
        with progress_bar(times[-1] - times[0], progress) as bar:
            try:
                while len(run.reached) < len(times):
                    self._step(dynamics, run, float(times[len(run.reached)]))
                    bar.update(run.t - bar.n - times[0])
                    if checkpoint.due():
                        run.save(checkpoint)
            except ArithmeticError as trouble:
                status, message = STOPPED, f"stopped after t = {run.t:.6g}: {trouble}"
        if run.going:
            run.end()
            run.save(checkpoint)
        message = f"{message}; {start.note}" if start.note else message
        stats = {**run.stats(), **start.stats}
        return Curve(times[: len(run.reached)], tuple(run.reached), stats, status, message)

    def _step(self, law: Dynamics, run: _Run, end: float) -> None:
        """Take one admissible step towards the depth `end`."""
        t, state, left = run.t, run.state, end - run.t
        c = state.mean
        v = drift(law, c)
        here = velocities(law, t, state, v)
        dt = min(left, _CFL / here.speed if here.speed > 0 else np.inf)
        while True:
            if dt < _LEAST_STEP * max(1.0, abs(t)) and dt < left:
                raise ArithmeticError(f"the step {dt:.2g} fell below rounding")
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


class _Run:
    """Where a run is: depth, state, the measures reached, and running figures.

    The state is kept with the shift that ended its step, not yet made: which cells the support touches was found out
    before, and a run that goes on from a checkpoint must find the same to the last bit.
    """

    def __init__(self, state: State, t: float) -> None:
        self.origin, self.by, self.state, self.t = state, np.zeros(state.grid.dim), state, t
        self.reached: list[Density] = [state.measure()]
        self.figures: dict[str, float] = {
            "steps": 0,
            "redone": 0,
            "least_step": np.inf,
            "least_mass": np.inf,
            "mass_error": 0.0,
            "edge_mass": 0.0,
        }
        self._began, self._before, self.going = time.perf_counter(), 0.0, True

    def arrived(self, origin: State, by: Array, dt: float, end: float) -> None:
        """Note a step of length dt on the way to the depth `end`, to the state `origin` shifted."""
        self.origin, self.by, self.state = origin, by, origin.shifted(by)
        state, figures, masses = self.state, self.figures, origin.masses
        self.t = end if self.t + dt >= end else self.t + dt
        figures["steps"] += 1
        figures["least_step"] = min(figures["least_step"], float(dt))
        figures["least_mass"] = min(figures["least_mass"], float(masses.min()))
        figures["mass_error"] = max(figures["mass_error"], abs(float(masses.sum()) - 1.0))
        figures["edge_mass"] = float(masses[state.footprint.cut].sum())
        if self.t == end:
            self.reached.append(state.measure())

    def stats(self) -> dict[str, float]:
        """Return the figures, with the CFL number and the depth reached."""
        return {**self.figures, "cfl": _CFL, "seconds": self._seconds(), "reached": self.t}

    def save(self, checkpoint: Checkpoint) -> None:
        """Save everything that the rest of the run depends on."""
        state = self.origin
        arrays: dict[str, Any] = {"lower": state.lower, "upper": state.upper, "masses": state.masses, "by": self.by}
        arrays |= {"markers": state.support.markers, "facets": state.support.facets}
        arrays["reached"] = np.stack([mu.masses for mu in self.reached])
        arrays["boxes"] = np.array([[mu.lower, mu.upper] for mu in self.reached])
        checkpoint.save(arrays, {"t": self.t, "figures": self.figures, "seconds": self._seconds()})

    def resume(self, checkpoint: Checkpoint, wanted: int) -> None:
        """Go on from what was saved, if anything was; there is nothing to do if it has all measures wanted."""
        found = checkpoint.load()
        if found is None:
            return
        arrays, record = found
        support = Support(arrays["markers"], arrays["facets"].astype(np.intp))
        self.origin, self.by = State(arrays["lower"], arrays["upper"], arrays["masses"], support), arrays["by"]
        self.state = self.origin.gathered().shifted(self.by)
        shape = self.origin.masses.shape
        each = zip(arrays["boxes"], arrays["reached"], strict=True)
        self.reached = [Density(Grid(box[0], box[1], shape), masses) for box, masses in each]
        self.t, self.figures, self._before = record["t"], dict(record["figures"]), record["seconds"]
        self.going = len(self.reached) < wanted

    def end(self) -> None:
        """Stop the clock."""
        self._before, self.going = self._seconds(), False

    def _seconds(self) -> float:
        return self._before + (time.perf_counter() - self._began if self.going else 0.0)
