"""Fig. 6: in the plane, tokens approach two parallel lines (Theorem 4.2).

    V = [[0.647, 0.819], [0.612, 0.633]], eigenvalues 1.348 and -0.068,  Q = K = I,  n = 40,  t = 0, 1, 5, 15

The published caption calls V symmetric and the lines perpendicular to phi_1. V is not symmetric: the lines are level
sets of the left eigenvector phi_1^*, 8.3 degrees from the right one, phi_1, which the arrow shows. In which
coordinate the tokens cluster is measured with both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from particles.checks import Array
from studies.figures import clouds, planes, published, space, style
from studies.film import Film

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBER = 6
TITLE = "Fig. 6: tokens in the plane approach two parallel lines"

Config = clouds.CloudConfig


def cases(config: clouds.CloudConfig) -> list[dict[str, Any]]:
    """Return the one case."""
    return [clouds.case(NUMBER, config, published.FIG_6, published.TIMES[NUMBER])]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return tokens at the panels' depths, their leaders, and where these rest."""
    return clouds.run_case(case)


def summary(config: clouds.CloudConfig, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return tokens, the limiting lines, and the tokens' distances from them."""
    case, result = cases(config)[0], results[0]
    shown = {**clouds.summary(case, result), **planes.numbers(case, result)}
    shown["headline"] = {
        "lines": len(shown["levels"]),
        "good_triple": shown["good_triple"],
        "angle": shown["angle"],
        "last_distance": shown["distance"][-1],
        "last_distance_perpendicular": shown["perpendicular"][-1],
    }
    return shown


def table(summary: dict[str, Any]) -> str:
    """Return a row for each panel."""
    return clouds.table(summary, TITLE, planes.columns(summary), planes.lines(summary))


def figure(summary: dict[str, Any]) -> Figure:
    """Return one panel a depth, with the arrow phi_1 and the limiting lines."""
    values = f"V not symmetric, eigenvalues {style.eigenvalues(summary['spectrum'])}"
    drawing = style.sheet(11.6, 4.0, clouds.note(summary, values))
    tokens = np.asarray(summary["tokens"])
    box = space.box_around(np.concatenate([tokens.reshape(-1, 2), np.asarray(summary["limit"])]), cube=True)
    panels = drawing.subplots(1, len(tokens), sharex=True, sharey=True)
    for k, (axes, t) in enumerate(zip(panels, summary["times"], strict=True)):
        style.plain(axes, f"t = {t:g}")
        _draw(axes, summary, k, tokens[k], box)
        axes.set_xlabel("z\u2081", fontsize=style.LABEL)
    panels[0].set_ylabel("z\u2082", fontsize=style.LABEL)
    style.legend(drawing, panels[0], TITLE)
    return drawing


def _draw(axes: Any, numbers: dict[str, Any], k: int, points: Array, box: space.Box) -> None:
    left, right = np.array(numbers["left"]), np.array(numbers["right"])
    along, across = np.array([-left[1], left[0]]), np.array([-right[1], right[0]])
    for place, level in enumerate(numbers["levels"]):
        through = level * right
        for direction, how, label in (
            (along, {"color": style.GREEN, "lw": 1.4}, "limits: level sets of the left eigenvector \u03c6\u2081*"),
            (
                across,
                {"color": style.GREY, "lw": 0.9, "ls": ":"},
                "perpendicular to \u03c6\u2081, as the caption has it",
            ),
        ):
            ends = space.clip(through, direction, box)
            if ends is not None:
                axes.plot(*ends.T, **how, zorder=2, label=label if place == 0 else None)
    lead = np.zeros(len(points), dtype=bool)
    lead[numbers["leading"]] = True
    shown = clouds.known(numbers, k)
    axes.scatter(*points[shown & ~lead].T, s=16, color=style.BLUE, edgecolor="white", lw=0.3, zorder=3, label="tokens")
    axes.scatter(*points[lead].T, s=34, color=style.VERMILION, edgecolor="white", lw=0.3, zorder=4, label="leaders")
    size = 0.36 * float(box[1][0] - box[0][0])
    axes.annotate("", xy=size * right, xytext=(0, 0), arrowprops={"arrowstyle": "-|>", "color": style.ORANGE, "lw": 2})
    axes.text(*(1.04 * size * right), "\u03c6\u2081", color=style.ORANGE, fontsize=10, ha="left", va="bottom")
    axes.set(xlim=(box[0][0], box[1][0]), ylim=(box[0][1], box[1][1]), aspect="equal")


def film(config: clouds.CloudConfig) -> Film:
    """Return the tokens and their lines from t = 0 to 15."""
    case = clouds.case(NUMBER, config, published.FIG_6, np.linspace(0, 15, 61).tolist())
    result = run_case(case)
    numbers = {**clouds.summary(case, result), **planes.numbers(case, result)}
    tokens = result["tokens"]
    box = space.box_around(np.concatenate([tokens.reshape(-1, 2), result["limit"]]), cube=True)

    def draw(k: int) -> Figure:
        drawing = style.frame(f"Fig. 6, t = {case['times'][k]:.2f}")
        axes = drawing.add_subplot()
        axes.tick_params(labelsize=style.TICK)
        _draw(axes, numbers, k, tokens[k], box)
        return drawing

    return Film(len(tokens), draw)
