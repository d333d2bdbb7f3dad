"""The figure of the study: growth factors over depth for some cases, and how sharp the bounds are for all."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.stability.pairs import PAIRS, VALUES

# Curves, lowest first: key of the exponents, label, colour and line.
_CURVES = (
    ("atoms", "W2 of the pairs", "C0", "o"),
    ("coupled", "moved coupling D", "C2", "-"),
    ("sharp", "sharp", "C1", "-"),
    ("log_norm", "logarithmic norm", "C4", "--"),
    ("a_posteriori", "a posteriori L1 + L2", "C3", "-."),
)
_SHOWN = (  # d, V, R, pair, law
    (1, "I", 1.0, "shift", "raw"),
    (1, "-I", 1.0, "dilation", "raw"),
    (2, "Fig. 6", 1.0, "rotation", "raw"),
    (2, "Fig. 6", 1.0, "samples", "raw"),
    (1, "I", 5.0, "shift", "raw"),
    (3, "Fig. 7", 1.0, "shift", "raw"),
)
_MOST = 6
_RANGE = (1.0, 30.0)  # of the colours, logarithmic


def drawn(summary: dict[str, Any]) -> Figure:
    """Return the figure."""
    rows = summary["rows"]
    shown = _chosen(rows)
    columns = 3
    lines = -(-len(shown) // columns)
    names, radii = _names(rows), sorted({row["radius"] for row in rows})
    height = 0.24 * len(names) + 1.3
    figure = Figure(figsize=(11.5, 2.9 * lines + height), layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=[2.9 * lines, height])
    upper, lower = halves
    panels = upper.subplots(lines, columns, squeeze=False).ravel()
    for axes, row in zip(panels, shown, strict=False):
        _curves(axes, row)
    for axes in panels[len(shown) :]:
        axes.remove()
    handles, labels = panels[0].get_legend_handles_labels()
    upper.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
    upper.suptitle("Stability (6.6): growth of the distance between two solutions", fontsize=12)
    _maps(lower, rows, names, radii)
    return figure


def _chosen(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows to be shown as curves, others if those are not there."""
    by_key = {(row["dim"], row["value"], row["radius"], row["pair"], row["law"]): row for row in rows}
    found = [by_key[key] for key in _SHOWN if key in by_key]
    return (found + [row for row in rows if not any(row is one for one in found)])[:_MOST]


def _curves(axes: Axes, row: dict[str, Any]) -> None:
    times = np.array(row["times"])
    for key, label, color, line in _CURVES:
        values = np.array([np.nan if v is None else v for v in row["exponents"][key]])
        with np.errstate(over="ignore"):
            factors = np.exp(np.where(values < 700, values, np.nan))
        axes.plot(times, factors, line, color=color, label=label, ms=5, mfc="none", lw=1.6)
    if row["limit"]["status"] == "solved":
        low, high = (np.exp([np.nan if v is None else v for v in end]) for end in row["between"])
        axes.fill_between(times, low, high, color="C0", alpha=0.15, lw=0, label="W2 of the limit, with its error")
    elif not axes.collections:
        axes.fill_between([], [], color="C0", alpha=0.15, lw=0, label="W2 of the limit, with its error")
    prior = row["c"]["a_priori"]
    a_priori = "overflows" if prior is None else f"$e^{{{prior:.1e}\\,t}}$"
    axes.set_title(
        f"d = {row['dim']}, V: {row['value']}, R = {row['radius']:g}, {row['pair']}, {row['law']}", fontsize=9.5
    )
    axes.text(0.03, 0.95, f"a priori: {a_priori}", transform=axes.transAxes, va="top", fontsize=8.5)
    axes.set_yscale("log")
    axes.grid(alpha=0.3, which="both")
    axes.set_xlabel("depth t", fontsize=9)
    axes.tick_params(labelsize=8, which="both")
    axes.margins(y=0.12)


def _names(rows: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    """Return law, dimension and value matrix of each line of the maps."""
    there = {(row["law"], row["dim"], row["value"]) for row in rows}
    laws = list(dict.fromkeys(row["law"] for row in rows))
    return [(law, d, value) for law in sorted(laws) for d in VALUES for value in VALUES[d] if (law, d, value) in there]


def _maps(figure: Any, rows: list[dict[str, Any]], names: list[tuple[str, int, str]], radii: list[float]) -> None:
    """Draw the ratio of two exponents to the measured one, a column for each pair and radius."""
    from matplotlib.colors import LogNorm

    panels = figure.subplots(1, 2, sharey=True)
    there = {(row["pair"], row["radius"]) for row in rows}
    columns = [(pair, radius) for pair in PAIRS for radius in radii if (pair, radius) in there]
    for axes, key, title in zip(panels, ("sharp", "log_norm"), ("sharp", "logarithmic norm"), strict=True):
        ratios = np.full((len(names), len(columns)), np.nan)
        for row in rows:
            place = names.index((row["law"], row["dim"], row["value"])), columns.index((row["pair"], row["radius"]))
            ratios[place] = np.inf if row["ratios"][key] is None else row["ratios"][key]
        clipped = np.clip(ratios, *_RANGE)
        image = axes.pcolormesh(
            np.ma.masked_invalid(clipped), norm=LogNorm(*_RANGE), cmap="viridis_r", edgecolors="w", lw=0.4
        )
        for (i, j), value in np.ndenumerate(ratios):
            if not np.isnan(value) and len(columns) <= 20:
                text = f"{value:.1f}" if value < 9.95 else (f"{value:.0f}" if value < 99.5 else ">99")
                axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=6, color="k" if value < 6 else "w")
        axes.set_yticks(
            np.arange(len(names)) + 0.5, [f"{law}, d = {d}, V: {value}" for law, d, value in names], fontsize=8
        )
        axes.set_xticks(np.arange(len(columns)) + 0.5, [f"{radius:g}" for _, radius in columns], fontsize=7)
        axes.set_xlabel("R of " + " | ".join(dict.fromkeys(pair for pair, _ in columns)), fontsize=8.5)
        for k, (left, right) in enumerate(pairwise(columns), 1):
            if left[0] != right[0]:
                axes.axvline(k, color="k", lw=1)
        axes.set_title(f"{title}: 1 + (bound − W2) / max(|W2|, 0.1), exponents", fontsize=9.5)
    panels[0].invert_yaxis()  # shared
    figure.colorbar(image, ax=panels, shrink=0.9, pad=0.01, extend="max")
