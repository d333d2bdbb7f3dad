"""From replicas to numbers: means, slopes with intervals, geometric factors, growth against (6.6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from particles.checks import Array
from studies.convergence.rule import mean_squares, resampled, slopes
from studies.convergence.starts import INDEPENDENT, QUADRATURE, QUANTITIES, corrected, rate

FLOOR = 1e-12  # errors below are rounding


def row(
    quantity: str,
    case: dict[str, Any],
    k: int,
    points: list[tuple[dict[str, Any], dict[str, Any]]],
    resamples: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return the numbers of one quantity, start, dimension and depth from the cases of all n."""
    start, dim, t = case["start"], case["dim"], case["times"][k]
    values = [np.array(result[quantity])[:, k] for _, result in points]
    sizes = np.array([case["n"] for case, _ in points], dtype=float)
    known = [np.array(result["controls"])[: len(own)] for own, (_, result) in zip(values, points, strict=True)]
    estimates = [mean_squares(own[:, None], more) for own, more in zip(values, known, strict=True)]
    squares, errors = (np.array(part)[:, 0] for part in zip(*estimates, strict=True))
    found: dict[str, Any] = {
        "quantity": quantity,
        "start": start,
        "dim": dim,
        "time": t,
        "n": [case["n"] for case, _ in points],
        "replicas": [len(own) for own in values],
        "rms": np.sqrt(squares).tolist(),
        "mean": [float(own.mean()) for own in values],
    }
    if quantity == "field":
        found["finer"] = max(result["finer"][k] / own[0] - 1 for own, (_, result) in zip(values, points, strict=True))
    theory = rate(quantity, start, dim)
    if theory is None:
        return {**found, **_geometric(np.array(found["rms"]), np.rint(sizes ** (1 / dim)))}
    model = corrected(quantity, start, dim)

    def slope(logs: Array) -> float:
        return float(slopes(sizes, logs, errors, model))

    found["slope"] = slope(0.5 * np.log(squares))
    found["corrected"] = model
    found["theory"] = (theory[0](sizes) * found["rms"][0] / theory[0](sizes)[0]).tolist()
    found["theory_slope"] = slope(np.log(theory[0](sizes)))
    if max(found["replicas"]) > 1:
        drawn = np.stack(
            [resampled(own, more, resamples, rng) for own, more in zip(values, known, strict=True)], axis=1
        )
        found["interval"] = np.exp(np.percentile(drawn, [2.5, 97.5], axis=0)).tolist()
        found["slope_interval"] = np.percentile(slopes(sizes, drawn, errors, model), [2.5, 97.5]).tolist()
        found["capped"] = any(
            len(own) == case["most"] and error > case["target"][quantity]
            for own, error, (case, _) in zip(values, errors, points, strict=True)
        )
        if (quantity, start, dim) == ("W2", INDEPENDENT, 2):
            found |= _logarithm(sizes, squares, errors, drawn, t)
    blur = np.array([result["blur"][k] for _, result in points])
    if quantity == "W2" and blur.any():
        found["blur"] = blur.tolist()
        found["ends"] = [slope(0.5 * np.log(squares + sign * blur**2)) for sign in (-1, 1)]
    return found


def _logarithm(sizes: Array, squares: Array, errors: Array, drawn: Array, t: float) -> dict[str, Any]:
    """Return a of n E W2^2 = a log n + b, which at depth 0 is area / (4 pi) (Ambrosio, Stra, Trevisan 2019)."""
    scatter = 2 * errors * sizes * squares
    factors = [slopes(sizes, sizes * own, scatter, False) for own in (squares, np.exp(2 * drawn))]
    return {
        "log_factor": float(factors[0]),
        "log_interval": np.percentile(factors[1], [2.5, 97.5]).tolist(),
        "log_known": 4 / (4 * np.pi) if t == 0 else None,
    }


def _geometric(errors: Array, nodes: Array) -> dict[str, Any]:
    """Return the factor by which a further node along each axis divides the error, and local powers of the nodes."""
    above = errors > FLOOR
    nodes, logs = nodes[above], np.log(errors[above])
    return {
        "factor": float(np.exp(-np.polyfit(nodes, logs, 1)[0])) if len(nodes) > 1 else None,
        "powers": (-np.diff(logs) / np.diff(np.log(nodes))).tolist(),
    }


