"""How the figures look: colours that the colour-blind can tell apart (Okabe and Ito), sizes, and the line below.

Nothing global is set: figures are made without pyplot and without `rcParams`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"
INK, GREY = "#1b1b1b", "#8a8a8a"
# Of at most three hyperplanes, in the order of their levels, and of the tokens that tend to them.
PLANES = (ORANGE, SKY, PURPLE)
ON_PLANES = (VERMILION, BLUE, "#8a3f6d")

HEADING, TITLE, LABEL, TICK, NOTE = 10.5, 9.5, 8.5, 6.5, 8.0  # points


def sheet(width: float, height: float, note: str) -> Figure:
    """Return an empty figure with `note` below its panels: what was drawn, and from which seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.supxlabel(note, fontsize=NOTE, color=INK)
    return figure


def frame(title: str) -> Figure:
    """Return the sheet of a film's frame, titled."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 4.2), dpi=100)
    figure.suptitle(title, fontsize=TITLE)
    return figure


def plain(axes: Any, title: str) -> None:
    """Give a flat panel its title and small ticks."""
    axes.set_title(title, fontsize=TITLE)
    axes.tick_params(labelsize=TICK, length=2.5)


def legend(figure: Figure, axes: Any, title: str) -> None:
    """Put the legend of one panel above all of them, and the figure's title on top of it."""
    handles, labels = axes.get_legend_handles_labels()
    made = figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=LABEL, frameon=False)
    made.set_title(title)
    made.get_title().set_fontsize(HEADING)


def signed(number: float, digits: int = 3) -> str:
    """Return a number with a true minus sign."""
    return f"{number:.{digits}g}".replace("-", "\u2212")


def eigenvalues(pairs: list[list[float]], digits: int = 3) -> str:
    """Return eigenvalues, given as [real, imaginary], in one line; a complex pair once."""
    parts = []
    for real, imaginary in pairs:
        if imaginary > 0:
            parts.append(f"{signed(real, digits)} \u00b1 {signed(imaginary, digits)}i")
        elif imaginary == 0:
            parts.append(signed(real, digits))
    return ", ".join(parts)
