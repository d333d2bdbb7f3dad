"""Table 1 of the paper, each row with a measured verdict.

    V                       B = Q^T K              limit
    I                       > 0                    vertices of a convex polytope            Theorem 3.1
    lambda_1 > 0, simple    <Q phi_1, K phi_1> > 0 at most 3 parallel hyperplanes           Theorem 4.2
    paranormal              > 0                    polytope x subspaces                     Theorem 5.2
    -I                      I                      the origin (of raw tokens)               Theorem 8.5

The first three are run until every token's leader is known for good (`particles.settled`), and looked at where
e^{lambda t} = 1e10: distances are those of z_i(t) from what the limits of the leaders, known by then, are said to form.
So the assertion that could fail is about the leaders: that all of them are vertices; that they are on three hyperplanes
at most; that their components in F are on the boundary of their polytope, or 0. Tokens can share leaders for ever if V
has negative eigenvalues. They are run then until a bound for all later depths shows where each ends: if lambda is
simple, on which of two levels (`particles.levels`), that is, on parallel hyperplanes, or at an end of K times G where F
is a line; if not, near which vertex of K in F, and how near (`particles.corners`). The bounds cannot make a draw fail:
what neither way decides stays undecided. The last row is run directly; tokens fall like t^{-1/2}, which is slow, and
what is asserted is that they go on falling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from particles import Adaptive, Attention, Raw, solve
from particles.checks import Array
from particles.geometry import Hull, clusters
from particles.settled import Settled, settle
from particles.spectrum import good_triple, good_triple_with_multiplicity
from studies.contract import StudyConfig
from studies.statements import draws, table_1_report
from studies.statements.enclosed import enclosed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = ("vertices", "hyperplanes", "polytope x subspaces", "origin")
_SEEN = 1e3  # e^{lambda t} where tokens are drawn: later they are no nearer to the eye, but far out along G
_LATE = 1e10  # e^{lambda t} at the late depth: distances from the limit are 1e-10 of raw ones there
_UNTIL = 6.0  # times 1 / lambda, if V is not I: most draws are settled by 4, and shared leaders are left to a bound
_SAME = 1e-6  # of the size of the tokens; leaders' places are known to about 1e-8, and tests of `settle` say so
_DEPTH = 100.0  # of the last row
_FALL = -0.4  # power of t; -1/2 is what a Gaussian does


class Config(StudyConfig):
    """Sizes: draws for each row, their dimensions in turn, tokens."""

    draws: int = Field(3, ge=1)
    dims: tuple[Annotated[int, Field(ge=2, le=8)], ...] = Field((2, 2, 3), min_length=1)
    n: int = Field(12, ge=4)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, draws=100, dims=(2, 2, 2, 3), n=20)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each row and draw."""
    return [
        {
            "row": row,
            "draw": draw,
            "d": config.dims[draw % len(config.dims)],
            "n": config.n,
            "seed": [config.seed, k, draw],
        }
        for k, row in enumerate(ROWS)
        for draw in range(config.draws)
    ]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return how far the tokens are from the row's limit, and where they are."""
    rng = np.random.default_rng(case["seed"])
    row, d = case["row"], case["d"]
    tokens = draws.tokens(rng, case["n"], d)
    if row == "origin":
        return _fallen(tokens)
    B = draws.positive_definite(rng, d)
    V = np.eye(d)
    if row == "hyperplanes":
        V = draws.good_triple_values(rng, d)
    elif row == "polytope x subspaces":
        V = draws.paranormal(rng, d, 2 if d > 2 else 1)
    attention = draws.attention(B, V)
    value = float(np.linalg.eigvals(V).real.max())
    late = settle(attention, tokens, until=None if row == "vertices" else _UNTIL / value)
    size = float(np.abs(tokens).max())
    result: dict[str, Any] = {
        "undecided": int((~late.decided).sum()),
        "settled_at": late.depth,
        "leaders": len(late.leading),
        "error": late.error / size if late.decided.any() else None,
        "tokens": tokens,
    }
    if late.decided.all():
        result |= {"vertices": _at_vertices, "hyperplanes": _at_levels, ROWS[2]: _at_boundary}[row](
            attention, late, size
        )
    else:
        count = good_triple_with_multiplicity(attention).multiplicity
        bound = enclosed(attention, tokens, value, simple=count == 1)
        if bound:
            result |= bound | {"value": value, "dim_F": count, "undecided": 0, "parts": bound["ends"], "holds": True}
    return result


