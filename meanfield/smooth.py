"""A smooth probability density on a box, integrated by Gauss-Legendre rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from meanfield.box import on_box
from meanfield.quadrature import TensorRule
from particles import checks
from particles.checks import Array
from particles.measure import Empirical
from particles.quantiles import OnTheLine

Pdf = Callable[[Array], Array]

_MASS_TOLERANCE = 1e-8
_RESOLVED = 1e-12  # change of mass and first moments when the nodes are doubled
_MOST_NODES = {1: 2048, 2: 256, 3: 64}  # along an axis


class DensityError(ArithmeticError, ValueError):
    """A user's density is NaN, negative or of the wrong shape at points it had not been asked about before.

    A bad argument, then, but one that may show in the middle of a run, which stops there as at other such errors.
    """


@dataclass(frozen=True, eq=False)
class Smooth(OnTheLine):
    """A smooth probability density on a box.

    Integrals are Gauss-Legendre sums with as many nodes as the density and the tilt e^{<a,y>} need.

    Parameters
    ----------
    pdf : callable
        (n, d) -> (n,), non-negative, integrating to 1 over the box.
    lower, upper : (d,) array
        The box.

    Raises
    ------
    ValueError
        If the density is negative or not finite somewhere, has the wrong shape, is not resolved by the largest
        rule, or does not integrate to 1.
    """

    function: Pdf
    lower: Array
    upper: Array
    nodes: int

    def __init__(self, pdf: Pdf, lower: Any, upper: Any) -> None:
        """Check the density on quadrature nodes and find how many it needs."""
        problems = checks.Problems()
        box = _box_and_pdf(pdf, lower, upper, problems)
        nodes, mass = _resolve(pdf, *box, problems)
        if not problems and abs(mass - 1) > _MASS_TOLERANCE:
            problems.add(
                f"`pdf` must integrate to 1 over the box; it integrates to {mass:.10g}. "
                "Divide it by that, or use Smooth.normalised."
            )
        problems.raise_if_any()
        self._set(pdf, *box, nodes)

    @classmethod
    def normalised(cls, function: Pdf, lower: Any, upper: Any) -> Smooth:
        """Return the law whose density is the non-negative `function` divided by its integral over the box."""
        problems = checks.Problems()
        box = _box_and_pdf(function, lower, upper, problems)
        nodes, mass = _resolve(function, *box, problems)
        if not problems and not mass > 0:
            problems.add(f"`function` must have a positive integral; got {mass}.")
        problems.raise_if_any()
        return cls.trusted(lambda x: function(x) / mass, *box, nodes)

    @classmethod
    def trusted(cls, function: Pdf, lower: Array, upper: Array, nodes: int) -> Smooth:
        """Return the law with the given density without the checks; `nodes` along each axis resolve it."""
        smooth = object.__new__(cls)
        smooth._set(function, lower, upper, nodes)
        return smooth

    def _set(self, function: Pdf, lower: Array, upper: Array, nodes: int) -> None:
        for name, value in (("function", function), ("lower", lower), ("upper", upper), ("nodes", nodes)):
            object.__setattr__(self, name, value)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.lower.size

    @property
    def mean(self) -> Array:
        """Mean, shape (d,)."""
        return _discrete(self, self.nodes).mean

    @property
    def cov(self) -> Array:
        """Covariance, shape (d, d)."""
        return _discrete(self, self.nodes).cov

    def cgf(self, a: Any) -> Array:
        """Lambda(a) for a of shape (m, d); shape (m,)."""
        a = checks.directions("a", a, self.dim)
        return _discrete(self, self._nodes_for(a)).cgf(a)

    def tilted_mean(self, a: Any) -> Array:
        """grad Lambda(a), shape (m, d)."""
        a = checks.directions("a", a, self.dim)
        return _discrete(self, self._nodes_for(a)).tilted_mean(a)

    def tilted_cov(self, a: Any) -> Array:
        """hess Lambda(a), shape (m, d, d)."""
        a = checks.directions("a", a, self.dim)
        return _discrete(self, self._nodes_for(a)).tilted_cov(a)

    def pdf(self, x: Any) -> Array:
        """Density at x of shape (m, d), 0 outside the box; shape (m,)."""
        x = checks.directions("x", x, self.dim)
        return on_box(self.heights, self.lower, self.upper, x)

    def heights(self, x: Array) -> Array:
        """Return the function at x inside the box, shape (m, d); shape (m,).

        Raises
        ------
        DensityError
            If it is not a density there.
        """
        problems = checks.Problems()
        heights = _checked_heights(self.function, x, problems)
        try:
            problems.raise_if_any()
        except ValueError as complaint:
            raise DensityError(str(complaint)) from None
        assert heights is not None
        return heights

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Return n independent draws by rejection from the box, shape (n, d)."""
        ceiling = 1.5 * float(np.max(self.heights(TensorRule.on_box(self.lower, self.upper, self.nodes).points)))
        accepted = [np.empty((0, self.dim))]
        while sum(map(len, accepted)) < n:
            tried = rng.uniform(self.lower, self.upper, (2 * n + 64, self.dim))
            heights = self.heights(tried)
            if heights.max() > ceiling:  # a peak between the nodes: start again below the new ceiling
                ceiling, accepted = 1.5 * float(heights.max()), accepted[:1]
                continue
            accepted.append(tried[rng.uniform(0, ceiling, len(tried)) < heights])
        return np.concatenate(accepted)[:n]

    def _nodes_for(self, a: Array) -> int:
        """Nodes enough for e^{<a,y>}: its layer at the wall is 1/s wide, Gauss nodes stand 1/n^2 apart there."""
        s = float(np.nanmax(np.abs(a), initial=0.0) * np.max(self.upper - self.lower) / 2)
        extra = 8 * int(np.ceil(min(s, 6 * np.sqrt(s)) / 8)) if np.isfinite(s) else 0
        return min(self.nodes + extra, _MOST_NODES.get(self.dim, 16))


