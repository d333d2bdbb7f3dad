"""Fig. 2: the matrices of Theorem 2.1, computed: limits P* of P(t) on the line beside their printed form.

    rows e_1, ..., e_1, at most one other row (*), e_n, ..., e_n   once tokens are numbered from left to right

Two limits, with Q = K = V = 1. For tokens drawn at random every row is e_1 or e_n: the row of asterisks is one of them,
and the rank is 2. For the same tokens with one more that stays bounded (Lemma 7.8) its row is

    alpha_j = e^{gamma_j theta} / (1 + sum_k e^{gamma_k theta}),   theta the root of sum_k gamma_k e^{gamma_k theta} = 0

and the rank is 3. Such a token starts at one point of the line, which no double hits: it is found from its end, and its
row at the last depth is compared with the formula.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from particles import Empirical
from particles.checks import Array
from particles.settled import settle
from studies.contract import StudyConfig
from studies.figures import images, line, style
from studies.film import Film
from studies.statements.bounded_token import bounded_token, root
from studies.text_table import text_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBER = 2
DEPTH = 5.0  # of the bounded token: its row is within e^{-2t} = 5e-5 of its limit
BEYOND = 0.5  # by which it is followed further: what is put at the end is forgotten before
TITLE = "Fig. 2: limits P* of the self-attention matrix on the line"
_NAMES = {"random": "tokens at random", "bounded": "and one more that stays bounded"}


class Config(StudyConfig):
    """How many tokens are drawn."""

    n: int = Field(13, ge=4, le=100)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return the tokens at random, and these with a bounded one among them."""
    return [{"kind": kind, "n": config.n, "seed": [config.seed, NUMBER]} for kind in _NAMES]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return the initial tokens, P* in their order, and what kinds of rows it has."""
    start = line.tokens_of(case["n"], case["seed"])
    if case["kind"] == "random":
        late = settle(line.ONE, start)
        if late.status != "settled":
            raise ArithmeticError(f"{late.message}: take another seed")
        limit, others = late.matrix, {"bounded": -1, "theta": 0.0, "difference": 0.0, "status": late.status}
        tokens = start[:, 0]
    else:
        tokens, limit, others = _with_bounded(start[:, 0])
    return {"tokens": tokens, "limit": limit, **others}


def _with_bounded(others: Array) -> tuple[Array, Array, dict[str, Any]]:
    held = bounded_token(others, DEPTH + BEYOND)
    tokens, late = np.append(others, held.start), held.raw(DEPTH)
    places = late[:-1] * np.exp(-DEPTH)
    right = places > 0
    limit = np.zeros((len(tokens), len(tokens)))
    limit[:-1, int(np.argmax(tokens))] = right
    limit[:-1, int(np.argmin(tokens))] = ~right
    theta, limit[-1] = bounded_row(places)
    now = line.ONE.matrix(Empirical(late[:, None]))
    found = {"bounded": len(others), "theta": theta, "status": "settled"}
    return tokens, limit, {**found, "difference": float(np.abs(now - limit).max())}


def bounded_row(gamma: Array) -> tuple[float, Array]:
    """Return theta and the limit of a bounded token's row (Lemma 7.8), its own entry last; the others at gamma e^t.

    Raises
    ------
    ArithmeticError
        If all others leave to one side.
    """
    right = gamma > 0
    if right.all() or not right.any():
        raise ArithmeticError(
            "all tokens leave to one side, and no token between them stays bounded: take another seed"
        )
    low, high = float(gamma[~right].mean()), float(gamma[right].mean())
    theta = root(low, high, int((~right).sum()), int(right.sum()))
    weights = np.append(np.exp(theta * gamma), 1.0)
    return theta, weights / weights.sum()


def form(matrix: Array) -> dict[str, Any]:
    """Return the kinds of rows of P*, tokens numbered from left to right, and whether it is of the theorem's form."""
    n = len(matrix)
    first, last = ((matrix == np.eye(n)[k]).all(axis=1) for k in (0, n - 1))
    other = ~(first | last)
    kinds = np.where(first, 0, np.where(last, 2, 1))
    member = (np.diff(kinds) >= 0).all() and other.sum() <= 1 and np.allclose(matrix.sum(axis=1), 1, rtol=0, atol=1e-12)
    return {"first": int(first.sum()), "other": int(other.sum()), "last": int(last.sum()), "in_form": bool(member)}


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the limits, their rows and ranks."""
    rows = []
    for case, result in zip(cases(config), results, strict=True):
        tokens, limit = np.asarray(result["tokens"]), np.asarray(result["limit"])
        order = np.argsort(tokens)
        rows.append(
            {
                "kind": case["kind"],
                "tokens": tokens.tolist(),
                "limit": limit.tolist(),
                "order": order.tolist(),
                **{key: result[key] for key in ("bounded", "theta", "difference", "status")},
                **form(limit[order][:, order]),
                "rank": int(np.linalg.matrix_rank(limit)),
            }
        )
    return {
        "seed": [config.seed, NUMBER],
        "n": config.n,
        "depth": DEPTH,
        "rows": rows,
        "headline": {
            "ranks": [row["rank"] for row in rows],
            "in_form": all(row["in_form"] for row in rows),
            "other_rows": [row["other"] for row in rows],
            "difference": rows[-1]["difference"],
        },
    }


def table(summary: dict[str, Any]) -> str:
    """Return a row for each of the two limits."""
    heading = ["tokens", "n", "rows e_1", "other", "rows e_n", "of the form", "rank", "theta"]
    rows = [
        [
            _NAMES[row["kind"]],
            str(len(row["tokens"])),
            *(str(row[key]) for key in ("first", "other", "last")),
            "yes" if row["in_form"] else "no",
            str(row["rank"]),
            f"{row['theta']:.6f}" if row["bounded"] >= 0 else "",
        ]
        for row in summary["rows"]
    ]
    last = summary["rows"][-1]
    end = (
        f"The bounded token starts at {last['tokens'][-1]:.12f}; at t = {summary['depth']:g} P(t) is within "
        f"{last['difference']:.1e} of P*."
    )
    return "\n".join([f"{TITLE}; seed {summary['seed']}", text_table(heading, rows), end])


def figure(summary: dict[str, Any]) -> Figure:
    """Return each limit in the order in which tokens were drawn and from left to right, beside the printed form."""
    note = (
        f"{summary['n']} tokens, uniform on [\u22125, 5], seed {summary['seed']}; Q = K = V = 1; "
        "rounded entries; 0s are left out"
    )
    drawing = style.sheet(10.6, 6.6, note)
    panels = drawing.subplot_mosaic([["a", "b", "form"], ["c", "d", "form"]], width_ratios=[1, 1, 0.9])
    for row, (left, right) in zip(summary["rows"], (("a", "b"), ("c", "d")), strict=True):
        limit, order = np.array(row["limit"]), np.array(row["order"])
        _entries(panels[left], limit, f"{_NAMES[row['kind']]}, rank {row['rank']}")
        _entries(panels[right], limit[order][:, order], "the same, numbered from left to right")
    _form(panels["form"])
    drawing.suptitle(TITLE, fontsize=style.HEADING)
    return drawing


def _entries(axes: Any, matrix: Array, title: str) -> None:
    images.image(axes, matrix, title)
    axes.set(xticks=range(len(matrix)), yticks=range(len(matrix)))
    axes.set_xticklabels(range(1, len(matrix) + 1))
    axes.set_yticklabels(range(1, len(matrix) + 1))
    if len(matrix) > 16:  # too small for numbers
        return
    for wall in np.arange(1, len(matrix)) - 0.5:
        axes.axhline(wall, color="0.9", lw=0.5)
        axes.axvline(wall, color="0.9", lw=0.5)
    for (i, j), entry in np.ndenumerate(matrix):
        if entry > 0:
            text = "1" if entry == 1 else f"{entry:.2f}".lstrip("0")
            colour = "white" if entry == 1 else style.VERMILION
            axes.text(j, i, text, ha="center", va="center", fontsize=style.TICK, color=colour)


def _form(axes: Any) -> None:
    """Write the matrices of the theorem as it prints them."""
    rows = [
        ["1", "0", "\u2026", "0"],
        ["\u22ee", "\u22ee", "", "\u22ee"],
        ["1", "0", "\u2026", "0"],
        ["\u2217", "\u2217", "\u2026", "\u2217"],
        ["0", "\u2026", "0", "1"],
        ["\u22ee", "", "\u22ee", "\u22ee"],
        ["0", "\u2026", "0", "1"],
    ]
    axes.set(xlim=(-1.9, 3.8), ylim=(len(rows) - 0.2, -0.8), aspect="equal")
    axes.axis("off")
    axes.set_title("the form of Theorem 2.1", fontsize=style.TITLE)
    for i, row in enumerate(rows):
        for j, entry in enumerate(row):
            colour = style.VERMILION if entry == "\u2217" else style.INK
            axes.text(j, i, entry, ha="center", va="center", fontsize=15, color=colour)
    axes.text(-1.3, 3, "P\u03c3", ha="center", va="center", fontsize=15)
    for x, side in ((-0.6, 1), (3.6, -1)):
        axes.plot([x + 0.2 * side, x, x, x + 0.2 * side], [-0.5, -0.5, 6.5, 6.5], color=style.INK, lw=1.2)


def film(config: Config) -> Film:
    """Return P(t), tokens from left to right, with the bounded one among them, from t = 0 to 3."""
    held = bounded_token(line.tokens_of(config.n, [config.seed, NUMBER])[:, 0], DEPTH + BEYOND)
    times = np.linspace(0, 3, 61)

    def draw(k: int) -> Figure:
        tokens = np.sort(held.raw(float(times[k])))
        drawing = style.frame(f"P(t) with a bounded token, t = {times[k]:.2f}")
        images.image(drawing.add_subplot(), line.ONE.matrix(Empirical(tokens[:, None])), "")
        return drawing

    return Film(len(times), draw)
