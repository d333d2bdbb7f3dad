"""The study's stored numbers as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from studies.agreement import pairs, refinement
from studies.agreement.problems import TITLES

COMMANDS = (
    "meanfield run agreement --out results",
    "python -m studies.agreement results/agreement/agreement.json > docs/agreement.md",
)


def markdown(document: dict[str, Any]) -> str:
    """Return the page made from what `meanfield run agreement` has stored."""
    summary = document["summary"]
    head = summary["headline"]
    return "\n".join(
        [
            "# Do the methods agree?",
            "",
            "This page is not edited by hand but made by",
            "",
            *(f"    {command}" for command in COMMANDS),
            "",
            f"{head['pairs']} pairs of solutions, {head['disagreements']} disagreements. The largest ratio",
            f"of a distance to its bar is {head['largest ratio of W2 to its bar']:.3f};",
            f"of the bound from below to the stated errors, {head['largest ratio from below']:.3f}.",
            "",
            f"## Every two methods at t = {summary['depth']:g}",
            "",
            *_BARS,
            "",
            *(f"- {name}: {title}" for name, title in TITLES.items()),
            "",
            *_table(pairs.HEADING, map(pairs.cells_of, summary["pairs"]), words=3),
            "",
            "## Under refinement",
            "",
            "Errors against an exact solution or one known far better, and the orders between neighbouring sizes",
            "(nodes or cells along an axis).",
            "",
            *(f"- {name}: {title}" for name, title in refinement.TITLES.items()),
            "",
            *_table(refinement.HEADING, refinement.lines(summary["rows"]), words=2),
            "",
        ]
    )


_BARS = (
    "`stated` is the sum of the errors that both solutions state, in W2:",
    "",
    "- exact, Riccati: rounding, and the tolerance of the steps;",
    "- particles: the distance between two runs to a tolerance, which the method gives itself, and for Gaussian data",
    "  what was cut off; a fixed number of them: the distance to half as many along each axis; atoms: the distance to",
    "  steps at a hundred times the tolerance;",
    "- grids: the distance to half the cells and twice the step, at first order twice that;",
    "- frozen field: twice the distance to twice tau;",
    "- atoms on a grid: twice the distance to twice the width over which each is spread.",
    "",
    "`bar` adds what the distance itself may be wrong by: the quadrature of quantile functions on the line, elsewhere",
    "the gap of the linear program and the quantisation, which is large: atoms stand about a cell apart. So in the",
    "plane and in space `from below` is the sharper check: a bound on W2 from below by means and covariances alone",
    "(Gelbrich's), over the stated errors. Two images of one measure are compared there along their flows, from above.",
)


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> list[str]:
    """Return the lines of a Markdown table; its first `words` columns flush left, the others right."""
    rule = ["---"] * words + ["---:"] * (len(heading) - words)
    return [f"| {' | '.join(cells)} |" for cells in (heading, rule, *rows)]