@lru_cache(maxsize=32)
def _discrete(smooth: Smooth, nodes: int) -> Empirical:
    rule = TensorRule.on_box(smooth.lower, smooth.upper, nodes)
    weights = rule.weights * smooth.heights(rule.points)
    return Empirical(rule.points, weights / weights.sum())


def _box_and_pdf(pdf: Any, lower: Any, upper: Any, problems: checks.Problems) -> tuple[Array, Array]:
    box = checks.box(lower, upper, problems)
    if not callable(pdf):
        problems.add(f"`pdf` must be a function (n, d) -> (n,); got {type(pdf).__name__}.")
    problems.raise_if_any()
    assert box is not None
    return box


def _resolve(pdf: Pdf, lower: Array, upper: Array, problems: checks.Problems) -> tuple[int, float]:
    """Return the nodes per axis at which mass and first moments settle, and the mass."""
    most = _MOST_NODES.get(lower.size, 16)
    half = 0.5 * (upper - lower)
    nodes, before = 8, None
    while True:
        rule = TensorRule.on_box(lower, upper, nodes)
        heights = _checked_heights(pdf, rule.points, problems)
        if heights is None:
            return nodes, np.nan
        weights = rule.weights * heights
        scaled = (rule.points - lower) / half - 1
        now = np.concatenate([[weights.sum()], weights @ scaled, weights @ scaled**2])
        change = np.inf if before is None else float(np.abs(now - before).max())
        if change <= _RESOLVED * max(1.0, abs(now[0])):
            return nodes, float(now[0])
        if nodes >= most:
            if change > _MASS_TOLERANCE * max(1.0, abs(now[0])):
                problems.add(
                    f"`pdf` is not resolved by {nodes} Gauss nodes along an axis: its integral still changes by "
                    f"{change:.3g}. Use a smaller box, or a Density on a grid if it has jumps."
                )
            return nodes, float(now[0])
        nodes, before = min(2 * nodes, most), now


def _checked_heights(pdf: Pdf, points: Array, problems: checks.Problems) -> Array | None:
    heights = np.asarray(pdf(points))
    if heights.shape != (len(points),) or heights.dtype.kind not in "iuf":
        problems.add(
            f"`pdf` must map (n, d) to n real numbers; "
            f"for points of shape {points.shape} it gave {heights.dtype} of shape {heights.shape}."
        )
        return None
    bad = ~(np.isfinite(heights) & (heights >= 0))
    if bad.any():
        index = int(np.argmax(bad))
        problems.add(f"`pdf` must be finite and not negative; it is {heights[index]} at {points[index].tolist()}.")
        return None
    return heights.astype(float)
