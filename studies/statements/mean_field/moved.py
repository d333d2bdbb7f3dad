"""Moving a measure by the particle method or on a grid, and 40 or more tokens drawn from it, to the same depths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import meanfield
from particles import Adaptive, Measure, Replicas
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.march import FINISHED, march
from studies.statements.mean_field.gathered import Cloud
from studies.statements.mean_field.problems import Problem

PARTICLES, REMAPPED, VOLUMES = "particles", "semi-Lagrangian", "finite volumes"
_SUBCELLS = {1: 16, 2: 4, 3: 2}  # along an axis: atoms that stand for a cell, so that W1 sees it spread
_TOKENS = Adaptive(rtol=1e-9, atol=1e-10)  # 1e-9 e^{2t} in exponents is 1e-2 at t = 8, of gaps that are far larger
_GAP = 30.0  # e^-30 = 1e-13: all others together weigh next to nothing
_TOGETHER = 1 << 20  # pairs of tokens that are moved in one call


@dataclass(frozen=True)
class Size:
    """How finely a measure is moved.

    Parameters
    ----------
    by : str
        "particles", "semi-Lagrangian" or "finite volumes".
    amount : float
        Of particles in one dimension the tolerance, in more dimensions the nodes along an axis; of grids the cells.
    dt : float
        Step of the semi-Lagrangian scheme.
    """

    by: str
    amount: float
    dt: float = 0.1

    @property
    def coarser(self) -> Size:
        """Half the nodes or cells with twice the step."""
        return Size(self.by, self.amount / 2, 2 * self.dt)

    @property
    def method(self) -> meanfield.Method:
        """The method."""
        if self.by == PARTICLES:
            return (
                meanfield.ParticleMethod(tol=self.amount)
                if self.amount < 1
                else meanfield.ParticleMethod(n=int(self.amount))
            )
        if self.by == VOLUMES:
            return meanfield.FiniteVolume(int(self.amount))
        return meanfield.SemiLagrangian(int(self.amount), self.dt)


def clouds(problem: Problem, size: Size, times: Array) -> tuple[list[Cloud], meanfield.Curve]:
    """Return the measure at each depth, as atoms, and the curve they were read from.

    Raises
    ------
    ArithmeticError
        If the run did not reach the last depth.
    """
    curve = meanfield.solve(problem.law, problem.start, times, method=size.method)
    if len(curve) < len(times):
        raise ArithmeticError(f"{problem.title}, by {size.by}: {curve.message}")
    return [_cloud(float(t), mu) for t, mu in zip(times, curve.measures, strict=True)], curve


def _cloud(t: float, mu: Measure) -> Cloud:
    if isinstance(mu, meanfield.PushForward):
        return Cloud(t, mu.nodes.points, mu.nodes.weights, mu if mu.dim == 1 else mu.nodes)
    assert isinstance(mu, meanfield.Density)
    pieces = _SUBCELLS[mu.dim]
    masses = mu.masses
    for axis in range(mu.dim):
        masses = np.repeat(masses, pieces, axis=axis) / pieces
    fine = meanfield.Grid(mu.lower, mu.upper, masses.shape)
    return Cloud(t, fine.centres, masses.ravel(), mu)


def tokens(problem: Problem, n: int, draws: int, times: Array, seed: list[int]) -> Array:
    """Return independent draws of n tokens at each depth, shape (draws, times, n, d).

    Raises
    ------
    ArithmeticError
        If the run did not reach the last depth.
    """
    rng = np.random.default_rng(seed)
    return moved(problem.law, np.stack([problem.start.sample(n, rng) for _ in range(draws)]), times)


def moved(law: Dynamics, start: Array, times: Array) -> Array:
    """Return independent systems (draws, n, d) at each depth, shape (draws, times, n, d).

    Raises
    ------
    ArithmeticError
        If the run did not reach the last depth.
    """
    together = max(1, _TOGETHER // start.shape[1] ** 2)
    parts = [_together(law, start[k : k + together], times) for k in range(0, len(start), together)]
    return np.concatenate(parts)


def _together(law: Dynamics, start: Array, times: Array) -> Array:
    replicas = Replicas(start)

    def velocity(t: float, states: Array) -> Array:
        return law.velocity(t, states, replicas.moved_to(states))

    run = march(velocity, start, times, _TOKENS, row="replica")
    if run.status != FINISHED:
        raise ArithmeticError(f"tokens: {run.message}")
    return np.stack(run.states, axis=1)


def leaders(law: Dynamics, t: float, points: Array) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return for each token of (draws, n, d) whom it attends to most at depth t, and whether that one surely leads.

    It does if it attends to itself, by `_GAP` in exponents more than to any other. With one head, whoever does stands
    still, and gaps grow like e^{lambda t} from there on.
    """
    B = law.attention_at(t).B
    exponents = points @ B @ np.swapaxes(points, 1, 2)
    first = np.argmax(exponents, axis=2)
    best = np.partition(exponents, -2, axis=2)[..., -2:]
    leads = (first == np.arange(points.shape[1])) & (best[..., 1] - best[..., 0] >= _GAP)
    return first, np.take_along_axis(leads, first, axis=1)
