"""The divide between two basins, by tokens of weight 0 that only watch.

Where two basins meet, the mass of each is an integral of mu_0 up to a separatrix, which nodes cannot show: each counts
for one side with all its weight. So watchers move along with the nodes and draw nothing: on lines across the box, one
for each Gauss node of the other axes, the crossing is enclosed between two of them, more closely each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from meanfield.push_forward import nodes_of, panels_of
from meanfield.quadrature import TensorRule, gauss_legendre
from particles import Adaptive, Empirical, solve
from particles.checks import Array
from studies.statements.mean_field.problems import Problem

_WATCHERS = 17  # on a line, each time
_LINE_NODES = 32  # to integrate mu_0 along a line
_STEPPER = Adaptive(rtol=1e-9, atol=1e-10)


@dataclass(frozen=True, eq=False)
class Divide:
    """Where a separatrix crosses lines along one axis, and the mass above it.

    Attributes
    ----------
    across : (l, d - 1) array
        The lines, by their other coordinates.
    crossing : (l,) array
        Where the separatrix crosses, the middle of the bracket.
    mass : float
        mu_0 of the part above.
    error : float
        Half the mass between the brackets' ends.
    """

    across: Array
    crossing: Array
    mass: float
    error: float

    def record(self) -> dict[str, Any]:
        """Return it as JSON-able numbers."""
        return {"across": self.across, "crossing": self.crossing, "divided": self.mass, "divided_error": self.error}


def divide(problem: Problem, nodes: int, lines: int, rounds: int, depth: float, places: Array) -> Divide | None:
    """Return the divide between two limit points; None if a line crosses it more than once.

    The second place is taken to lie above the first along the axis.

    Parameters
    ----------
    problem : Problem
        With two limit points, and the axis `along`.
    nodes, lines : int
        Particles along each axis, and lines along each other axis.
    rounds : int
        How often brackets are made 16 times as narrow.
    depth : float
        The depth at which watchers are asked for their side.
    places : (2, c) array
        The limit points.
    """
    axis, start, law = problem.along, problem.start, problem.law
    assert axis is not None and len(places) == 2
    rest = [k for k in range(problem.dim) if k != axis]
    rule = TensorRule.on_box(start.lower[rest], start.upper[rest], lines) if rest else None
    across = np.zeros((1, 0)) if rule is None else rule.points
    share = np.ones(1) if rule is None else rule.weights
    atoms = nodes_of(start, panels_of(start, nodes))
    low, high = (np.full(len(across), end[axis]) for end in (start.lower, start.upper))
    for _ in range(rounds):
        grid = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, _WATCHERS)
        watchers = np.empty((*grid.shape, problem.dim))
        watchers[..., axis], watchers[..., rest] = grid, across[:, None, :]
        both = np.concatenate([atoms.points, watchers.reshape(-1, problem.dim)])
        weights = np.concatenate([atoms.weights, np.zeros(grid.size)])
        run = solve(law, Empirical(both, weights), [0.0, depth], stepper=_STEPPER)
        if len(run) < 2:
            return None
        end = run[-1]
        seen = end.tilted_mean(end.points[len(atoms.points) :] @ law.attention_at(depth).B)
        ahead = problem.seen(seen).reshape(*grid.shape, -1) - places.mean(axis=0)
        above = ahead @ (places[1] - places[0]) > 0
        if (above[:, :-1] & ~above[:, 1:]).any():
            return None
        at = (~above).sum(axis=1)  # watchers below; a line that is not crossed lies on one side as a whole
        rows = np.arange(len(grid))
        low, high = grid[rows, np.maximum(at - 1, 0)], grid[rows, np.minimum(at, _WATCHERS - 1)]
    upper = start.upper[axis]
    ends = [_mass(problem, axis, rest, across, share, edge, upper) for edge in (low, 0.5 * (low + high), high)]
    return Divide(across, 0.5 * (low + high), ends[1], 0.5 * (ends[0] - ends[2]))


def _mass(
    problem: Problem, axis: int, rest: list[int], across: Array, share: Array, edge: Array, upper: float
) -> float:
    """mu_0 of what lies above `edge` on the lines."""
    u, w, _ = gauss_legendre(_LINE_NODES)
    half = 0.5 * (upper - edge)
    points = np.empty((len(edge), _LINE_NODES, problem.dim))
    points[..., axis] = edge[:, None] + half[:, None] * (1 + u)
    points[..., rest] = across[:, None, :]
    heights = problem.start.pdf(points.reshape(-1, problem.dim)).reshape(len(edge), -1)
    return float(share @ (half * (heights @ w)))
