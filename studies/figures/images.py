"""Matrices as images, their entries between 0 and 1."""

from __future__ import annotations

from typing import Any

from particles.checks import Array
from studies.figures import style


def image(axes: Any, matrix: Array, title: str) -> Any:
    """Draw P, row i: what token i attends to; return what a colour bar is made from."""
    shown = axes.imshow(matrix, vmin=0.0, vmax=1.0, cmap="Blues", interpolation="nearest", origin="upper")
    style.plain(axes, title)
    n = len(matrix)
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, n) if n <= 5 * step or step >= n)
    numbers = [1, *range(step, n + 1, step)] if step > 1 else list(range(1, n + 1))  # tokens, as the paper counts them
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([number - 1 for number in numbers], [str(number) for number in numbers])
    return shown


def bar(figure: Any, shown: Any, panels: Any) -> None:
    """Add the colour bar of all panels."""
    made = figure.colorbar(shown, ax=panels, shrink=0.9, pad=0.01, fraction=0.03)
    made.ax.tick_params(labelsize=style.TICK)
    made.set_label("P\u1d62\u2c7c(t)", fontsize=style.LABEL)
