"""How fast n tokens approach the mean-field limit: W2(mu^n_t, mu_t) for independent tokens of (1.1).

The limit mu_t is the deterministic quadrature solution. On the line its quantile function is known to many digits
and W2 is exact; in the plane it is put into cells, whose W2 error is bounded and stated.

For n independent draws from a density bounded below, E W2 is of order n^{-1/2} in d = 1 and (log n / n)^{1/2} in
d = 2 (Ajtai, Komlos, Tusnady 1984; Fournier, Guillin 2015; slower rates are possible for other laws); by (6.6) the
same rates hold at every depth.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

import meanfield
from particles import Adaptive, Attention, Measure, Raw, solve
from particles.checks import Array
from studies.contract import StudyConfig
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATES: dict[int, Callable[[Array], Array]] = {1: lambda n: n**-0.5, 2: lambda n: np.sqrt(np.log(n) / n)}
RATE_NAMES = {1: "n^{-1/2}", 2: "(\\log n / n)^{1/2}"}

_LIMIT_NODES = {1: 48, 2: 20}
_STEPPER = Adaptive(rtol=1e-6, atol=1e-8)  # four digits below the least W2


class Config(StudyConfig):
    """Sizes of the convergence study: tokens n = 2^5 up to 2^powers[d - 1]."""

    times: tuple[float, ...] = (0.0, 0.5, 1.0)
    powers: tuple[int, int] = (12, 10)
    replicas: tuple[int, int] = (32, 16)
    per_case: int = Field(4, ge=1)
    cells: int = Field(48, ge=2)
    resamples: int = Field(2000, ge=100)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, times=(0.0, 0.5, 1.0, 2.0), replicas=(128, 64), cells=64, resamples=10000)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return a case for each dimension, n and block of replicas; the largest come first."""
    sizes = [(dim, 2**k) for dim, top in enumerate(config.powers, start=1) for k in range(5, top + 1)]
    sizes.sort(key=lambda size: -size[1] * (4 if size[0] == 2 else 1))
    return [
        {
            "dim": dim,
            "n": n,
            "replicas": list(range(first, min(first + config.per_case, config.replicas[dim - 1]))),
            "times": list(config.times),
            "cells": config.cells,
            "seed": config.seed,
        }
        for dim, n in sizes
        for first in range(0, config.replicas[dim - 1], config.per_case)
    ]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return W2(mu^n_t, mu_t), a row for each replica and a column for each depth."""
    dim, n, times = case["dim"], case["n"], tuple(case["times"])
    targets, bounds = limit(dim, times, case["cells"])
    start = initial(dim)
    distances = []
    for replica in case["replicas"]:
        rng = np.random.default_rng([case["seed"], dim, n, replica])
        path = solve(law(dim), start.sample(n, rng), times, stepper=_STEPPER)
        distances.append([meanfield.wasserstein(path[k], target) for k, target in enumerate(targets)])
    return {"distances": distances, "limit_bounds": bounds}


def law(dim: int) -> Raw:
    """Return (1.1) with Q = K = V = I."""
    eye = np.eye(dim)
    return Raw(Attention(Q=eye, K=eye, V=eye))


def initial(dim: int) -> meanfield.Uniform:
    """Return the uniform law on [-1, 1]^d."""
    return meanfield.Uniform(-np.ones(dim), np.ones(dim))


@lru_cache(maxsize=4)
def limit(dim: int, times: tuple[float, ...], cells: int) -> tuple[list[Measure], list[float]]:
    """Return mu_t at each depth as W2 is to be measured against it, and bounds on the error of that."""
    curve = meanfield.solve(law(dim), initial(dim), times, method=meanfield.ParticleMethod(n=_LIMIT_NODES[dim]))
    if dim == 1:
        return [curve[k] for k in range(len(times))], [0.0] * len(times)
    images = [curve[k] for k in range(len(times))]
    put = [image.quantised(cells) for image in images if isinstance(image, meanfield.PushForward)]
    return [atoms for atoms, _ in put], [bound for _, bound in put]


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return mean distances with intervals, fitted slopes with intervals, and the theory's slope beside them."""
    rng = np.random.default_rng(config.seed)
    rows = []
    for dim in range(1, len(config.powers) + 1):
        sizes, distances, bounds = _gathered(config, results, dim)
        for k, t in enumerate(config.times):
            rows.append(_row(dim, t, sizes, distances[:, :, k], bounds[k], config.resamples, rng))
    return {
        "rows": rows,
        "headline": {f"slope d={row['dim']} t={row['time']:g}": row["slope"] for row in rows},
    }


