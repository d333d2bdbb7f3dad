"""The picture of the errata."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from studies.figures.style import BLUE, GREEN, GREY, ORANGE, VERMILION

_LEAST = 1e-18  # a width below this is drawn here


def drawn(summary: dict[str, Any]) -> Figure:
    """Return the counterexample to (6.5), widths along both eigenvectors, speeds over depth, and the rates."""
    drawing = Figure(figsize=(9.4, 7.2), layout="constrained")
    panels = drawing.subplots(2, 2)
    _counterexample(panels[0, 0], summary["counterexample"])
    _widths(panels[0, 1], [row for row in summary["rows"] if row["item"] == "axes"])
    _speeds(panels[1, 0], [row for row in summary["rows"] if row["item"] == "speed"])
    _rates(panels[1, 1], [row for row in summary["rows"] if row["item"] == "rates"])
    for axes in panels.ravel():
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8)
    drawing.suptitle("Wrong in print, and what holds instead", fontsize=11)
    return drawing


def _counterexample(axes: Any, found: dict[str, Any]) -> None:
    shares = np.array(found["shares"])
    axes.loglog(shares, found["everywhere"], "o-", color=VERMILION, ms=4, label="over all of R, as printed")
    axes.loglog(shares, found["in_ball"], "s-", color=BLUE, ms=4, label="over |x| \u2264 1")
    axes.loglog(shares, shares**-0.5, ":", color=GREY, label="$\\varepsilon^{-1/2}$")
    axes.set_title("(6.5): difference of the fields over W2", fontsize=9.5)
    axes.set_xlabel(
        "$\\varepsilon$ in $(1 - \\varepsilon)\\delta_0 + \\varepsilon\\delta_1$ against $\\delta_0$", fontsize=8.5
    )
    axes.legend(fontsize=8)


def _widths(axes: Any, rows: list[dict[str, Any]]) -> None:
    places = np.arange(len(rows))
    for k, (key, color, name) in enumerate(
        (("right", VERMILION, "with $\\varphi_1$"), ("left", BLUE, "with $\\varphi_1^*$"))
    ):
        widths = np.array([max(row[f"{key}_late"], _LEAST) for row in rows])
        axes.semilogy(places, widths, "Ds"[k], ms=7, color=color, label=name)
    axes.axhline(np.finfo(float).eps, color=GREY, ls=":", lw=1.0, label="rounding, $2^{-52}$")
    axes.set_xlim(-0.5, len(rows) - 0.5)
    axes.set_ylim(_LEAST / 10, 1e4)
    axes.set_xticks(places, [f"Fig. {row['figure']}\n{row['angle']:.1f}\u00b0" for row in rows])
    axes.set_title("Width of a cluster over the clusters' distance, t = 60", fontsize=9.5)
    axes.legend(fontsize=8)


def _speeds(axes: Any, rows: list[dict[str, Any]]) -> None:
    for row, color in zip(rows, (VERMILION, BLUE, ORANGE, GREEN), strict=False):
        axes.semilogy(row["times"], row["speed"], color=color, label=f"{row['name']}: slope {row['slope']:.2f}")
    axes.set_ylim(1e-3, 1e8)
    axes.set_title("Largest speed over depth: Lipschitz in t only locally", fontsize=9.5)
    axes.set_xlabel("|t|", fontsize=8.5)
    axes.legend(fontsize=7.5, loc="upper left")


def _rates(axes: Any, rows: list[dict[str, Any]]) -> None:
    for row, color in zip(rows, (BLUE, VERMILION), strict=True):
        sizes = np.array(row["sizes"])
        name = (
            "two pieces, 10 apart"
            if row["gap"] == 10
            else f"two pieces, {row['gap']:g} apart"
            if row["gap"]
            else "one piece"
        )
        label = f"{name}: slope {row['slope']:.3f}"
        axes.errorbar(sizes, row["W2"], yerr=row["errors"], fmt="o-", ms=3.5, color=color, label=label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_title("E W2 between n random tokens and their law, d = 1", fontsize=9.5)
    axes.set_xlabel("n", fontsize=8.5)
    axes.legend(fontsize=8)
