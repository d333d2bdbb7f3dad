"""The image of a measure under a flow, known at quadrature nodes: mu_t = (Phi_t)_# mu_0.

The flow map Phi_t is smooth and one-to-one on each panel, so its values at Gauss-Legendre nodes give both the
integrals against mu_t (quadrature weights times density) and Phi_t itself everywhere (interpolation), to spectral
accuracy. The density is carried along: rho_t(Phi_t(y)) = rho_0(y) exp(-G_t(y)), G_t the integral of the velocity's
divergence along the path of y.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meanfield.box import corners
from meanfield.density import Density
from meanfield.grid import Grid
from meanfield.panels import Panels
from meanfield.projection import cell_masses, integrated
from meanfield.smooth import Smooth
from meanfield.uniform import Uniform
from particles import checks
from particles.checks import Array
from particles.measure import Empirical
from particles.quantiles import OnTheLine

Source = Uniform | Smooth | Density

_RESOLVED = 1e-3  # of the image's size, for the last Legendre coefficients of Phi
_ROUGH_MASS = 0.05  # on rough panels, up to which their nodes say enough
_CELL_NODES = 4  # along an axis, to integrate the density over a cell
_NEWTON_STEPS = 12
_NEWTON_TOLERANCE = 1e-12  # of the image's size
_STARTS = 4  # nodes near a point from which Newton's method is tried
_HALVINGS = 60  # an interval is then below rounding


@dataclass(frozen=True, eq=False)
class PushForward(OnTheLine):
    """Phi_# source, with Phi known at the nodes of panels that tile the source's box.

    Integrals are sums over the nodes. Where `resolved`, everything else comes from the interpolated Phi; where not,
    the measure is read as its atoms.

    Parameters
    ----------
    source : Uniform, Smooth or Density
        The measure that is moved.
    panels : Panels
        Quadrature rules on pieces of its box; pieces whose mass does not matter may be missing.
    nodes : Empirical
        The images of the nodes with the weights of the quadrature; integrals are taken over these.
    growth : (n,) array, optional
        G at the nodes, the logarithm of the volume's growth along their paths. Where it is not given the density comes
        from the derivative of the interpolated Phi instead, which loses about two digits.
    """

    source: Source
    panels: Panels
    nodes: Empirical
    growth: Array | None = None

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
        """Phi(y) for points y (m, d) of the source's box, linear between the nodes on rough panels; shape (m, d)."""
        return self.panels.interpolate(self.nodes.points, checks.directions("y", y, self.dim), self.rough)

    def jacobian(self, y: Any) -> Array:
        """DPhi(y) for points y (m, d) of the source's box; shape (m, d, d)."""
        y = checks.directions("y", y, self.dim)
        return self.panels.interpolate(self._slopes, y, self.rough).reshape(len(y), self.dim, self.dim)

    @cached_property
    def _slopes(self) -> Array:
        return self.panels.slopes(self.nodes.points, self.rough).reshape(len(self.nodes.points), -1)

    @cached_property
    def log_growth(self) -> Array:
        """log |det DPhi| at the nodes, shape (n,)."""
        if self.growth is not None:
            return self.growth
        slopes = self._slopes.reshape(-1, self.dim, self.dim)
        return np.asarray(np.linalg.slogdet(slopes)[1])

    @cached_property
    def heights(self) -> Array:
        """The density at the nodes' images, rho_0(y) / |det DPhi(y)|; shape (n,)."""
        return checks.frozen(self.source.pdf(self.panels.points) * np.exp(-self.log_growth))

    @cached_property
    def entropy(self) -> float:
        """Differential entropy, - int rho log rho: that of the source plus the mean of log |det DPhi|."""
        held = self.nodes.weights > 0
        log_heights = np.log(self.source.pdf(self.panels.points)[held]) - self.log_growth[held]
        return -float(self.nodes.weights[held] @ log_heights)

    def preimage(self, x: Any) -> Array:
        """Phi^{-1}(x) for points x (m, d); NaN rows outside the image."""
        x = checks.directions("x", x, self.dim)
        return self._preimage_on_the_line(x) if self.dim == 1 else self._preimage_by_newton(x)

    def _preimage_on_the_line(self, x: Array) -> Array:
        """Find the panel by the images of its ends (the flow keeps the order of points), the place in it by halving."""
        order = np.argsort(self.panels.lower[:, 0])
        left, right = self.panels.lower[order, 0], self.panels.upper[order, 0]
        inwards = 1e-13 * (right - left)  # so that an end is looked up in its own panel
        ends = self.flow(np.concatenate([left + inwards, right - inwards])[:, None])[:, 0]
        starts, stops = (np.maximum.accumulate(part) for part in np.split(ends, 2))
        slack = _NEWTON_TOLERANCE * max(1e-300, stops[-1] - starts[0])
        panel = np.clip(np.searchsorted(starts, x[:, 0], side="right") - 1, 0, len(order) - 1)
        held = (x[:, 0] >= starts[0] - slack) & (x[:, 0] <= stops[panel] + slack)
        low, high = left[panel] + inwards[panel], right[panel] - inwards[panel]
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            above = self.flow(middle[:, None])[:, 0] > x[:, 0]
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return np.where(held, 0.5 * (low + high), np.nan)[:, None]

    def _preimage_by_newton(self, x: Array) -> Array:
        """Newton's method from the nearest nodes."""
        from scipy.spatial import cKDTree  # not needed to move a measure, and slow to import

        count = min(_STARTS, len(self.nodes.points))
        nearest = cKDTree(self.nodes.points).query(x, k=count)[1].reshape(len(x), -1)
        y, missed = np.full(x.shape, np.nan), np.ones(len(x), dtype=bool)
        low, high = self.box
        far = ((x < low) | (x > high)).any(axis=1)
        for start in nearest.T:
            rows = np.flatnonzero(missed & ~far)
            if not len(rows):
                break
            y[rows], missed[rows] = self._newton(x[rows], self.panels.points[start[rows]])
        return np.where(missed[:, None], np.nan, y)

    def _newton(self, x: Array, y: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Return solutions of Phi(y) = x, and which were missed."""
        lower, upper = self.source.lower, self.source.upper
        low, high = self.box
        close_enough = _NEWTON_TOLERANCE * np.max(high - low)
        y, gap, missed = y.copy(), x - self.flow(y), np.ones(len(x), dtype=bool)
        for _ in range(_NEWTON_STEPS):
            slopes = self.jacobian(y[missed])
            sound = np.abs(np.linalg.det(slopes)) > 0
            slopes[~sound] = np.eye(self.dim)
            step = np.linalg.solve(slopes, gap[missed, :, None])[..., 0]
            y[missed] = np.clip(y[missed] + step, lower, upper)
            gap[missed] = x[missed] - self.flow(y[missed])
            missed = np.abs(gap).max(axis=1) > close_enough
            if not missed.any():
                break
        return y, missed

    def pdf(self, x: Any) -> Array:
        """rho_0(y) / |det DPhi(y)| at x = Phi(y), 0 outside the image of the box; x (m, d), shape (m,).

        At the nodes' images themselves it is `heights`.

        Raises
        ------
        ValueError
            If the nodes do not resolve Phi, so that it cannot be inverted.
        """
        if not self.resolved:
            raise ValueError("the flow has no inverse to read a density from: its nodes do not resolve it; take more.")
        x = checks.directions("x", x, self.dim)
        y = self.preimage(x)
        inside = ~np.isnan(y[:, 0])
        heights = np.where(np.isnan(x).any(axis=1), np.nan, 0.0)
        if self.growth is None:
            thinner = 1 / np.abs(np.linalg.det(self.jacobian(y[inside])))
        else:
            thinner = np.exp(-self.panels.interpolate(self.growth[:, None], y[inside], self.rough)[:, 0])
        heights[inside] = self.source.pdf(y[inside]) * thinner
        return heights

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent draws: draws of the source, moved (atoms where Phi is not resolved); shape (n, d)."""
        if not self.resolved:
            return self.nodes.sample(n, rng)
        return self.flow(self.source.sample(n, rng))

    @cached_property
    def rough(self) -> NDArray[np.bool_]:
        """Panels of little mass on which the flow separates, so that a polynomial would overshoot; shape (P,)."""
        return self.steep if self.resolved else np.zeros(len(self.panels), dtype=bool)

    @cached_property
    def steep(self) -> NDArray[np.bool_]:
        """Panels on which the nodes do not resolve Phi, shape (P,)."""
        size = float(np.ptp(self.nodes.points, axis=0).max())
        return np.asarray(self.panels.tails(self.nodes.points).max(axis=1) > _RESOLVED * size)

    @cached_property
    def resolved(self) -> bool:
        """Whether the nodes resolve Phi but for a little mass, so that its interpolation stands for it.

        Where the flow separates (two neighbours follow different leaders) a polynomial overshoots. A little such mass
        is read linearly between its nodes; if there is more, the measure is better read as its atoms, `nodes`.
        """
        return float(self.nodes.weights.reshape(len(self.panels), -1)[self.steep].sum()) <= _ROUGH_MASS

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


def panels_of(source: Source, n: int) -> Panels:
    """Return panels with about n nodes along each axis of the source's box.

    A `Density` jumps at its cell walls, so it gets a panel for each cell; the others get one.
    """
    if isinstance(source, Density):
        return Panels.on_cells(source.grid, tuple(max(1, round(n / cells)) for cells in source.grid.shape))
    return Panels.on_box(source.lower, source.upper, n)


def nodes_of(source: Source, panels: Panels) -> Empirical:
    """Return the source as atoms at the nodes of panels."""
    weights = panels.weights * source.pdf(panels.points)
    return Empirical(panels.points, weights / weights.sum())
