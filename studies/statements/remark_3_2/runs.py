"""The runs behind Remark 3.2: distances to the limit, shares of tokens that are clustered, and depths t*."""

from __future__ import annotations

from typing import Any

import numpy as np

from particles import Adaptive, Attention, Rescaled, solve
from particles.checks import Array
from particles.march import FINISHED
from particles.settled import SETTLED, settle
from particles.spectrum import good_triple, good_triple_with_multiplicity
from studies.statements.mean_field.moved import leaders, moved

FAMILIES = ("V = I, d = 2", "V = I, d = 3", "good triple, d = 2", "good triple, d = 3", "multiplicity 2, d = 3")
NEAR = 0.05  # of the box's width: a token so near to its limit is clustered
RADIUS = 5.0  # the paper's: tokens uniform on [-5, 5]^d
_AFTER = 5.0  # times 1 / lambda after t*: there the exponent is fitted
_DEPTH = 12.0
_STEP = 0.25
_STEPPER = Adaptive(rtol=1e-6, atol=1e-8)


def drawn(family: str, rng: np.random.Generator) -> tuple[Attention, Array, float]:
    """Return a random attention of a family, the map (c, d) to the coordinates that cluster, and lambda."""
    d = int(family[-1])
    if family.startswith("V = I"):
        return Attention(Q=np.eye(d), K=np.eye(d), V=np.eye(d)), np.eye(d), 1.0
    if family.startswith("good"):
        while True:
            attention = Attention(Q=np.eye(d), K=np.eye(d), V=rng.random((d, d)))
            found = good_triple(attention)
            if found.holds:
                return attention, (found.left / np.linalg.norm(found.left))[None, :], found.value
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    root = np.eye(d) + 0.3 * rng.standard_normal((d, d))
    attention = Attention(Q=root, K=root, V=turn @ np.diag([1.0, 1.0, -0.5]) @ turn.T)
    triple = good_triple_with_multiplicity(attention)
    return attention, triple.basis.T @ triple.onto, triple.value


def rate(case: dict[str, Any]) -> dict[str, Any]:
    """Return the largest distance to the limit over depth, and the exponent and delay fitted to it."""
    rng = np.random.default_rng(case["seed"])
    attention, onto, value = drawn(case["family"], rng)
    tokens = rng.uniform(-RADIUS, RADIUS, (case["n"], attention.dim))
    end = settle(attention, tokens)
    if end.status != SETTLED:
        return {"settled": False, "value": value, "message": end.message}
    times = np.linspace(0, end.depth + _AFTER / value, 81)
    path = solve(Rescaled(attention), tokens, times, stepper=_STEPPER)
    if path.status != FINISHED:
        return {"settled": False, "value": value, "message": path.message}
    limit = end.limit @ onto.T
    distance = np.linalg.norm(path.points @ onto.T - limit, axis=2)
    farthest = distance.max(axis=1)
    after = times >= end.depth
    slope, intercept = np.polyfit(times[after], np.log(farthest[after]), 1)
    return {
        "settled": True,
        "value": value,
        "depth": end.depth,
        "leaders": len(end.leading),
        "exponent": -slope / value,
        "delay": float((intercept - np.log(farthest[0])) / value),
        "times": times,
        "farthest": farthest / farthest[0],
    }


def _plane() -> Attention:
    return Attention(Q=np.eye(2), K=np.eye(2), V=np.eye(2))


def few(case: dict[str, Any]) -> dict[str, Any]:
    """Return for each radius the share of tokens clustered at each depth, and how much a later start differs."""
    rng = np.random.default_rng(case["seed"])
    unit = rng.uniform(-1, 1, (case["replicas"], case["n"], 2))
    law, times = Rescaled(_plane()), np.arange(round(_DEPTH / _STEP) + 1, dtype=np.float64) * _STEP
    share = np.zeros((len(case["radii"]), len(times)))
    undecided: list[int] = []
    lead: list[float | None] = []
    shift: list[float] = []
    for row, radius in enumerate(case["radii"]):
        # whom all follow shows later for small tokens: see t* in the package's docstring
        end = _DEPTH + 1.0 + 2.0 * max(0.0, -float(np.log(radius)))
        path = moved(law, radius * unit, np.append(times, end)) / radius
        first, decided = leaders(law, end, radius * path[:, -1])
        limit = np.take_along_axis(path[:, -1], first[..., None], axis=1)
        near = np.linalg.norm(path[:, :-1] - limit[:, None], axis=3) <= NEAR * 2
        share[row] = (near & decided[:, None]).mean(axis=(0, 2))
        undecided.append(int((~decided).sum()))
        counts = [len(np.unique(each)) for each, sure in zip(first, decided, strict=True) if sure.all()]
        lead.append(float(np.mean(counts)) if counts else None)
        shift.append(_shifted(law, unit[0], radius))
    return {"times": times, "share": share, "undecided": undecided, "leaders": lead, "shift": shift}


def _shifted(law: Rescaled, zeta: Array, radius: float) -> float:
    """Return how far tokens of radius r are at depth 2 from those of radius 1 started at depth log r, in units of r."""
    later = solve(law, zeta, [np.log(radius), np.log(radius) + 2.0])
    scaled = solve(law, radius * zeta, [0.0, 2.0])
    return float(np.abs(scaled.points[-1] / radius - later.points[-1]).max())


def late(case: dict[str, Any]) -> dict[str, Any]:
    """Return t* of the same tokens at each radius; NaN where not all are decided."""
    unit = np.random.default_rng(case["seed"]).uniform(-1, 1, (case["n"], 2))
    found = [settle(_plane(), radius * unit) for radius in case["radii"]]
    depth = [each.depth if each.status == SETTLED else np.nan for each in found]
    return {"depth": np.array(depth), "leaders": [len(each.leading) for each in found]}
