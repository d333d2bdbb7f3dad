"""Fig. 4: who attends to whom in the plane: the clouds K x_i and Q x_j joined by lines of width P_ij.

    V and Q with entries uniform on [0, 1], K = I, raw tokens (1.1),  n = 20, d = 2,  t = 0, 2, 9

The published Q and V are random and positive, and were not published. As P(t) tends to a matrix of rank at most 2,
all lines end at one or two points of the cloud of keys. Raw tokens grow as e^{lambda t}, so every panel has its own
scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from particles import Attention, Empirical, Rescaled
from particles.checks import Array
from studies.contract import StudyConfig
from studies.figures import clouds, published, ranks, style
from studies.figures.depths import follow
from studies.film import Film
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBER = 4
TIMES = [0.0, 2.0, 9.0]
TITLE = "Fig. 4: who attends to whom in the plane"
LEAST = 0.01  # thinner lines are not drawn
_WIDTH = 2.2  # in points, of P_ij = 1


class Config(StudyConfig):
    """How many tokens; 20 are published."""

    n: int = Field(20, ge=4, le=200)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return the one case: Q and V, and after them the tokens, from one seed."""
    return [{"n": config.n, "times": TIMES, "seed": [config.seed, NUMBER]}]


def setting(case: dict[str, Any]) -> tuple[Attention, Array]:
    """Return the attention and the initial tokens."""
    rng = np.random.default_rng(case["seed"])
    V, Q = rng.uniform(0, 1, (2, 2, 2))
    return Attention(Q=Q, K=np.eye(2), V=V), rng.uniform(-published.BOX, published.BOX, (case["n"], 2))


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return rescaled tokens at the panels' depths, P, and its rank."""
    attention, start = setting(case)
    found = follow(attention, start, np.array(case["times"]))
    law = Rescaled(attention)
    matrices = [
        found.settled.matrix if late else law.attention_at(t).matrix(Empirical(z))
        for t, z, late in zip(case["times"], found.points, found.explicit, strict=True)
    ]
    frames = [law.frame(t) for t in case["times"]]
    return {
        "tokens": np.stack([z @ frame.T for z, frame in zip(found.points, frames, strict=True)]),
        "P": np.stack(matrices),
        "ranks": [ranks.counted(P) for P in matrices],
        "leaders": [ranks.leaders(P) for P in matrices],
        "boolean": [ranks.boolean(P) for P in matrices],
        "settled_at": found.settled.depth,
        "status": found.settled.status,
        "difference": found.difference,
    }


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return raw tokens, matrices, ranks and leaders, and Q and V."""
    case, result = cases(config)[0], results[0]
    attention, _ = setting(case)
    return {
        **case,
        **{key: np.asarray(value).tolist() if key in ("tokens", "P") else value for key, value in result.items()},
        "V": attention.V.tolist(),
        "Q": attention.Q.tolist(),
        "spectrum": clouds.spectrum(attention.V.tolist()),
        "headline": {
            "ranks": [row["rank"] for row in result["ranks"]],
            "leaders_at_the_end": len(result["leaders"][-1]),
            "boolean_at_the_end": result["boolean"][-1],
            "settled_at": result["settled_at"],
        },
    }


def table(summary: dict[str, Any]) -> str:
    """Return a row for each panel."""
    rows = [
        [
            f"{t:g}",
            str(row["rank"]),
            f"{row['threshold']:.1e}",
            f"{row['least']:.2g}",
            f"{row['next']:.2g}",
            f"{boolean:.1e}",
            str(np.abs(np.array(tokens)).max().round(1)),
        ]
        for t, row, boolean, tokens in zip(
            summary["times"], summary["ranks"], summary["boolean"], summary["tokens"], strict=True
        )
    ]
    heading = ["t", "rank", "threshold", "least counted", "next", "from Boolean", "largest coordinate"]
    matrices = "; ".join(
        f"{name} = " + str([[round(x, 4) for x in row] for row in summary[name]]) for name in ("Q", "V")
    )
    return "\n".join(
        [
            f"{TITLE}; n = {summary['n']}, seed {summary['seed']}",
            f"{matrices}; eigenvalues of V: {style.eigenvalues(summary['spectrum'], 4)}",
            text_table(heading, rows),
            f"All tokens have their leader at t = {summary['settled_at']:.2f}; at the end they follow "
            f"{', '.join(map(str, summary['leaders'][-1]))}.",
        ]
    )


def figure(summary: dict[str, Any]) -> Figure:
    """Return one panel a depth."""
    note = (
        f"{summary['n']} tokens, uniform on [\u22125, 5]\u00b2, K = I, Q and V with entries uniform on [0, 1], seed "
        f"{summary['seed']}; each panel has its own scale; lines below P\u1d62\u2c7c = {LEAST:g} are left out"
    )
    drawing = style.sheet(10.6, 4.2, note)
    panels = drawing.subplots(1, len(summary["times"]))
    Q = np.array(summary["Q"])
    for axes, t, x, P, row in zip(
        panels, summary["times"], summary["tokens"], summary["P"], summary["ranks"], strict=True
    ):
        style.plain(axes, f"t = {t:g}, rank of P = {row['rank']}")
        _draw(axes, Q, np.array(x), np.array(P))
    style.legend(drawing, panels[0], TITLE)
    return drawing


def _draw(axes: Any, Q: Array, x: Array, P: Array) -> None:
    from matplotlib.collections import LineCollection

    queries, keys = x @ Q.T, x
    pairs = np.argwhere(P >= LEAST)
    widths = P[pairs[:, 0], pairs[:, 1]]
    lines = [(queries[i], keys[j]) for i, j in pairs]
    axes.add_collection(LineCollection(lines, linewidths=_WIDTH * widths, colors=style.GREY, alpha=0.8, zorder=1))
    axes.plot(
        [],
        [],
        color=style.GREY,
        lw=_WIDTH,
        label="P\u1d62\u2c7c = 1: from Q x\u1d62 to K x\u2c7c, of width P\u1d62\u2c7c",
    )
    axes.scatter(*keys.T, s=22, color=style.GREEN, edgecolor="white", lw=0.3, zorder=3, label="keys K x\u2c7c")
    axes.scatter(
        *queries.T, s=22, marker="s", color=style.PURPLE, edgecolor="white", lw=0.3, zorder=2, label="queries Q x\u1d62"
    )
    axes.set_aspect("equal", adjustable="datalim")
    axes.ticklabel_format(style="sci", scilimits=(-3, 4))
    axes.xaxis.offsetText.set_fontsize(style.TICK)
    axes.yaxis.offsetText.set_fontsize(style.TICK)


def film(config: Config) -> Film:
    """Return the clouds from t = 0 to 4; the scale follows the tokens."""
    case = {**cases(config)[0], "times": np.linspace(0, 4, 61).tolist()}
    result = run_case(case)
    attention, _ = setting(case)

    def draw(k: int) -> Figure:
        drawing = style.frame(f"Fig. 4, t = {case['times'][k]:.2f}, rank of P = {result['ranks'][k]['rank']}")
        axes = drawing.add_subplot()
        axes.tick_params(labelsize=style.TICK)
        _draw(axes, attention.Q, result["tokens"][k], result["P"][k])
        return drawing

    return Film(len(case["times"]), draw)
