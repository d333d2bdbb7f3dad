"""The picture of Theorem 4.2: levels over depth, and where they end."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from studies.figures.style import BLUE, GREY, ORANGE, PLANES, VERMILION

_LEVELS = {"b": PLANES[1], "0": PLANES[2], "a": PLANES[0]}


def drawn(summary: dict[str, Any]) -> Figure:
    """Return levels over depth for the published V and a symmetric start, and the limits of all draws."""
    tracked = [row for row in summary["rows"] if row.get("tracks")]
    published = [row for row in tracked if row["kind"] == "published"]
    symmetric = [row for row in tracked if row["kind"] == "symmetric"][:1]
    drawing = Figure(figsize=(9.6, 6.4), layout="constrained")
    grid = drawing.add_gridspec(2, 4, height_ratios=(1.15, 1))
    for k, row in enumerate([*published, *symmetric]):
        axes = drawing.add_subplot(grid[0, k])
        times, tracks = np.array(row["times"]), np.array(row["tracks"])
        axes.plot(times, tracks, color=BLUE, lw=0.8, alpha=0.75)
        for name, end in _named(row):
            axes.axhline(end, color=_LEVELS[name], lw=1.4, ls="--")
        axes.set_title(
            f"V of Fig. {row['figure']}" if row["kind"] == "published" else "symmetric, one token at 0",
            fontsize=9,
        )
        axes.set_xlabel("depth t", fontsize=8.5)
        if k == 0:
            axes.set_ylabel("level  $\\varphi_1^*(z_i)$")
        axes.tick_params(labelsize=7.5)
    dashed = [Line2D([], [], color=color, lw=1.4, ls="--", label=f"limit {name}") for name, color in _LEVELS.items()]
    drawing.legend(handles=dashed, loc="outside lower center", ncols=3, fontsize=8.5, frameon=False)
    below = drawing.add_subplot(grid[1, :])
    _limits(below, [row for row in summary["rows"] if row.get("ends")])
    drawing.suptitle("Theorem 4.2: levels of the left eigenvector tend to at most three values", fontsize=11)
    return drawing


def _named(row: dict[str, Any]) -> list[tuple[str, float]]:
    """Return the limits a, 0 and b as far as they occur; a single one is a if it is negative."""
    ends = row["ends"]
    if len(ends) == 1:
        named = [("a" if ends[0] < 0 else "b", ends[0])]
    else:
        named = [("a", ends[0]), ("b", ends[-1])] if ends else []
    return [*named, ("0", 0.0)] if len(ends) == 3 or row["kind"] == "symmetric" else named


def _limits(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Draw the limits of every draw, over its initial spread; open where some token is undecided."""
    size = 24 if len(rows) <= 60 else 8
    for k, row in enumerate(rows):
        ends = np.array(row["ends"]) / row["scale"]
        color = VERMILION if row["kind"] == "triple" else ORANGE if row["kind"] == "published" else BLUE
        axes.plot([k, k], [ends.min(), ends.max()], color=GREY, lw=0.6, zorder=1)
        face = color if not row["undecided"] else "none"
        axes.scatter(np.full(len(ends), k), ends, s=size, facecolors=face, edgecolors=color, linewidths=0.8, zorder=2)
    axes.axhline(0.0, color=GREY, lw=0.8)
    axes.set_xlim(-1, len(rows))
    axes.set_xlabel(
        "draw (red: random V; orange: published; blue: special starts, Jordan blocks; open: undecided tokens)"
    )
    axes.set_ylabel("limits a, b over initial spread")
    axes.tick_params(labelsize=8)
