"""Which tokens lead, and what of it the initial tokens tell.

A token leads if in the end it gives all its attention to itself; `particles.settled` knows each token's leader for
every later depth, or says that double precision does not tell. The paper says that leaders are few, that for V = I they
are the vertices of the limit polytope, and that they carry the largest amount of information. Predictions from the
tokens at depth 0, with B = A^T A:

    hull       the vertices of their convex hull (the same in every norm: a linear map keeps them)
    itself     tokens that attend to themselves most, argmax_j <B^T x_i, x_j> = i; for V = I these are the tokens in
               the set S of Theorem 8.1 of the initial hull, as |A x_i|^2 = max_j <A x_i, A x_j> says the same
    attended   tokens to which some token attends most
    norm       the largest |A x_i|, as many as there are leaders (which is more than the initial tokens tell)
    level      for a good triple: the largest positive and the least negative level phi_1^* x_i of the left eigenvector

Precision is the share of the predicted that lead, recall the share of the leaders that were predicted.

On the line only the first and the last token can lead, as order is kept. In the plane a leader need not be a vertex of
the initial hull: the four tokens of `HIDDEN` are a triangle and one within, which leads once a corner has left it bare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from particles import Raw, solve
from particles.checks import Array
from particles.geometry import Hull
from particles.settled import Settled, settle
from particles.spectrum import good_triple
from studies.contract import StudyConfig
from studies.statements import draws, leaders_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HIDDEN = ((40.0, 0.0), (5.0, 10.0), (-30.0, 10.0), (0.5, 9.8))  # the last is within, and leads
OUTWEIGHED = ((-0.33,), (0.30,), (0.29,), (0.28,), (0.27,), (0.26,))  # the first has the largest norm and does not lead
GIVEN = {"hidden": HIDDEN, "outweighed": OUTWEIGHED}
_LOOKS = 24  # depths at which it is seen whom a token attends to most


class Config(StudyConfig):
    """Sizes: draws for V = I and for good triples; the latter take ten times as long a draw."""

    draws: int = Field(2, ge=1)
    triples: int = Field(1, ge=1)
    dims: tuple[int, ...] = Field((1, 2, 3, 10), min_length=1)
    sizes: tuple[int, ...] = Field((10, 40), min_length=1)
    triple_dims: tuple[int, ...] = (1, 2, 3)
    triple_sizes: tuple[int, ...] = (10,)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, draws=30, triples=40, sizes=(10, 40, 100))


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each draw, and one for each of the given sets of tokens."""
    kinds = (
        ("identity", config.draws, config.dims, config.sizes),
        ("good triple", config.triples, config.triple_dims, config.triple_sizes),
    )
    found: list[dict[str, Any]] = [{"kind": kind, "d": len(x[0]), "n": len(x), "draw": 0} for kind, x in GIVEN.items()]
    for k, (kind, number, dims, sizes) in enumerate(kinds):
        found += [
            {"kind": kind, "d": d, "n": n, "draw": draw, "seed": [config.seed, k, d, n, draw]}
            for d in dims
            for n in sizes
            for draw in range(number)
        ]
    return found


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return who leads, how many follow, how each prediction fares and when the last token changed its mind."""
    d, kind = case["d"], case["kind"]
    if kind in GIVEN:
        tokens, B, V = np.array(GIVEN[kind]), np.eye(d), np.eye(d)
    else:
        rng = np.random.default_rng(case["seed"])
        tokens, B = draws.tokens(rng, case["n"], d), draws.positive_definite(rng, d)
        V = np.eye(d) if kind == "identity" else draws.good_triple_values(rng, d)
    attention = draws.attention(B, V)
    late = settle(attention, tokens)
    leading = late.leading
    targets = _targets(B, tokens)
    guesses = _guesses(B, tokens, targets, len(leading))
    norms = np.einsum("id,de,ie->i", tokens, B, tokens)
    result: dict[str, Any] = {
        "undecided": int((~late.decided).sum()),
        "leaders": leading.tolist(),
        "followers": np.sort(np.bincount(late.leaders[late.decided])[leading])[::-1].tolist(),
        "depth": late.depth,
        "first": int(np.argmax(norms)),
        "rank": float(np.mean(np.argsort(np.argsort(-norms))[leading]) / len(tokens)) if len(leading) else None,
        "kept": float(np.mean(targets == late.leaders)),
        "changed": _changed(late, attention.B, tokens),
        "limit_vertices": _limit_vertices(late) if kind != "good triple" else None,
    }
    if kind == "good triple":
        levels = tokens @ good_triple(attention).left
        ends = [int(np.argmax(levels))] * bool(levels.max() > 0) + [int(np.argmin(levels))] * bool(levels.min() < 0)
        guesses["level"] = np.array(ends)
    result["predicted"] = {name: guess.tolist() for name, guess in guesses.items()}
    if kind in GIVEN:
        result["tokens"], result["limit"] = tokens, late.limit
    return result


def _targets(B: Array, x: Array) -> Any:
    return np.argmax(x @ B @ x.T, axis=1)


def _guesses(B: Array, x: Array, targets: Any, count: int) -> dict[str, Any]:
    norms = np.einsum("id,de,ie->i", x, B, x)
    return {
        "hull": np.sort(Hull(x).vertices),
        "itself": np.flatnonzero(targets == np.arange(len(x))),
        "attended": np.unique(targets),
        "norm": np.sort(np.argsort(-norms, kind="stable")[:count]),
    }


def _limit_vertices(late: Settled) -> list[int] | None:
    """Return which leaders stand at the vertices of the limit polytope; None if some token is undecided."""
    if not late.decided.all():
        return None
    leading = late.leading
    return np.sort(leading[Hull(late.limit[leading]).vertices]).tolist()


def _changed(late: Settled, B: Array, tokens: Array) -> float | None:
    """Return after what share of the depth t* no decided token changes any more to whom it attends most."""
    if late.depth == 0:
        return 0.0
    times = np.linspace(0.0, late.depth, _LOOKS + 1)
    run = solve(Raw(late.attention), tokens, times)
    if run.status != "finished":
        return None
    other = [bool((_targets(B, x) != late.leaders)[late.decided].any()) for x in run.points]
    last = max((k for k, changes in enumerate(other) if changes), default=-1)
    return (last + 1) / _LOOKS


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return verdicts, and precision and recall of every prediction for each kind, d and n."""
    return leaders_report.summary([case | result for case, result in zip(cases(config), results, strict=True)])


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, the predictions and the numbers of leaders."""
    return leaders_report.table(summary)


def figure(summary: dict[str, Any]) -> Figure:
    """Return leaders against n and d, precision and recall, and the token that leads from within."""
    return leaders_report.figure(summary)