def rows(
    chosen: list[dict[str, Any]], results: list[dict[str, Any]], resamples: int, rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Yield the rows of all quantities, starts, dimensions and depths."""
    groups: dict[tuple[str, int], list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for case, result in zip(chosen, results, strict=True):
        groups.setdefault((case["start"], case["dim"]), []).append((case, result))
    for key in groups:
        points = sorted(groups[key], key=lambda point: point[0]["n"])
        case = points[0][0]
        for quantity in QUANTITIES:
            own = [point for point in points if quantity in point[0]["target"]]
            for k in range(len(case["times"])):
                yield row(quantity, case, k, own, resamples, rng)
            if quantity == "W2" and case["start"] == QUADRATURE:
                for k in range(len(case["times"])):
                    yield _along(case, k, own)


def _along(case: dict[str, Any], k: int, points: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    errors = np.array([result["along"][k] for _, result in points])
    nodes = np.array([round(case["n"] ** (1 / case["dim"])) for case, _ in points], dtype=float)
    found = _geometric(errors, nodes) if errors.max() > FLOOR else {"factor": None, "powers": []}
    return {
        "quantity": "along",
        **{name: case[name] for name in ("start", "dim")},
        "time": case["times"][k],
        "n": [case["n"] for case, _ in points],
        "replicas": [1] * len(points),
        "rms": errors.tolist(),
        "mean": errors.tolist(),
        **found,
    }


def growth(
    chosen: list[dict[str, Any]],
    results: list[dict[str, Any]],
    bounded: list[tuple[dict[str, Any], dict[str, Any]]],
) -> list[dict[str, Any]]:
    """Return W2(t)/W2(0) over all replicas of independent tokens, and of those with a bound of their own both."""
    found = []
    for dim in sorted({case["dim"] for case, _ in bounded}):
        factors = np.concatenate(
            [
                np.array(result["W2"]) / np.array(result["W2"])[:, :1]
                for case, result in zip(chosen, results, strict=True)
                if (case["start"], case["dim"]) == (INDEPENDENT, dim) and "W2" in case["target"]
            ]
        )
        own = [(case, result) for case, result in bounded if case["dim"] == dim]
        measured, sharp, posterior = (
            np.array([result[key] for _, result in own]) for key in ("measured", "sharp", "a_posteriori")
        )
        prior = np.array(own[0][1]["a_priori"])
        found.append(
            {
                "dim": dim,
                "times": own[0][0]["times"],
                "replicas": len(factors),
                "mean": factors.mean(axis=0).tolist(),
                "largest": factors.max(axis=0).tolist(),
                "bounded n": own[0][0]["n"],
                "measured": measured.tolist(),
                "sharp": np.exp(sharp).tolist(),
                "a_posteriori": np.exp(posterior).tolist(),
                "a_priori_exponent": prior.tolist(),
                "holds": all(_in_order(result) for _, result in own)
                and bool((np.log(factors) <= prior)[:, 1:].all()),  # at depth 0 all are 1
            }
        )
    return found


def _in_order(result: dict[str, Any]) -> bool:
    """Return whether the bounds come in their order but for their errors, and what atoms miss of a density."""
    least, sharp, posterior = (np.array(result[key])[1:] for key in ("least", "sharp", "a_posteriori"))
    errors = {name: np.array(values)[1:] for name, values in result["errors"].items()}
    above = posterior + errors["a_posteriori"]
    return bool((np.log(least) <= sharp + errors["sharp"]).all() and (sharp - errors["sharp"] <= above).all())


def headline(rows: list[dict[str, Any]], growth: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the slopes of independent tokens, the factors of quadrature at the last depth, and whether (6.6) holds."""
    last = max(row["time"] for row in rows)
    return {
        **{
            f"slope of {row['quantity']}, d={row['dim']} t={row['time']:g}": row["slope"]
            for row in rows
            if row["start"] == INDEPENDENT
        },
        **{
            f"quadrature: field error / node, d={row['dim']} t={last:g}": row["factor"]
            for row in rows
            if (row["start"], row["quantity"], row["time"]) == (QUADRATURE, "field", last)
        },
        "growth within (6.6)": all(row["holds"] for row in growth),
    }
