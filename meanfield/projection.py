"""The masses that a measure gives to the cells of a grid."""

from __future__ import annotations

from functools import reduce, singledispatch

import numpy as np

from meanfield.box import on_box
from meanfield.density import Density
from meanfield.grid import Grid
from meanfield.quadrature import AxisRule, TensorRule
from meanfield.smooth import Pdf, Smooth
from meanfield.uniform import Uniform
from particles.checks import Array
from particles.measure import Empirical

_NODES = 6  # Gauss nodes along each axis of a cell: exact for polynomials of degree 11


@singledispatch
def cell_masses(mu: object, grid: Grid) -> Array:
    """Return mu(cell) for every cell, shape grid.shape; mass outside the grid is left out.

    Raises
    ------
    ValueError
        If the measure has no density on a box.
    """
    raise ValueError(no_density(mu))


def no_density(mu0: object) -> str:
    """Return what is wrong with initial data that have no density on a box, and what to do."""
    return (
        f"`mu0` must have a density on a box: Uniform, Smooth or Density; got {type(mu0).__name__}. "
        "A Gaussian becomes one by .truncated(); the `nodes` of a PushForward are moved by ParticleMethod."
    )


@cell_masses.register
def _(mu: Uniform, grid: Grid) -> Array:
    shares = [_overlaps(np.array([lo, hi]), grid.edges(k))[0] for k, (lo, hi) in enumerate(_sides(mu))]
    return reduce(np.multiply.outer, [share / (hi - lo) for share, (lo, hi) in zip(shares, _sides(mu), strict=True)])


@cell_masses.register
def _(mu: Smooth, grid: Grid) -> Array:
    return integrated(mu.pdf, mu.lower, mu.upper, grid, _NODES)


@cell_masses.register
def _(mu: Density, grid: Grid) -> Array:
    masses = mu.masses
    for k in range(grid.dim):
        edges = mu.grid.edges(k)
        shares = _overlaps(edges, grid.edges(k)) / np.diff(edges)[:, None]
        masses = np.moveaxis(np.tensordot(masses, shares, axes=(k, 0)), -1, k)
    return masses


def spread_masses(atoms: Empirical, width: float, grid: Grid) -> Array:
    """Return the masses of atoms that are each spread evenly over a box of side `width`; mass outside is left out."""
    from meanfield import _spread  # compiled code is slow to import

    masses = np.zeros(grid.shape)
    _spread.spread(
        atoms.points, atoms.weights, 0.5 * width, grid.lower, grid.widths, np.array(grid.shape), masses.ravel()
    )
    return masses


def integrated(pdf: Pdf, lower: Array, upper: Array, grid: Grid, nodes: int) -> Array:
    """Return the integrals of pdf over the cells by `nodes` Gauss nodes along each axis; 0 outside [lower, upper]."""
    rule = TensorRule(tuple(AxisRule(grid.edges(k), nodes) for k in range(grid.dim)))
    fine = (rule.weights * on_box(pdf, lower, upper, rule.points)).reshape(
        [part for cells in grid.shape for part in (cells, nodes)]
    )
    return fine.sum(axis=tuple(range(1, 2 * grid.dim, 2)))


def _sides(mu: Uniform) -> list[tuple[float, float]]:
    return list(zip(mu.lower, mu.upper, strict=True))


def _overlaps(old: Array, new: Array) -> Array:
    """Lengths that cells of two edge lists share, shape (old cells, new cells)."""
    low = np.maximum(old[:-1, None], new[None, :-1])
    high = np.minimum(old[1:, None], new[None, 1:])
    return np.maximum(high - low, 0.0)
