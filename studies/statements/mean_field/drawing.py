"""The study's picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from studies.statements.mean_field.moved import PARTICLES
from studies.statements.mean_field.problems import problems
from studies.statements.mean_field.rows import masses_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from particles.checks import Array

_GATHERING = ("line, uneven", "rectangle")
_DIVIDED = "slanted B"
_SMALLEST = 1e-12
_STYLES = {PARTICLES: ("k", "-", "n = infinity, particles"), "semi-Lagrangian": ("0.45", "--", "n = infinity, grid")}


def figure(summary: dict[str, Any]) -> Figure:
    """Return how measures gather beside tokens, how sharp attention gets, how sizes decay, and how many tokens lead."""
    from matplotlib.figure import Figure  # workers do not draw

    drawing = Figure(figsize=(11.4, 6.8), layout="constrained")
    panels = drawing.subplots(2, 3)
    names = list(dict.fromkeys(row["problem"] for row in summary["measures"]))
    chosen = [name for name in _GATHERING if name in names]
    for axes, name in zip(panels[0], chosen, strict=False):
        _gathering(axes, summary, name)
    if _DIVIDED in names:
        _divide(panels[0, 2], summary)
    _sharpness(panels[1, 0], summary)
    _decay(panels[1, 1], summary)
    _leaders(panels[1, 2], summary)
    drawing.suptitle("From 40 tokens to infinitely many")
    return drawing


def _gathering(axes: Axes, summary: dict[str, Any], name: str) -> None:
    width = next(row["width"] for row in summary["measures"] if row["problem"] == name)
    for k, row in enumerate(row for row in summary["tokens"] if row["problem"] == name):
        axes.semilogy(
            row["times"], np.array(row["far"])[:, 1], color=f"C{k}", lw=1.3, label=f"n = {row['n']}, mean of draws"
        )
    for row in summary["measures"]:
        if row["problem"] == name and row["by"] in _STYLES:
            color, style, label = _STYLES[row["by"]]
            axes.semilogy(row["times"], np.array(row["far"])[:, 1], color=color, ls=style, lw=1.5, label=label)
    axes.axhline(0.05 * width, color="0.7", lw=0.9, zorder=0)
    axes.set(xlim=(0, 5), ylim=(1e-3 * width, 2 * width), xlabel="t", title=name)
    axes.set_ylabel("distance to the limit points,\n90 % quantile")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7.5)


def _divide(axes: Axes, summary: dict[str, Any]) -> None:
    row = next(row for row in summary["measures"] if row["problem"] == _DIVIDED and row["by"] == PARTICLES)
    start = problems()[_DIVIDED].start
    (left, bottom), (right, top) = start.lower, start.upper
    places = np.array(row["places"])
    if "crossing" in row:
        height, crossing = _to_the_walls(np.array(row["across"])[:, 0], np.array(row["crossing"]), bottom, top)
        crossing = np.clip(crossing, left, right)
        axes.fill_betweenx(height, left, crossing, color="C0", alpha=0.25, lw=0)
        axes.fill_betweenx(height, crossing, right, color="C1", alpha=0.25, lw=0)
        axes.plot(crossing, height, "k-", lw=1.2, label="the divide")
        for place, mass, color in zip(places, masses_of(row), ("C0", "C1"), strict=True):
            axes.text(0.45 * place[0], 0.45 * place[1], f"mass {mass:.4f}", ha="center", color=color, fontsize=9)
    axes.plot([left, right, right, left, left], [bottom, bottom, top, top, bottom], color="0.4", lw=1.0)
    axes.plot(*places.T, "k*", ms=11, label="limit points")
    axes.set(
        xlabel="first coordinate at t = 0", ylabel="second coordinate", title=f"{_DIVIDED}: two of four corners lead"
    )
    axes.set_aspect("equal")
    axes.legend(fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, frameon=False)


def _to_the_walls(height: Array, crossing: Array, bottom: float, top: float) -> tuple[Array, Array]:
    """Return the divide with an end on either wall: lines are Gauss nodes, and the outermost lie inside the box."""
    order = np.argsort(height)
    height, crossing = height[order], crossing[order]
    for wall, first, second in ((bottom, 0, 1), (top, -1, -2)):
        slope = (crossing[first] - crossing[second]) / (height[first] - height[second])
        at = 0 if first == 0 else len(height)
        end = crossing[first] + slope * (wall - height[first])
        height, crossing = np.insert(height, at, wall), np.insert(crossing, at, end)
    return height, crossing


def _sharpness(axes: Axes, summary: dict[str, Any]) -> None:
    for k, row in enumerate(row for row in summary["tokens"] if "gaps" in row and row["problem"] == "line, uneven"):
        gaps = np.array(row["gaps"])
        held = gaps > _SMALLEST
        axes.semilogy(
            np.array(row["times"])[held], gaps[held], "o-", ms=3, color=f"C{k}", label=f"n = {row['n']}, median"
        )
    for row in summary["measures"]:
        if row["problem"] == "line, uneven" and "gaps" in row:
            times = np.array(row["times"])
            axes.semilogy(times, row["gaps"], "k-", lw=1.5, label="n = infinity")
            line = 2 * np.exp(-2 * times) / row["edges"][-1]
            axes.semilogy(times, line, ls=(0, (1, 2)), color="C3", lw=1.5, zorder=4, label="$2e^{-2t}/b$")
    axes.set(xlim=(0, 5), ylim=(_SMALLEST, 20), xlabel="t", title="line, uneven: the row of b/2")
    axes.set_ylabel("b - mean of the row")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7.5)


def _decay(axes: Axes, summary: dict[str, Any]) -> None:
    for k, name in enumerate(("origin, line", "origin, plane")):
        for row in summary["measures"]:
            if row["problem"] == name and row["by"] == PARTICLES:
                times = np.array(row["times"])[1:]
                axes.loglog(times, row["size"][1:], color=f"C{k}", label=f"{name}, n = infinity")
                axes.loglog(
                    times, np.sqrt((k + 1) / (2 * times)), ":", color=f"C{k}", label=f"(d / 2t)^(1/2), d = {k + 1}"
                )
        for row in summary["tokens"]:
            if row["problem"] == name and row["n"] == 40:
                axes.loglog(
                    row["times"][1:], row["size"][1:], "o", ms=3.5, mfc="none", color=f"C{k}", label=f"{name}, n = 40"
                )
    axes.set(xlabel="t", ylabel="W2 to the Dirac at 0", title="V = -I")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7.5)


def _leaders(axes: Axes, summary: dict[str, Any]) -> None:
    for k, slope in enumerate(summary["growth"]):
        rows = [row for row in summary["shapes"] if row["shape"] == slope["shape"]]
        n, counts, errors = (np.array([row[name] for row in rows]) for name in ("n", "leaders", "error"))
        label = f"{slope['shape']}: slope {slope['slope']:.2f} ± {slope['error']:.2f}"
        axes.errorbar(n, counts, errors, fmt="o-", ms=4, color=f"C{k}", capsize=2, label=label)
        if slope["shape"] == "disc":
            axes.plot(n, counts[0] * (n / n[0]) ** (1 / 3), "k:", lw=1.1, label="n^(1/3)")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis, ticks in (
        (axes.xaxis, sorted({row["n"] for row in summary["shapes"]})),
        (axes.yaxis, (4, 5, 6, 8, 12, 16)),
    ):
        axis.set_ticks(list(ticks), [str(tick) for tick in ticks])
        axis.set_ticks([], minor=True)
    axes.set(xlabel="n", ylabel="tokens that lead", title="V = I, by the shape they start in")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7.5)
