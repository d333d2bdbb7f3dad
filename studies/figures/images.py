"""Matrices as images, their entries between 0 and 1."""

from __future__ import annotations

from typing import Any

from particles.checks import Array
from studies.figures import style


def image(axes: Any, matrix: Array, title: str) -> Any:
    """Draw P, row i: what token i attends to; return what a colour bar is made from."""
    shown = axes.imshow(matrix, vmin=0.0, vmax=1.0, cmap="Blues", interpolation="nearest", origin="upper")
    style.plain(axes, title)
    axes.locator_params(nbins=5, integer=True)
    return shown


def bar(figure: Any, shown: Any, panels: Any) -> None:
    """Add the colour bar of all panels."""
    made = figure.colorbar(shown, ax=panels, shrink=0.9, pad=0.01, fraction=0.03)
    made.ax.tick_params(labelsize=style.TICK)
    made.set_label("P\u1d62\u2c7c(t)", fontsize=style.LABEL)
