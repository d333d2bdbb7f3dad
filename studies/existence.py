"""The scheme of the existence proof (Prop. 6.5): the field held fixed over tau = T/2^k converges as k grows.

For each problem the curve mu^k of `FrozenField(T/2^k)` is compared with that of the particle method on the same nodes,
which is its limit as tau falls: so only the error of holding the field is seen. What is reported is

    sup over t of W1(mu^k_t, mu_t),

on the line exactly, in the plane between the nodes as weighted atoms. Every node is at the same place in both curves at
t = 0, so that the mean distance between its places is a bound from above (on the line up to the error of the rule, as
|x - y| has a kink); the distance of the centres of mass is one from below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

import meanfield
from particles import RK4, Attention, Measure, Raw, Rescaled
from particles.checks import Array
from studies.contract import StudyConfig
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STEPS = 64  # of RK4, over the whole depth: an error below 1e-7, and none of it between curves on the same steps

LAWS = {"raw": Raw, "rescaled": Rescaled}
TITLES = {
    "line, uniform": "uniform on [-1, 1], V = B = 1",
    "line, smooth": "two hills on [-1, 1], V = B = 1",
    "plane, uniform": "uniform on the square, B and V not symmetric",
    "plane, smooth": "a hill off the centre of the square, B and V not symmetric",
}


class Config(StudyConfig):
    """Sizes of the existence study."""

    depth: float = Field(1.0, gt=0)
    times: int = Field(9, ge=2)
    halvings: int = Field(7, ge=2)
    nodes: tuple[int, int] = (32, 12)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, times=33, halvings=10, nodes=(96, 24))


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each problem and form of the law; those in the plane come first."""
    return [
        {
            "problem": name,
            "law": law,
            "times": np.linspace(0, config.depth, config.times).tolist(),
            "halvings": config.halvings,
            "nodes": config.nodes[name.startswith("plane")],
        }
        for name in reversed(TITLES)
        for law in LAWS
    ]


def problem(name: str) -> tuple[Attention, Measure]:
    """Return attention and initial measure of one of the problems."""
    if name.startswith("line"):
        attention = Attention(Q=[[1.0]], K=[[1.0]], V=[[1.0]])
        if name == "line, uniform":
            return attention, meanfield.Uniform([-1.0], [1.0])
        hills = meanfield.Smooth.normalised(lambda x: 1 + 0.8 * np.cos(2 * np.pi * x[:, 0] - 0.7), [-1.0], [1.0])
        return attention, hills
    attention = Attention(Q=np.eye(2), K=[[1.0, 0.4], [-0.3, 0.8]], V=[[0.8, -0.5], [0.6, 0.4]])
    if name == "plane, uniform":
        return attention, meanfield.Uniform([-1.0, -1.0], [1.0, 1.0])
    return attention, meanfield.Smooth.normalised(_hill, [-1.0, -1.0], [1.0, 1.0])


