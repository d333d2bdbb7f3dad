"""A measure as something that can be drawn: its atoms, the box it lies in, its quantiles on the line."""

from __future__ import annotations

import numpy as np

import meanfield
from meanfield.quantiles import quantile
from particles import Empirical, Measure
from particles.checks import Array

SAMPLES = 4096


def atoms(measure: Measure) -> Empirical:
    """Return weighted atoms for the measure: its own, its quadrature nodes, its cells, or a sample."""
    if isinstance(measure, Empirical):
        return measure
    if isinstance(measure, meanfield.PushForward):
        return measure.nodes
    if isinstance(measure, meanfield.Density):
        full = measure.masses.ravel() > 0
        return Empirical(measure.grid.centres[full], measure.masses.ravel()[full] / measure.masses.sum())
    return Empirical(measure.sample(SAMPLES, np.random.default_rng(0)))


def box(measure: Measure) -> tuple[Array, Array] | None:
    """Return lower and upper corner of the box around the measure, or None if it has none."""
    if isinstance(measure, meanfield.Gaussian):
        return None
    if isinstance(measure, meanfield.Uniform | meanfield.Smooth | meanfield.Density):
        return measure.lower, measure.upper
    if isinstance(measure, meanfield.PushForward):
        return measure.box
    points = atoms(measure).points
    return points.min(axis=0), points.max(axis=0)


def quantiles(measure: Measure, levels: Array) -> Array:
    """Return the quantiles of a measure on the line at `levels` in (0, 1)."""
    return quantile(measure)(levels)
