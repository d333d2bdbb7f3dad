"""The pieces of work: a measure by one method, draws of n tokens, and how many tokens of a shape lead."""

from __future__ import annotations

from typing import Any

import numpy as np

import meanfield
from particles import Attention, Empirical, Rescaled
from particles.checks import Array
from studies.statements.mean_field.divide import divide
from studies.statements.mean_field.gathered import (
    NEAR,
    SHARES,
    Cloud,
    Gathered,
    arrival,
    first_below,
    gathered,
    hull,
    nearest,
    profile,
    profiles_apart,
)
from studies.statements.mean_field.moved import PARTICLES, Size, clouds, leaders, moved, tokens
from studies.statements.mean_field.problems import Problem, problems

EVERY = 0.25  # of a time 1 / lambda: how often measures are looked at
COMPARED = (4, 8, 12)  # at which of these depths methods are compared
RAW_DEPTHS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0, 2.0, 2.5, 3.0, 3.5, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)  # V = -I
_PARTICLE_DEPTH, _GRID_DEPTH, _TOKEN_DEPTH = 4.5, 3.0, 6.0  # in units of 1 / lambda
_SHAPE_DEPTH = 9.0
_RADIUS = 5.0


def depths(problem: Problem, last: float) -> Array:
    """Return the depths at which a measure is looked at, up to `last` times 1 / lambda."""
    if problem.raw:
        return np.array(RAW_DEPTHS[: COMPARED[-1] + 1] if last == _GRID_DEPTH else RAW_DEPTHS)
    return np.arange(round(last / EVERY) + 1, dtype=np.float64) * (EVERY / problem.value)


def by_method(case: dict[str, Any]) -> dict[str, Any]:
    """Return limit points, masses, arrival, and how far they may be wrong, by one method."""
    problem = problems()[case["problem"]]
    size = Size(case["by"], case["amount"], case["dt"])
    times = depths(problem, _PARTICLE_DEPTH if size.by == PARTICLES else _GRID_DEPTH)
    found, curve = clouds(problem, size, times)
    end = gathered(problem, found[-1])
    come, far = arrival(problem, found, end.places)
    profiles = np.stack([profile(problem, found[k]) for k in COMPARED])
    result = {
        "times": times,
        "places": end.places,
        "masses": end.masses,
        "undecided": end.undecided,
        "spread": end.spread,
        "come": come,
        "far": far,
        "gathered_at": [first_below(times, far[:, k], NEAR * problem.width) for k in range(len(SHARES))],
        "profiles": profiles,
        "size": np.array([np.sqrt(cloud.weights @ (cloud.points**2).sum(axis=1)) for cloud in found]),
        "rise": float(np.diff([hull(problem, cloud) for cloud in found], axis=0).max()),
    }
    if size.by == PARTICLES and size.amount < 1:
        scale = max(1.0, float(np.abs(found[0].points).max()))
        result["w1_error"] = [curve.stats["estimate"] * scale] * len(COMPARED)
        result["place_error"] = result["mass_error"] = curve.stats["estimate"] * scale
        if not problem.raw:
            result |= _sharpness(problem, found)
    else:
        result |= _errors(problem, size, times, end, profiles)
    if case["lines"]:
        result |= _divided(problem, case, float(times[-1]), end)
    return result


def _errors(problem: Problem, size: Size, times: Array, end: Gathered, profiles: Array) -> dict[str, Any]:
    """Return the distance to a run on half the nodes or cells: twice that for grids, which follow edges to first order.

    That distance can be small by chance. So no limit point on a grid is taken to be known better than to half a cell,
    and no mass better than W1 over the distance of the limit points, between which it would have to be carried.
    """
    other, _ = clouds(problem, size.coarser, times)
    coarse = gathered(problem, other[-1])
    factor = 1.0 if size.by == PARTICLES else 2.0
    w1 = [profiles_apart(profiles[row], profile(problem, other[k])) for row, k in enumerate(COMPARED)]
    places, masses = apart(end, coarse)
    cell = 0.0 if size.by == PARTICLES else 0.5 * problem.width / size.amount
    w1_error = [factor * distance for distance in w1]
    between = np.linalg.norm(end.places[:, None] - end.places, axis=2)[np.triu_indices(len(end.places), 1)]
    carried = 0.0 if size.by == PARTICLES or not len(between) else w1_error[-1] / float(between.min())
    return {
        "w1_error": w1_error,
        "place_error": None if places is None else max(factor * places, cell),
        "mass_error": None if masses is None else max(factor * masses, carried),
    }


