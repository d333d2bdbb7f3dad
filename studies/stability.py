"""How fast two solutions of the continuity equation move apart: the stability estimate (6.6).

    W2(mu_t, nu_t) <= e^{C t} W2(mu_0, nu_0)

For pairs of initial measures that differ by a shift, by a dilation and in shape, W2 is measured along the particle
method and along the grid, and held against three growth factors, each at least the one before: of an optimal
coupling moved with the flow, the a-posteriori bound and the a-priori bound (`meanfield.stability`).
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

import meanfield
from particles import Attention, Measure, Raw
from particles.checks import Array
from studies.contract import StudyConfig
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE_06 = [[0.64709742, 0.81911926], [0.61210449, 0.63263484]]
VALUES: dict[str, list[list[float]]] = {"1": [[1.0]], "-1": [[-1.0]], "Fig. 6": FIGURE_06}
RADII = {"1": 1.0, "-1": 1.0, "Fig. 6": 0.5}
PAIRS = ("shift", "dilation", "shape")

_ROUNDING = 1e-6  # of the logarithms, where an optimal coupling stays optimal and two of the numbers are equal
_SHIFT, _DILATION = 0.2, 1.25


class Config(StudyConfig):
    """Sizes of the stability study."""

    depth: float = Field(1.0, gt=0)
    times: int = Field(6, ge=2)
    values: tuple[str, ...] = ("1", "-1", "Fig. 6")
    nodes: tuple[int, int] = (32, 12)
    cells: tuple[int, int] = (256, 32)
    atoms: int = Field(1024, ge=16)
    coupled: tuple[int, int] = (192, 256)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, times=21, nodes=(48, 24), cells=(1024, 45), atoms=2048, coupled=(384, 576))


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each value matrix and pair of initial measures; those in the plane come first."""
    order = sorted(product(config.values, PAIRS), key=lambda choice: -len(VALUES[choice[0]]))
    return [
        {
            "value": value,
            "pair": pair,
            "times": np.linspace(0, config.depth, config.times).tolist(),
            "nodes": config.nodes[len(VALUES[value]) - 1],
            "cells": config.cells[len(VALUES[value]) - 1],
            "coupled": config.coupled[len(VALUES[value]) - 1],
            "atoms": config.atoms,
        }
        for value, pair in order
    ]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return growth factors over depth for one pair of initial measures."""
    V = np.array(VALUES[case["value"]])
    law = Raw(Attention(Q=np.eye(len(V)), K=np.eye(len(V)), V=V))
    mu0, nu0 = initial_pair(case["pair"], len(V), RADII[case["value"]])
    times = np.array(case["times"])
    particles = meanfield.ParticleMethod(n=case["nodes"])
    report = meanfield.stability_report(
        law, mu0, nu0, times, method=particles, pairs=case["coupled"], atoms=case["atoms"]
    )
    grid = meanfield.FiniteVolume(case["cells"])
    by_grid = [meanfield.solve(law, start, times, method=grid) for start in (mu0, nu0)]
    plans = [meanfield.transport(mu, nu, atoms=case["atoms"]) for mu, nu in zip(*by_grid, strict=True)]
    distances = np.array([plan.distance for plan in plans])
    return {
        "distance": meanfield.transport(mu0, nu0, atoms=case["atoms"]).distance,
        "by_particles": report.measured.tolist(),
        "by_grid": (distances / distances[0]).tolist(),
        "coupled": report.coupled.tolist(),
        "a_posteriori_exponent": np.log(report.a_posteriori).tolist(),
        "a_priori_exponent": report.a_priori_exponent.tolist(),
    }


def initial_pair(pair: str, dim: int, radius: float) -> tuple[Measure, Measure]:
    """Return the uniform law on the box of the given half side, and its partner."""
    half = np.full(dim, radius)
    box = meanfield.Uniform(-half, half)
    if pair == "shift":
        step = np.eye(dim)[0] * _SHIFT
        return box, meanfield.Uniform(-half + step, half + step)
    if pair == "dilation":
        return box, meanfield.Uniform(-_DILATION * half, _DILATION * half)

    def cosines(x: Array) -> Array:
        return np.prod(1 + 0.5 * np.cos(np.pi * x / radius), axis=1) / np.prod(2 * half)

    return box, meanfield.Smooth(cosines, -half, half)


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the growth factors, the exponents they amount to, and whether each bound holds."""
    rows = [_row(case, result) for case, result in zip(cases(config), results, strict=True)]
    return {
        "rows": rows,
        "headline": {
            "bounds_hold": all(row["bounds_hold"] for row in rows),
            "largest_exponent": max(row["exponent"] for row in rows),
            "methods_differ_by": max(row["methods_differ_by"] for row in rows),
        },
    }


