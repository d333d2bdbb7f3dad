"""The picture of Theorem 3.1: three starts with their polytopes and S, numbers of vertices, distances over depth."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from studies.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS = {
    "vertex": (style.VERMILION, "o", "in S, vertex of K"),
    "face": (style.GREEN, "s", "in S, inside an edge or facet"),
    "origin": (style.INK, "X", "in S, origin"),
}


def draw(summary: dict[str, Any]) -> Figure:
    """Return the figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.4, 7.4), layout="constrained")
    grid = figure.add_gridspec(2, 3)
    plane, space, mirrored = summary["drawn"]
    if plane is not None:
        _plane(figure.add_subplot(grid[0, 0]), plane, f"n = {plane['n']}, random start", plane["corners"])
        _distances(figure.add_subplot(grid[1, 0]), plane)
    if space is not None:
        _space(figure.add_subplot(grid[0, 1], projection="3d"), space)
    if mirrored is not None:
        axes = figure.add_subplot(grid[0, 2])
        _plane(axes, mirrored, "symmetric start", mirrored["corners"])
    _vertices(figure.add_subplot(grid[1, 1]), summary)
    _beside(figure.add_subplot(grid[1, 2]), summary)
    figure.suptitle("Theorem 3.1: the hull shrinks to a polytope K, tokens tend to points of S", fontsize=11)
    return figure


def _plane(axes: Any, start: dict[str, Any], title: str, corners: list[int]) -> None:
    path = np.array(start["path"])
    outline = path[-1][[*corners, corners[0]]]
    axes.fill(*outline.T, color=style.SKY, alpha=0.15, lw=0)
    axes.plot(*outline.T, color=style.GREY, lw=1)
    lonely = np.array(start.get("lonely", np.zeros(path.shape[1], bool)))
    first = int(np.argmax(lonely)) if lonely.any() else -1
    for i in range(path.shape[1]):
        label = "way of a token in a mirror" if i == first else None
        colour = style.ORANGE if lonely[i] else style.BLUE
        axes.plot(*path[:, i].T, color=colour, lw=1.2 if lonely[i] else 0.8, alpha=0.7, zorder=2, label=label)
    axes.scatter(*path[0].T, s=9, color=style.BLUE, zorder=3, label="tokens at t = 0")
    points_of_S(axes, start)
    axes.set_aspect("equal")
    style.plain(axes, title)
    axes.legend(fontsize=style.TICK, loc="upper center", bbox_to_anchor=(0.5, -0.07), ncol=2)


def points_of_S(axes: Any, start: dict[str, Any]) -> None:
    """Draw the points of S by kind."""
    points, kinds = np.array(start["S"]), np.array(start["S_kinds"])
    for kind, (colour, marker, label) in LOOKS.items():
        if (kinds == kind).any():
            chosen = points[kinds == kind].T
            axes.scatter(*chosen, s=34, color=colour, marker=marker, edgecolor="white", lw=0.6, zorder=5, label=label)


def _space(axes: Any, start: dict[str, Any]) -> None:
    limit = np.array(start["limit"])
    faces = [limit[facet] for facet in start["corners"]]
    art: Any = importlib.import_module("mpl_toolkits.mplot3d.art3d")  # which carries no types
    axes.add_collection3d(art.Poly3DCollection(faces, facecolor=style.SKY, edgecolor=style.GREY, lw=0.6, alpha=0.12))
    axes.scatter(*np.array(start["path"])[0].T, s=5, color=style.BLUE, depthshade=False, label="tokens at t = 0")
    points_of_S(axes, start)
    axes.set_box_aspect((1, 1, 1))
    axes.tick_params(labelsize=style.TICK, pad=-3)
    form = "B = I" if start["form"] == "I" else "random B > 0"
    axes.set_title(f"n = {start['n']}, {form}, in space", fontsize=style.TITLE)
    axes.legend(fontsize=style.TICK, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncol=2)


def _distances(axes: Any, start: dict[str, Any]) -> None:
    path, times, limit = np.array(start["path"]), np.array(start["times"]), np.array(start["limit"])
    apart = np.linalg.norm(path - limit, axis=2)
    far = apart.max(axis=1)
    axes.semilogy(times, far, "o-", color=style.BLUE, ms=4, label="furthest token, solved")
    shown = np.maximum(np.median(apart, axis=1), 1e-18)
    axes.semilogy(times, shown, "s-", color=style.GREEN, ms=3.5, label="median token, solved")
    late = np.linspace(start["depth"], 14.0, 40)
    axes.semilogy(late, start["offset"] * np.exp(-late), "--", color=style.INK, lw=1, label=r"$e^{-t}\,\max|D_i|$")
    axes.axvline(start["depth"], color=style.GREY, lw=0.8)
    axes.text(start["depth"], far.max(), " t*: leaders settled", fontsize=style.NOTE, va="top")
    axes.set_xlabel("depth t", fontsize=style.LABEL)
    axes.set_ylabel("distance to its limit in S", fontsize=style.LABEL)
    style.plain(axes, "tokens of the start above")
    axes.legend(fontsize=style.NOTE, loc="lower left")
    axes.grid(alpha=0.3)


def _vertices(axes: Any, summary: dict[str, Any]) -> None:
    for (label, by_size), colour, d in zip(
        summary["vertices"].items(), (style.BLUE, style.VERMILION), (2, 3), strict=True
    ):
        sizes = np.array([int(n) for n in by_size])
        known = [row for row in summary["rows"] if row["part"] == "random" and row["decided"] and row["d"] == d]
        jitter = (1.0, 1.06)[d - 2]
        axes.scatter(
            [jitter * row["n"] for row in known], [row["vertices"] for row in known], s=12, color=colour, alpha=0.4
        )
        axes.plot(jitter * sizes, list(by_size.values()), "-", color=colour, label=f"of K, {label}: mean")
        initial = [np.mean([row["vertices_at_start"] for row in known if row["n"] == n] or [np.nan]) for n in sizes]
        axes.plot(jitter * sizes, initial, ":", color=colour, label=f"of the initial hull, {label}: mean")
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.minorticks_off()
    axes.set_xlabel("number of tokens n", fontsize=style.LABEL)
    axes.set_ylabel("number of vertices", fontsize=style.LABEL)
    axes.set_ylim(bottom=0)
    style.plain(axes, "few vertices")
    axes.legend(fontsize=style.NOTE)
    axes.grid(alpha=0.3)


def _beside(axes: Any, summary: dict[str, Any]) -> None:
    rows = [row for row in summary["rows"] if row["part"] == "beside"]
    sure, unsure = [r for r in rows if r["decided"]], [r for r in rows if not r["decided"]]
    axes.semilogx(
        [r["aside"] for r in sure], [r["depth"] for r in sure], "o-", color=style.BLUE, label="t*: vertex decided"
    )
    for k, row in enumerate(unsure):  # a whole line: there is no depth to tell
        label = "not decided at any depth" if k == 0 else None
        axes.axvline(row["aside"], color=style.VERMILION, ls="--", lw=1.4, label=label)
    axes.set_xlabel("distance of the token from the mirror", fontsize=style.LABEL)
    axes.set_ylabel("depth t*", fontsize=style.LABEL)
    axes.set_ylim(0, 1.25 * max([row["depth"] for row in sure], default=1.0))
    style.plain(axes, "beside the null set")
    axes.legend(fontsize=style.NOTE)
    axes.grid(alpha=0.3)