def _late(late: Settled, value: float, growth: float = _LATE) -> tuple[float, Array]:
    """Return the depth where e^{lambda t} = growth, or where tokens are settled, and the rescaled tokens there."""
    t = max(late.depth, float(np.log(growth)) / value)
    return t, late.rescaled(t)


def _at_vertices(attention: Attention, late: Settled, size: float) -> dict[str, Any]:
    t, z = _late(late, 1.0)
    places = late.limit[late.leading]
    corners = places[Hull(places).vertices]
    return {
        "t": t,
        "away": float(np.linalg.norm(z[:, None] - corners, axis=2).min(axis=1).max()) / size,
        "parts": len(corners),
        "holds": len(corners) == len(places),
        "end": _late(late, 1.0, _SEEN)[1],
        "corners": corners,
    }


def _at_levels(attention: Attention, late: Settled, size: float) -> dict[str, Any]:
    triple = good_triple(attention)
    t, z = _late(late, triple.value)
    levels = z @ triple.left
    resting = late.limit @ triple.left
    largest = float(np.abs(resting).max())
    ends = np.array([max(0.0, resting.max()), 0.0, min(0.0, resting.min())])
    away = float(np.abs(levels[:, None] - ends).min(axis=1).max()) / largest
    return {
        "t": t,
        "away": away,
        "parts": len(np.unique(clusters(resting[:, None], _SAME * largest))),
        "holds": away <= _SAME,
        "end": _late(late, triple.value, _SEEN)[1],
        "levels": ends,
        "left": triple.left,
    }


def _at_boundary(attention: Attention, late: Settled, size: float) -> dict[str, Any]:
    triple = good_triple_with_multiplicity(attention)
    t, z = _late(late, triple.value)
    onto = triple.basis.T @ triple.onto
    inside, resting = z @ onto.T, late.limit @ onto.T
    hull = Hull(resting)
    away = np.minimum(hull.boundary_distance(inside), np.linalg.norm(inside, axis=1))
    away_from = float(away.max()) / size
    return {
        "t": t,
        "away": away_from,
        "parts": len(hull.vertices),
        "off_vertices": float(np.linalg.norm(inside[:, None] - resting[hull.vertices], axis=2).min(axis=1).max())
        / size,
        "holds": away_from <= _SAME,
        "end": _late(late, triple.value, _SEEN)[1],
        "corners": late.limit[hull.vertices] @ triple.onto.T,
        "across": np.linalg.svd(triple.onto)[2][triple.basis.shape[1] :],
    }


def _fallen(tokens: Array) -> dict[str, Any]:
    eye = np.eye(tokens.shape[1])
    law = Raw(Attention(Q=eye, K=eye, V=-eye))
    run = solve(law, tokens, [0.0, _DEPTH / 10, _DEPTH], stepper=Adaptive(1e-8, 1e-10))
    result: dict[str, Any] = {"undecided": 0, "tokens": tokens, "t": _DEPTH}
    if run.status != "finished":
        return result | {"undecided": len(tokens)}
    norms = np.linalg.norm(run.points, axis=2).max(axis=1)
    power = float(np.log10(norms[2] / norms[1]))
    size = float(np.abs(tokens).max())
    return result | {"away": float(norms[2]) / size, "power": power, "holds": power <= _FALL, "end": run.points[-1]}


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the table's rows with their verdicts, and one draw of each for the figure."""
    return table_1_report.summary([case | result for case, result in zip(cases(config), results, strict=True)])


def table(summary: dict[str, Any]) -> str:
    """Return the paper's Table 1 with what was measured in each row."""
    return table_1_report.table(summary)


def figure(summary: dict[str, Any]) -> Figure:
    """Return one draw of each row: initial tokens, final tokens, the limit."""
    return table_1_report.figure(summary)