def _row(case: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    times = np.array(case["times"])
    particles, grid, coupled = (np.array(result[key]) for key in ("by_particles", "by_grid", "coupled"))
    posterior, prior = (np.array(result[f"a_{key}_exponent"]) for key in ("posteriori", "priori"))
    # at depth 0 all four are 1, up to the atoms that stand for the coupling
    measured, spread = (np.log(np.maximum(factor[1:], 1e-300)) for factor in (particles, coupled))
    ordered = (
        (measured <= spread + _ROUNDING).all()
        and (spread <= posterior[1:] + _ROUNDING).all()
        and (posterior[1:] <= prior[1:]).all()
    )
    return {
        **case,
        **result,
        "exponent": _exponent(times, np.log(particles)),
        "grid_exponent": _exponent(times, np.log(grid)),
        "a_posteriori": _exponent(times, posterior),
        "a_priori": _exponent(times, prior),
        "methods_differ_by": float(np.abs(np.log(particles / grid)).max()),
        "bounds_hold": bool(ordered),
    }


def _exponent(times: Array, logs: Array) -> float:
    """The least c with factor(t) <= e^{c t} factor(0) at every depth."""
    return float(((logs[1:] - logs[0]) / times[1:]).max())


def table(summary: dict[str, Any]) -> str:
    """Return exponents c, factor <= e^{c t}, a row for each pair."""
    heading = ["V, pair", "W2(0)", "particles", "grid", "a posteriori", "a priori", "bounds"]
    rows = [
        [
            f"{row['value']}, {row['pair']}",
            f"{row['distance']:.4f}",
            f"{row['exponent']:.4f}",
            f"{row['grid_exponent']:.4f}",
            f"{row['a_posteriori']:.3f}",
            f"{row['a_priori']:.2e}",
            "hold" if row["bounds_hold"] else "FAIL",
        ]
        for row in summary["rows"]
    ]
    return "Growth exponents c: W2(t) <= e^{c t} W2(0)\n" + text_table(heading, rows)


def figure(summary: dict[str, Any]) -> Figure:
    """Return one panel for each value matrix and pair."""
    from matplotlib.figure import Figure  # workers do not draw

    rows = summary["rows"]
    values = sorted({row["value"] for row in rows}, key=list(VALUES).index)
    drawing = Figure(figsize=(9.5, 2.7 * len(values) + 0.4), layout="constrained")
    panels = drawing.subplots(len(values), len(PAIRS), squeeze=False, sharex=True, sharey="row")
    for row in rows:
        axes = panels[values.index(row["value"]), PAIRS.index(row["pair"])]
        times = np.array(row["times"])
        axes.plot(times, row["by_particles"], color="C0", label="W2, particles")
        axes.plot(times, row["by_grid"], "o", color="C1", ms=4, mfc="none", label="W2, grid")
        axes.plot(times, row["coupled"], "--", color="C2", label="moved coupling")
        axes.plot(times, np.exp(row["a_posteriori_exponent"]), "-.", color="C3", label="a posteriori")
        name = row["value"] if row["value"].startswith("Fig") else f"V = {row['value']}"
        axes.set_title(f"{name}, {row['pair']}  (a priori: $e^{{{row['a_priori']:.1e}\\,t}}$)", fontsize=9)
        axes.set_yscale("log")
        axes.grid(alpha=0.3, which="both")
    for axes in panels[-1]:
        axes.set_xlabel("depth t")
    for axes in panels[:, 0]:
        axes.set_ylabel("growth since t = 0")
    panels[0, 0].legend(fontsize=8)
    drawing.suptitle("Stability (6.6): growth of the distance between two solutions")
    return drawing
