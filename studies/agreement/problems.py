"""Problems that several methods solve, and every such solution with the error it states.

Stated errors, all in W2:

    exact       rounding
    particles   to a tolerance: `stats["estimate_w2"]`, the distance of two runs; a fixed number: to half as many nodes
    atoms       to a run at a hundred times the tolerance of the steps
    grids       to the same method on half the cells with twice the step; those of first order twice that
    frozen      twice the distance to twice tau
    widths      atoms spread for a grid: twice the distance to twice the width

Where the error is e(h) = c h^p, e(2h) - e(h) is (2^p - 1) e(h): e at first order, hence doubled, and 3 e at second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import expm

import meanfield
from meanfield import FiniteVolume, FrozenField, ParticleMethod, SemiLagrangian
from particles import RK4, Adaptive, Attention, Empirical, Measure, Raw, Rescaled
from particles import solve as solve_tokens
from particles.checks import Array
from particles.dynamics import Dynamics
from studies.agreement.distance import apart

_ROUNDING = 1e-12  # what no stated error is below: rounding, and the error of the field, in distances of order 1
_TOL = {1: 1e-8, 2: 1e-6, 3: 1e-6}  # of the particles, by dimension
_WIDTH = 0.02  # over which an atom is spread for a grid
_TIGHT = (1e-11, 1e-12)  # relative and absolute, of atoms' steps

TITLES = {
    "free, d = 1": "B = 0: the measure is translated by (e^{tV} - I) m_0",
    "free, d = 2": "the same in the plane",
    "free, d = 3": "the same in space",
    "Gaussian": "a normal law on the line, V = -1: Riccati's equation",
    "Gaussian, d = 2": "a normal law in the plane, V and B that do not commute",
    "one atom": "x(t) = e^{tV} x_0 in the plane, whatever B",
    "mirrored pair": "x' = x tanh(x^2) on the line: the time to x is an integral",
    "line": "a density that jumps at the ends of [-1, 1], V = B = 1",
    "plane": "a hill on the square, V and B not symmetric",
    "frames": "the problem `line` in the raw frame, and in the rescaled one with its image under e^{tV}",
    "two runs": "the problem `line` at once, and stopped and begun again at 0.4 of the depth",
}


@dataclass(frozen=True, eq=False)
class Solution:
    """A measure at the end, by which method, and the error that is stated for it."""

    method: str
    measure: Measure
    error: float


@dataclass(frozen=True)
class Sizes:
    """The depth, and cells along each axis by dimension; the steps go with the cells on the line."""

    depth: float
    cells: tuple[int, int, int]

    @property
    def dt(self) -> float:
        """Step of the semi-Lagrangian scheme."""
        return 6.4 * self.depth / self.cells[0]

    @property
    def tau(self) -> float:
        """Depth over which the field is held."""
        return 4 * self.depth / self.cells[0]


Ends = list[Solution]
Image = Callable[[Measure], Measure]
Scheme = FiniteVolume | SemiLagrangian


def solutions(name: str, sizes: Sizes) -> Ends:
    """Return every method's solution of one of the problems."""
    if name.startswith("free"):
        return _free(int(name[-1]), sizes)
    return {
        "Gaussian": _gaussian,
        "Gaussian, d = 2": _plane_gaussian,
        "one atom": _one_atom,
        "mirrored pair": _mirrored_pair,
        "line": lambda sizes: _all_methods(*_line(), sizes),
        "plane": _plane,
        "frames": _frames,
        "two runs": _two_runs,
    }[name](sizes)


def _free(dim: int, sizes: Sizes) -> Ends:
    V = np.array([[0.6, -0.5, 0.2], [0.4, 0.3, 0.0], [-0.3, 0.1, 0.5]])[:dim, :dim]
    law = Raw(Attention(Q=np.zeros((dim, dim)), K=np.zeros((dim, dim)), V=V))
    lower, upper = -np.ones(dim), np.ones(dim)
    start = meanfield.Smooth(lambda x: _hill(x), lower, upper)
    shift = (expm(sizes.depth * V) - np.eye(dim)) @ start.mean
    moved = meanfield.Smooth(lambda x: _hill(x - shift), lower + shift, upper + shift)
    return [Solution("exact", moved, _ROUNDING), *_all_methods(law, start, sizes)]


