"""Fig. 11: P(t) in 10, 40 and 80 dimensions: rank 2 there too.

    V with entries uniform on [0, 1], Q = K = I,  n = 40,  one row of panels for each d, t up to 10

The published panels are of x' = Vx, tokens without attention, as their script integrates it; these are of (1.1). V
has a leading eigenvalue near d/2: raw tokens pass e^{400} at t = 10. So they are moved until everyone has a leader
for good, soon, and P is P* from there on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from particles import Adaptive, Attention, Empirical, Raw, solve
from particles.checks import Array
from particles.settled import Settled, settle
from studies.contract import StudyConfig
from studies.figures import clouds, images, published, ranks, style
from studies.film import Film
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBER = 11
TIMES = {10: [0.0, 0.2, 1.0, 10.0], 40: [0.0, 0.5, 5.0, 10.0], 80: [0.0, 0.5, 1.0, 10.0]}
TITLE = "Fig. 11: P(t) in 10, 40 and 80 dimensions"
_EVERY = 0.5  # of a time 1 / lambda: how often it is asked whether everyone has a leader
_BOOLEAN = 1e-19  # of the entries of P, before that is asked in earnest


class Config(StudyConfig):
    """How many tokens, and the tolerance of the solver while they choose; 40 are published."""

    n: int = Field(40, ge=4, le=200)
    tol: float = Field(1e-8, gt=0, le=1e-5)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, tol=1e-11)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each dimension, the largest first."""
    return [
        {"d": d, "n": config.n, "times": TIMES[d], "tol": config.tol, "seed": [config.seed, NUMBER, d]}
        for d in sorted(TIMES, reverse=True)
    ]


def setting(case: dict[str, Any]) -> tuple[Attention, Array]:
    """Return the attention and the initial tokens."""
    rng, d = np.random.default_rng(case["seed"]), case["d"]
    V = rng.uniform(0, 1, (d, d))
    return Attention(Q=np.eye(d), K=np.eye(d), V=V), rng.uniform(-published.BOX, published.BOX, (case["n"], d))


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return P at the panels' depths and its ranks."""
    attention, start = setting(case)
    matrices, late, depth = matrices_over(attention, start, case["times"], case["tol"])
    values = np.sort(np.abs(np.linalg.eigvals(attention.V)))[::-1]
    return {
        "P": np.stack(matrices),
        "ranks": [ranks.counted(P) for P in matrices],
        "leaders": [ranks.leaders(P) for P in matrices],
        "boolean": [ranks.boolean(P) for P in matrices],
        "settled_at": depth,
        "margin": late.margin,
        "followed": late.leading.tolist(),
        "moduli": values[:2].tolist(),
    }


