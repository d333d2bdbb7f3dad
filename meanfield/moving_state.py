"""Cell masses on a box that moves with their support: what a finite-volume step turns into the next.

Positions are those of the frame that drifts along (`comoving`), shifted back at the end of a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from meanfield.density import Density
from meanfield.fluxes import exchange
from meanfield.footprint import Footprint
from meanfield.grid import Grid
from meanfield.support import Support
from meanfield.walls import wall_velocities
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.measure import Measure

_NARROWEST = 64 * float(np.finfo(float).eps)  # width of a cell, of its coordinates: below it walls are lost in rounding
_MARGIN = 1  # cells beyond the support that may hold mass between steps


@dataclass(frozen=True, eq=False)
class State:
    """A box, the masses of its cells and the support inside it."""

    lower: Array
    upper: Array
    masses: Array
    support: Support

    @classmethod
    def unpacked(cls, arrays: dict[str, Array]) -> State:
        """Return the state that `packed` made arrays of."""
        support = Support(arrays["markers"], arrays["facets"].astype(np.intp))
        return cls(arrays["lower"], arrays["upper"], arrays["masses"], support)

    def packed(self) -> dict[str, Array]:
        """Return the arrays that determine the state."""
        support: dict[str, Any] = {"markers": self.support.markers, "facets": self.support.facets}
        return {"lower": self.lower, "upper": self.upper, "masses": self.masses, **support}

    @cached_property
    def grid(self) -> Grid:
        """The cells."""
        return Grid(self.lower, self.upper, self.masses.shape)

    @cached_property
    def footprint(self) -> Footprint:
        """Where the support lies on the grid."""
        return Footprint.of(self.support, self.grid)

    @cached_property
    def edged(self) -> Array:
        """The masses with those beyond the support put to its edge: what is attended to, and what results show."""
        return self.footprint.gathered(self.masses)

    @cached_property
    def mean(self) -> Array:
        """Centre of mass, with the mass beyond the support at its edge; shape (d,)."""
        axes = range(self.masses.ndim)
        along = [self.edged.sum(axis=tuple(j for j in axes if j != k)) for k in axes]
        return np.array([m @ self.grid.axis_centres(k) / m.sum() for k, m in enumerate(along)])

    def measure(self) -> Density:
        """Return the measure they stand for."""
        return Density(self.grid, self.edged)

    def gathered(self) -> State:
        """Return the state without mass further than a cell from the support.

        What stands nearer will mostly come back by itself: to move it would cost the second order.
        """
        masses = self.footprint.gathered(self.masses, _MARGIN)
        if masses is self.masses:
            return self
        return _with_footprint(State(self.lower, self.upper, masses, self.support), self.footprint)

    def seen(self, law: Dynamics, t: float) -> Measure:
        """Return what attention sees at depth t."""
        return self.footprint.seen(self.edged, _across_a_cell(law, t, self.grid))

    def shifted(self, by: Array) -> State:
        """Return the state moved as a whole, if its cells can be told apart there."""
        require_cells(self.lower + by, self.upper + by, self.masses.shape)
        markers = self.support.moved_to(self.support.markers + by)
        state = State(self.lower + by, self.upper + by, self.masses, markers)
        known = self.__dict__.get("footprint")
        return state if known is None else _with_footprint(state, known.shifted(by, state.grid))

    def centred(self, mean: Array) -> State:
        """Return the state moved as a whole to this mean."""
        return self.shifted(mean - self.mean)

    def moved(self, field: Velocities, dt: float, order: int) -> tuple[State, float]:
        """Return the state after a forward Euler step, and the largest share of its mass that a cell has lost."""
        grid, support = self.grid, self.support.moved_to(self.support.markers + dt * field.markers)
        lower, upper = support.box
        # a box larger than the support's, as a mean of two can be, closes up no faster than the walls move
        kept = max(0.0, 1.0 - dt * field.speed)
        lower = lower - kept * np.maximum(self.support.box[0] - self.lower, 0.0)
        upper = upper + kept * np.maximum(self.upper - self.support.box[1], 0.0)
        require_cells(lower, upper, grid.shape)
        change, lost = np.zeros_like(self.masses), np.zeros_like(self.masses)
        for k, velocity in enumerate(field.walls):
            ends = (lower[k] - self.lower[k]) / dt, (upper[k] - self.upper[k]) / dt
            relative = velocity - np.linspace(*ends, grid.shape[k] + 1)
            relative[..., [0, -1]] = 0.0  # the outer walls let nothing through
            gained, out = exchange(np.moveaxis(self.masses, k, -1) / grid.widths[k], relative, order)
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
            self.support.moved_to(0.5 * (self.support.markers + other.support.markers)),
        )


def require_cells(lower: Array, upper: Array, shape: tuple[int, ...]) -> None:
    """Raise an ArithmeticError if the cells of a box cannot be told apart, for the digits that coordinates have."""
    widths = (upper - lower) / shape
    if not np.isfinite(widths).all():
        k = int(np.argmin(np.isfinite(widths)))
        raise OverflowError(f"the support leaves the range of double precision along axis {k}")
    narrow = ~(widths > _NARROWEST * np.maximum(np.abs(lower), np.abs(upper)))
    if narrow.any():
        k = int(np.argmax(narrow))
        raise ArithmeticError(
            f"the support has shrunk to a point along axis {k}: "
            f"cells of width {widths[k]:.2g} at {upper[k]:.6g} are lost in rounding"
        )


def packed(reached: list[Density]) -> dict[str, Array]:
    """Return densities on grids of one shape as arrays."""
    return {f"reached.{name}": np.stack([getattr(mu, name) for mu in reached]) for name in ("lower", "upper", "masses")}


def unpacked(arrays: dict[str, Array]) -> list[Density]:
    """Return the densities that `packed` made arrays of."""
    parts = zip(arrays["reached.lower"], arrays["reached.upper"], arrays["reached.masses"], strict=True)
    return [Density(Grid(lower, upper, masses.shape), masses) for lower, upper, masses in parts]


def _with_footprint(state: State, footprint: Footprint) -> State:
    """Return the state, its footprint known."""
    state.__dict__["footprint"] = footprint
    return state


@dataclass(frozen=True, eq=False)
class Velocities:
    """The field of a state, less a drift: X_k at the walls across axis k (that axis last), X at the markers.

    Attributes
    ----------
    mean : (d,) array
        The mean of X over the cells, each with the mean of its walls: how the centre of mass moves.
    speed : float
        The largest wall velocity, in cell widths.
    """

    walls: tuple[Array, ...]
    markers: Array
    mean: Array
    speed: float


def velocities(law: Dynamics, t: float, state: State, drift: Array) -> Velocities:
    """Return the field of the state's own measure at depth t.

    Raises
    ------
    ArithmeticError
        If it is not finite.
    """
    grid, mu = state.grid, state.seen(law, t)
    walls = tuple(X - v for X, v in zip(wall_velocities(law, t, grid, mu), drift, strict=True))
    markers = law.velocity(t, state.support.markers, mu) - drift
    if not np.isfinite(markers).all():
        at = state.support.markers[int(np.argmin(np.isfinite(markers).all(axis=1)))]
        raise FloatingPointError(f"the velocity is not finite at every marker of the support, first at x = {at}")
    speed = max(float(np.abs(X).max()) / h for X, h in zip(walls, grid.widths, strict=True))
    masses = state.edged
    mean = [0.5 * float((np.moveaxis(masses, k, -1) * (X[..., 1:] + X[..., :-1])).sum()) for k, X in enumerate(walls)]
    return Velocities(walls, markers, np.array(mean) / masses.sum(), speed)


def _across_a_cell(law: Dynamics, t: float, grid: Grid) -> float:
    """Return a bound on |<a, y - y'>| for a = B^T x, x in the grid's box, y and y' in one cell."""
    attention = getattr(law, "attention_at", None)
    if attention is None:
        return 0.0
    reach = np.maximum(np.abs(grid.lower), np.abs(grid.upper))
    return max(float(reach @ np.abs(B) @ grid.widths) for B, _ in attention(t).heads)
