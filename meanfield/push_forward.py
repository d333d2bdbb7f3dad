"""The image of a measure under a flow, known through quadrature nodes: mu_t = (Phi_t)_# mu_0.

The flow map Phi_t is smooth and one-to-one, so its values at Gauss-Legendre nodes give both the integrals against mu_t
(quadrature weights times density) and Phi_t itself everywhere (interpolation), to spectral accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from meanfield.box import corners
from meanfield.density import Density
from meanfield.grid import Grid
from meanfield.projection import cell_masses, integrated
from meanfield.quadrature import AxisRule, TensorRule
from meanfield.smooth import Smooth
from meanfield.uniform import Uniform
from particles import checks
from particles.checks import Array
from particles.measure import Empirical

Source = Uniform | Smooth | Density

_RESOLVED = 1e-3  # of the image's size, for the last Legendre coefficients of Phi
_CELL_NODES = 4  # along an axis, to integrate the density over a cell
_NEWTON_STEPS = 12
_NEWTON_TOLERANCE = 1e-12  # of the image's size
_OVERHANG = 0.05  # of the source's box: how far Newton may stray outside, where the polynomial still follows Phi


@dataclass(frozen=True, eq=False)
class PushForward:
    """Phi_# source, with Phi known at the nodes of a rule on the source's box.

    Integrals are sums over the nodes. Where `resolved`, everything else comes from the interpolated Phi; where not,
    the measure is read as its atoms.

    Parameters
    ----------
    source : Uniform, Smooth or Density
        The measure that is moved.
    rule : TensorRule
        Quadrature nodes on its box.
    nodes : Empirical
        The images of the nodes with the weights of the quadrature; integrals are taken over these.
    """

    source: Source
    rule: TensorRule
    nodes: Empirical

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.nodes.dim

    @property
    def mean(self) -> Array:
        """Mean, shape (d,)."""
        return self.nodes.mean

    @property
    def cov(self) -> Array:
        """Covariance, shape (d, d)."""
        return self.nodes.cov

    def cgf(self, a: Any) -> Array:
        """Lambda(a) for a of shape (m, d); shape (m,)."""
        return self.nodes.cgf(a)

    def tilted_mean(self, a: Any) -> Array:
        """grad Lambda(a), shape (m, d)."""
        return self.nodes.tilted_mean(a)

    def tilted_cov(self, a: Any) -> Array:
        """hess Lambda(a), shape (m, d, d)."""
        return self.nodes.tilted_cov(a)

    def flow(self, y: Any) -> Array:
        """Phi(y) for points y (m, d) of the source's box; shape (m, d)."""
        return self.rule.interpolate(self.nodes.points, checks.directions("y", y, self.dim))

    def jacobian(self, y: Any) -> Array:
        """DPhi(y) for points y (m, d) of the source's box; shape (m, d, d)."""
        y = checks.directions("y", y, self.dim)
        return self.rule.interpolate(self._slopes, y).reshape(len(y), self.dim, self.dim)

    @cached_property
    def _slopes(self) -> Array:
        return self.rule.slopes(self.nodes.points).reshape(len(self.nodes.points), -1)

    def preimage(self, x: Any) -> Array:
        """Phi^{-1}(x) for points x (m, d) by Newton's method from the nearest node; NaN rows outside the image."""
        from scipy.spatial import cKDTree  # not needed to move a measure, and slow to import

        x = checks.directions("x", x, self.dim)
        y = self.rule.points[cKDTree(self.nodes.points).query(x)[1]]
        lower, upper = self.source.lower, self.source.upper
        slack = _OVERHANG * (upper - lower)
        low, high = self.box
        close_enough = _NEWTON_TOLERANCE * np.max(high - low)
        gap, missed = x - self.flow(y), np.ones(len(x), dtype=bool)
        for _ in range(_NEWTON_STEPS):
            step = np.linalg.solve(self.jacobian(y[missed]), gap[missed, :, None])[..., 0]
            y[missed] = np.clip(y[missed] + step, lower - slack, upper + slack)
            gap[missed] = x[missed] - self.flow(y[missed])
            missed = np.abs(gap).max(axis=1) > close_enough
        outside = ((y < lower) | (y > upper)).any(axis=1)
        return np.where((missed | outside)[:, None], np.nan, y)

    def pdf(self, x: Any) -> Array:
        """rho_0(y) / |det DPhi(y)| at x = Phi(y), 0 outside the image of the box; x (m, d), shape (m,).

        Raises
        ------
        ValueError
            If the nodes do not resolve Phi, so that it cannot be inverted.
        """
        if not self.resolved:
            raise ValueError("the flow has no inverse to read a density from: its nodes do not resolve it; take more.")
        y = self.preimage(x)
        inside = ~np.isnan(y[:, 0])
        heights = np.zeros(len(y))
        heights[inside] = self.source.pdf(y[inside]) / np.abs(np.linalg.det(self.jacobian(y[inside])))
        return heights

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent draws: draws of the source, moved (atoms where Phi is not resolved); shape (n, d)."""
        if not self.resolved:
            return self.nodes.sample(n, rng)
        return self.flow(self.source.sample(n, rng))

    @cached_property
    def resolved(self) -> bool:
        """Whether the nodes resolve Phi, so that its interpolation stands for it.

        Where the flow separates (two neighbours follow different leaders) a polynomial overshoots; the measure is
        then better read as its atoms, `nodes`.
        """
        size = float(np.ptp(self.nodes.points, axis=0).max())
        return self.rule.tail(self.nodes.points) <= _RESOLVED * size

    @cached_property
    def box(self) -> tuple[Array, Array]:
        """Lower and upper corner of a box round the images of the nodes and of the source's corners."""
        images = self.nodes.points
        if self.resolved:
            images = np.concatenate([images, self.flow(corners(self.source.lower, self.source.upper))])
        return images.min(axis=0), images.max(axis=0)

    def quantised(self, cells: int) -> tuple[Empirical, float]:
        """Return the images of cell centres with the cells' masses, and their W2 distance to this measure.

        The source's box is cut into `cells` equal cells along each axis. A point of a cell is moved to the image
        of the centre, so W2^2 is at most the mean over cells of int |Phi(y) - Phi(c)|^2 dy; the number returned is
        that to leading order in the cell width, from differences of Phi across each cell. Where Phi is not resolved
        the atoms are `nodes`, and nothing bounds their distance: inf.
        """
        if not self.resolved:
            return self.nodes, np.inf
        grid = Grid(self.source.lower, self.source.upper, cells)
        masses = cell_masses(self.source, grid).ravel()
        spread = 0.0
        for k in range(self.dim):
            step = np.zeros(self.dim)
            step[k] = 0.5 * grid.widths[k]
            across = self.flow(grid.centres + step) - self.flow(grid.centres - step)
            spread += float(masses @ (across**2).sum(axis=1)) / 12
        return Empirical(self.flow(grid.centres), masses), float(np.sqrt(spread))


@cell_masses.register
def _(mu: PushForward, grid: Grid) -> Array:
    return integrated(mu.pdf, *mu.box, grid, _CELL_NODES)


def quadrature(source: Source, n: int) -> tuple[TensorRule, Empirical]:
    """Return a rule of about n nodes along each axis and the source's atoms on it.

    A `Density` jumps at its cell walls, so it gets a panel for each cell; the others get one.
    """
    if isinstance(source, Density):
        grid = source.grid
        axes = [AxisRule(grid.edges(k), max(1, round(n / cells))) for k, cells in enumerate(grid.shape)]
        rule = TensorRule(tuple(axes))
    else:
        rule = TensorRule.on_box(source.lower, source.upper, n)
    weights = rule.weights * source.pdf(rule.points)
    return rule, Empirical(rule.points, weights / weights.sum())
