"""What Figs. 3 and 10 have in common: the self-attention matrix P(t) of tokens on the line, Q = K = V = 1.

P(t) tends to P*, whose rows are e_j for the leftmost and the rightmost token (Theorem 2.1): rank 2. At every finite
depth its rank is n (`ranks`), and what is counted is how many singular values rounding leaves. So the counts depend
on the tokens and on the threshold, and a token near 0 holds the rank up until it has made its choice.

The text has all tokens uniform on [-5, 5]. The rank at t = 0, before anything has moved, depends on little else than
the box: over 200 draws it is 23 to 30 for [-5, 5], and 10 or 11 for [-1, 1]. The published panels begin with 11. So
there are two rows of panels, one for each box, and the ranks of forward Euler with dt = 0.1, which made the published
ones, over many draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field

from particles import Attention, Empirical, Euler, Raw, Rescaled, solve
from particles.checks import Array
from particles.settled import settle
from studies.contract import StudyConfig
from studies.figures import images, published, ranks, style
from studies.figures.depths import STEPPER
from studies.film import Film
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TIMES = published.TIMES[3]  # and of Fig. 10
ONE = Attention(Q=[[1.0]], K=[[1.0]], V=[[1.0]])
PUBLISHED_STEP = 0.1
BOXES = (published.BOX, 1.0)  # of the text, and of the published ranks


class LineConfig(StudyConfig):
    """How many tokens, and how many draws of them tell what ranks are usual."""

    n: int = Field(40, ge=4, le=1000)
    draws: int = Field(20, ge=1)

    @classmethod
    def full(cls, seed: int = 0) -> Self:
        """Return the size a paper would print."""
        return cls(seed=seed, draws=200)


def cases(number: int, config: LineConfig) -> list[dict[str, Any]]:
    """Return the cases of a figure, one for each box."""
    common = {"figure": number, "n": config.n, "times": TIMES, "seed": [config.seed, number], "draws": config.draws}
    return [{**common, "box": box} for box in BOXES]


def tokens_of(n: int, seed: list[int], box: float = published.BOX) -> Array:
    """Return tokens uniform on [-box, box], shape (n, 1)."""
    return np.random.default_rng(seed).uniform(-box, box, (n, 1))


def matrix(z: Array, t: float) -> Array:
    """Return P(t) of rescaled tokens (n, 1)."""
    return Rescaled(ONE).attention_at(t).matrix(Empirical(z))


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return rescaled tokens at the panels' depths, the ranks by numpy's rule, and those of P*."""
    times = np.array(case["times"])
    start = tokens_of(case["n"], case["seed"], case["box"])
    path = solve(Rescaled(ONE), start, times, stepper=STEPPER)
    settled = settle(ONE, start)
    matrices = [matrix(z, t) for t, z in zip(times, path.points, strict=True)]
    draws = [tokens_of(case["n"], [*case["seed"], k], case["box"]) for k in range(case["draws"])]
    usual = np.array([euler_ranks(tokens, times) for tokens in draws])
    return {
        "tokens": path.points,
        "ranks": [ranks.counted(P) for P in matrices],
        "boolean": [ranks.boolean(P) for P in matrices],
        "leaders": [ranks.leaders(P) for P in matrices],
        "euler": euler_ranks(start, times),
        "usual": [usual.min(axis=0).tolist(), usual.max(axis=0).tolist()],
        "settled_at": settled.depth,
        "status": settled.status,
        "limit_rank": int(np.linalg.matrix_rank(settled.matrix)) if settled.status == "settled" else None,
    }


def euler_ranks(tokens: Array, times: Array) -> list[int]:
    """Return the ranks of P by the published way to step."""
    run = solve(Raw(ONE), tokens, times, stepper=Euler(PUBLISHED_STEP))
    return [ranks.counted(ONE.matrix(run[k]))["rank"] for k in range(len(times))]


