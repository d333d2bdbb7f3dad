"""The picture of Theorem 5.2: tokens as seen in F with K and S, and their distances over depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from studies.figures import style
from studies.statements.theorem_3_1.drawing import points_of_S

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(summary: dict[str, Any]) -> Figure:
    """Return the figure."""
    from matplotlib.figure import Figure

    shown = summary["drawn"]
    figure = Figure(figsize=(3.9 * (len(shown) + 1), 4.4), layout="constrained")
    panels = figure.subplots(1, len(shown) + 1, squeeze=False)[0]
    for axes, start in zip(panels, shown, strict=False):
        _in_F(axes, start)
    _distances(panels[-1], summary, shown)
    figure.suptitle("Theorem 5.2: in F, seen along G, tokens tend to the boundary of a polytope K", fontsize=11)
    return figure


def _in_F(axes: Any, start: dict[str, Any]) -> None:
    path, limit = np.array(start["path"]), np.array(start["limit"])
    outline = limit[[*start["corners"], start["corners"][0]]]
    axes.fill(*outline.T, color=style.SKY, alpha=0.15, lw=0)
    axes.plot(*outline.T, color=style.GREY, lw=1)
    for i in range(path.shape[1]):
        axes.plot(*path[:, i].T, color=style.BLUE, lw=0.8, alpha=0.6, zorder=2)
    axes.scatter(*path[0].T, s=9, color=style.BLUE, zorder=3, label="tokens at t = 0")
    points_of_S(axes, start)
    printed = np.array(start["printed_S"]).reshape(-1, 2)
    axes.scatter(*printed.T, s=95, facecolor="none", edgecolor=style.PURPLE, lw=1.2, zorder=4, label="S as printed")
    axes.set_aspect("equal")
    axes.set_xlabel("F, first direction", fontsize=style.LABEL)
    axes.set_ylabel("F, second direction", fontsize=style.LABEL)
    style.plain(axes, f"{start['setting']}, n = {start['n']}")
    axes.legend(fontsize=style.TICK, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=2)


def _distances(axes: Any, summary: dict[str, Any], shown: list[dict[str, Any]]) -> None:
    for start, colour in zip(shown, (style.BLUE, style.VERMILION), strict=False):
        path, limit = np.array(start["path"]), np.array(start["limit"])
        depths = start["value"] * np.array(start["times"])
        far = np.linalg.norm(path - limit, axis=2).max(axis=1)
        axes.semilogy(depths, far, "o", color=colour, ms=4, label=f"{start['setting']}: solved")
        late = np.linspace(start["value"] * start["depth"], 14.0, 30)
        axes.semilogy(late, start["offset"] * np.exp(-late), "--", color=colour, lw=1)
    axes.semilogy([], [], "--", color=style.INK, lw=1, label=r"$e^{-\lambda t}\,\max|\pi_F D_i|$, from $t^*$ on")
    axes.set_xlabel(r"$\lambda t$", fontsize=style.LABEL)
    axes.set_ylabel("distance in F to its limit, furthest token", fontsize=style.LABEL)
    style.plain(axes, "approach to the boundary")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=style.TICK, loc="upper center", bbox_to_anchor=(0.5, -0.16))
