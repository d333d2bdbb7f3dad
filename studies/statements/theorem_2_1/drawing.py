"""The picture of Theorem 2.1: rates of random tokens, and a bounded token's way and how it is lost."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from studies.statements.theorem_2_1.report import BETWEEN

_SHOWN = 7  # bounded tokens that are drawn


def drawn(summary: dict[str, Any]) -> Figure:
    """Return the rates of random tokens, and a bounded token's way, row and loss."""
    drawing = Figure(figsize=(10.2, 7.4), layout="constrained")
    (of_rates, of_slopes), (of_y, of_errors) = drawing.subplots(2, 2)
    shown = summary["shown"]
    if shown is not None:
        times, logs = np.array(shown["times"]), np.array(shown["log_rates"])
        of_rates.plot(times, logs, color="C0", lw=0.7, alpha=0.6)
        V = shown["V"]
        anchor = float(np.median(logs[-1]))
        of_rates.plot(times[-21:], anchor + V * (times[-21:] - times[-1]), "k--", lw=1.4, label=f"slope V = {V:g}")
        of_rates.set_title(f"one draw, n = {shown['n']}: $\\log(-\\log(1 - P_{{iL(i)}}))$, every row")
        of_rates.set_xlabel("depth t")
        of_rates.legend()
    for k, row in enumerate(row for row in summary["rows"] if row["decided"]):
        slopes, expected = np.array(row["slopes"]), np.array(row["expected"])
        for value, color in ((1, "C0"), (2, "C3")):
            here = slopes[expected == value]
            of_slopes.plot(np.full(len(here), k), here, ".", color=color, ms=4)
    for value, color, text in ((1, "C0", "others have the same leader"), (2, "C3", "none has")):
        of_slopes.axhline(value, color=color, lw=0.8, ls=":")
        of_slopes.plot([], [], ".", color=color, label=text)
    of_slopes.set_ylim(0.8, 2.2)
    of_slopes.set_title("fitted rates over V, every row of every draw")
    of_slopes.set_xlabel("draw")
    of_slopes.legend(fontsize=9)
    for k, row in enumerate([row for row in summary["bounded"] if row["theta"] is not None][:_SHOWN]):
        times = np.array(row["times"])
        label = f"{row['left']} left, {row['right']} right"
        kept = times <= BETWEEN[1]
        of_y.plot(times[kept], np.array(row["scaled"])[kept], color=f"C{k}", lw=1.4, label=label)
        of_y.axhline(row["theta"], color=f"C{k}", ls=":", lw=0.9)
        of_y.axvline(row["left_at"], color=f"C{k}", ls="--", lw=0.8)
        of_errors.semilogy(times[kept], np.array(row["theta_errors"])[kept], color=f"C{k}", lw=1.4, label=label)
    count = sum(row["theta"] is not None for row in summary["bounded"])
    of_errors.set_title("$|e^t x - \\theta|$" + (f", {_SHOWN} of {count} draws" if count > _SHOWN else ""))
    of_y.set_title("bounded token: $e^t x$, $\\theta$ (dotted); doubles lose it (dashed)")
    of_errors.set_ylim(1e-8, 10)
    for axes in (of_y, of_errors):
        axes.set_xlabel("depth t")
        axes.legend(fontsize=8)
    for axes in drawing.axes:
        axes.grid(alpha=0.3)
    drawing.suptitle("Theorem 2.1: P becomes Boolean, doubly exponentially; at most one token stays bounded")
    return drawing
