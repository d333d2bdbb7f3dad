"""The masses that a measure gives to the cells of a grid."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce, singledispatch
from itertools import product

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
_AT_ONCE = 1 << 17  # nodes: about 16 MB of points, values and what a pdf makes of them


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
    """Return the integrals of pdf over the cells by `nodes` Gauss nodes along each axis; 0 outside [lower, upper].

    Block by block, so that memory does not grow with the number of nodes.
    """
    masses = np.empty(grid.shape)
    for block in _blocks(grid.shape, max(1, _AT_ONCE // nodes**grid.dim)):
        edges = [grid.edges(k)[part.start : part.stop + 1] for k, part in enumerate(block)]
        rule = TensorRule(tuple(AxisRule(walls, nodes) for walls in edges))
        fine = rule.weights * on_box(pdf, lower, upper, rule.points)
        by_cell = fine.reshape([size for walls in edges for size in (len(walls) - 1, nodes)])
        masses[block] = by_cell.sum(axis=tuple(range(1, 2 * grid.dim, 2)))
    return masses


def _blocks(shape: tuple[int, ...], most: int) -> Iterator[tuple[slice, ...]]:
    """Yield slices that cut an array into blocks of at most so many entries, if one is not too many."""
    lengths = []
    for n in reversed(shape):
        lengths.append(min(n, most))
        most = max(1, most // n)
    yield from product(
        *([slice(i, min(i + size, n)) for i in range(0, n, size)] for n, size in zip(shape, lengths[::-1], strict=True))
    )


def _sides(mu: Uniform) -> list[tuple[float, float]]:
    return list(zip(mu.lower, mu.upper, strict=True))


def _overlaps(old: Array, new: Array) -> Array:
    """Lengths that cells of two edge lists share, shape (old cells, new cells)."""
    low = np.maximum(old[:-1, None], new[None, :-1])
    high = np.minimum(old[1:, None], new[None, 1:])
    return np.maximum(high - low, 0.0)
