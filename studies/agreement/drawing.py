"""The picture of the study: errors under refinement, and how far below its bar each pair lies."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.agreement.problems import TITLES
from studies.agreement.refinement import METHODS


def drawn(summary: dict[str, Any]) -> Figure:
    """Return W1 against size, one panel for each problem, and the ratios of all pairs to their bars."""
    names = list(dict.fromkeys(row["problem"] for row in summary["rows"]))
    drawing = Figure(figsize=(13.6, 7.4), layout="constrained")
    panels = drawing.subplot_mosaic([[*names[:2], "pairs"], [*names[2:], "pairs"]])
    for row in summary["rows"]:
        _line(panels[row["problem"]], row)
    for name in names:
        panels[name].set(xlabel="nodes or cells along an axis", ylabel="W1 error")
        panels[name].set_xscale("log", base=2)
        panels[name].grid(alpha=0.3, which="both")
    panels[names[0]].legend(fontsize=8, loc="lower left")
    _ratios(panels["pairs"], summary["pairs"])
    drawing.suptitle(f"Agreement of the methods at t = {summary['depth']:g} (dotted: orders 1 and 2)")
    return drawing


def _line(axes: Axes, row: dict[str, Any]) -> None:
    errors = np.maximum(row["W1"], np.finfo(float).tiny)
    k = list(METHODS).index(row["method"])
    axes.loglog(row["sizes"], errors, "o-", ms=4, color=f"C{k}", label=METHODS[row["method"]])
    if row["method"] != "particles":
        order = int(row["method"][-1])
        sizes = np.array(row["sizes"], dtype=float)
        axes.loglog(sizes, errors[0] * (sizes[0] / sizes) ** order, ":", color="0.5", lw=1)
    axes.set_title(row["title"], fontsize=9)


_LEAST = 1e-4  # ratios below are drawn there


def _ratios(axes: Axes, pairs: list[dict[str, Any]]) -> None:
    places = list(TITLES)
    at = np.array([places.index(pair["problem"]) for pair in pairs], dtype=float)
    above = [pair["sharp"] is not None for pair in pairs]
    for key, some, colour, label in (
        ("ratio", [True] * len(pairs), "C0", "W2 / (stated errors + error of the distance)"),
        ("sharp", above, "C1", "W2 from below / stated errors"),
    ):
        values = [max(pair[key], _LEAST) for pair, shown in zip(pairs, some, strict=True) if shown]
        shift = 0.15 if key == "ratio" else -0.15
        axes.semilogx(values, at[some] + shift, "o", ms=4, alpha=0.5, color=colour, label=label)
    axes.axvline(1, color="0.3", lw=1)
    axes.set_yticks(range(len(places)), places)
    axes.set(xlabel="ratio; below 1: the methods agree", ylim=(len(places) - 0.5, -0.5))
    axes.grid(alpha=0.3, axis="x")
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.08))
    axes.set_title(f"all {len(pairs)} pairs of methods", fontsize=9)