def apart(one: Gathered, other: Gathered) -> tuple[float | None, float | None]:
    """Return the largest difference of limit points and of their masses; None if there are not as many."""
    if len(one.places) != len(other.places):
        return None, None
    which, distance = nearest(other.places, one.places)
    return float(distance.max()), float(np.abs(one.masses - other.masses[which]).max())


def _sharpness(problem: Problem, found: list[Cloud]) -> dict[str, Any]:
    """Return W1(P_t(b/2, .), delta_b) at each depth: how far below the right edge b of the support the head is."""
    edges, gaps = [], []
    for cloud in found:
        assert isinstance(cloud.measure, meanfield.PushForward)
        edge = float(cloud.measure.box[1][0])
        head = cloud.measure.tilted_mean(np.array([[0.5 * edge]]) @ problem.law.attention_at(cloud.depth).B)
        edges.append(edge)
        gaps.append(edge - float(head[0, 0]))
    return {"edges": np.array(edges), "gaps": np.array(gaps)}


def _divided(problem: Problem, case: dict[str, Any], depth: float, end: Gathered) -> dict[str, Any]:
    """Return the mass above the separatrix, with the change to half the nodes in its error."""
    if len(end.places) != 2:
        return {"divided": None}
    nodes = case["divide_nodes"]
    fine, coarse = (divide(problem, m, case["lines"], case["rounds"], depth, end.places) for m in (nodes, nodes // 2))
    if fine is None or coarse is None:
        return {"divided": None}
    return {
        "divided": fine.mass,
        "divided_error": fine.error + abs(fine.mass - coarse.mass),
        "across": fine.across,
        "crossing": fine.crossing,
    }


def by_tokens(case: dict[str, Any]) -> dict[str, Any]:
    """Return each draw's limit points and when its tokens were near them."""
    problem = problems()[case["problem"]]
    times = depths(problem, _TOKEN_DEPTH)
    paths = tokens(problem, case["n"], case["draws"], times, case["seed"])
    result: dict[str, Any] = {"times": times, "size": np.sqrt((paths**2).sum(axis=3).mean(axis=2))}
    if problem.raw:
        return result
    first, decided = leaders(problem.law, float(times[-1]), paths[:, -1])
    seen = problem.seen(paths)
    limits = np.take_along_axis(seen[:, -1], first[..., None], axis=1)
    distance = np.linalg.norm(seen - limits[:, None], axis=3)
    far = np.array([[Empirical(row[:, None]).quantile(SHARES) for row in draw] for draw in distance])
    reached = [[first_below(times, draw[:, k], NEAR * problem.width) for k in range(len(SHARES))] for draw in far]
    result |= {
        "limits": limits,
        "decided": decided,
        "leaders": np.array([len(np.unique(row[sure])) for row, sure in zip(first, decided, strict=True)]),
        "far": far,
        "gathered_at": np.array(reached, dtype=float),  # NaN where not yet
    }
    if problem.dim == 1:
        result["gaps"] = np.array(
            [[_gap(problem, float(t), z) for t, z in zip(times, draw, strict=True)] for draw in paths]
        )
    return result


def _gap(problem: Problem, t: float, points: Array) -> float:
    """The same as `_sharpness` for tokens: edge less head, summed from positive terms so that it keeps its digits."""
    z = points[:, 0]
    edge = float(z.max())
    exponents = 0.5 * edge * float(problem.law.attention_at(t).B[0, 0]) * (z - edge)
    weights = np.exp(np.maximum(exponents, -700.0))
    return float(weights @ (edge - z) / weights.sum())


def by_shape(case: dict[str, Any]) -> dict[str, Any]:
    """Return how many tokens lead in each draw of n tokens from a shape, V = B = I, and tokens that are not decided."""
    rng = np.random.default_rng(case["seed"])
    start = np.stack([drawn(case["shape"], case["n"], rng) for _ in range(case["draws"])])
    law = Rescaled(Attention(Q=np.eye(2), K=np.eye(2), V=np.eye(2)))
    end = moved(law, start, np.array([0.0, _SHAPE_DEPTH]))[:, -1]
    first, decided = leaders(law, _SHAPE_DEPTH, end)
    counts = [len(np.unique(row[sure])) for row, sure in zip(first, decided, strict=True)]
    return {"leaders": np.array(counts), "undecided": (~decided).sum(axis=1)}


def drawn(shape: str, n: int, rng: np.random.Generator) -> Array:
    """Return n independent tokens, uniform on a square of side 10, a disc of radius 5 or an ellipse of 5 by 3.5."""
    if shape == "square":
        return rng.uniform(-_RADIUS, _RADIUS, (n, 2))
    angle, radius = 2 * np.pi * rng.random(n), _RADIUS * np.sqrt(rng.random(n))
    points = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return points * np.array([1.0, 0.7 if shape == "ellipse" else 1.0])
