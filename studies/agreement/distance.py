"""W2 between two solutions, and what the distance itself may be wrong by.

On the line W2 is exact. In more dimensions two images of one measure are compared along their flows, a coupling, hence
from above; other pairs by the linear program between atoms, which may be wrong by its gap and by the quantisation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import meanfield
from meanfield import Density, Grid, PushForward
from particles import Measure

_ON_THE_LINE = 1e-11  # to which quantile functions are integrated, of the largest coordinate


def apart(mu: Measure, nu: Measure) -> float:
    """Return W2 between two runs of one method, or a bound from above along a coupling."""
    if mu.dim > 1 and isinstance(mu, Density) and isinstance(nu, Density):
        # the same atoms on both sides, near enough: cells that differ in size alone are no distance
        shape = np.maximum(mu.grid.shape, nu.grid.shape)
        return meanfield.wasserstein(split(mu, shape).atoms, split(nu, shape).atoms)
    along = _along_flows(mu, nu) if mu.dim > 1 else None
    return meanfield.wasserstein(mu, nu) if along is None else along


def compared(mu: Measure, nu: Measure, atoms: int) -> tuple[float, float]:
    """Return W2, or a bound from above along flows, and by how much that may be wrong."""
    if mu.dim == 1:
        size = max(1.0, float(np.abs(mu.mean).max() + np.sqrt(np.trace(mu.cov))))
        return meanfield.wasserstein(mu, nu), _ON_THE_LINE * size
    along = _along_flows(mu, nu)
    if along is not None:
        return along, 0.0
    plan = meanfield.transport(mu, nu, atoms=atoms)
    return plan.distance, plan.gap + plan.quantisation


def split(mu: Density, shape: Any) -> Density:
    """Return the same measure on cells cut into equal ones."""
    masses = mu.masses
    for k, (n, m) in enumerate(zip(mu.grid.shape, shape, strict=True)):
        masses = np.repeat(masses, m // n, axis=k) / (m // n)
    return Density(Grid(mu.lower, mu.upper, masses.shape), masses / masses.sum())


def _along_flows(mu: Measure, nu: Measure) -> float | None:
    """Return the mean distance between where the same points have come to; None if they are not images of one."""
    if not (isinstance(mu, PushForward) and isinstance(nu, PushForward) and mu.source is nu.source):
        return None
    finer, other = (mu, nu) if len(mu.nodes.points) >= len(nu.nodes.points) else (nu, mu)
    same = finer.panels is other.panels or np.array_equal(finer.panels.points, other.panels.points)
    places = other.nodes.points if same else other.flow(finer.panels.points)
    return float(np.sqrt(finer.nodes.weights @ ((finer.nodes.points - places) ** 2).sum(axis=1)))
