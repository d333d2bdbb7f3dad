"""A figure of a measure over time: on the line its paths and quantiles, in the plane one panel a time.

In three dimensions and more the panels show the first two principal axes of the last state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import meanfield
from particles import Empirical, Measure
from particles.checks import Array
from studies import views

TOKENS, LIMIT = "#1b1b1b", "#2f6db5"
MOST_PATHS, MOST_PANELS, PANELS_IN_A_ROW = 200, 8, 4
# Panels share their axes while the smallest cloud still fills a twentieth of the largest.
SHARED_RATIO = 20.0
# Lines of equal mass between them, none of them the median: that of a law in two halves says nothing.
QUANTILES = 20
# Densities use the lighter half of the colours, so that tokens stand out.
DARKEST = 2.0


@dataclass(frozen=True)
class Frames:
    """What is to be drawn: tokens, limit, or both, at the first of `times` that each has reached."""

    times: Array
    tokens: Sequence[Empirical]
    limit: Sequence[Measure]

    @property
    def dim(self) -> int:
        """Dimension d."""
        return [*self.tokens, *self.limit][0].dim

    @property
    def count(self) -> int:
        """How many times anything has reached."""
        return max(len(self.tokens), len(self.limit))


def measure_over_time(frames: Frames, title: str) -> Figure:
    """Return the figure."""
    figure = _on_the_line(frames) if frames.dim == 1 else _panels(frames)
    figure.suptitle(title)
    return figure


def _on_the_line(frames: Frames) -> Figure:
    figure = Figure(figsize=(7.0, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="t", ylabel="x")
    if frames.limit:
        reached = frames.times[: len(frames.limit)]
        levels = (np.arange(QUANTILES) + 0.5) / QUANTILES
        streams = np.array([views.quantiles(measure, levels) for measure in frames.limit])
        lines = axes.plot(reached, streams, color=LIMIT, lw=1.0, alpha=0.6)
        lines[0].set_label(f"limit: between two lines 1/{QUANTILES} of the mass")
    if frames.tokens:
        reached = frames.times[: len(frames.tokens)]
        paths = np.stack([mu.points[:, 0] for mu in frames.tokens])
        n = paths.shape[1]
        shown = paths[:, np.unique(np.linspace(0, n - 1, min(n, MOST_PATHS)).round().astype(int))]
        label = f"{n} tokens" if shown.shape[1] == n else f"{shown.shape[1]} of {n} tokens"
        lines = axes.plot(reached, shown, color=TOKENS, lw=0.6, marker="." if len(reached) < 12 else "", ms=3)
        lines[0].set_label(label)
    axes.legend(fontsize="small", loc="best")
    return figure


def _panels(frames: Frames) -> Figure:
    chosen = np.unique(np.linspace(0, frames.count - 1, min(frames.count, MOST_PANELS)).round().astype(int))
    axes_of_view, labels = _view(frames)
    rows = -(-len(chosen) // PANELS_IN_A_ROW)
    columns = -(-len(chosen) // rows)
    figure = Figure(figsize=(max(3.1 * columns, 4.5), 3.3 * rows + 0.6), layout="constrained")
    windows = [_window(frames, k, axes_of_view) for k in chosen]
    widths = [float((high - low).max()) for low, high in windows]
    shared = max(widths) < SHARED_RATIO * min(widths)
    if shared:
        whole = np.min([low for low, _ in windows], axis=0), np.max([high for _, high in windows], axis=0)
        windows = [whole] * len(windows)
    for place, (k, window) in enumerate(zip(chosen, windows, strict=True)):
        axes = figure.add_subplot(rows, columns, place + 1, title=f"t = {frames.times[k]:g}", aspect="equal")
        axes.set(xlabel=labels[0], ylabel=labels[1] if place % columns == 0 else "")
        axes.set(xlim=(window[0][0], window[1][0]), ylim=(window[0][1], window[1][1]))
        if k < len(frames.limit):
            _draw_limit(axes, frames.limit[k], axes_of_view, window)
        if k < len(frames.tokens):
            _dots(
                axes,
                frames.tokens[k],
                axes_of_view,
                TOKENS,
                float(np.clip(800 / len(frames.tokens[k].points), 2, 16)),
            )
    note = "" if shared else "; each panel has its own scale"
    what = [f"black: {len(frames.tokens[0].points)} tokens"] if frames.tokens else []
    what += ["blue: mean-field limit"] if frames.limit else []
    figure.supxlabel(", ".join(what) + note, fontsize="small")
    return figure


def _view(frames: Frames) -> tuple[Array, tuple[str, str]]:
    """Return the (d, 2) matrix that points are seen through, and what the axes are."""
    if frames.dim == 2:
        return np.eye(2), ("x₁", "x₂")
    last = (frames.tokens or frames.limit)[-1]
    variances, directions = np.linalg.eigh(last.cov)
    total = max(float(variances.sum()), np.finfo(float).tiny)
    first, second = (f"principal axis {k} ({variances[-k] / total:.0%} of variance)" for k in (1, 2))
    return directions[:, [-1, -2]], (first, second)


def _window(frames: Frames, k: int, view: Array) -> tuple[Array, Array]:
    """Return the corners of what panel k must show, with a margin."""
    clouds = [measures[k] for measures in (frames.tokens, frames.limit) if k < len(measures)]
    seen = np.concatenate([views.atoms(measure).points @ view for measure in clouds])
    for measure in clouds:
        corners = views.box(measure)
        if frames.dim == 2 and corners is not None:
            seen = np.concatenate([seen, np.stack(corners)])
    low, high = seen.min(axis=0), seen.max(axis=0)
    # Tokens that have met leave a window of no width.
    least = 1e-9 * max(1.0, float(np.abs(seen).max()))
    margin = max(0.06 * float((high - low).max()), least)
    return low - margin, high + margin


def _draw_limit(axes: Axes, measure: Measure, view: Array, window: tuple[Array, Array]) -> None:
    if measure.dim == 2 and isinstance(measure, meanfield.Density):
        heights = measure.masses / measure.grid.volume
        axes.pcolormesh(measure.grid.edges(0), measure.grid.edges(1), heights.T, **_shade(heights))
    elif measure.dim == 2 and isinstance(measure, meanfield.Gaussian | meanfield.Uniform):
        walls = [np.linspace(window[0][i], window[1][i], 161) for i in (0, 1)]
        middles = [0.5 * (wall[1:] + wall[:-1]) for wall in walls]
        at = np.stack(np.meshgrid(*middles, indexing="xy"), axis=-1).reshape(-1, 2)
        heights = measure.pdf(at).reshape(160, 160)
        axes.pcolormesh(*walls, heights, **_shade(heights))
    else:
        _dots(axes, views.atoms(measure), view, LIMIT, 8.0, alpha=0.5)


def _shade(heights: Array) -> dict[str, Any]:
    return {"cmap": "Blues", "vmin": 0.0, "vmax": DARKEST * float(heights.max()), "rasterized": True}


def _dots(axes: Axes, mu: Empirical, view: Array, colour: str, size: float, alpha: float = 1.0) -> None:
    """Draw atoms, their areas in the ratio of their weights."""
    seen = mu.points @ view
    areas = size * mu.weights / mu.weights.max()
    axes.scatter(seen[:, 0], seen[:, 1], s=areas, color=colour, alpha=alpha, lw=0, rasterized=len(seen) > 500)