def _hill(x: Array) -> Array:
    """A density on [-1, 1]^d with its mean off the centre: 1/2 + y/4 along each axis."""
    return np.asarray(np.prod(0.5 + 0.25 * x, axis=1))


def _line() -> tuple[Raw, Measure]:
    density = meanfield.Smooth(lambda x: (1 + 0.5 * np.sin(2 * x[:, 0])) / 2, [-1.0], [1.0])
    return Raw(Attention(Q=[[1.0]], K=[[1.0]], V=[[1.0]])), density


def _all_methods(law: Dynamics, start: Measure, sizes: Sizes) -> Ends:
    """Particles, finite volumes of both orders, the semi-Lagrangian scheme and frozen fields."""

    def frozen(coarser: int) -> Measure:
        nodes = ParticleMethod(n=48 // 2**start.dim, stepper=RK4(sizes.tau))
        return _end(law, start, sizes.depth, FrozenField(coarser * sizes.tau, nodes))

    return [
        _particles(law, start, sizes),
        *(_grid(method, law, start, sizes) for method in GRIDS),
        _refined("frozen field", frozen, 1),
    ]


GRIDS: dict[str, tuple[int, Callable[[int, float], Scheme]]] = {
    "finite volumes, order 1": (1, lambda cells, dt: FiniteVolume(cells, order=1)),
    "finite volumes, order 2": (2, lambda cells, dt: FiniteVolume(cells)),
    "semi-Lagrangian": (2, SemiLagrangian),
}


def _particles(
    law: Dynamics, start: Measure, sizes: Sizes, label: str = "particles", image: Image | None = None
) -> Solution:
    curve = meanfield.solve(law, start, [0.0, sizes.depth], method=ParticleMethod(tol=_TOL[start.dim]))
    _complete(curve)
    end, error = curve[-1], curve.stats["estimate_w2"]
    if isinstance(start, meanfield.Gaussian):  # the tails that were cut off; this law contracts
        error += meanfield.wasserstein(curve[0], start)
    if image is not None:
        end, stretched = image(end), float(np.linalg.norm(_frame(law, sizes), 2))
        error *= stretched
    return Solution(label, end, error + _ROUNDING)


def _grid(method: str, law: Dynamics, start: Measure, sizes: Sizes, image: Image | None = None) -> Solution:
    order, scheme = GRIDS[method][0], _schemes(method, start.dim, sizes)

    def run(coarser: int) -> Measure:
        end = _end(law, start, sizes.depth, scheme(coarser))
        return end if image is None else image(end)

    return _refined(method, run, order)


def _schemes(method: str, dim: int, sizes: Sizes) -> Callable[[int], Scheme]:
    make = GRIDS[method][1]
    return lambda coarser: make(sizes.cells[dim - 1] // coarser, coarser * sizes.dt)


def _refined(label: str, run: Callable[[int], Measure], order: int) -> Solution:
    """A solution with its distance from one that is twice as coarse, doubled at first order."""
    fine = run(1)
    return Solution(label, fine, (2 if order == 1 else 1) * apart(fine, run(2)) + _ROUNDING)


def _end(law: Dynamics, start: Measure, depth: float, method: Any, begin: float = 0.0) -> Measure:
    curve = meanfield.solve(law, start, [begin, depth], method=method)
    _complete(curve)
    return curve[-1]


def _complete(curve: meanfield.Curve) -> None:
    if curve.status != "finished":
        raise ArithmeticError(f"a solution to be compared is not one: {curve.message}")


def _gaussian(sizes: Sizes) -> Ends:
    law, start = Raw(Attention(Q=[[1.0]], K=[[1.0]], V=[[-1.0]])), meanfield.Gaussian([0.5], [[0.25]])
    return [
        *_closed(law, start, sizes),
        _particles(law, start, sizes),
        *(_grid(method, law, start, sizes) for method in GRIDS),
    ]


def _plane_gaussian(sizes: Sizes) -> Ends:
    attention = Attention(Q=np.eye(2), K=[[0.7, 0.2], [-0.4, 0.5]], V=[[-0.6, 0.3], [-0.2, -0.4]])
    return _closed(Raw(attention), meanfield.Gaussian([0.4, -0.3], [[0.30, 0.12], [0.12, 0.20]]), sizes)


def _closed(law: Raw, start: meanfield.Gaussian, sizes: Sizes) -> Ends:
    """Ways that give a Gaussian: its equation, Gauss-Hermite particles by their moments, its frozen fields."""

    def hermite(coarser: int) -> Measure:
        end = _end(law, start, sizes.depth, ParticleMethod(n=24 // coarser))
        return meanfield.Gaussian(end.mean, end.cov)

    def frozen(coarser: int) -> Measure:
        return _end(law, start, sizes.depth, FrozenField(coarser * sizes.tau, meanfield.Riccati()))

    exact = _end(law, start, sizes.depth, meanfield.Riccati())
    return [
        Solution("Riccati", exact, 10 * _ROUNDING),  # its steps have a relative tolerance of 1e-12
        _refined("Gauss-Hermite particles", hermite, 2),
        _refined("frozen field", frozen, 1),
    ]


def _one_atom(sizes: Sizes) -> Ends:
    law = Raw(Attention(Q=np.eye(2), K=[[1.0, 0.4], [-0.3, 0.8]], V=[[0.3, -0.8], [0.7, 0.1]]))
    start, depth = Empirical([[0.8, -0.3]]), sizes.depth
    exact = Empirical(start.points @ expm(depth * law.attention.V).T)

    def spread(order: int) -> Callable[[int], Measure]:
        return lambda c: _end(law, start, depth, FiniteVolume(8, order=order, width=c * _WIDTH))

    return [
        Solution("exact", exact, _ROUNDING),
        _atoms(law, start, depth),
        _refined("frozen field", lambda c: _end(law, start, depth, FrozenField(c * sizes.tau)), 1),
        _refined("finite volumes, order 1", spread(1), 1),
        _refined("finite volumes, order 2", spread(2), 1),
        _refined(
            "semi-Lagrangian", lambda c: _end(law, start, depth, SemiLagrangian(8, sizes.dt, width=c * _WIDTH)), 1
        ),
    ]


def _atoms(law: Raw, start: Empirical, depth: float) -> Solution:
    tight, loose = (Adaptive(rtol=by * _TIGHT[0], atol=by * _TIGHT[1]) for by in (1, 100))
    end = _end(law, start, depth, ParticleMethod(n=1, stepper=tight))
    return Solution(
        "particles", end, apart(end, _end(law, start, depth, ParticleMethod(n=1, stepper=loose))) + _ROUNDING
    )


def _mirrored_pair(sizes: Sizes) -> Ends:
    law, start, depth = Raw(Attention(Q=[[1.0]], K=[[1.0]], V=[[1.0]])), Empirical([[-0.7], [0.7]]), sizes.depth
    x = _mirrored_position(0.7, depth)

    def tokens(tolerance: float) -> Empirical:
        stepper = Adaptive(rtol=tolerance, atol=tolerance)
        return solve_tokens(law, start.points, [0.0, depth], stepper=stepper)[-1]

    by_tokens = tokens(1e-9)
    return [
        Solution("exact", Empirical([[-x], [x]]), _ROUNDING),
        _atoms(law, start, depth),
        Solution("particles.solve", by_tokens, apart(by_tokens, tokens(1e-7)) + _ROUNDING),
        _refined("frozen field", lambda c: _end(law, start, depth, FrozenField(c * sizes.tau)), 1),
    ]


def _mirrored_position(x0: float, depth: float) -> float:
    """x(t) of x' = x tanh(x^2): the integral of ds / tanh(e^{2s}) from log x_0 to log x is t."""
    from scipy.optimize import brentq  # slow to import

    u, w = np.polynomial.legendre.leggauss(60)  # the integrand is analytic: exact to rounding
    low = np.log(x0)

    def late(s: float) -> float:
        half = 0.5 * (s - low)
        return float(half * (w @ (1 / np.tanh(np.exp(2 * (low + half * (1 + u)))))) - depth)

    return float(np.exp(brentq(late, low, low + depth, xtol=1e-15, rtol=1e-14)))


def _plane(sizes: Sizes) -> Ends:
    attention = Attention(Q=np.eye(2), K=[[1.0, 0.4], [-0.3, 0.8]], V=[[0.3, -0.5], [0.2, 0.1]])
    start = meanfield.Smooth(lambda x: np.prod(0.75 * (1 - x**2), axis=1), [-1.0, -1.0], [1.0, 1.0])
    seen = Rescaled(attention)
    rescaled = _particles(seen, start, sizes, "particles, rescaled", _image(seen, sizes))
    return [*_all_methods(Raw(attention), start, sizes), rescaled]


def _frame(law: Dynamics, sizes: Sizes) -> Array:
    assert isinstance(law, Rescaled)
    return law.frame(sizes.depth)


def _image(law: Rescaled, sizes: Sizes) -> Image:
    """The image of a rescaled solution under x = F z; of a grid's on the line only, where F stretches the cells."""
    F = _frame(law, sizes)

    def image(nu: Measure) -> Measure:
        if isinstance(nu, meanfield.Density):
            return meanfield.Density(meanfield.Grid(F[0] * nu.lower, F[0] * nu.upper, nu.grid.shape), nu.masses)
        assert isinstance(nu, meanfield.PushForward)
        growth = None if nu.growth is None else nu.growth + np.log(abs(np.linalg.det(F)))
        return replace(nu, nodes=nu.nodes.moved_to(nu.nodes.points @ F.T), growth=growth)

    return image


def _frames(sizes: Sizes) -> Ends:
    law, start = _line()
    seen = Rescaled(law.attention)
    image = _image(seen, sizes)
    found = [_particles(law, start, sizes), _particles(seen, start, sizes, "particles, rescaled", image)]
    for method in GRIDS:
        by_grid = _grid(method, seen, start, sizes, image)
        found += [_grid(method, law, start, sizes), replace(by_grid, method=f"{method}, rescaled")]
    return found


def _two_runs(sizes: Sizes) -> Ends:
    law, start = _line()
    half, depth = 0.4 * sizes.depth, sizes.depth

    def by_nodes(coarser: int) -> Measure:
        method = ParticleMethod(n=64 // coarser)
        first = _end(law, start, half, method)
        assert isinstance(first, meanfield.PushForward)
        nodes = _end(law, first.nodes, depth, method, half)
        assert isinstance(nodes, Empirical)
        return replace(first, nodes=nodes, growth=None)

    found = [_particles(law, start, sizes), _refined("particles, in two runs", by_nodes, 2)]
    for method in GRIDS:
        twice = _refined(
            f"{method}, in two runs", _resumed(law, start, (half, depth), _schemes(method, 1, sizes)), GRIDS[method][0]
        )
        found += [_grid(method, law, start, sizes), twice]
    return found


def _resumed(
    law: Raw, start: Measure, depths: tuple[float, float], scheme: Callable[[int], Scheme]
) -> Callable[[int], Measure]:
    """The solution that stops at the first depth and goes on to the second from what it gave there."""

    def run(coarser: int) -> Measure:
        there = _end(law, start, depths[0], scheme(coarser))
        return _end(law, there, depths[1], scheme(coarser), depths[0])

    return run
