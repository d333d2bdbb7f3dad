"""Panels in three dimensions: tokens, polytopes, and planes and lines cut off at the walls of a box."""

from __future__ import annotations

import importlib
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from particles.checks import Array
from studies.figures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Box = tuple[Array, Array]  # lower and upper corner


def _art() -> Any:
    """Return matplotlib's collections in space, which carry no types; imported where something is drawn."""
    return importlib.import_module("mpl_toolkits.mplot3d.art3d")


def box_around(clouds: Array, *, cube: bool, margin: float = 0.06) -> Box:
    """Return a box around points of shape (..., d) with a margin; `cube` makes its sides equal."""
    seen = clouds.reshape(-1, clouds.shape[-1])
    low, high = seen.min(axis=0), seen.max(axis=0)
    half = np.maximum(0.5 * (high - low), 1e-6 * (1.0 + np.abs(high)))
    if cube:
        half = np.full_like(half, half.max())
    middle = 0.5 * (low + high)
    return middle - (1 + margin) * half, middle + (1 + margin) * half


def panel(
    figure: Figure, where: tuple[int, int, int], title: str, box: Box, *, view: tuple[float, float] = (20.0, -55.0)
) -> Any:
    """Return axes of equal sides over the box, seen from (elevation, azimuth) in degrees."""
    from matplotlib.ticker import MaxNLocator

    axes: Any = figure.add_subplot(*where, projection="3d", computed_zorder=False)
    axes.set(xlim=(box[0][0], box[1][0]), ylim=(box[0][1], box[1][1]), zlim=(box[0][2], box[1][2]))
    axes.set_box_aspect((1, 1, 1), zoom=1.08)
    axes.view_init(*view)
    axes.set_title(title, fontsize=style.TITLE, y=1.0)
    axes.tick_params(labelsize=style.TICK, pad=-2)
    axes.tick_params(axis="z", pad=1 + 1.5 * max(0, len(f"{np.abs([box[0][2], box[1][2]]).max():.0f}") - 1))
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 4, 5, 10]))
        axis.set_pane_color((0.97, 0.97, 0.97, 1.0))
        axis._axinfo["grid"].update(color=(0.85, 0.85, 0.85), linewidth=0.5)
    return axes


def dots(axes: Any, points: Array, leaders: Any = ()) -> None:
    """Draw tokens, and those that lead in another colour and above the others."""
    lead = np.zeros(len(points), dtype=bool)
    lead[list(leaders)] = True
    for chosen, colour, size, order in ((~lead, style.BLUE, 14.0, 5), (lead, style.VERMILION, 24.0, 6)):
        if chosen.any():
            spots(axes, points[chosen], colour, size, order)


def spots(axes: Any, points: Array, colour: str, size: float, order: float, edge: str = "white") -> None:
    """Draw points of one colour; those of higher order lie above."""
    axes.scatter(*points.T, s=size, color=colour, edgecolor=edge, lw=0.4, depthshade=False, zorder=order)


def polytope(axes: Any, points: Array, facets: Any, colour: str = style.SKY, alpha: float = 0.12) -> None:
    """Draw facets, each given as the indices of its corners in order; edges alone if the polytope is flat."""
    faces = [points[list(facet)] for facet in facets if len(facet) > 2]
    if faces:
        axes.add_collection3d(_art().Poly3DCollection(faces, facecolor=colour, edgecolor="none", alpha=alpha, zorder=1))
    pairs = {frozenset(pair) for facet in facets for pair in zip(facet, [*facet[1:], facet[0]], strict=True)}
    edges = [points[sorted(pair)] for pair in sorted(pairs, key=sorted)]
    axes.add_collection3d(_art().Line3DCollection(edges, colors=style.GREY, linewidths=0.6, alpha=0.7, zorder=2))


def plane(axes: Any, normal: Array, level: float, box: Box, colour: str, alpha: float = 0.22) -> bool:
    """Draw {z : <normal, z> = level} inside the box; return whether it meets the box."""
    corners = cut(normal, level, box)
    if len(corners) < 3:
        return False
    axes.add_collection3d(
        _art().Poly3DCollection([corners], facecolor=colour, edgecolor=colour, lw=0.6, alpha=alpha, zorder=1)
    )
    return True


def cut(normal: Array, level: float, box: Box) -> Array:
    """Return the corners, in order, of the polygon in which a plane meets a box; shape (k, 3)."""
    low, high = box
    side = high - low
    scaled, rest = normal * side, level - float(normal @ low)  # in the box's own coordinates, all between 0 and 1
    found = []
    for axis in range(3):
        if scaled[axis] == 0:
            continue
        others = [k for k in range(3) if k != axis]
        for ends in product((0.0, 1.0), repeat=2):
            corner = np.zeros(3)
            corner[others] = ends
            corner[axis] = (rest - float(scaled @ corner)) / scaled[axis]
            if -1e-12 <= corner[axis] <= 1 + 1e-12:
                found.append(corner)
    if len(found) < 3:
        return np.empty((0, 3))
    corners = np.unique(np.round(found, 12), axis=0)
    middle = corners.mean(axis=0)
    unit = scaled / np.linalg.norm(scaled)
    first = np.linalg.svd(unit[None, :])[2][1]
    second = np.cross(unit, first)
    order = np.argsort(np.arctan2((corners - middle) @ second, (corners - middle) @ first))
    return low + corners[order] * side


def line(axes: Any, point: Array, direction: Array, box: Box, colour: str, width: float = 1.4) -> bool:
    """Draw the line through `point` inside the box; return whether it meets the box."""
    ends = clip(point, direction, box)
    if ends is None:
        return False
    axes.plot(*ends.T, color=colour, lw=width, zorder=4)
    return True


def clip(point: Array, direction: Array, box: Box) -> Array | None:
    """Return the two ends of a line's part inside a box, or None."""
    first, last = -np.inf, np.inf
    for at, step, low, high in zip(point, direction, *box, strict=True):
        if step == 0:
            if not low <= at <= high:
                return None
            continue
        ends = sorted(((low - at) / step, (high - at) / step))
        first, last = max(first, ends[0]), min(last, ends[1])
    return np.array([point + first * direction, point + last * direction]) if first < last else None


def prism(axes: Any, polygon: Array, box: Box, colour: str = style.GREEN, alpha: float = 0.14) -> None:
    """Draw the walls over a polygon of the first two coordinates, corners in order, through the box."""
    ends = np.array([box[0][2], box[1][2]])
    walls = []
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        walls.append([(*a, ends[0]), (*b, ends[0]), (*b, ends[1]), (*a, ends[1])])
    axes.add_collection3d(
        _art().Poly3DCollection(walls, facecolor=colour, edgecolor=colour, lw=0.6, alpha=alpha, zorder=1)
    )
