"""The picture of Theorem 4.2: levels over depth, and where they end."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from studies.figures.style import BLUE, GREY, ORANGE, PLANES, VERMILION


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
        for color, end in zip(PLANES, row["ends"], strict=False):
            axes.axhline(end, color=color, lw=1.4, ls="--")
        if row["kind"] == "symmetric":
            axes.axhline(0.0, color=PLANES[2], lw=1.4, ls="--")
        axes.set_title(
            f"V of Fig. {row['figure']}" if row["kind"] == "published" else "symmetric, one token at 0",
            fontsize=9,
        )
        axes.set_xlabel("depth t", fontsize=8.5)
        if k == 0:
            axes.set_ylabel("level  $\\varphi_1^*(z_i)$")
        axes.tick_params(labelsize=7.5)
    below = drawing.add_subplot(grid[1, :])
    _limits(below, [row for row in summary["rows"] if row.get("ends")])
    drawing.suptitle("Theorem 4.2: levels of the left eigenvector tend to at most three values", fontsize=11)
    return drawing


def _limits(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Draw the limits of every draw, over its initial spread; open where some token is undecided."""
    for k, row in enumerate(rows):
        ends = np.array(row["ends"]) / row["scale"]
        color = VERMILION if row["kind"] == "triple" else ORANGE if row["kind"] == "published" else BLUE
        axes.plot([k, k], [ends.min(), ends.max()], color=GREY, lw=0.6, zorder=1)
        face = color if not row["undecided"] else "none"
        axes.scatter(np.full(len(ends), k), ends, s=24, facecolors=face, edgecolors=color, linewidths=1.1, zorder=2)
    axes.axhline(0.0, color=GREY, lw=0.8)
    axes.set_xlim(-1, len(rows))
    axes.set_xlabel("draw (red: random V; orange: published; blue: special starts and Jordan blocks; open: undecided)")
    axes.set_ylabel("limits a, b over initial spread")
    axes.tick_params(labelsize=8)