def _hill(x: Array) -> Array:
    return np.exp(-2 * ((x - np.array([0.3, -0.2])) ** 2).sum(axis=1))


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return the distances from the limit for each tau, at the depth where they are largest."""
    attention, start = problem(case["problem"])
    law, times = LAWS[case["law"]](attention), np.array(case["times"])
    stepper = RK4(float(times[-1]) / _STEPS)
    particles = meanfield.ParticleMethod(n=case["nodes"], stepper=stepper)
    limit = meanfield.solve(law, start, times, method=particles)
    rows: dict[str, list[float]] = {"tau": [], "W1": [], "above": [], "below": [], "at": []}
    for k in range(case["halvings"] + 1):
        tau = float(times[-1]) / 2**k
        curve = meanfield.solve(law, start, times, method=meanfield.FrozenField(tau, particles))
        apart = np.array([_distances(mu, nu) for mu, nu in zip(curve.measures, limit.measures, strict=True)])
        worst = int(np.argmax(apart[:, 0]))
        found = (tau, *apart[worst], times[worst])
        for key, value in zip(("tau", "W1", "above", "below", "at"), found, strict=True):
            rows[key].append(float(value))
    return rows


def _distances(mu: Measure, nu: Measure) -> tuple[float, float, float]:
    """Return W1 and its bounds: the mean distance between the nodes' places, and the distance of their means."""
    assert isinstance(mu, meanfield.PushForward) and isinstance(nu, meanfield.PushForward)
    steps = mu.nodes.points - nu.nodes.points
    above = float(mu.nodes.weights @ np.linalg.norm(steps, axis=1))
    below = float(np.linalg.norm(mu.nodes.weights @ steps))
    on_line = mu.dim == 1
    distance = meanfield.wasserstein(mu if on_line else mu.nodes, nu if on_line else nu.nodes, p=1)
    return distance, above, below


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return distances, observed orders and the least-squares slope over the last four halvings."""
    rows = [
        {
            "problem": case["problem"],
            "law": case["law"],
            **result,
            "orders": np.log2(np.array(result["W1"][:-1]) / np.array(result["W1"][1:])).tolist(),
            "slope": _slope(result["tau"][-4:], result["W1"][-4:]),
        }
        for case, result in zip(cases(config), results, strict=True)
    ]
    rows.sort(key=lambda row: (list(TITLES).index(row["problem"]), list(LAWS).index(row["law"])))
    return {
        "rows": rows,
        "depth": config.depth,
        "headline": {
            "every_halving_helps": all(min(row["orders"]) > 0 for row in rows),
            "least_slope": min(row["slope"] for row in rows),
            "largest_slope": max(row["slope"] for row in rows),
            **{f"{row['problem']}, {row['law']}": row["W1"][-1] for row in rows},
        },
    }


def _slope(tau: list[float], errors: list[float]) -> float:
    return float(np.polyfit(np.log(tau), np.log(errors), 1)[0])


def table(summary: dict[str, Any]) -> str:
    """Return a row for each problem, law and tau."""
    rows = []
    for row in summary["rows"]:
        for k in range(len(row["tau"])):
            label = f"{row['problem']}, {row['law']}" if k == 0 else ""
            order = f"{row['orders'][k - 1]:.2f}" if k else ""
            numbers = [f"{row[key][k]:.3e}" for key in ("below", "W1", "above")]
            rows.append([label, f"T/{2**k}", *numbers, f"{row['at'][k]:.3g}", order])
    heading = ["problem", "tau", "at least", "sup W1", "at most", "at t", "order"]
    slopes = [f"{row['problem']}, {row['law']}: slope {row['slope']:.3f}" for row in summary["rows"]]
    title = f"Field held over tau, T = {summary['depth']:g}: sup over t of W1 from the limit"
    return "\n".join([title, text_table(heading, rows), "Slopes over the last four", *slopes])


def figure(summary: dict[str, Any]) -> Figure:
    """Return sup W1 against tau, one panel for each problem, with lines of slope 1."""
    from matplotlib.figure import Figure  # workers do not draw

    drawing = Figure(figsize=(9.2, 7.2), layout="constrained")
    panels = dict(zip(TITLES, drawing.subplots(2, 2, sharex=True).ravel(), strict=True))
    for row in summary["rows"]:
        axes, first = panels[row["problem"]], row["law"] == "raw"
        tau, errors = np.array(row["tau"]), np.array(row["W1"])
        color, marker = ("C0", "o") if first else ("C1", "s")
        axes.loglog(tau, errors, marker + "-", color=color, ms=4.5, label=f"{row['law']}: slope {row['slope']:.2f}")
        label = None if first else "slope 1"
        axes.loglog(tau, errors[-1] * tau / tau[-1], ":", color="0.45", lw=1.1, zorder=1, label=label)
    for name, axes in panels.items():
        axes.set_xscale("log", base=2)
        axes.set_title(TITLES[name], fontsize=9.5)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8.5, loc="lower right")
    for axes in list(panels.values())[2:]:
        axes.set_xlabel("tau: how long the field is held")
    for axes in list(panels.values())[::2]:
        axes.set_ylabel("sup over t of W1 from the limit")
    drawing.suptitle("Prop. 6.5: curves in frozen fields converge as the field is renewed more often")
    return drawing
