"""The particle representation of a measure that a given field carries: atoms, or an image under a flow known at nodes.

The field does not depend on the atoms, so each moves on its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from meanfield.curve import Curve
from meanfield.density import Density
from meanfield.gaussian import Gaussian
from meanfield.push_forward import PushForward, nodes_of, panels_of
from meanfield.smooth import Smooth
from meanfield.uniform import Uniform
from particles import checks
from particles.checkpoint import Checkpoint
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.march import march
from particles.measure import Empirical, Measure
from particles.steppers import Stepper

_NODES = {1: 32, 2: 16}  # along an axis, unless the density needs more; 8 above


@dataclass(frozen=True)
class Carried:
    """Atoms that move independently of each other: the particle representation of one segment."""

    stepper: Stepper
    since: tuple[float, float]  # depth and size at the start of the whole run

    def check(self, dynamics: Dynamics, mu0: Any) -> None:
        """Accept what `discretised` gives."""

    def run(self, dynamics: Dynamics, mu0: Any, times: Array, progress: bool, checkpoint: Checkpoint) -> Curve:
        """Return the moved atoms at each depth."""
        points = atoms_of(mu0).points
        run = march(
            lambda t, x: dynamics.velocity(t, x, mu0),
            points,
            times,
            self.stepper,
            row="particle",
            checkpoint=checkpoint,
            since=self.since,
        )
        measures = tuple(moved(mu0, checks.frozen(state)) for state in run.states)
        return Curve(run.times, measures, {**run.stats, "particles": len(points)}, run.status, run.message)


def nodes_for(mu0: Measure) -> int:
    """Nodes along each axis: as many as the density needs, and enough for a flow map."""
    return max(_NODES.get(mu0.dim, 8), mu0.nodes if isinstance(mu0, Smooth) else 0)


def count_atoms(mu0: Measure, n: int) -> float:
    """How many atoms stand for the measure."""
    if isinstance(mu0, Density):
        return float(np.prod([max(1, round(n / cells)) * cells for cells in map(float, mu0.grid.shape)]))
    return float(len(atoms_of(mu0).points)) if isinstance(mu0, Empirical | PushForward) else float(n) ** mu0.dim


def discretised(mu0: Measure, n: int) -> Measure:
    """Return the measure as atoms, or as the image of itself under a flow known at quadrature nodes."""
    if isinstance(mu0, Uniform | Smooth | Density):
        panels = panels_of(mu0, n)
        return PushForward(mu0, panels, nodes_of(mu0, panels))
    return mu0.quadrature(n) if isinstance(mu0, Gaussian) else mu0


def resolved(mu: Measure) -> bool:
    """Whether the nodes resolve the flow map; those of a `Density`, a few in each cell, are taken as they are."""
    return not isinstance(mu, PushForward) or isinstance(mu.source, Density) or mu.resolved


def atoms_of(mu: Any) -> Empirical:
    """Return the atoms of what `discretised` gives."""
    return mu.nodes if isinstance(mu, PushForward) else mu


def moved(mu: Any, points: Array) -> Measure:
    """Return the same measure with its atoms elsewhere."""
    atoms = atoms_of(mu).moved_to(points)
    return replace(mu, nodes=atoms) if isinstance(mu, PushForward) else atoms
