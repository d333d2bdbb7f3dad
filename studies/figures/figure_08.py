"""Fig. 8: the leading eigenvalue twice, so that a polytope times a line attracts the tokens (Theorem 5.2).

    V = diag(1, 1, -1/2),  Q = K = I,  n = 40, d = 3,  t = 0, 5, 10, 15

In the plane F of the first two coordinates every token tends to a vertex of a polygon K (or, exceptionally, to another
point of its boundary or to 0); along G, the third coordinate, tokens move away as e^{t/2}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from particles.checks import Array
from particles.geometry import Hull
from particles.spectrum import good_triple_with_multiplicity
from studies.figures import clouds, published, space, style
from studies.film import Film

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBER = 8
TITLE = "Fig. 8: V = diag(1, 1, \u22121/2), a polygon times a line attracts the tokens"
VIEW = (20.0, -56.0)

Config = clouds.CloudConfig


def cases(config: clouds.CloudConfig) -> list[dict[str, Any]]:
    """Return the one case."""
    return [clouds.case(NUMBER, config, published.FIG_8, published.TIMES[NUMBER])]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return tokens at the panels' depths, their leaders, and where these rest."""
    return clouds.run_case(case)


def summary(config: clouds.CloudConfig, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return tokens, the polygon K, and how far the tokens are from their leaders' places in F."""
    return _numbers(cases(config)[0], results[0])


def _numbers(case: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    shown = clouds.summary(case, result)
    attention, _ = clouds.setting(case)
    triple = good_triple_with_multiplicity(attention)
    limit, tokens = np.asarray(result["limit"]), np.asarray(result["tokens"])
    leading = np.array(shown["leading"])
    corners = leading[Hull(limit[leading, :2]).vertices]
    shown["polygon"] = limit[corners, :2].tolist()  # in order round it
    decided = np.asarray(result["decided"], dtype=bool)
    shown["to_leader"] = np.linalg.norm((tokens - limit) @ triple.onto.T, axis=2)[:, decided].max(axis=1).tolist()
    shown["along"] = np.abs(tokens[:, :, 2]).max(axis=1).tolist()
    shown["headline"] = {
        "good_triple_with_multiplicity": triple.holds,
        "multiplicity": triple.multiplicity,
        "limit_points": len(leading),
        "polygon_vertices": len(corners),
        "all_at_vertices": len(corners) == len(leading),
        "last_distance": shown["to_leader"][-1],
        "along": shown["along"][-1],
    }
    return shown


def table(summary: dict[str, Any]) -> str:
    """Return a row for each panel."""
    columns = {
        "from the leader's place in F": [f"{x:.2e}" for x in summary["to_leader"]],
        "largest along G": [f"{x:.4g}" for x in summary["along"]],
    }
    corners = ", ".join(f"({x:.3f}, {y:.3f})" for x, y in summary["polygon"])
    return clouds.table(summary, TITLE, columns, [f"Polygon in F with {len(summary['polygon'])} vertices: {corners}."])


def figure(summary: dict[str, Any]) -> Figure:
    """Return one panel a depth with the prism over the polygon; the third coordinate has its own scale in each."""
    note = clouds.note(summary, "V = diag(1, 1, \u22121/2); the third axis has its own scale in each panel")
    drawing = style.sheet(11.6, 3.7, note)
    tokens = np.asarray(summary["tokens"])
    for k, t in enumerate(summary["times"]):
        box = _box(tokens, k)
        _draw(space.panel(drawing, (1, 4, k + 1), f"t = {t:g}", box, view=VIEW), summary, tokens[k], box)
    drawing.suptitle(f"{TITLE} (shaded: the polygon's walls)", fontsize=style.HEADING)
    return drawing


def _box(tokens: Array, k: int) -> space.Box:
    """Return one window for F, over all depths, and one for G at this depth."""
    low, high = space.box_around(tokens[k], cube=False, margin=0.02)
    low[:2], high[:2] = space.box_around(tokens[..., :2], cube=True, margin=0.02)
    return low, high


def _draw(axes: Any, numbers: dict[str, Any], points: Array, box: space.Box) -> None:
    space.prism(axes, np.array(numbers["polygon"]), box)
    space.dots(axes, points, numbers["leading"])


def film(config: clouds.CloudConfig) -> Film:
    """Return the tokens and their prism from t = 0 to 10; the third axis follows the tokens."""
    case = clouds.case(NUMBER, config, published.FIG_8, np.linspace(0, 10, 51).tolist())
    result = run_case(case)
    numbers, tokens = _numbers(case, result), result["tokens"]

    def draw(k: int) -> Figure:
        drawing = style.frame(f"Fig. 8, t = {case['times'][k]:.2f}")
        box = _box(tokens, k)
        _draw(space.panel(drawing, (1, 1, 1), "", box, view=VIEW), numbers, tokens[k], box)
        return drawing

    return Film(len(tokens), draw)
