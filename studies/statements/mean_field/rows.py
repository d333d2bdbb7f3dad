"""Rows of the study, one for each measure and method, number of tokens, shape and comparison of two methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from particles.checks import Array
from studies.statements.mean_field.gathered import nearest, profiles_apart
from studies.statements.mean_field.moved import PARTICLES
from studies.statements.mean_field.problems import problems
from studies.statements.mean_field.runs import COMPARED

Pairs = list[tuple[dict[str, Any], dict[str, Any]]]


def _numbers(values: Any) -> Any:
    return np.asarray(values).tolist()


def measure_row(case: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Return what one method says of one measure."""
    problem = problems()[case["problem"]]
    row = {name: case[name] for name in ("problem", "by", "amount")} | {
        "statement": problem.statement,
        "expected": problem.count,
        "width": problem.width,
        **{name: _numbers(result[name]) for name in ("times", "places", "masses", "far", "size")},
        **{name: result[name] for name in ("undecided", "spread", "gathered_at", "place_error", "mass_error", "rise")},
        "come": _numbers(np.sum(result["come"], axis=1)),
    }
    for name in ("divided", "divided_error", "crossing", "across", "edges", "gaps"):
        if result.get(name) is not None:
            row[name] = _numbers(result[name])
    return row


def token_row(case: dict[str, Any], result: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    """Return means over draws, and root mean squares of the distance from the measure's own numbers."""
    problem, target = problems()[case["problem"]], reference[case["problem"]]
    row = {name: case[name] for name in ("problem", "n", "draws")} | {"times": _numbers(result["times"])}
    size = np.asarray(result["size"])
    row |= {"size": _numbers(size.mean(axis=0)), "size_spread": _numbers(size.std(axis=0))}
    if problem.raw:
        limit = np.array(target["size"])[: size.shape[1]]
        return row | {"off_size": float(np.sqrt(np.mean((size[:, -1] / limit[-1] - 1) ** 2)))}
    places = np.array(target["places"])
    masses, far = masses_of(target), np.asarray(result["far"])
    limits = np.asarray(result["limits"])
    which, distance = nearest(places, limits.reshape(-1, limits.shape[2]))
    shares = np.stack([(which.reshape(limits.shape[:2]) == k).mean(axis=1) for k in range(len(places))], axis=1)
    reached = np.asarray(result["gathered_at"])
    row |= {
        "undecided": int((~np.asarray(result["decided"])).sum()),
        "leaders": float(np.mean(result["leaders"])),
        "shares": _numbers(shares.mean(axis=0)),
        "shares_spread": _numbers(shares.std(axis=0)),
        "off_masses": float(np.sqrt(np.mean((shares - masses) ** 2))),
        "off_places": float(np.sqrt(np.mean(distance**2))),
        "gathered_at": [_mean(reached[:, k]) for k in range(reached.shape[1])],
        "gathered_spread": [_spread(reached[:, k]) for k in range(reached.shape[1])],
        "far": _numbers(far.mean(axis=0)),
    }
    if "gaps" in result:
        row["gaps"] = _numbers(np.median(np.asarray(result["gaps"]), axis=0))
    return row


def masses_of(row: dict[str, Any]) -> Array:
    """The masses of the limit points: from the separatrix where there is one to tell them better than the nodes do."""
    return np.array([1 - row["divided"], row["divided"]] if _by_separatrix(row) else row["masses"])


def mass_error_of(row: dict[str, Any]) -> float:
    """How far `masses_of` may be wrong; inf if nothing is known of that."""
    error = row["divided_error"] if _by_separatrix(row) else row["mass_error"]
    return float("inf") if error is None else float(error)


def _by_separatrix(row: dict[str, Any]) -> bool:
    """Whether masses are those on either side of the separatrix.

    On the line nodes have an estimate of W1 to the solution and may be better. Elsewhere their error is the distance to
    a run on half the nodes, which can be small by chance: a node at the divide counts for one side with all its weight.
    """
    if "divided" not in row:
        return False
    known = row["mass_error"] is not None and problems()[row["problem"]].dim == 1
    return not (known and row["mass_error"] <= row["divided_error"])


def _mean(values: Array) -> float | None:
    return float(np.mean(values)) if np.isfinite(values).all() else None


def _spread(values: Array) -> float | None:
    return float(np.std(values)) if np.isfinite(values).all() else None


def shape_row(case: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Return the mean number of leaders and its standard error."""
    counts = np.asarray(result["leaders"], dtype=float)
    error = float(counts.std(ddof=1) / np.sqrt(len(counts))) if len(counts) > 1 else 0.0
    return {
        **{name: case[name] for name in ("shape", "n", "draws")},
        "leaders": float(counts.mean()),
        "error": error,
        "undecided": int(np.sum(result["undecided"])),
    }


def growth(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the slope of log(mean number of leaders) against log n for each shape, with its standard error."""
    found = []
    for shape in dict.fromkeys(row["shape"] for row in rows):
        own = [row for row in rows if row["shape"] == shape]
        if len(own) < 2:
            continue
        x = np.log([row["n"] for row in own])
        y = np.log([row["leaders"] for row in own])
        error = np.array([max(row["error"], 1e-3) / row["leaders"] for row in own])
        x = x - np.average(x, weights=error**-2)
        total = float((x**2 / error**2).sum())
        found.append({"shape": shape, "slope": float((x * y / error**2).sum() / total), "error": total**-0.5})
    return found


def agreement(pairs: Pairs, reference: dict[str, Any]) -> list[dict[str, Any]]:
    """Return how far each grid is from the particles, beside the sum of what both state as their errors."""
    by_particles = {case["problem"]: result for case, result in pairs if case["by"] == PARTICLES}
    rows = []
    for case, result in pairs:
        if case["by"] == PARTICLES:
            continue
        other, target = by_particles[case["problem"]], reference[case["problem"]]
        here, there = np.asarray(result["profiles"]), np.asarray(other["profiles"])
        w1 = [profiles_apart(a, b) for a, b in zip(here, there, strict=True)]
        allowed = [a + b for a, b in zip(result["w1_error"], other["w1_error"], strict=True)]
        row: dict[str, Any] = {
            "problem": case["problem"],
            "by": case["by"],
            "times": [float(result["times"][k]) for k in COMPARED],
        }
        row |= {
            "w1": w1,
            "w1_allowed": allowed,
            "place": None,
            "mass": None,
            "place_allowed": None,
            "mass_allowed": None,
        }
        places = np.asarray(result["places"])
        if len(places) == len(target["places"]) and result["place_error"] is not None:
            which, distance = nearest(places, np.array(target["places"]))
            masses = np.abs(masses_of(target) - np.asarray(result["masses"])[which])
            row |= {
                "place": float(distance.max()),
                "place_allowed": result["place_error"] + (target["place_error"] or 0.0),
            }
            row |= {"mass": float(masses.max()), "mass_allowed": result["mass_error"] + mass_error_of(target) + 1e-9}
        rows.append(row)
    return rows
