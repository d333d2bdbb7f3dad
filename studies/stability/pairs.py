"""The value matrices and the pairs of initial measures of the study.

A pair is a coupling, given in about any number of pairs, and where both sides have a density the two densities:

    shift      the uniform law on a box and its shift by a fifth of the half side
    dilation   ... and on a box 1.25 times as large
    mixture    ... and its mixture in equal shares with a raised cosine, in the plane and in space axis by axis
    rotation   the nodes of an oblong box, turned by 30 degrees; on the line a lopsided density and its mirror image
    samples    two samples of the uniform law on the box
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

import meanfield
from meanfield.coupling import Coupling, optimal_coupling
from meanfield.quadrature import TensorRule
from particles import Attention, Dynamics, Empirical, Measure, Raw, Rescaled
from particles.checks import Array

_SYMMETRIC = [
    [0.92761287, 0.94333073, 0.3827744],
    [0.94333073, 0.59991396, 0.47825472],
    [0.3827744, 0.47825472, 0.46668605],
]
PUBLISHED = {
    "Fig. 6": [[0.64709742, 0.81911926], [0.61210449, 0.63263484]],
    "Fig. 7": _SYMMETRIC,
    "Fig. 12": [
        [0.18608476, 0.34391026, 0.13905949],
        [0.35244288, 0.6694859, 0.39992145],
        [0.46685606, 0.17094454, 0.42092308],
    ],
    "Fig. 13": [
        [0.2362413, 0.0599536, 0.40506019],
        [0.81321448, 0.49948705, 0.33754772],
        [0.2160645, 0.38505272, 0.14588075],
    ],
}
VALUES = {1: ("I", "-I"), 2: ("I", "-I", "Fig. 6"), 3: ("I", "-I", "Fig. 7", "Fig. 12", "Fig. 13")}
LAWS = {"raw": Raw, "rescaled": Rescaled}
PAIRS = ("shift", "dilation", "rotation", "mixture", "samples")

_SHIFT, _DILATION, _ANGLE, _LOPSIDED = 0.2, 1.25, np.pi / 6, 0.6


def law_of(law: str, value: str, dim: int) -> Dynamics:
    """Return the law with Q = K = I and a value matrix by its name."""
    eye = np.eye(dim)
    V = {"I": eye, "-I": -eye}[value] if value in ("I", "-I") else np.array(PUBLISHED[value])
    return LAWS[law](Attention(Q=eye, K=eye, V=V))


@dataclass(frozen=True, eq=False)
class Start:
    """A pair of initial measures: a coupling in about so many pairs, and the densities if there are any."""

    couple: Callable[[int], Coupling]
    densities: tuple[Measure, Measure] | None
    radius: float


def start_of(pair: str, dim: int, radius: float, count: int, seed: int) -> Start:
    """Return one of the pairs on the box of the given half side; `count` is the number of atoms where there are any."""
    half = np.full(dim, radius)
    box = meanfield.Uniform(-half, half)
    if pair == "shift":
        step = _SHIFT * radius * np.eye(dim)[0]
        return _of_densities(box, meanfield.Uniform(-half + step, half + step))
    if pair == "dilation":
        return _of_densities(box, meanfield.Uniform(-_DILATION * half, _DILATION * half))
    if pair == "mixture":
        mixture = meanfield.Smooth(
            lambda x: np.prod(1 + 0.5 * np.cos(np.pi * x / radius), axis=1) / np.prod(2 * half), -half, half
        )
        return _of_densities(box, mixture, lambda count: _mixed(half, count))
    if pair == "rotation" and dim == 1:
        one, other = (
            meanfield.Smooth(partial(_lopsided, sign * _LOPSIDED / radius, radius), -half, half) for sign in (1, -1)
        )
        return _of_densities(one, other)
    left, right = _turned(half, count) if pair == "rotation" else _samples(half, count, seed)
    plan = optimal_coupling(left, right)
    reach = max(float(np.linalg.norm(side.points, axis=1).max()) for side in (left, right))
    return Start(lambda _: plan, None, reach)


def _lopsided(slope: float, radius: float, x: Array) -> Array:
    return (1 + slope * x[:, 0]) / (2 * radius)


def _of_densities(mu: Measure, nu: Measure, couple: Callable[[int], Coupling] | None = None) -> Start:
    reach = max(float(np.linalg.norm(np.maximum(-side.lower, side.upper))) for side in (mu, nu))  # type: ignore[attr-defined]
    return Start(couple or (lambda count: optimal_coupling(mu, nu, count)), (mu, nu), reach)


def _mixed(half: Array, count: int) -> Coupling:
    """The uniform law and the mixture, coupled axis by axis by their quantiles: y = x + (R / 2 pi) sin(pi y / R)."""
    rule = TensorRule.on_box(-half, half, max(2, round(count ** (1 / len(half)))))
    u, y = rule.points / half, rule.points / half
    for _ in range(60):  # Newton's method for y + sin(pi y) / (2 pi) = u, whose slope is at least 1/2
        y = y - (y + np.sin(np.pi * y) / (2 * np.pi) - u) / (1 + 0.5 * np.cos(np.pi * y))
    return Coupling(rule.points, y * half, rule.weights / rule.weights.sum())


def _turned(half: Array, count: int) -> tuple[Empirical, Empirical]:
    sides = half.copy()
    sides[1:] *= 0.5
    rule = TensorRule.on_box(-sides, sides, max(3, round(count ** (1 / len(half)))))
    turn = np.eye(len(half))
    turn[:2, :2] = [[np.cos(_ANGLE), -np.sin(_ANGLE)], [np.sin(_ANGLE), np.cos(_ANGLE)]]
    weights = rule.weights / rule.weights.sum()
    return Empirical(rule.points, weights), Empirical(rule.points @ turn.T, weights)


def _samples(half: Array, count: int, seed: int) -> tuple[Empirical, Empirical]:
    rng = np.random.default_rng(seed)
    return Empirical(rng.uniform(-half, half, (count, len(half)))), Empirical(
        rng.uniform(-half, half, (count, len(half)))
    )
