"""Fig. 3: P(t) of 40 tokens on the line becomes Boolean, of rank 2 (Theorem 2.1).

    Q = K = V = 1,  n = 40, d = 1, raw tokens (1.1),  t = 0, 3, 5, 10

Row i of an image is what token i attends to. The published ranks are 11, 23, 14, 2; the first is not that of tokens
on [-5, 5] (`line`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from studies.figures import line, published
from studies.film import Film

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBER = 3
TITLE = "Fig. 3: P(t) of tokens on the line becomes Boolean"


Config = line.LineConfig


def cases(config: line.LineConfig) -> list[dict[str, Any]]:
    """Return a case for the box of the text, and one for that of the published ranks."""
    return line.cases(NUMBER, config)


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return tokens at the panels' depths and the ranks of P."""
    return line.run_case(case)


def summary(config: line.LineConfig, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return tokens, ranks beside the published ones, and the limit's rank."""
    return line.summary(config, cases(config), results, published.RANKS_3)


def table(summary: dict[str, Any]) -> str:
    """Return a row for each panel."""
    return line.table(summary, TITLE)


def figure(summary: dict[str, Any]) -> Figure:
    """Return one image a depth, with the rank; a row of them for each box."""
    return line.figure(summary, TITLE)


def film(config: line.LineConfig) -> Film:
    """Return P(t) from t = 0 to 10."""
    return line.film(cases(config)[0], "Fig. 3")