def matrices_over(
    attention: Attention, tokens: Array, times: list[float], tol: float
) -> tuple[list[Array], Settled, float]:
    """Return P at each of the depths, whom tokens follow in the end, and the depth from which that is certain.

    Raises
    ------
    ArithmeticError
        If some token has no leader yet at the last depth, or the solver stops.
    """
    step = _EVERY / clouds.spectrum(attention.V.tolist())[0][0]
    x, depth, found = tokens, 0.0, [attention.matrix(Empirical(tokens))]
    while depth < times[-1]:
        end = min(depth + step, times[len(found)])
        size = float(np.abs(x).max())
        run = solve(Raw(attention), x, [depth, end], stepper=Adaptive(tol, tol * size))
        if run.status != "finished":
            raise ArithmeticError(run.message)
        x, depth = run.points[-1], end
        P = attention.matrix(Empirical(x))
        # the leading eigenvalue of V > 0 is simple: in the end only the outermost tokens on either side can lead
        if ranks.boolean(P) < _BOOLEAN and len(ranks.leaders(P)) <= 2:
            late = settle(attention, x, until=1e-9)  # looks where the tokens are, and does not move them
            if late.status == "settled":
                return found + [late.matrix] * (len(times) - len(found)), late, depth
        if depth == times[len(found)]:
            found.append(P)
    raise ArithmeticError(f"some token has no leader yet at t = {times[-1]:g}")


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a row for each dimension: P at its depths, ranks beside the published ones, leaders."""
    rows = []
    for case, result in sorted(zip(cases(config), results, strict=True), key=lambda pair: pair[0]["d"]):
        P = np.asarray(result["P"]).round(4).tolist()  # for the images; the ranks are of the matrices as they are
        rows.append({**case, **result, "P": P, "published": published.RANKS_11[case["d"]]})
    return {
        "n": config.n,
        "tol": config.tol,
        "seed": config.seed,
        "rows": rows,
        "headline": {
            "last_ranks": [row["ranks"][-1]["rank"] for row in rows],
            "first_ranks": [row["ranks"][0]["rank"] for row in rows],
            "leaders": [len(row["followed"]) for row in rows],
            "settled_at": [row["settled_at"] for row in rows],
        },
    }


def table(summary: dict[str, Any]) -> str:
    """Return a row for each panel."""
    rows = []
    for row in summary["rows"]:
        for k, (t, rank, printed) in enumerate(zip(row["times"], row["ranks"], row["published"], strict=True)):
            rows.append(
                [
                    str(row["d"]) if k == 0 else "",
                    f"{t:g}",
                    str(rank["rank"]),
                    str(printed),
                    f"{rank['threshold']:.1e}",
                    f"{rank['least']:.2g}",
                    f"{rank['next']:.2g}",
                    f"{row['boolean'][k]:.1e}",
                ]
            )
    heading = ["d", "t", "rank", "published", "threshold", "least counted", "next", "from Boolean"]
    ends = [
        f"d = {row['d']}, seed {row['seed']}: |lambda| = {row['moduli'][0]:.4g} and {row['moduli'][1]:.4g}; all tokens "
        f"have their leader at t = {row['settled_at']:.3f}; they follow {', '.join(map(str, row['followed']))}."
        for row in summary["rows"]
    ]
    return "\n".join(
        [
            f"{TITLE}; n = {summary['n']}, tolerance {summary['tol']:g}",
            text_table(heading, rows),
            "rank: singular values above s_1 n eps; the two beside it are over that threshold. Published: x' = Vx,",
            "without attention, and other draws.",
            *ends,
        ]
    )


def figure(summary: dict[str, Any]) -> Figure:
    """Return a row of images for each dimension, with the rank."""
    rows = summary["rows"]
    note = (
        f"row i: what token i attends to; {summary['n']} tokens in the order they were drawn, "
        f"uniform on [\u22125, 5]\u1d48; Q = K = I, V with entries uniform on [0, 1], "
        f"seeds [{summary['seed']}, 11, d]; rank: singular values above s\u2081 n \u03b5"
    )
    drawing = style.sheet(11.6, 8.6, note)
    panels = drawing.subplots(len(rows), len(rows[0]["times"]))
    shown = None
    for line, row in zip(panels, rows, strict=True):
        for axes, t, P, rank in zip(line, row["times"], row["P"], row["ranks"], strict=True):
            shown = images.image(axes, np.array(P), f"t = {t:g}, rank = {rank['rank']}")
        line[0].set_ylabel(f"d = {row['d']}", fontsize=style.TITLE)
    images.bar(drawing, shown, panels)
    drawing.suptitle(TITLE, fontsize=style.HEADING)
    return drawing


def film(config: Config) -> Film:
    """Return P(t) in 10 dimensions from t = 0 to 1."""
    case = next(case for case in cases(config) if case["d"] == min(TIMES))
    times = np.linspace(0, 1, 61).tolist()
    attention, start = setting(case)
    matrices, _, _ = matrices_over(attention, start, times, case["tol"])

    def draw(k: int) -> Figure:
        rank = ranks.counted(matrices[k])["rank"]
        drawing = style.frame(f"d = {case['d']}, t = {times[k]:.3f}, rank = {rank}")
        images.image(drawing.add_subplot(), matrices[k], "")
        return drawing

    return Film(len(times), draw)
