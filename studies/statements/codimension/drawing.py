"""The picture of the codimension conjecture: counts, and exceptions."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from studies.figures.style import BLUE, GREY, VERMILION
from studies.statements.codimension.report import ToTheContrary, exceptions

_OUTCOMES = {"agrees": BLUE, "does not": VERMILION, "not decided": "0.8"}
_FIRST = ("normal pair leads", "pair leads", "multiple", "identity")  # the least expected first
_SHOWN = 3


def drawn(summary: dict[str, Any]) -> Figure:
    """Return counts of agreement by kind of spectrum, and an exception of each of three kinds."""
    kept: dict[str, ToTheContrary] = {}
    for found in exceptions(summary):
        kept.setdefault(found.kind, found)
    shown = [kept[kind] for kind in _FIRST if kind in kept][:_SHOWN]
    drawing = Figure(figsize=(9.6, 6.2), layout="constrained")
    grid = drawing.add_gridspec(2, max(1, len(shown)))
    _counts(drawing.add_subplot(grid[0, :]), summary["counts"])
    panels = [drawing.add_subplot(grid[1, k]) for k in range(len(shown))]
    for axes, found in zip(panels, shown, strict=True):
        _exception(axes, found)
    if panels:
        drawing.legend(*panels[0].get_legend_handles_labels(), fontsize=8.5, ncols=2, loc="outside lower center")
    drawing.suptitle("Codimension conjecture: at most three limits of the growing part?", fontsize=11)
    return drawing


def _counts(axes: Any, counts: dict[str, dict[str, int]]) -> None:
    kinds = list(counts)
    places, left = np.arange(len(kinds))[::-1], np.zeros(len(kinds))
    for outcome, color in _OUTCOMES.items():
        widths = np.array([counts[kind][outcome] for kind in kinds], dtype=float)
        axes.barh(places, widths, left=left, color=color, label=outcome, height=0.7)
        left += widths
    axes.set_yticks(places, kinds, fontsize=8.5)
    axes.set_xlabel("draws")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=8.5, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.16), frameon=False)


def _exception(axes: Any, found: ToTheContrary) -> None:
    """Draw initial tokens and limits in the first two coordinates of the growing part."""
    start = found.tokens @ found.L.T
    axes.plot(start[:, 0], start[:, 1], "o", ms=9, mfc="none", mec=GREY, label="initial tokens")
    axes.plot(found.limits[:, 0], found.limits[:, 1], "D", ms=5.5, color=VERMILION, label="limits")
    axes.set_aspect("equal", adjustable="datalim")
    d, k = len(found.V), found.L.shape[0]
    axes.set_title(f"{found.kind}, d = {d}, k = {k}: {len(found.limits)} limits", fontsize=9)
    axes.set_xlabel("first coordinate of Lz", fontsize=8.5)
    axes.set_ylabel("second", fontsize=8.5)
    axes.tick_params(labelsize=7.5)
