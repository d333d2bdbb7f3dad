"""Fig. 1: tokens in space and the ways they take to the vertices of a convex polytope (V = I, Theorem 3.1).

One panel: the ways of n = 40 rescaled tokens from t = 0 to t = 5, where they are then, and the polytope of the leaders'
resting places. The tokens are not those of Fig. 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from particles.geometry import Hull
from studies.figures import clouds, published, space, style
from studies.figures.figure_05 import polytope_film, polytope_summary, polytope_table
from studies.film import Film

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBER = 1
DEPTH = 5.0
PANELS = [0.0, 1.0, 2.0, 5.0]  # the rows of the table
TITLE = "Fig. 1: V = I, tokens cluster at the vertices of a convex polytope"

Config = clouds.CloudConfig


def cases(config: clouds.CloudConfig) -> list[dict[str, Any]]:
    """Return the one case: depths close enough to draw the ways."""
    return [clouds.case(NUMBER, config, published.IDENTITY, np.linspace(0, DEPTH, 41).tolist())]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return tokens along their ways, their leaders, and where these rest."""
    return clouds.run_case(case)


def summary(config: clouds.CloudConfig, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the numbers of Fig. 5 for these tokens at its depths, and all their ways."""
    case, result = cases(config)[0], results[0]
    rows = [case["times"].index(t) for t in PANELS]
    few = {**result, "tokens": np.asarray(result["tokens"])[rows], "explicit": np.asarray(result["explicit"])[rows]}
    shown = polytope_summary({**case, "times": PANELS}, few)
    shown["ways"] = np.asarray(result["tokens"]).tolist()
    return shown


def table(summary: dict[str, Any]) -> str:
    """Return a row for each of four depths."""
    return polytope_table(summary, TITLE)


def figure(summary: dict[str, Any]) -> Figure:
    """Return the ways of the tokens and the limit polytope."""
    drawing = style.sheet(5.6, 5.4, clouds.note(summary, "V = I"))
    ways, limit = np.asarray(summary["ways"]), np.asarray(summary["limit"])
    axes = space.panel(drawing, (1, 1, 1), "", space.box_around(ways, cube=True, margin=0.02))
    leading = limit[summary["leading"]]
    space.polytope(axes, leading, Hull(leading).facets)
    for way in ways.transpose(1, 0, 2):
        axes.plot(*way.T, color=style.BLUE, lw=0.7, alpha=0.55, zorder=4)
    axes.scatter(*ways[0].T, s=11, facecolor="white", edgecolor=style.BLUE, lw=0.8, depthshade=False, label="t = 0")
    axes.scatter(*leading.T, s=40, color=style.VERMILION, depthshade=False, zorder=7, label="limits: the vertices")
    axes.legend(fontsize=style.LABEL, loc="upper left", frameon=False)
    drawing.suptitle(TITLE, fontsize=style.HEADING)
    return drawing


def film(config: clouds.CloudConfig) -> Film:
    """Return the tokens and their hull from t = 0 to 5."""
    return polytope_film(clouds.case(NUMBER, config, published.IDENTITY, np.linspace(0, DEPTH, 51).tolist()))
