"""Fig. 5: with V = I in space, tokens gather at the vertices of a polytope (Theorem 3.1).

    z_i' = sum_j P_ij (z_j - z_i),  Q = K = V = I,  n = 40, d = 3,  t = 0, 1, 2, 5

The hull of the rescaled tokens shrinks (Prop. 8.2) to the polytope K of the leaders' resting places, and every token
tends to a point of K; here, as for almost all starts, to a vertex.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from particles.checks import Array
from particles.geometry import Hull
from studies.figures import clouds, published, space, style
from studies.film import Film

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBER = 5
TITLE = "Fig. 5: V = I, tokens towards the vertices of a polytope"

Config = clouds.CloudConfig


def cases(config: clouds.CloudConfig) -> list[dict[str, Any]]:
    """Return the one case."""
    return [clouds.case(NUMBER, config, published.IDENTITY, published.TIMES[NUMBER])]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return tokens at the panels' depths, their leaders, and where these rest."""
    return clouds.run_case(case)


def summary(config: clouds.CloudConfig, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return tokens, hulls, the limit polytope, and how far tokens still are from it and from its vertices."""
    return polytope_summary(cases(config)[0], results[0])


def polytope_summary(case: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of tokens that move with V = I; shared with Fig. 1."""
    shown = clouds.summary(case, result)
    tokens, limit = np.asarray(result["tokens"]), np.asarray(result["limit"])
    decided = np.asarray(result["decided"], dtype=bool)
    shown["hulls"] = [clouds.hull_numbers(points) for points in tokens]
    leading = np.array(shown["leading"])
    corners = leading[Hull(limit[leading]).vertices]
    shown["limit_vertices"] = sorted(corners.tolist())
    hull = Hull(limit[decided])
    shown["inside"] = [float(hull.distance(points[decided]).max()) for points in tokens]
    shown["to_leader"] = np.linalg.norm(tokens - limit, axis=2)[:, decided].max(axis=1).tolist()
    shown["volumes"] = [_volume(points) for points in [*tokens, limit[leading]]]
    shown["headline"] = {
        "limit_points": len(shown["leading"]),
        "limit_vertices": len(corners),
        "all_at_vertices": len(corners) == len(leading),
        "hull_shrinks": bool((np.diff(shown["volumes"]) <= 1e-9 * shown["volumes"][0]).all()),
        "last_distance": shown["to_leader"][-1],
    }
    return shown


def _volume(points: Array) -> float:
    from scipy.spatial import ConvexHull

    return float(ConvexHull(points).volume) if Hull(points).dim == 3 else 0.0


def table(summary: dict[str, Any]) -> str:
    """Return a row for each panel."""
    return polytope_table(summary, TITLE)


def polytope_table(summary: dict[str, Any], title: str) -> str:
    """Return the table of tokens that move with V = I; shared with Fig. 1."""
    columns = {
        "vertices of the hull": [str(len(hull["vertices"])) for hull in summary["hulls"]],
        "volume": [f"{volume:.4f}" for volume in summary["volumes"][:-1]],
        "from the limit polytope": [f"{x:.2e}" for x in summary["inside"]],
        "from the leader's place": [f"{x:.2e}" for x in summary["to_leader"]],
    }
    corners, last = len(summary["limit_vertices"]), summary["volumes"][-1]
    return clouds.table(summary, title, columns, [f"Limit polytope: {corners} vertices, volume {last:.4f}."])


def figure(summary: dict[str, Any]) -> Figure:
    """Return one panel a depth, with the hull of the tokens."""
    drawing = style.sheet(11.6, 3.5, clouds.note(summary, "V = I"))
    tokens = np.asarray(summary["tokens"])
    box = space.box_around(tokens, cube=True, margin=0.02)
    for k, t in enumerate(summary["times"]):
        axes = space.panel(drawing, (1, 4, k + 1), f"t = {t:g}", box)
        hull = summary["hulls"][k]
        space.polytope(axes, tokens[k], hull["facets"])
        space.dots(axes, tokens[k], summary["leading"])
    drawing.suptitle(
        f"{TITLE} (vermilion: the {len(summary['leading'])} that lead; shaded: the hull)", fontsize=style.HEADING
    )
    return drawing


def film(config: clouds.CloudConfig) -> Film:
    """Return the tokens and their hull from t = 0 to 5."""
    return polytope_film(clouds.case(NUMBER, config, published.IDENTITY, np.linspace(0, 5, 51).tolist()))


def polytope_film(case: dict[str, Any]) -> Film:
    """Return the film of tokens that move with V = I; shared with Fig. 1."""
    result = clouds.run_case(case)
    tokens = result["tokens"]
    box = space.box_around(tokens, cube=True, margin=0.02)
    leading = np.unique(result["leaders"])

    def draw(k: int) -> Figure:
        drawing = style.frame(f"V = I, t = {case['times'][k]:.2f}")
        axes = space.panel(drawing, (1, 1, 1), "", box)
        space.polytope(axes, tokens[k], clouds.hull_numbers(tokens[k])["facets"])
        space.dots(axes, tokens[k], leading)
        return drawing

    return Film(len(tokens), draw)