def summary(
    config: LineConfig, cases: list[dict[str, Any]], results: list[dict[str, Any]], published_ranks: list[int]
) -> dict[str, Any]:
    """Return a row for each box, JSON-able."""
    rows = [
        {**case, **result, "tokens": np.asarray(result["tokens"]).tolist()}
        for case, result in zip(cases, results, strict=True)
    ]
    within = [
        all(
            low <= rank <= high
            for low, rank, high in zip(row["usual"][0], published_ranks, row["usual"][1], strict=True)
        )
        for row in rows
    ]
    return {
        "n": config.n,
        "seed": cases[0]["seed"],
        "draws": config.draws,
        "published": published_ranks,
        "rows": rows,
        "headline": {
            "ranks": [[found["rank"] for found in row["ranks"]] for row in rows],
            "limit_ranks": [row["limit_rank"] for row in rows],
            "leaders_at_the_end": [len(row["leaders"][-1]) for row in rows],
            "settled_at": [row["settled_at"] for row in rows],
            "usual_first_ranks": [[bound[0] for bound in row["usual"]] for row in rows],
            "published_first_rank_is_usual": [
                row["usual"][0][0] <= published_ranks[0] <= row["usual"][1][0] for row in rows
            ],
            "published_ranks_are_usual": within,
        },
    }


def table(summary: dict[str, Any], title: str) -> str:
    """Return a row for each panel: ranks, and the singular values on both sides of the threshold."""
    rows = []
    for row in summary["rows"]:
        for k, t in enumerate(summary["rows"][0]["times"]):
            found = row["ranks"][k]
            rows.append(
                [
                    f"[-{row['box']:g}, {row['box']:g}]" if k == 0 else "",
                    f"{t:g}",
                    str(found["rank"]),
                    str(row["euler"][k]),
                    f"{row['usual'][0][k]} to {row['usual'][1][k]}",
                    str(summary["published"][k]),
                    f"{found['threshold']:.1e}",
                    f"{found['least']:.2g}",
                    f"{found['next']:.2g}",
                    f"{row['boolean'][k]:.1e}",
                ]
            )
    euler = f"Euler {PUBLISHED_STEP}"
    drawn = f"{summary['draws']} draws"
    heading = ["box", "t", "rank", euler, drawn, "published", "threshold", "least", "next", "from Boolean"]
    return "\n".join(
        [
            f"{title}; n = {summary['n']}, seed {summary['seed']}",
            text_table(heading, rows),
            "rank: singular values above s_1 n eps, numpy's rule; least and next: the last that counts and the first",
            "that does not, over that threshold. In exact arithmetic the rank is n at every finite depth.",
            f"{drawn}: least and largest rank by Euler.",
            *(_end(row) for row in summary["rows"]),
        ]
    )


def _end(row: dict[str, Any]) -> str:
    box = f"[-{row['box']:g}, {row['box']:g}]"
    if row["status"] != "settled":
        return f"{box}: double precision does not decide whom all tokens follow."
    return f"{box}: all tokens have their leader at t = {row['settled_at']:.2f}; P* has rank {row['limit_rank']}."


def figure(summary: dict[str, Any], title: str) -> Figure:
    """Return one image a depth, with the rank; a row of them for each box."""
    note = (
        f"row i: what token i attends to; {summary['n']} tokens in the order they were drawn, seed {summary['seed']}; "
        f"Q = K = V = 1; rank: singular values above s\u2081 n \u03b5; "
        f"published: {', '.join(map(str, summary['published']))}"
    )
    drawing = style.sheet(11.6, 6.3, note)
    panels = drawing.subplots(len(summary["rows"]), len(TIMES))
    shown = None
    for across, row in zip(panels, summary["rows"], strict=True):
        for axes, t, z, found in zip(across, row["times"], row["tokens"], row["ranks"], strict=True):
            shown = images.image(axes, matrix(np.array(z), t), f"t = {t:g}, rank = {found['rank']}")
        across[0].set_ylabel(f"tokens on [\u2212{row['box']:g}, {row['box']:g}]", fontsize=style.TITLE)
    images.bar(drawing, shown, panels)
    drawing.suptitle(title, fontsize=style.HEADING)
    return drawing


def film(case: dict[str, Any], title: str) -> Film:
    """Return P(t) from t = 0 to 10, with its rank."""
    times = np.linspace(0, TIMES[-1], 61)
    path = solve(Rescaled(ONE), tokens_of(case["n"], case["seed"], case["box"]), times, stepper=STEPPER)

    def draw(k: int) -> Figure:
        P = matrix(path.points[k], float(times[k]))
        drawing = style.frame(f"{title}, t = {times[k]:.2f}, rank = {ranks.counted(P)['rank']}")
        images.image(drawing.add_subplot(), P, "")
        return drawing

    return Film(len(times), draw)
