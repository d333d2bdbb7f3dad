"""The picture of the published scripts."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from studies.figures.style import BLUE, GREY, VERMILION

_FLOOR = 1e-12


def drawn(summary: dict[str, Any]) -> Figure:
    """Return differences over depth for Euler and Runge-Kutta, and Fig. 11's levels with and without attention."""
    rows = summary["rows"]
    first: dict[Any, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(row.get("figure", ("d", row.get("d"))), row)
    stepped = sorted((row for row in first.values() if row["kind"] == "stepping"), key=lambda row: int(row["figure"]))
    free = [row for row in first.values() if row["kind"] == "linear"]
    drawing = Figure(figsize=(10.2, 5.6), layout="constrained")
    grid = drawing.subplots(2, 5)
    panels = list(grid.ravel())
    for axes, row in zip(panels, stepped, strict=False):
        _differences(axes, row)
    for axes, row in zip(panels[len(stepped) :], free, strict=False):
        _levels(axes, row)
    panels[0].legend(fontsize=7.5, loc="lower right")
    for axes in panels[len(stepped) + len(free) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel("difference / hull's diagonal", fontsize=8.5)
    drawing.suptitle(
        "Step 0.1 against the solution (dotted: settled; grey: exponents are rounding); Fig. 11 with and without it",
        fontsize=11,
    )
    return drawing


def _differences(axes: Any, row: dict[str, Any]) -> None:
    times = np.array(row["times"])
    for way, color, name in (("euler", VERMILION, "Euler"), ("rk4", BLUE, "Runge-Kutta")):
        axes.semilogy(times, np.maximum(row[f"off_{way}"], _FLOOR), color=color, lw=1.2, label=name)
    axes.axvline(row["settled"], color=GREY, lw=0.8, ls=":")
    if row["trusted"] < times[-1]:
        axes.axvspan(row["trusted"], times[-1], color="0.9", lw=0)
    axes.set_ylim(1e-7, 1)
    axes.set_title(f"Fig. {row['figure']}", fontsize=9)
    axes.set_xlabel("depth t", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)


def _levels(axes: Any, row: dict[str, Any]) -> None:
    """Draw where each token's level ends, against where it starts, which is where x' = Vx leaves it."""
    start, end = np.array(row["levels_linear"]), np.array(row["levels_true"])
    axes.plot(start, start, "o", ms=3, color=VERMILION, label="x' = Vx")
    axes.plot(start, end, "o", ms=3, color=BLUE, label="(1.1)")
    axes.set_title(f"Fig. 11, d = {row['d']}", fontsize=9)
    axes.set_xlabel("level $\\varphi_1^*(z)$ at t = 0", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7)
