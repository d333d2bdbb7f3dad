"""What an observed order is measured on: problems, methods of growing fineness, and errors that tell them apart.

The fineness N is the number of cells, or one over the step. An order p is the slope of log error over log 1/N.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import cases
from contracts import bump
from meanfield import Density, FrozenField, Grid, ParticleMethod, Smooth, Uniform, wasserstein
from meanfield import solve as solve_measure
from particles import RK4, Adaptive, Attention, Raw, Rescaled
from particles import solve as solve_tokens

Law = Raw | Rescaled
Distance = Callable[[Any, Any], float]


def slope(sizes: Any, errors: Any) -> float:
    """Slope of log error over log size, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


@dataclass(frozen=True)
class Order:
    """A declared order and how to observe it.

    Attributes
    ----------
    declared : float
        The order.
    fineness : sequence
        N, increasing.
    prepare : callable
        Returns N -> error; called once, as the truth is the same for all N.
    floor : float
        The truth's own error with a margin: an error below it would show nothing.
    at_least : bool
        Any order from `declared` on will do: the declared one is that of the worst case.
    ends : bool
        The slope between the two finest is held as well.
    """

    declared: float
    fineness: Sequence[float]
    prepare: Callable[[], Callable[[Any], float]]
    floor: float = 0.0
    at_least: bool = False
    ends: bool = False

    def observed(self) -> tuple[list[float], float]:
        """Return the slopes seen, over all N and if asked for over the last two, and the least error."""
        error = self.prepare()
        errors = [error(N) for N in self.fineness]
        slopes = [-slope(self.fineness[first:], errors[first:]) for first in ((0, -2) if self.ends else (0,))]
        return slopes, errors[-1]

    def holds(self, found: float, within: float) -> bool:
        """Whether a slope is the declared order."""
        return found >= self.declared if self.at_least else abs(found - self.declared) <= within


# --------------------------------------------------------------------------------------------------- data and laws


def flat(dim: int) -> Uniform:
    return Uniform(-np.ones(dim), np.ones(dim))


def uneven(dim: int) -> Smooth:
    """A density that jumps at the edge of its box."""
    return Smooth.normalised(bump, -np.ones(dim), np.ones(dim))


def wide() -> Smooth:
    """The same formula on a box that attention, rescaled, gathers at both ends."""
    return Smooth.normalised(bump, [-2.0], [2.0])


def paper_box() -> Smooth:
    """On the paper's box, where exponents reach 25."""
    return Smooth.normalised(lambda x: 1.5 + np.sin(x[:, 0]), [-5.0], [5.0])


def hill(dim: int) -> Smooth:
    """A density that meets 0 with a kink at the edge of its box."""
    return Smooth(lambda x: np.prod(0.75 * (1 - x**2), axis=1), -np.ones(dim), np.ones(dim))


def rounded(dim: int) -> Smooth:
    """A density that meets 0 with two derivatives at the edge of its box: smooth on all of R^d."""
    lower, upper = -np.ones(dim), np.linspace(1.0, 1.5, dim)

    def height(x):
        s = (x - lower) / (upper - lower)
        return np.prod(s * (1 - s), axis=1) ** 3 * (1.5 + np.sin(2 * x[:, 0] + x[:, -1]))

    return Smooth.normalised(height, lower, upper)


LINE = cases.line(1.0, 1.0)
PLANE = Attention(Q=[[1.0, 0.5], [-0.3, 0.8]], K=[[0.7, 0.0], [0.6, 1.0]], V=[[0.5, -0.4], [0.6, 0.3]])
TURNING = Attention(Q=np.eye(2), K=[[1.0, 0.4], [-0.3, 0.8]], V=[[0.3, -0.5], [0.2, 0.1]])
SPACE = Attention(
    Q=[[1.0, 0.5, 0.0], [-0.3, 0.8, 0.2], [0.1, 0.0, 0.9]],
    K=[[0.7, 0.0, 0.1], [0.6, 1.0, 0.0], [0.0, -0.2, 0.8]],
    V=[[0.5, -0.4, 0.1], [0.6, 0.3, 0.0], [-0.2, 0.1, 0.4]],
)


