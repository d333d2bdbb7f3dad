"""The continuity equation by finite volumes on a box that moves with the support.

The unknowns are cell masses, so mass is kept to rounding. Markers on the boundary of the support move with the flow;
the box round them is the grid's: nothing leaves, nothing enters, and the resolution follows the measure. Inner walls
move in proportion; fluxes use the velocity relative to the wall,

    m_c' = - sum over walls of area * (u^+ rho_left + u^- rho_right),  u = X_k - wall speed.

Order 1: piecewise constant density, forward Euler. Order 2: linear reconstruction with van Leer's limiter, Heun's
step (strong-stability preserving). The step is chosen so that no cell can lose more than it holds. Mass that the
scheme has spread beyond the support is not attended to there (`meanfield.support`): it must not lead.

The idea of transporting measures by a scheme that converges in W1: Piccoli, Rossi, Arch. Ration. Mech. Anal. 2013.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from meanfield.curve import Curve
from meanfield.density import Density
from meanfield.grid import Grid, cells_per_axis, tensor_points
from meanfield.projection import cell_masses, no_density
from meanfield.smooth import Smooth
from meanfield.support import Support, put_back
from meanfield.uniform import Uniform
from particles import checks
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.march import FINISHED, STOPPED, progress_bar
from particles.measure import Measure

_CFL = 0.5  # share of its mass a cell may lose, and of its width a wall may move, in one step
_LEAST_STEP = 1e-13  # of the depth: below it a step is lost in rounding


@dataclass(frozen=True)
class FiniteVolume:
    """Finite volumes on the moving box, in d = 1 and 2.

    Each result is a `Density`. The support of mu0 is taken to fill its box. It is followed to within a cell: where
    exponents across one cell are large, results depend on the cells; compare with `ParticleMethod`.

    Parameters
    ----------
    cells : int or sequence of d ints
        Cells along each axis.
    order : 1 or 2
        Order in cell width and depth on smooth data.

    Raises
    ------
    ValueError
        If cells or order are not as described.
    """

    cells: Any
    order: int = 2

    def __post_init__(self) -> None:
        """Refuse numbers of cells or orders that do not exist."""
        problems = checks.Problems()
        cells_per_axis("cells", self.cells, None, problems)
        if self.order not in (1, 2):
            problems.add(f"`order` must be 1 or 2; got {self.order!r}.")
        problems.raise_if_any()

    def check(self, dynamics: Dynamics, mu0: Measure) -> None:
        """Refuse data without a density on a box, or in a dimension above 2."""
        problems = checks.Problems()
        if mu0.dim > 2:
            problems.add(f"`mu0` must live in dimension 1 or 2 for FiniteVolume; got {mu0.dim}.")
        cells_per_axis("cells", self.cells, mu0.dim, problems)
        if not isinstance(mu0, Uniform | Smooth | Density):
            problems.add(no_density(mu0))
        problems.raise_if_any()

    def run(self, dynamics: Dynamics, mu0: Any, times: Array, progress: bool) -> Curve:
        """Return the cell masses at each depth."""
        grid = Grid(mu0.lower, mu0.upper, self.cells)
        masses = cell_masses(mu0, grid)
        state = State(mu0.lower, mu0.upper, masses / masses.sum(), Support.of_box(grid))
        reached, log = [state.measure()], _Log()
        status, message = FINISHED, f"reached t = {times[-1]:.6g}"
        with progress_bar(times[-1] - times[0], progress) as bar:
            try:
                for t, now, at_time in self._march(dynamics, state, times, log):
                    bar.update(t - bar.n - times[0])
                    if at_time:
                        reached.append(now.measure())
            except ArithmeticError as trouble:
                status, message = STOPPED, f"stopped after t = {log.reached:.6g}: {trouble}"
        return Curve(times[: len(reached)], tuple(reached), log.stats(), status, message)

    def _march(self, law: Dynamics, state: State, times: Array, log: _Log) -> Iterator[tuple[float, State, bool]]:
        """Yield (t, state, whether t is an asked time) after each step."""
        t = log.reached = float(times[0])
        for end in times[1:]:
            while t < end:
                state, dt = self._step(law, t, state, float(end) - t, log)
                t = float(end) if t + dt >= end else t + dt
                log.note(t, dt, state)
                yield t, state, t == end

    def _step(self, law: Dynamics, t: float, state: State, left: float, log: _Log) -> tuple[State, float]:
        """Return the state one admissible step later, and the step."""
        here = velocities(law, t, state)
        dt = min(left, _CFL / here.speed if here.speed > 0 else np.inf)
        while True:
            if dt < _LEAST_STEP * max(1.0, abs(t)) and dt < left:
                raise ArithmeticError(f"the step {dt:.2g} fell below rounding")
            ahead, lost = state.moved(here, dt, self.order)
            if lost > _CFL:
                dt *= max(0.1, 0.95 * _CFL / lost)
                continue
            if self.order == 1:
                return ahead, dt
            beyond, lost = ahead.moved(velocities(law, t + dt, ahead), dt, self.order)
            if lost <= 1:
                return state.halfway(beyond), dt
            log.redone += 1
            dt *= 0.5


@dataclass(frozen=True, eq=False)
class State:
    """A box, the masses of its cells and the support inside it."""

    lower: Array
    upper: Array
    masses: Array
    support: Support

    def grid(self) -> Grid:
        """Return the cells."""
        return Grid(self.lower, self.upper, self.masses.shape)

    def measure(self) -> Density:
        """Return the measure they stand for."""
        return Density(self.grid(), self.masses)

    def attended(self) -> Density:
        """Return the measure with all mass on the cells of the support: what attention is computed from."""
        grid = self.grid()
        return Density(grid, put_back(self.masses, self.support.cells(grid), grid))

    def moved(self, field: Velocities, dt: float, order: int) -> tuple[State, float]:
        """Return the state after a forward Euler step, and the largest share of its mass that a cell has lost."""
        grid, support = self.grid(), Support(self.support.markers + dt * field.markers)
        lower, upper = support.box
        if not (lower < upper).all():
            raise ArithmeticError("the support has shrunk to a point along an axis")
        change, lost = np.zeros_like(self.masses), np.zeros_like(self.masses)
        for k, velocity in enumerate(field.walls):
            ends = (lower[k] - self.lower[k]) / dt, (upper[k] - self.upper[k]) / dt
            relative = velocity - np.linspace(*ends, grid.shape[k] + 1)
            relative[..., [0, -1]] = 0.0  # the outer walls let nothing through
            gained, out = _exchange(np.moveaxis(self.masses, k, -1) / grid.widths[k], relative, order)
            change += dt * np.moveaxis(gained, -1, k)
            lost += dt * np.moveaxis(out, -1, k)
        share = np.divide(lost, self.masses, out=np.zeros_like(lost), where=self.masses > 0)
        return State(lower, upper, self.masses + change, support), float(share.max())

    def halfway(self, other: State) -> State:
        """Return the mean of two states."""
        return State(
            0.5 * (self.lower + other.lower),
            0.5 * (self.upper + other.upper),
            0.5 * (self.masses + other.masses),
            Support(0.5 * (self.support.markers + other.support.markers)),
        )


@dataclass(frozen=True, eq=False)
class Velocities:
    """The field of a state: X_k at the midpoints of the walls across axis k (that axis last), X at the markers.

    Attributes
    ----------
    speed : float
        The largest wall velocity, in cell widths.
    """

    walls: tuple[Array, ...]
    markers: Array
    speed: float


def velocities(law: Dynamics, t: float, state: State) -> Velocities:
    """Return the field of the state's own measure at depth t.

    Raises
    ------
    ArithmeticError
        If it is not finite.
    """
    grid, mu = state.grid(), state.attended()
    walls = tuple(_wall_velocity(law, t, grid, mu, k) for k in range(grid.dim))
    markers = law.velocity(t, state.support.markers, mu)
    speed = max(float(np.abs(velocity).max()) / grid.widths[k] for k, velocity in enumerate(walls))
    if not (np.isfinite(speed) and np.isfinite(markers).all()):
        raise ArithmeticError("the velocity is not finite on every cell wall")
    return Velocities(walls, markers, speed)


def _wall_velocity(law: Dynamics, t: float, grid: Grid, mu: Density, k: int) -> Array:
    axes = [grid.edges(j) if j == k else grid.axis_centres(j) for j in range(grid.dim)]
    velocity = law.velocity(t, tensor_points(axes), mu)[:, k]
    return np.moveaxis(velocity.reshape([len(axis) for axis in axes]), k, -1)


def _exchange(heights: Array, velocity: Array, order: int) -> tuple[Array, Array]:
    """Return gain and loss of mass per unit of t along the last axis; heights are mass over cell width."""
    rise = 0.5 * _limited(heights) if order == 2 else 0.0
    right_going = np.maximum(velocity[..., 1:], 0.0) * (heights + rise)
    left_going = np.maximum(-velocity[..., :-1], 0.0) * (heights - rise)
    gained = -(right_going + left_going)
    gained[..., 1:] += right_going[..., :-1]
    gained[..., :-1] += left_going[..., 1:]
    return gained, right_going + left_going


def _limited(heights: Array) -> Array:
    """Rise across each cell by van Leer's limiter, 2ab/(a+b) where the differences a, b agree in sign.

    A cell at the end takes its one difference, cut so that the density stays positive.
    """
    rise = np.zeros_like(heights)
    if heights.shape[-1] < 2:
        return rise
    steps = np.diff(heights, axis=-1)
    left, right = steps[..., :-1], steps[..., 1:]
    product = left * right
    agree = product > 0
    rise[..., 1:-1] = np.divide(2 * product, left + right, out=np.zeros_like(product), where=agree)
    for end, step in ((0, steps[..., 0]), (-1, steps[..., -1])):
        rise[..., end] = np.clip(step, -2 * heights[..., end], 2 * heights[..., end])
    return rise


class _Log:
    """Running figures of one solve."""

    def __init__(self) -> None:
        self.steps, self.redone, self.reached = 0, 0, 0.0
        self.least_step, self.least_mass, self.mass_error = np.inf, np.inf, 0.0
        self.began = time.perf_counter()

    def note(self, t: float, dt: float, state: State) -> None:
        self.steps, self.reached = self.steps + 1, t
        self.least_step = min(self.least_step, dt)
        self.least_mass = min(self.least_mass, float(state.masses.min()))
        self.mass_error = max(self.mass_error, abs(float(state.masses.sum()) - 1.0))

    def stats(self) -> dict[str, float]:
        seconds = time.perf_counter() - self.began
        return {
            "steps": self.steps,
            "redone": self.redone,
            "cfl": _CFL,
            "least_step": float(self.least_step),
            "least_mass": float(self.least_mass),
            "mass_error": self.mass_error,
            "seconds": seconds,
            "reached": self.reached,
        }
