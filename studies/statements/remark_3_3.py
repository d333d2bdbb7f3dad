"""Discrete time (Remark 3.3): x^{k+1} = x^k + dt P V x^k from dt = 1, as in a Transformer, down to 0.01 or 0.001.

The remark says that with R = I + dt V invertible and z^k = R^{-k} x^k the proofs carry over. For the same tokens the
limits of discrete and continuous time are compared: who leads, how many clusters there are, how far apart they lie,

    V = I                the limit polytopes, whose distance should fall like dt;
    good triples         the values of phi_1^* at the limits, at most three (Theorem 4.2); R^{-1} must exist;
    V = -I               everything falls to the origin (Theorem 8.5). There R = (1 - dt) I: at dt = 1, a
                         Transformer's own step, it is 0, and no rescaled system exists; the raw one does.

Steps go on to where leaders are certain, from where the motion is known in closed form (`discrete`): R^{2k} need not
stay in the range of double precision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from particles import Attention, Euler, Rescaled, solve
from particles.checks import Array
from particles.geometry import Hull, clusters
from particles.settled import settle
from studies.contract import StudyConfig
from studies.statements import draws
from studies.statements.discrete import settle_steps, stepped
from studies.statements.remark_3_3_results import DEPTH, ROUNDING, draw_figure, judge, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Config", "cases", "figure", "run_case", "summary", "table"]

_DTS = (1.0, 0.5, 0.1, 0.01)
_SHAPES = ((2, 40, 1.0), (1, 40, 5.0), (2, 40, 5.0), (3, 40, 5.0), (1, 40, 1.0), (3, 10, 2.0))  # d, n, box with V = I
_FALLS = ((2, 1), (40, 2), (5, 3), (40, 1))  # n, d with V = -I
_FALLING = (1.0, 0.5, 0.1, 2.5)  # their steps; the last is past the end of stability, dt = 2
_UNTIL = 15.0  # times 1/lambda: where a good triple is given up as undecided
_SAME = 1e-6  # of the size of the tokens: values this close are one
_WATCHED = 12  # steps over which the hull and the distances are watched


class Config(StudyConfig):
    """Sizes of the study of Remark 3.3."""

    polytopes: int = Field(4, ge=1)
    triples: int = Field(3, ge=1)
    falls: int = Field(4, ge=1)
    dts: tuple[float, ...] = Field(_DTS, min_length=2)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, polytopes=100, triples=100, falls=100, dts=(1.0, 0.5, 0.2, 0.1, 0.01, 0.001))


def cases(config: Config) -> list[dict[str, Any]]:
    """Return draws with V = I, with good triples and with V = -I."""
    shapes = len(_SHAPES)
    return [
        *(
            {"task": "polytope", "shape": k % shapes, "dts": config.dts, "seed": [config.seed, 0, k]}
            for k in range(config.polytopes)
        ),
        *(
            {"task": "triple", "dim": 2 + k % 2, "dts": config.dts, "seed": [config.seed, 1, k]}
            for k in range(config.triples)
        ),
        *({"task": "fall", "shape": k % len(_FALLS), "seed": [config.seed, 2, k]} for k in range(config.falls)),
    ]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return one draw's numbers."""
    return {"task": case["task"], **_TASKS[case["task"]](case, np.random.default_rng(case["seed"]))}


