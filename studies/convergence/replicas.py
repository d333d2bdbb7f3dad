"""Replicas of one start, moved and measured until the means are known well enough.

The rule: blocks of 64 replicas are added until the standard error of log (mean of squares)^{1/2} is at most the case's
`target` at every depth, or `most` replicas are reached; W2 and the field error each have their own target. The rule
looks at one start and one n alone, so that cases stay independent and their numbers depend on the seed only;
`rule.target` derives the target from the wanted width of the slope's interval.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import meanfield
from particles import Empirical, Replicas, solve
from particles.checks import Array
from particles.march import march
from particles.trajectory import Trajectory
from studies.convergence.controls import controls
from studies.convergence.limit import Support, atoms, flow, law, levels, limit, supports
from studies.convergence.rule import mean_squares
from studies.convergence.starts import INDEPENDENT, QUADRATURE, QUANTITIES, RANDOM, drawn, gauss_nodes, stepper

BLOCK = 64
_TOGETHER = 1024  # up to so many tokens a block's replicas are moved in one call; beyond, sums over atoms are faster


def measured(case: dict[str, Any]) -> dict[str, Any]:
    """Return W2 and the field error, a row for each replica and a column for each depth.

    `finer` are the first replica's field errors with the supremum over twice as many points along each axis; `blur` is
    the distance q of the limit's atoms to the limit; `controls` are what is known of each replica; `along` is how far
    nodes are from where the limit's flow takes them.
    """
    dim, times = case["dim"], tuple(case["times"])
    points = supports(dim, times)
    found: dict[str, list[list[float]]] = {name: [] for name in (*QUANTITIES, "controls")}
    result: dict[str, Any] = {**found, "blur": [0.0] * len(times)}
    if case["pieces"]:
        result["blur"] = atoms(dim, case["pieces"], times)[1].tolist()
    for first in range(0, case["most"], BLOCK):
        missing = [name for name, error in case["target"].items() if not _enough(found[name], found["controls"], error)]
        if not missing:
            break
        for path in _block(case, range(first, min(first + BLOCK, case["most"]))):
            found["controls"].append(controls(path.points[0]).tolist() if case["start"] == INDEPENDENT else [])
            if "W2" in missing:
                found["W2"].append(distances(path, case["pieces"]).tolist())
            if "field" in missing:
                found["field"].append(_field_errors(path, points))
            if "finer" not in result:
                result["finer"] = _field_errors(path, supports(dim, times, 2))
                if case["start"] == QUADRATURE:
                    result["along"] = _along(path)
    return result


def _enough(rows: list[list[float]], known: list[list[float]], target: float) -> bool:
    return bool(rows) and bool((mean_squares(np.array(rows), np.array(known[: len(rows)]))[1] <= target).all())


def _block(case: dict[str, Any], replicas: range) -> list[Trajectory]:
    """Return the paths of some replicas."""
    start, dim, n, times = case["start"], case["dim"], case["n"], np.array(case["times"])
    method = stepper(start)
    if start == QUADRATURE:
        return [_finished(solve(law(dim), gauss_nodes(n, dim), times, stepper=method))]
    points = [drawn(start, n, dim, case["seed"], replica) for replica in replicas]
    if start not in RANDOM or n > _TOGETHER:
        return [_finished(solve(law(dim), tokens, times, stepper=method)) for tokens in points]
    together = Replicas(points)

    def velocity(t: float, states: Array) -> Array:
        return law(dim).velocity(t, states, together.moved_to(states))

    run = march(velocity, together.points, times, method, row="replica")
    states = np.stack(run.states, axis=1)
    return [
        _finished(Trajectory(run.times, own, together.weights, run.stats, run.status, run.message)) for own in states
    ]


def _finished(path: Trajectory) -> Trajectory:
    if path.status != "finished":
        raise ArithmeticError(f"the tokens could not be moved: {path.message}.")
    return path


def distances(path: Trajectory, pieces: int) -> Array:
    """Return W2(mu^n_t, mu_t) at each depth.

    With `pieces` it is that to the pieces^d atoms that stand for mu_t. Without them the tokens must be a product of
    equal factors, as they stay if they started so; W2^2 is then d times that of a factor, which is exact.
    """
    times = tuple(path.times.tolist())
    if pieces:
        return meanfield.wasserstein_curve(path, atoms(path.points.shape[2], pieces, times)[0], times)
    axis, weights = _factor(path)
    if np.ptp(weights) > 1e-12 / len(weights):
        squares = [
            meanfield.wasserstein(Empirical(x[:, None], weights), limit(times)[k]) ** 2 for k, x in enumerate(axis)
        ]
    else:
        means, variances = levels(len(weights), times)
        squares = ((np.sort(axis, axis=1) - means) ** 2).mean(axis=1) + variances
    return np.sqrt(path.points.shape[2] * np.asarray(squares))


def _factor(path: Trajectory) -> tuple[Array, Array]:
    """Return the first coordinates (depths, m) of a product of m^d tokens, the last running fastest, and weights."""
    depths, n, dim = path.points.shape
    m = round(n ** (1 / dim))
    return path.points[:, :, 0].reshape(depths, m, -1)[:, :, 0], path.weights.reshape(m, -1).sum(axis=1)


def _field_errors(path: Trajectory, points: tuple[Support, ...]) -> list[float]:
    return [here.error(t, path[k]) for k, (t, here) in enumerate(zip(path.times, points, strict=True))]


def _along(path: Trajectory) -> list[float]:
    gaps = []
    for k, image in enumerate(limit(tuple(path.times.tolist()))):
        squares = ((path.points[k] - flow(image, path.points[0])) ** 2).sum(axis=1)
        gaps.append(float(np.sqrt(path.weights @ squares)))
    return gaps
