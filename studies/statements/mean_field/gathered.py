"""Where a moving measure gathers: limit points, their masses, and when the mass has come.

At depth t the point z looks at grad Lambda_nu(e^{t V^T} B^T e^{t V} z), its *head*: z' = V (head - z). Mass whose heads
agree is on its way to one place, so the heads at the last depth are the limit points, and the mass that has them is
what each of them draws in. A head that is not near any such place belongs to mass near a divide, not decided yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from particles import Empirical, Measure
from particles.checks import Array
from studies.statements.mean_field.problems import Problem

NEAR = 0.05  # of the width of mu_0: so near is "gathered"
SHARES = (0.5, 0.9, 0.99)  # of the mass: quantiles of the distance to the nearest limit point
_LEAST = 0.005  # of the mass: fewer do not make a limit point
_LEVELS = 1024  # quantiles that stand for a projected measure
_BELOW = 1e-14  # cells with less mass are not asked for their heads


@dataclass(frozen=True, eq=False)
class Cloud:
    """A measure at one depth as atoms, and the measure they came from.

    Parameters
    ----------
    depth : float
        t.
    points, weights : (m, d), (m,) array
        The atoms.
    measure : measure
        What attention sees.
    """

    depth: float
    points: Array
    weights: Array
    measure: Measure


@dataclass(frozen=True, eq=False)
class Gathered:
    """Limit points and what they draw in.

    Attributes
    ----------
    places : (k, c) array
        Limit points, in the coordinates that cluster, in lexicographic order.
    masses : (k,) array
        The mass whose heads are there.
    spread : float
        Largest distance of a head from its place, over the mass that is decided.
    """

    places: Array
    masses: Array
    spread: float

    @property
    def undecided(self) -> float:
        """Mass whose heads are nowhere near a limit point."""
        return max(0.0, 1.0 - float(self.masses.sum()))


def heads(problem: Problem, cloud: Cloud) -> Array:
    """Return what each atom looks at, in the coordinates that cluster; shape (m, c)."""
    B = problem.law.attention_at(cloud.depth).B
    found = np.zeros_like(cloud.points)
    held = cloud.weights > _BELOW
    found[held] = cloud.measure.tilted_mean(cloud.points[held] @ B)
    return problem.seen(found)


def gathered(problem: Problem, cloud: Cloud) -> Gathered:
    """Return the limit points as they are known at this depth."""
    if problem.raw:
        return Gathered(np.zeros((1, len(problem.onto))), np.ones(1), 0.0)
    looked_at, weights, near = heads(problem, cloud), cloud.weights, NEAR * problem.width
    left, places, masses, spread = weights > _BELOW, [], [], 0.0
    for i in np.argsort(-weights, kind="stable"):
        if not left[i]:
            continue
        group = left & (np.linalg.norm(looked_at - looked_at[i], axis=1) <= near)
        left &= ~group
        mass = float(weights[group].sum())
        if mass >= _LEAST:
            place = weights[group] @ looked_at[group] / mass
            places.append(place)
            masses.append(mass)
            spread = max(spread, float(np.linalg.norm(looked_at[group] - place, axis=1).max()))
    found = np.array(places).reshape(-1, len(problem.onto))
    order = np.lexsort(found.round(6).T[::-1])
    return Gathered(found[order], np.array(masses)[order], spread)


def nearest(places: Array, seen: Array) -> tuple[NDArray[np.intp], Array]:
    """Return for each point of shape (m, c) the nearest place, and its distance."""
    apart = np.linalg.norm(seen[:, None, :] - places[None, :, :], axis=2)
    which = apart.argmin(axis=1)
    return which, apart[np.arange(len(seen)), which]


def arrival(problem: Problem, clouds: list[Cloud], places: Array) -> tuple[Array, Array]:
    """Return the mass gathered at each place (times, k), and quantiles of the distance at `SHARES` (times, 3)."""
    come = np.zeros((len(clouds), len(places)))
    far = np.zeros((len(clouds), len(SHARES)))
    for row, cloud in enumerate(clouds):
        which, distance = nearest(places, problem.seen(cloud.points))
        here = distance <= NEAR * problem.width
        come[row] = np.bincount(which[here], cloud.weights[here], len(places))
        far[row] = Empirical(distance[:, None], cloud.weights).quantile(SHARES)
    return come, far


def first_below(times: Array, values: Array, bound: float) -> float | None:
    """Return the depth from which on the values stay at most the bound, log-linear between depths; None if not yet."""
    above = np.flatnonzero(values > bound)
    if len(above) == 0:
        return float(times[0])
    k = int(above[-1])
    if k + 1 == len(times):
        return None
    before, after = np.log(values[k]), np.log(max(values[k + 1], 1e-300))
    return float(times[k] + (times[k + 1] - times[k]) * (before - np.log(bound)) / (before - after))


def directions(count: int) -> Array:
    """Unit vectors all over a half sphere of dimension count - 1, shape (k, count)."""
    if count == 1:
        return np.ones((1, 1))
    angle = np.pi * np.arange(8) / 8
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def profile(problem: Problem, cloud: Cloud) -> Array:
    """Return quantiles of the measure's projections on `directions` of the coordinates that cluster; (k, levels)."""
    levels = (np.arange(_LEVELS) + 0.5) / _LEVELS
    if problem.dim == 1 and not isinstance(cloud.measure, Empirical):
        along: Array = cloud.measure.quantile(levels)  # type: ignore[attr-defined]  # every law on the line has it
        return along[None, :]
    seen = problem.seen(cloud.points)
    projected = [Empirical(seen @ u[:, None], cloud.weights) for u in directions(seen.shape[1])]
    return np.stack([one.quantile(levels) for one in projected])


def profiles_apart(one: Array, other: Array) -> float:
    """Return the largest W1 between projections on the same line."""
    return float(np.abs(one - other).mean(axis=-1).max())


def hull(problem: Problem, cloud: Cloud) -> Array:
    """Return the support function of the atoms in the coordinates that cluster, both ways along `directions`."""
    seen = problem.seen(cloud.points[cloud.weights > 0])
    along = seen @ directions(seen.shape[1]).T
    return np.concatenate([along.max(axis=0), -along.min(axis=0)])
