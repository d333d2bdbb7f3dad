"""Fig. 12: the other two eigenvalues are a complex pair with positive real part, so tokens collapse to points.

    eigenvalues 1.078, 0.099 + 0.082i, 0.099 - 0.082i,  Q = K = I,  n = 25, d = 3,  t = 0, 5, 40

Three eigenvalues with positive real part: limits of codimension 3, points. The published caption has 1, 0.1 + 0.08i
and 1 - 0.08i, which are not the eigenvalues of a real matrix. The planes are level sets of the left eigenvector, 11.7
degrees from phi_1. At t = 40, e^{2t} is 5e34 and the exponents of the direct solution are rounding: tokens are
explicit there.
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

NUMBER = 12
TITLE = "Fig. 12: a complex pair with positive real part, tokens collapse to points"
VIEW = (16.0, -26.0)


class Config(clouds.CloudConfig):
    """How many tokens; 25 are published."""

    n: int = Field(25, ge=4, le=1000)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return the one case."""
    return [clouds.case(NUMBER, config, published.FIG_12, published.TIMES[NUMBER])]


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
    """Return one panel a depth, with the hyperplanes; one scale for all panels."""
    values = f"eigenvalues of V {style.eigenvalues(summary['spectrum'])}"
    drawing = style.sheet(9.2, 3.7, clouds.note(summary, values))
    tokens = np.asarray(summary["tokens"])
    box = space.box_around(tokens, cube=True)
    for k, t in enumerate(summary["times"]):
        axes = space.panel(drawing, (1, 3, k + 1), f"t = {t:g}", box, view=VIEW)
        draw_flats(axes, summary, k, tokens[k], box)
    drawing.suptitle(f"{TITLE}\nshaded: the hyperplanes of Theorem 4.2; large: leaders", fontsize=style.HEADING)
    return drawing


def film(config: Config) -> Film:
    """Return the tokens and their hyperplanes from t = 0 to 40; the scale follows the tokens."""
    times = np.linspace(0, 40, 61).tolist()
    return flats_film(clouds.case(NUMBER, config, published.FIG_12, times), "Fig. 12", VIEW)
