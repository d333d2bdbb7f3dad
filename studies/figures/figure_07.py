"""Fig. 7: two eigenvalues of V with positive real part, so limits of codimension 2 (the codimension conjecture).

    V symmetric, eigenvalues 1.963, 0.253, -0.222,  Q = K = I,  n = 40, d = 3,  t = 0, 5, 10, 15

Along the two eigenvectors with positive eigenvalues every token tends to its leader's place; along the third one it
moves away, as e^{0.222 t}: the tokens end up on lines. The conjecture says, on at most three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from particles.checks import Array
from particles.geometry import clusters
from particles.spectrum import growing
from studies.figures import clouds, planes, published, space, style
from studies.film import Film

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBER = 7
TITLE = "Fig. 7: two positive eigenvalues, tokens approach parallel lines"
VIEW = (18.0, -20.0)  # degrees: the lines are seen from their side

Config = clouds.CloudConfig


def cases(config: clouds.CloudConfig) -> list[dict[str, Any]]:
    """Return the one case."""
    return [clouds.case(NUMBER, config, published.FIG_7, published.TIMES[NUMBER])]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return tokens at the panels' depths, their leaders, and where these rest."""
    return clouds.run_case(case)


def summary(config: clouds.CloudConfig, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return tokens, the limiting lines, and the tokens' distances from them and from the hyperplanes."""
    return flats_summary(cases(config)[0], results[0])


def flats_summary(case: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of tokens that tend to subspaces of codimension k, k eigenvalues growing; shared with 12, 13.

    "flat_distance" is the largest distance, panel by panel, of a token from its own subspace: what is left of
    z_i - z_L(i) along the left eigenvectors of the k eigenvalues, made orthonormal.
    """
    shown = {**clouds.summary(case, result), **planes.numbers(case, result)}
    k, onto = growing(np.array(case["V"]))
    decided = np.asarray(result["decided"], dtype=bool)
    limit, tokens = np.asarray(result["limit"])[decided], np.asarray(result["tokens"])[:, decided]
    places = limit @ onto.T
    labels = clusters(places, 1e-6 * float(np.abs(places).max()))
    apart = (tokens - limit) @ onto.T
    shown["codimension"] = k
    shown["flats"] = int(labels.max()) + 1
    shown["flat_distance"] = np.linalg.norm(apart, axis=2).max(axis=1).tolist()
    shown["across"] = np.linalg.svd(onto)[2][k:].tolist()
    shown["extent"] = [float(np.abs(points).max()) for points in tokens]
    shown["headline"] = {
        "hyperplanes": len(shown["levels"]),
        "codimension": k,
        "flats": shown["flats"],
        "good_triple": shown["good_triple"],
        "angle": shown["angle"],
        "last_distance": shown["distance"][-1],
        "last_flat_distance": shown["flat_distance"][-1],
    }
    return shown


def table(summary: dict[str, Any]) -> str:
    """Return a row for each panel."""
    return flats_table(summary, TITLE)


def flats_table(summary: dict[str, Any], title: str) -> str:
    """Return the table of tokens that tend to subspaces; shared with Figs. 12 and 13."""
    columns = {
        **planes.columns(summary),
        "from flats": [f"{x:.2e}" for x in summary["flat_distance"]],
        "largest coordinate": [f"{x:.3g}" for x in summary["extent"]],
    }
    count, flats = summary["codimension"], summary["flats"]
    last = f"Eigenvalues with positive real part: {count}; flats of that codimension: {flats}."
    return clouds.table(summary, title, columns, [*planes.lines(summary), last])


def figure(summary: dict[str, Any]) -> Figure:
    """Return one panel a depth, each with its own scale, with the limiting lines in their hyperplanes."""
    values = f"V symmetric, eigenvalues {style.eigenvalues(summary['spectrum'])}; each panel has its own scale"
    drawing = style.sheet(11.6, 3.7, clouds.note(summary, values))
    tokens = np.asarray(summary["tokens"])
    for k, t in enumerate(summary["times"]):
        box = space.box_around(tokens[k], cube=False)
        axes = space.panel(drawing, (1, 4, k + 1), f"t = {t:g}", box, view=VIEW)
        draw_flats(axes, summary, k, tokens[k], box)
    drawing.suptitle(
        f"{TITLE} (black), each in a hyperplane of Theorem 4.2 (shaded); large: leaders", fontsize=style.HEADING
    )
    return drawing


def draw_flats(axes: Any, numbers: dict[str, Any], k: int, points: Array, box: space.Box) -> None:
    """Draw the k-th panel: hyperplanes, lines within them, tokens in their hyperplane's colour, leaders larger."""
    left, levels, limit = (np.array(numbers[key]) for key in ("left", "levels", "limit"))
    for level, colour in zip(levels, style.PLANES, strict=False):
        space.plane(axes, left, float(level), box, colour)
    if len(numbers["across"]) == 1:
        for leader in numbers["leading"]:
            space.line(axes, limit[leader], np.array(numbers["across"][0]), box, style.INK)
    nearest = np.abs((limit @ left)[:, None] - levels).argmin(axis=1)
    lead = np.zeros(len(points), dtype=bool)
    lead[numbers["leading"]] = True
    shown = clouds.known(numbers, k)
    for place, colour in enumerate(style.ON_PLANES[: len(levels)]):
        here = shown & (nearest == place)
        space.spots(axes, points[here & ~lead], colour, 14.0, 5)
        space.spots(axes, points[here & lead], colour, 34.0, 6, edge=style.INK)


def film(config: clouds.CloudConfig) -> Film:
    """Return the tokens and their lines from t = 0 to 15; the scale follows the tokens."""
    return flats_film(clouds.case(NUMBER, config, published.FIG_7, np.linspace(0, 15, 61).tolist()), "Fig. 7", VIEW)


def flats_film(case: dict[str, Any], title: str, view: tuple[float, float]) -> Film:
    """Return the film of tokens that tend to subspaces; shared with Figs. 12 and 13."""
    result = clouds.run_case(case)
    numbers, tokens = flats_summary(case, result), result["tokens"]

    def draw(k: int) -> Figure:
        drawing = style.frame(f"{title}, t = {case['times'][k]:.2f}")
        box = space.box_around(tokens[k], cube=False)
        draw_flats(space.panel(drawing, (1, 1, 1), "", box, view=view), numbers, k, tokens[k], box)
        return drawing

    return Film(len(tokens), draw)
