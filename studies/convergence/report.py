"""The study's stored numbers as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from studies.convergence import text

COMMANDS = (
    "meanfield run convergence --full --out results",
    "python -m studies.convergence results/convergence/convergence.json > docs/convergence.md",
)

_READING = (
    "(1.1) with Q = K = V = I from the uniform law on [−1, 1]^d: W₂(μⁿₜ, μₜ) and the field error sup |X\\[μⁿₜ](x) −",
    "X\\[μₜ](x)| over the support of μₜ, as root mean squares over replicas. The limit is known to rounding: it is a",
    "product of solutions on the line, which 64 Gauss nodes give to 1e-14.",
    "",
    "- Starts: independent tokens; scrambled Sobol points; products of the quantiles (i + 1/2)/m; Gauss nodes with",
    "  their weights.",
    "- Slopes are least squares in log n, weighted by the errors of the means. For independent tokens the field",
    "  error, and W₂ on the line, are fitted with a term b/n, the first of a known expansion. Intervals are",
    "  bootstrap percentiles, 95 %.",
    "- Replicas are added in blocks of 64 until the slope's interval can be as narrow as asked for (`width`) at",
    "  every depth, or `most` is reached (`+`). For independent tokens the squares of their Legendre moments, whose",
    "  means are known, are control variates: they take away nine tenths and more of the scatter of W₂² on the",
    "  line, four fifths in the plane. In simulations at depth 0, where the truth is known, 92 to 96 of 100",
    "  intervals held the true slope.",
    "- `theory` is the known rate, fitted in the same way at the same n.",
    "- `resolution`: for W₂ of random tokens in d ≥ 2 the slopes at the two ends between which the limit's atoms",
    "  leave W₂² (± the square of their distance to the limit); on the line, and for products, W₂ is exact. For the",
    "  field error, by how much the supremum is larger over twice as many points along each axis, at most over n,",
    "  on the first replica.",
    "- Growth: `mean` and `largest` are over the replicas of the slopes, with their atoms for the limit (27 in space",
    "  for 32 tokens), but the `bounded` ones are measured anew, to about 500 atoms, which in space changes one",
    "  replica's growth by up to 3 %, so that `largest of them` can come out above `largest`.",
    "",
    "What stands out:",
    "",
    "- On the line both errors of independent tokens have slope −1/2 at every depth; so has the field error in the",
    "  plane and in space. (At the quick size, up to 512 tokens, it is −0.47 ± 0.03 at t = 1 in space.) In the",
    "  plane n E W₂² = a log n + b with a near the known area/(4π) at depth 0 (Ambrosio, Stra, Trevisan 2019); the",
    "  slope of the pure rate would show at far larger n only. In the plane and in space slopes of W₂ steepen with",
    "  depth: the flow amplifies long waves most, and their part of W₂² is of order 1/n in every dimension.",
    "- Quasi-random tokens reach n^(−1/d), the least order that n atoms can have. Their field error on the line",
    "  falls faster than the n^(−3/2) of the theory: few scrambles, about one in n, make up the true mean square",
    "  (Pan, Owen 2023), and so few replicas do not meet them.",
    "- Quadrature is faster than any power: a node more along each axis divides the field error by a constant,",
    "  about 7 at t = 1, until rounding. As atoms the nodes are as far from μₜ in W₂ as n atoms must be; as nodes",
    "  they stay where the limit's flow takes them, to the same accuracy as the field.",
    "- Every replica grows less than (6.6) allows: sharp and a posteriori (those for which they were computed) and a",
    "  priori (all). The sharp bound exceeds the growth by a fifth at most.",
)


def markdown(document: dict[str, Any]) -> str:
    """Return the page made from what `meanfield run convergence` has stored."""
    lines = ["# How fast do n tokens converge?", "", "This page is not edited by hand but made by", ""]
    lines += [f"    {command}" for command in COMMANDS] + ["", *_READING, ""]
    for title, heading, rows in text.parts(document["summary"]):
        lines += [f"## {title}", "", *_table(heading, rows), ""]
    return "\n".join(lines)


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table; its first column flush left, the others right."""
    rule = ["---"] + ["---:"] * (len(heading) - 1)
    return [f"| {' | '.join(cells)} |" for cells in (heading, rule, *rows)]