def _polytope(case: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Compare the limits of discrete and continuous time for V = Q = K = I."""
    d, n, radius = _SHAPES[case["shape"]]
    eye = np.eye(d)
    attention, tokens = Attention(eye, eye, eye), draws.tokens(rng, n, d, radius)
    late = settle(attention, tokens)
    base = {"n": n, "dim": d, "decided": late.status == "settled", "tokens": tokens, "limit": late.limit}
    rows = []
    for dt in case["dts"]:
        found = settle_steps(attention, tokens, dt)
        row = {
            "dt": dt,
            "decided": found.decided and base["decided"],
            "steps": found.steps,
            "limit": found.limit.tolist(),
        }
        if row["decided"]:
            row |= {
                "same": int((found.leaders == late.leaders).sum()),
                "leaders": len(np.unique(found.leaders)),
                "boolean": bool((np.diff(found.leaders[np.argsort(tokens[:, 0])]) != 0).sum() <= 1) if d == 1 else None,
                "token_distance": float(np.linalg.norm(found.limit - late.limit, axis=1).max()),
                "hull_distance": _apart(found.limit, late.limit),
                "widening": _widening(attention, tokens, dt, rng),
                "rescaled_error": _against_package(attention, tokens, dt, found.limit, found.steps),
            }
        rows.append(row)
    return {**base, "leaders": len(late.leading), "rows": rows}


def _apart(one: Array, other: Array) -> float:
    """Return the Hausdorff distance of two hulls."""
    return float(max(Hull(one).distance(other).max(), Hull(other).distance(one).max()))


def _widening(attention: Attention, x: Array, dt: float, rng: np.random.Generator) -> list[float]:
    """Return by how much hull z^k widens in any of 64 directions, and |x_i - x_j| falls, over some steps; relative."""
    directions = rng.standard_normal((64, attention.dim))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    wider = closer = -np.inf
    for _ in range(_WATCHED):
        after = stepped(attention, x, dt)
        scale = np.abs(after).max()
        before, now = ((at @ directions.T).max(axis=0) for at in (x * (1 + dt), after))
        wider = max(wider, float((now - before).max() / scale))
        apart = [np.linalg.norm(at[:, None] - at, axis=2) for at in (x, after)]
        closer = max(closer, float((apart[0] - apart[1]).max() / scale))
        x = after
    return [wider, closer]


def _against_package(attention: Attention, tokens: Array, dt: float, limit: Array, steps: int) -> float:
    """Return how far `Rescaled(attention, dt)` is later on from the closed form, over the size of the tokens."""
    times = [0.0, steps * dt, (steps + 20) * dt]
    there = solve(Rescaled(attention, dt), tokens, times, stepper=Euler(dt)).points
    shrunk = (there[1] - limit) * (1 + dt) ** -20.0
    return float(np.abs(there[2] - limit - shrunk).max() / np.abs(tokens).max())


def _triple(case: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Compare the values of phi_1^* for a good triple."""
    d, n = case["dim"], 12
    V = draws.good_triple_values(rng, d)
    attention, tokens = draws.attention(draws.positive_definite(rng, d), V), draws.tokens(rng, n, d)
    values, vectors = np.linalg.eig(V.T)
    first = int(np.argmax(values.real))
    value, left = float(values[first].real), vectors[:, first].real
    late = settle(attention, tokens, until=_UNTIL / value)
    rows = []
    for dt in case["dts"]:
        found = settle_steps(attention, tokens, dt, until=_UNTIL / value)
        row: dict[str, Any] = {"dt": dt, "decided": found.decided, "least_r": float(np.abs(1 + dt * values).min())}
        if found.decided:
            row["values"] = _distinct(found.limit @ left)
            if late.status == "settled":
                row["moved"] = int((np.abs((found.limit - late.limit) @ left) > 0.5 * np.ptp(late.limit @ left)).sum())
                row["distance"] = _apart((found.limit @ left)[:, None], (late.limit @ left)[:, None])
        rows.append(row)
    return {"dim": d, "n": n, "decided": late.status == "settled", "value": value, "rows": rows}


def _distinct(values: Array) -> int:
    return int(clusters(values[:, None], _SAME * float(np.abs(values).max())).max()) + 1


def _fall(case: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Follow the raw tokens for V = -I."""
    n, d = _FALLS[case["shape"]]
    attention, start = Attention(np.eye(d), np.eye(d), -np.eye(d)), draws.tokens(rng, n, d)
    rows = []
    for dt in _FALLING:
        x, sizes, largest, rises = start, [float(np.linalg.norm(start, axis=1).max())], 0.0, 0
        energy = np.inf
        for _ in range(round(DEPTH / dt)):
            x = stepped(attention, x, dt)
            sizes.append(float(np.linalg.norm(x, axis=1).max()))
            exponents = x @ x.T
            after = float(exponents.max() + np.log(np.exp(exponents - exponents.max()).sum()))
            rises += after > energy + ROUNDING * max(1.0, abs(energy))
            energy, largest = after, max(largest, sizes[-1])
            if largest > 1e6:
                break
        rows.append(
            {
                "dt": dt,
                "sizes": sizes[:: max(1, len(sizes) // 400)],
                "every": max(1, len(sizes) // 400),
                "last": sizes[-1],
                "scaled": sizes[-1] * float(np.sqrt(2 * DEPTH / n)),
                "bound_held": bool(largest <= max(sizes[0], np.sqrt(2 * n)) * (1 + ROUNDING)),
                "rises_of_l": int(rises),
            }
        )
    return {"n": n, "dim": d, "rows": rows}


_TASKS = {"polytope": _polytope, "triple": _triple, "fall": _fall}


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what was found for each step, and the verdicts."""
    polytopes, triples, falls = ([r for r in results if r["task"] == task] for task in _TASKS)
    steps = [_of_step(dt, polytopes, triples) for dt in config.dts]
    falling = [
        {
            "dt": dt,
            "largest": max(f["rows"][k]["last"] for f in falls),
            "scaled": max(f["rows"][k]["scaled"] for f in falls),
            "rises": sum(f["rows"][k]["rises_of_l"] for f in falls),
            "bound_held": all(f["rows"][k]["bound_held"] for f in falls),
        }
        for k, dt in enumerate(_FALLING)
    ]
    orders = [_order([row for row in p["rows"] if row.get("same") == p["n"]]) for p in polytopes]
    known = [order for order in orders if order is not None]
    plane = next((p for p in polytopes if p["dim"] == 2), None)
    shown = None
    if plane is not None:
        shown = {
            "tokens": np.asarray(plane["tokens"]).tolist(),
            "limit": np.asarray(plane["limit"]).tolist(),
            "limits": [{"dt": row["dt"], "limit": row["limit"]} for row in plane["rows"]],
        }
    return {
        "steps": steps,
        "rows": [[{key: row.get(key) for key in ("dt", "hull_distance")} for row in p["rows"]] for p in polytopes],
        "shown": shown,
        "falling": falling,
        "falls": [{"n": f["n"], "dim": f["dim"], "rows": f["rows"]} for f in falls],
        "verdicts": [v.record() for v in judge(polytopes, triples, falls, steps, falling, orders)],
        "headline": {
            "order in dt of the distance of the limit polytopes": [min(known), max(known)] if known else None,
            "distance at dt = 1": steps[0]["largest_hull_distance"],
            "tokens with another leader at dt = 1, V = I": steps[0]["other_leaders"],
            "tokens on another hyperplane at dt = 1, good triples": steps[0]["moved"],
            "largest |x| at the end for V = -I": {f"{fall['dt']:g}": fall["largest"] for fall in falling},
        },
    }


def _order(rows: list[dict[str, Any]]) -> float | None:
    """Return the exponent of dt between the last step and the one nearest to ten times it, with the same leaders."""
    if len(rows) < 2:
        return None
    last = rows[-1]
    first = min(rows[:-1], key=lambda row: abs(np.log(row["dt"] / (10 * last["dt"]))))
    return float(np.log(first["hull_distance"] / last["hull_distance"]) / np.log(first["dt"] / last["dt"]))


def _of_step(dt: float, polytopes: list[dict[str, Any]], triples: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what was found at one step, over all draws."""
    found = [(p, row) for p in polytopes for row in p["rows"] if row["dt"] == dt and row["decided"]]
    lines = [row for p in triples for row in p["rows"] if row["dt"] == dt and row["decided"]]
    both = [row for row in lines if "moved" in row]
    return {
        "dt": dt,
        "decided": len(found),
        "same_leaders": sum(row["same"] == p["n"] for p, row in found),
        "other_leaders": sum(p["n"] - row["same"] for p, row in found),
        "same_number": sum(row["leaders"] == p["leaders"] for p, row in found),
        "largest_hull_distance": max((row["hull_distance"] for _, row in found), default=None),
        "triples": len(lines),
        "most_values": max((row["values"] for row in lines), default=None),
        "moved": sum(row["moved"] for row in both),
        "same_side": sum(row["moved"] == 0 for row in both),
        "compared": len(both),
    }


def figure(summary: dict[str, Any]) -> Figure:
    """Return the limit polytopes of one draw, their distance against dt, and |x| for V = -I."""
    return draw_figure(summary)