def _gathered(config: Config, results: list[dict[str, Any]], dim: int) -> tuple[Array, Array, list[float]]:
    """Return the sizes n (s,), distances (s, replicas, times) and the limit's bounds of one dimension."""
    by_size: dict[int, list[list[float]]] = {}
    bounds: list[float] = []
    for case, result in zip(cases(config), results, strict=True):
        if case["dim"] == dim:
            by_size.setdefault(case["n"], []).extend(result["distances"])
            bounds = result["limit_bounds"]
    sizes = sorted(by_size)
    return np.array(sizes), np.array([by_size[n] for n in sizes]), bounds


def _row(
    dim: int, t: float, sizes: Array, distances: Array, bound: float, resamples: int, rng: np.random.Generator
) -> dict[str, Any]:
    means = distances.mean(axis=1)
    drawn = _bootstrap_means(distances, resamples, rng)
    slopes = _slope(sizes, drawn)
    low, high = np.percentile(slopes, [2.5, 97.5])
    theory = RATES[dim](sizes.astype(float))
    return {
        "dim": dim,
        "time": t,
        "replicas": distances.shape[1],
        "n": sizes.tolist(),
        "mean": means.tolist(),
        "interval": np.percentile(drawn, [2.5, 97.5], axis=0).tolist(),
        "slope": float(_slope(sizes, means)),
        "slope_interval": [float(low), float(high)],
        "theory_slope": float(_slope(sizes, theory)),
        "theory": (theory * means[0] / theory[0]).tolist(),
        "limit_bound": bound,
    }


def _bootstrap_means(distances: Array, resamples: int, rng: np.random.Generator) -> Array:
    """Return means over replicas drawn with replacement, for each n by itself; (resamples, sizes)."""
    sizes, replicas = distances.shape
    picks = rng.integers(replicas, size=(resamples, sizes, replicas))
    return np.take_along_axis(distances[None], picks, axis=2).mean(axis=2)


def _slope(sizes: Array, values: Array) -> Array:
    """Least-squares slope of log value against log n along the last axis."""
    x = np.log(sizes) - np.log(sizes).mean()
    return np.log(values) @ x / (x @ x)


def table(summary: dict[str, Any]) -> str:
    """Return slopes with 95 % bootstrap intervals, a row for each dimension and depth."""
    heading = [
        "d, t",
        "replicas",
        "W2 at least n",
        "W2 at most n",
        "slope",
        "95 % interval",
        "theory",
        "limit's error <=",
    ]
    rows = [
        [
            f"{row['dim']}, {row['time']:g}",
            str(row["replicas"]),
            f"{row['mean'][0]:.4f} ({row['n'][0]})",
            f"{row['mean'][-1]:.4f} ({row['n'][-1]})",
            f"{row['slope']:.3f}",
            "[{:.3f}, {:.3f}]".format(*row["slope_interval"]),
            f"{row['theory_slope']:.3f}",
            f"{row['limit_bound']:.1e}",
        ]
        for row in summary["rows"]
    ]
    return "E W2(mu^n_t, mu_t)\n" + text_table(heading, rows)


def figure(summary: dict[str, Any]) -> Figure:
    """Return E W2 against n, one panel for each dimension."""
    from matplotlib.figure import Figure  # workers do not draw

    dims = sorted({row["dim"] for row in summary["rows"]})
    drawing = Figure(figsize=(4.8 * len(dims), 4.2), layout="constrained")
    for axes, dim in zip(drawing.subplots(1, len(dims), squeeze=False)[0], dims, strict=True):
        rows = [row for row in summary["rows"] if row["dim"] == dim]
        for k, row in enumerate(rows):
            mean, (low, high) = np.array(row["mean"]), np.array(row["interval"])
            label = f"t = {row['time']:g}: slope {row['slope']:.3f}"
            axes.errorbar(row["n"], mean, [mean - low, high - mean], fmt="o-", ms=4, lw=1, color=f"C{k}", label=label)
            theory = f"${RATE_NAMES[dim]}$" if k == 0 else None
            axes.plot(row["n"], row["theory"], ":", color="0.4", label=theory)
        axes.set(xscale="log", yscale="log", xlabel="tokens n", title=f"d = {dim}, {rows[0]['replicas']} replicas")
        axes.set_xscale("log", base=2)
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=8)
    drawing.axes[0].set_ylabel(r"$\mathbb{E}\,W_2(\mu^n_t, \mu_t)$")
    drawing.suptitle("Convergence of n tokens to the mean-field limit (95 % bootstrap intervals)")
    return drawing