# ---------------------------------------------------------------------------------------------------------- errors


def W1(mu: Any, nu: Any) -> float:
    return wasserstein(mu, nu, p=1)


def W2(mu: Any, nu: Any) -> float:
    return wasserstein(mu, nu, p=2)


def moments_apart(mu: Any, nu: Any) -> float:
    return max(np.abs(mu.mean - nu.mean).max(), np.abs(mu.cov - nu.cov).max())


def sliced(mu: Density, nu: Any, directions: int = 5) -> float:
    """Return the largest W1 between projections: a lower bound on W1, without the atoms' own distance in the plane.

    The projections are sorted atoms: cells in parts of a 240th of the box, atoms of nu a 300th apart where that is
    quantised. Along a line they stand (1/240)^2 of the box off, 1e-5.
    """
    fine = [n * max(1, 240 // n) for n in mu.grid.shape]
    masses = mu.masses
    for k, (n, m) in enumerate(zip(mu.grid.shape, fine, strict=True)):
        masses = np.repeat(masses, m // n, axis=k) / (m // n)
    centres, found = Grid(mu.lower, mu.upper, fine).centres, []
    for angle in np.pi * (np.arange(directions) + 0.3) / directions:
        u = np.array([np.cos(angle), np.sin(angle)])
        x, w = np.concatenate([centres @ u, nu.points @ u]), np.concatenate([masses.ravel(), -nu.weights])
        order = np.argsort(x)
        found.append(np.abs(np.cumsum(w[order])[:-1]) @ np.diff(x[order]))
    return float(max(found))


# ------------------------------------------------------------------------------------------------- what is compared


def tokens(form: type[Law], stepper: type) -> Callable[[], Callable[[int], float]]:
    """Fixed steps 1/N of tokens against tiny ones."""

    def prepare() -> Callable[[int], float]:
        law, start = form(cases.random_attention(1, 2)), np.random.default_rng(20230509).uniform(-1, 1, (12, 2))
        truth = solve_tokens(law, start, [0.0, 1.0], stepper=Adaptive(rtol=1e-13, atol=1e-14)).points[-1]
        return lambda N: np.abs(solve_tokens(law, start, [0.0, 1.0], stepper=stepper(1 / N)).points[-1] - truth).max()

    return prepare


def exact_motion(stepper: type) -> Callable[[], Callable[[int], float]]:
    """Fixed steps 1/N of two mirrored tokens against their exact motion."""

    def error(N: int) -> float:
        motion = cases.mirrored_pair()
        path = solve_tokens(motion.law, motion.tokens, [0.0, 1.0], stepper=stepper(1 / N))
        return np.abs(path.points[-1] - motion.exact(1.0)).max()

    return lambda: error


def solved(
    law: Law, start: Callable[[], Any], T: float, method: Callable[[Any], Any], truth: Any, apart: Distance = W1
) -> Callable[[], Callable[[Any], float]]:
    """The measure at T by method(N), against that by the method `truth`."""

    def prepare() -> Callable[[Any], float]:
        mu0 = start()
        right = solve_measure(law, mu0, [0.0, T], method=truth)[-1]
        if apart is sliced:
            right, _ = right.quantised(300)
        return lambda N: apart(solve_measure(law, mu0, [0.0, T], method=method(N))[-1], right)

    return prepare


def frozen(law: Law, start: Callable[[], Any], n: int) -> Callable[[], Callable[[int], float]]:
    """The field held over 1/N, with the same nodes in both: no error but that, and W1 is at most this."""

    def prepare() -> Callable[[int], float]:
        depths, carrier, mu0 = np.linspace(0, 1, 5), ParticleMethod(n=n, stepper=RK4(1 / 64)), start()
        truth = solve_measure(law, mu0, depths, method=carrier)

        def error(N: int) -> float:
            curve = solve_measure(law, mu0, depths, method=FrozenField(1 / N, carrier))
            pairs = zip(curve.measures, truth.measures, strict=True)
            gaps = [(mu, np.linalg.norm(mu.nodes.points - nu.nodes.points, axis=1)) for mu, nu in pairs]
            return max(mu.nodes.weights @ gap for mu, gap in gaps)

        return error

    return prepare
