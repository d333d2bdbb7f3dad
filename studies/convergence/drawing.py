"""The picture of the study: errors against n, a column for each dimension, and growth beside (6.6)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from studies.convergence.starts import STARTS, rate

_COLOURS = {start: f"C{k}" for k, start in enumerate(STARTS)}
_LABELS = {"W2": r"$(\mathbb{E}\,W_2^2)^{1/2}$", "field": r"$(\mathbb{E}\,\sup|X[\mu^n]-X[\mu]|^2)^{1/2}$"}
_LEAST = 1e-15  # errors below are drawn there


def drawn(summary: dict[str, Any]) -> Figure:
    """Return three rows of panels: W2, field error, growth."""
    dims = sorted({row["dim"] for row in summary["rows"]})
    drawing = Figure(figsize=(4.3 * len(dims), 11.4), layout="constrained")
    panels = drawing.subplots(3, len(dims), squeeze=False)
    for column, dim in enumerate(dims):
        for axes, quantity in zip(panels[:, column], _LABELS, strict=False):
            _errors(axes, [row for row in summary["rows"] if (row["dim"], row["quantity"]) == (dim, quantity)])
            axes.set_title(f"d = {dim}", fontsize=10)
        _growth(panels[2, column], next(row for row in summary["growth"] if row["dim"] == dim))
    for axes, label in zip(panels[:, 0], (*_LABELS.values(), r"$W_2(t)\,/\,W_2(0)$"), strict=True):
        axes.set_ylabel(label)
    first, last = (f"t = {pick(row['time'] for row in summary['rows']):g}" for pick in (min, max))
    handles = [Line2D([], [], color=colour, marker="o", ms=4, label=start) for start, colour in _COLOURS.items()]
    handles += [
        Line2D([], [], color="0.3", label=last),
        Line2D([], [], color="0.3", ls="--", alpha=0.5, label=first),
        Line2D([], [], color="0.3", ls=":", label="known rate"),
    ]
    drawing.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9)
    drawing.suptitle("Convergence of n tokens to the mean-field limit (bars: 95 % bootstrap intervals)")
    return drawing


def _errors(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """Draw the first and the last depth of each start, with the known rate and the slope at the last."""
    first, last = min(row["time"] for row in rows), max(row["time"] for row in rows)
    text = []
    for row in rows:
        colour, rms = _COLOURS[row["start"]], np.maximum(row["rms"], _LEAST)
        if row["time"] == last:
            low, high = (np.array(end) for end in row.get("interval", (row["rms"], row["rms"])))
            bars = [np.maximum(rms - low, 0), np.maximum(high - rms, 0)]
            axes.errorbar(row["n"], rms, bars, fmt="o-", ms=3.5, lw=1.2, color=colour)
            text.append((colour, _said(row)))
            if "theory" in row:
                theory = np.array(row["theory"]) * rms[-1] / row["theory"][-1]
                axes.plot(row["n"], theory, ":", color="0.2", lw=1.3, zorder=3)
        elif row["time"] == first:
            axes.plot(row["n"], rms, "--", lw=1, color=colour, alpha=0.5)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("tokens n")
    axes.grid(alpha=0.3)
    lines = [Line2D([], [], color=colour, label=said) for colour, said in text]
    axes.legend(handles=lines, fontsize=7, loc="lower left", handlelength=1.2, framealpha=0.85)
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom / (top / bottom) ** 0.3, top)  # room for the legend


def _said(row: dict[str, Any]) -> str:
    if row.get("factor", 1.0) is None:
        return "rounding"
    if "slope" not in row:
        return f"divided by {row['factor']:.1f} per node along an axis"
    known = rate(row["quantity"], row["start"], row["dim"])
    assert known is not None
    interval = row.get("slope_interval")
    spread = "" if interval is None else " [{:.3f}, {:.3f}]".format(*interval)
    return f"slope {row['slope']:.3f}{spread}; known ${known[1]}$"


def _growth(axes: Axes, row: dict[str, Any]) -> None:
    """Draw measured factors of single replicas and their bounds."""
    lines = (
        ("a_posteriori", "C3", "--", "a posteriori"),
        ("sharp", "C2", "-.", "sharp"),
        ("measured", "C0", "-", "measured"),
    )
    for key, colour, style, _ in lines:
        for factors in row[key]:
            axes.plot(row["times"], factors, style, color=colour, lw=0.8, alpha=0.7)
    axes.plot(row["times"], row["mean"], "o", color="k", ms=4)
    axes.plot(row["times"], row["largest"], "^", color="k", ms=5, mfc="none")
    axes.set(xlabel="depth t", yscale="log")
    axes.set_title(f"d = {row['dim']}: growth of single replicas", fontsize=10)
    axes.grid(alpha=0.3, which="both")
    handles = [
        *(Line2D([], [], color=c, ls=style, label=f"{name}, n = {row['bounded n']}") for _, c, style, name in lines),
        Line2D([], [], color="k", marker="^", mfc="none", ls="", label=f"largest of {row['replicas']}, all n"),
        Line2D([], [], color="k", marker="o", ls="", ms=4, label="their mean"),
    ]
    axes.legend(handles=handles, fontsize=7, loc="upper left")
