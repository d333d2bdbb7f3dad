"""Atoms in place of a density, with a bound on what that costs.

Cut the space into cells C_b of mass m_b and put the mass of each at its centroid c_b. Moving every point of a
cell to its centroid is one coupling, so

    W_2(mu, sum_b m_b delta_{c_b})^2 <= sum_b int_{C_b} |y - c_b|^2 dmu(y)
"""

from __future__ import annotations

import math
from functools import singledispatch
from typing import Any

import numpy as np
from scipy import special

from meanfield.blocks import blocks, sums
from meanfield.density import Density
from meanfield.gaussian import Gaussian
from meanfield.grid import Grid, tensor_points
from meanfield.push_forward import PushForward
from meanfield.quadrature import AxisRule, TensorRule
from meanfield.smooth import Smooth
from meanfield.uniform import Uniform
from particles.checks import Array
from particles.measure import Empirical

_FINER = 16  # cells to a block of images
_NODES = 4  # Gauss nodes along each axis of a cell of a smooth density


@singledispatch
def quantise(mu: Any, atoms: int) -> tuple[Empirical, float]:
    """Return atoms that stand for a measure, and a bound on their W2 distance to it.

    Parameters
    ----------
    mu : measure
        Atoms are returned as they are, with bound 0, however many they are.
    atoms : int
        At most so many atoms for a measure that has a density; the cells of a `Density` are cut into equal ones as far
        as that allows.

    Raises
    ------
    TypeError
        If the measure is of a kind that is not known here.

    Notes
    -----
    The bound is exact up to rounding for `Uniform`, `Density` and `Gaussian`, up to quadrature for `Smooth`,
    and to leading order in the cells' width for `PushForward`.
    """
    raise TypeError(f"`mu` must be a measure that this package knows; got {type(mu).__name__}.")


@quantise.register
def _(mu: Empirical, atoms: int) -> tuple[Empirical, float]:
    return mu, 0.0


@quantise.register
def _(mu: Uniform, atoms: int) -> tuple[Empirical, float]:
    sides = mu.upper - mu.lower
    grid = Grid(mu.lower, mu.upper, _cells(sides, atoms))
    return Empirical(grid.centres), math.sqrt(_within(grid))


@quantise.register
def _(mu: Density, atoms: int) -> tuple[Empirical, float]:
    masses = mu.masses.ravel()
    held = masses > 0
    centres, masses = mu.grid.centres[held], masses[held] / masses.sum()
    if len(masses) <= atoms:
        widths = mu.grid.widths
        part = Grid(-0.5 * widths, 0.5 * widths, _cells(widths, atoms // len(masses)))  # mass is constant on a cell
        places = (centres[:, None, :] + part.centres).reshape(-1, mu.dim)
        return Empirical(places, np.repeat(masses / len(part.centres), len(part.centres))), math.sqrt(_within(part))
    cut = blocks(centres, masses, atoms)
    return Empirical(cut.centroids, cut.masses / cut.masses.sum()), math.sqrt(cut.spread + _within(mu.grid))


@quantise.register
def _(mu: Smooth, atoms: int) -> tuple[Empirical, float]:
    grid = Grid(mu.lower, mu.upper, _cells(mu.upper - mu.lower, atoms))
    rule = TensorRule(tuple(AxisRule(grid.edges(k), _NODES) for k in range(grid.dim)))
    weights = rule.weights * mu.pdf(rule.points)
    weights /= weights.sum()
    node = np.indices([_NODES * cells for cells in grid.shape]).reshape(grid.dim, -1) // _NODES
    cells = np.ravel_multi_index(tuple(node), grid.shape)
    masses = np.bincount(cells, weights)
    centroids = grid.centres.copy()
    held = masses > 0
    centroids[held] = sums(cells, weights[:, None] * rule.points)[held] / masses[held, None]
    spread = float(weights @ ((rule.points - centroids[cells]) ** 2).sum(axis=1))
    return Empirical(centroids[held], masses[held] / masses.sum()), math.sqrt(spread)


@quantise.register
def _(mu: Gaussian, atoms: int) -> tuple[Empirical, float]:
    """Cells of equal probability along each principal axis, their centroids in closed form."""
    deviations = np.sqrt((mu.root**2).sum(axis=0))
    axes, spread = [], 0.0
    for deviation, cells in zip(deviations, _cells(deviations, atoms), strict=True):
        wall = special.ndtri(np.arange(1, cells) / cells)
        height = np.concatenate([[0.0], np.exp(-0.5 * wall**2) / math.sqrt(2 * math.pi), [0.0]])
        centroids = cells * -np.diff(height)
        axes.append(centroids)
        spread += float(deviation**2 * (1.0 - np.mean(centroids**2)))
    unit = np.divide(mu.root, deviations, out=np.zeros_like(mu.root), where=deviations > 0)
    return Empirical(mu.mean + (tensor_points(axes) * deviations) @ unit.T), math.sqrt(spread)


@quantise.register
def _(mu: PushForward, atoms: int) -> tuple[Empirical, float]:
    """Images of the source's cells, or blocks of images of finer cells, where the flow takes cells apart."""
    plain, error = mu.quantised(_side(atoms, mu.dim))
    fine, least = mu.quantised(_side(_FINER * atoms, mu.dim))
    if not least < error:
        return plain, error
    cut = blocks(fine.points, fine.weights, atoms)
    bound = math.hypot(least, math.sqrt(cut.spread))
    return (Empirical(cut.centroids, cut.masses / cut.masses.sum()), bound) if bound < error else (plain, error)


def _side(cells: int, dim: int) -> int:
    return max(1, math.floor(cells ** (1 / dim) + 1e-9))


def _within(grid: Grid) -> float:
    """Second moment of the uniform law on a cell about its centre."""
    return float((grid.widths**2).sum() / 12)


def _cells(sides: Array, atoms: int) -> tuple[int, ...]:
    """Cells along each axis, at most `atoms` in all, as close to cubes as that allows."""
    cells = np.ones(len(sides), dtype=int)
    while True:
        for k in np.argsort(-sides / cells, kind="stable"):
            if sides[k] > 0 and math.prod(cells.tolist()) // int(cells[k]) * (int(cells[k]) + 1) <= atoms:
                cells[k] += 1
                break
        else:
            return tuple(cells.tolist())
