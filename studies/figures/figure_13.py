"""Fig. 13: the other two eigenvalues are a complex pair with negative real part, so tokens turn in two planes.

    eigenvalues 0.991, -0.055 + 0.254i, -0.055 - 0.254i,  Q = K = I,  n = 25, d = 3,  t = 0, 5, 10, 30, 35, 40

One eigenvalue with positive real part: limits of codimension 1, the hyperplanes of Theorem 4.2, in which rescaled
tokens turn by e^{-tV} and move away as e^{0.055 t}. The planes are level sets of the left eigenvector, 29.4 degrees
from phi_1. At t = 40, e^{2t} is 5e34 and the exponents of the direct solution are rounding: tokens are explicit
there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from studies.figures import clouds, published, space, style
from studies.figures.figure_07 import draw_flats, flats_film, flats_summary, flats_table
from studies.film import Film

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBER = 13
TITLE = "Fig. 13: a complex pair with negative real part, tokens turn in two planes"
VIEW = (16.0, -38.0)


class Config(clouds.CloudConfig):
    """How many tokens; 25 are published."""

    n: int = Field(25, ge=4, le=1000)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return the one case."""
    return [clouds.case(NUMBER, config, published.FIG_13, published.TIMES[NUMBER])]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return tokens at the panels' depths, their leaders, and where these rest."""
    return clouds.run_case(case)


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return tokens, the limiting hyperplanes, and the tokens' distances from them."""
    return flats_summary(cases(config)[0], results[0])


def table(summary: dict[str, Any]) -> str:
    """Return a row for each panel."""
    return flats_table(summary, TITLE)


def figure(summary: dict[str, Any]) -> Figure:
    """Return one panel a depth, with the hyperplanes; the upper and the lower row have a scale each."""
    values = f"eigenvalues of V {style.eigenvalues(summary['spectrum'])}"
    drawing = style.sheet(9.2, 6.8, clouds.note(summary, values))
    tokens = np.asarray(summary["tokens"])
    boxes = [space.box_around(tokens[:3], cube=True), space.box_around(tokens[3:], cube=True)]
    for k, t in enumerate(summary["times"]):
        box = boxes[k // 3]
        axes = space.panel(drawing, (2, 3, k + 1), f"t = {t:g}", box, view=VIEW)
        draw_flats(axes, summary, k, tokens[k], box)
    drawing.suptitle(f"{TITLE} (shaded); large: leaders", fontsize=style.HEADING)
    return drawing


def film(config: Config) -> Film:
    """Return the tokens and their hyperplanes from t = 0 to 40; the scale follows the tokens."""
    times = np.linspace(0, 40, 61).tolist()
    return flats_film(clouds.case(NUMBER, config, published.FIG_13, times), "Fig. 13", VIEW)
