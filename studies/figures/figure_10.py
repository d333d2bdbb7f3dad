"""Fig. 10: P(t) of 100 tokens on the line; more tokens, the same limit of rank 2 (Theorem 2.1).

    Q = K = V = 1,  n = 100, d = 1, raw tokens (1.1),  t = 0, 3, 5, 10

The published ranks are 11, 27, 15, 3; the first is not that of tokens on [-5, 5] (`line`). The last is not yet 2:
with more tokens the one nearest to 0 is nearer, and chooses later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from studies.figures import line, published
from studies.film import Film

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBER = 10
TITLE = "Fig. 10: P(t) of tokens on the line becomes Boolean"


class Config(line.LineConfig):
    """How many tokens; 100 are published."""

    n: int = Field(100, ge=4, le=1000)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return a case for the box of the text, and one for that of the published ranks."""
    return line.cases(NUMBER, config)


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return tokens at the panels' depths and the ranks of P."""
    return line.run_case(case)


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return tokens, ranks beside the published ones, and the limit's rank."""
    return line.summary(config, cases(config), results, published.RANKS_10)


def table(summary: dict[str, Any]) -> str:
    """Return a row for each panel."""
    return line.table(summary, TITLE)


def figure(summary: dict[str, Any]) -> Figure:
    """Return one image a depth, with the rank; a row of them for each box."""
    return line.figure(summary, TITLE)


def film(config: Config) -> Film:
    """Return P(t) from t = 0 to 10."""
    return line.film(cases(config)[0], "Fig. 10")
