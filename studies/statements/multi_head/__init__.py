"""Section 12: does clustering persist with several heads? The rows of Table 1 with H heads.

    x_i' = sum_h sum_j P^h_ij V_h x_j,    z_i = e^{-tU} x_i,    U = sum_h V_h

and the discrete form of section 12 with dt = 1, for random heads of every row (`families.py`). With V_h = I/H the
limits are exact (`resting.py`); for the other rows tokens are looked at late in a direct run (`late.py`).

Heads with one B are one head with V = U. With V_h = I/H every rescaled token moves towards a mean of tokens, so that
the hull shrinks as for one head (Prop. 8.2), but the limits are others: head h of a token at rest at T attends to a
vertex v_h that maximises <B_h^T T, .>, and T = (1/H) sum_h v_h. Such a mean can be stable: with B_1 = diag(2, 1),
B_2 = diag(1, 2) a token near (2, 2) tends to the middle of the vertices (4, 0) and (0, 4). In the plane, and B_h > 0,
it is on the boundary or 0: the ray from 0 through T leaves the polytope through an edge from v to w; B_h v and B_h w
are in the normal cones of v and w, as these rest; B_h keeps orientation, so B_h T is in one of the two cones for every
h, and every head attends to v or w. In more dimensions the study counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from particles import Adaptive, Attention, Empirical, Euler, Raw, solve
from particles.checks import Array
from particles.geometry import Hull, clusters
from particles.spectrum import good_triple, good_triple_with_multiplicity
from studies.contract import StudyConfig
from studies.statements import draws
from studies.statements.multi_head import report
from studies.statements.multi_head.families import HYPERPLANES, ORIGIN, as_one, heads, pairings
from studies.statements.multi_head.late import Late, late, levels, polytope
from studies.statements.multi_head.resting import rest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FAMILIES = ("polytope", *HYPERPLANES, "subspaces", *ORIGIN)
_ONE = 1e-6  # of the size of the tokens: resting places closer than this are one; they are known to about 1e-9
_FALL = 10  # the fall of V = -I is measured over the last decade of depth
_POWER = -0.4  # of t; a covariance falls by S' = -2 S^2, hence norms like t^(-1/2)
_DEPTH, _STEPS = 100.0, 400  # steps fall later: over a decade from 20 on the power is still up to 0.1 short of 1/2
_LONGER = 4  # times the steps, where they have not yet fallen

_Heads = Annotated[int, Field(ge=1, le=16)]


class Config(StudyConfig):
    """Sizes: draws with dt = 1 and in continuous time for each family, numbers of heads, numbers of tokens."""

    draws: int = Field(4, ge=1)
    continuous: int = Field(1, ge=1)
    heads: tuple[_Heads, ...] = Field((1, 2, 4, 8), min_length=1)
    continuous_heads: tuple[_Heads, ...] = Field((1, 2, 4), min_length=1)
    n: int = Field(24, ge=4)
    continuous_n: int = Field(12, ge=4)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, draws=100, continuous=50, n=40, continuous_n=16)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each family, form and draw."""
    forms = (
        ("discrete", config.draws, config.heads, config.n),
        ("continuous", config.continuous, config.continuous_heads, config.continuous_n),
    )
    return [
        {
            "family": family,
            "form": form,
            "heads": list(counts),
            "n": n,
            "d": 3 if family == "subspaces" else 2 + draw % 2,
            "draw": draw,
            "seed": [config.seed, FAMILIES.index(family), draw],
        }
        for family in FAMILIES
        for form, number, counts, n in forms
        for draw in range(number)
    ]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return what became of the same tokens with each number of heads."""
    rng = np.random.default_rng(case["seed"])
    tokens = draws.tokens(rng, case["n"], case["d"])
    discrete, family = case["form"] == "discrete", case["family"]
    rows: list[dict[str, Any]] = []
    for count in case["heads"]:
        attention = heads(family, np.random.default_rng([*case["seed"], count]), count, case["d"])
        row = {"heads": count, "merged": _merged(attention, tokens)}
        if family == "polytope":
            row |= _rests(attention, tokens, discrete, case["draw"] == 0)
        elif family in ORIGIN:
            row |= _falls(attention, tokens, discrete)
        else:
            row |= _arrives(family, attention, tokens, discrete)
        rows.append(row)
    shown = {"tokens": tokens} if family == "polytope" and case["draw"] == 0 else {}
    return {"rows": rows, **shown}


def _merged(attention: Attention, tokens: Array) -> float:
    """Return how far the field of heads with one B is from that of one head with V = U, over its size."""
    Q, K = (np.broadcast_to(matrix[0], matrix.shape) for matrix in (attention.Q, attention.K))
    equal = Attention(Q=Q, K=K, V=attention.V)
    many, one = (Raw(head).velocity(0.0, tokens, Empirical(tokens)) for head in (equal, as_one(attention)))
    return float(np.abs(many - one).max() / (np.abs(attention.V).sum() * np.abs(tokens).max()))


def _rests(attention: Attention, tokens: Array, discrete: bool, show: bool) -> dict[str, Any]:
    found = rest(attention.B, tokens, discrete=discrete)
    size = float(np.abs(tokens).max())
    row: dict[str, Any] = {"undecided": int((~found.decided).sum()), "depth": found.depth}
    row["growth"] = _growth(attention, tokens) / size if discrete else None
    if not found.decided.all():
        return row
    corners = found.vertices
    hull = Hull(corners)
    from_corner = np.linalg.norm(found.places[:, None] - corners, axis=2).min(axis=1)
    from_edge = np.minimum(hull.boundary_distance(found.places), np.linalg.norm(found.places, axis=1))
    row |= {
        "vertices": len(corners),
        "largest_company": max(found.companies),
        "clusters": len(np.unique(clusters(found.places, _ONE * size))),
        "off_vertices": int((from_corner > _ONE * size).sum()),
        "inside": int((from_edge > _ONE * size).sum()),
        "from_boundary": float(from_edge.max()) / size,
    }
    if not discrete:
        stepped = rest(attention.B, tokens, discrete=True)
        whole = bool(stepped.decided.all())
        row["clusters_with_steps"] = len(np.unique(clusters(stepped.places, _ONE * size))) if whole else None
    return row | ({"places": found.places.tolist(), "corners": corners.tolist()} if show else {})


def _growth(attention: Attention, tokens: Array) -> float:
    """Return the largest growth of the hull in any of 64 directions over any of the first ten steps."""
    run = solve(Raw(attention), tokens, np.arange(11.0), stepper=Euler(1.0))
    z = run.points / 2.0 ** run.times[:, None, None]
    ways = np.random.default_rng(0).standard_normal((z.shape[2], 64))
    reach = (z @ (ways / np.linalg.norm(ways, axis=0))).max(axis=1)
    return float(np.diff(reach, axis=0).max())


def _falls(attention: Attention, tokens: Array, discrete: bool) -> dict[str, Any]:
    """Return the largest norm at the end of a raw run and its power of t over the last decade."""
    stepper = Euler(1.0) if discrete else Adaptive(1e-8, 1e-10)
    row: dict[str, Any] = {"norm": None, "power": None, "holds": None}
    for end in (_STEPS, _LONGER * _STEPS) if discrete else (_DEPTH,):
        run = solve(Raw(attention), tokens, np.array([0.0, 1.0 / _FALL, 1.0]) * end, stepper=stepper)
        if run.status != "finished":
            return row
        norms = np.linalg.norm(run.points, axis=2).max(axis=1)
        power = float(np.log(norms[2] / norms[1]) / np.log(_FALL)) if norms[2] > 0 else -np.inf
        row = {"norm": float(norms[2]), "power": max(power, -99.0), "holds": bool(power <= _POWER)}
        if row["holds"]:
            return row
    return row


def _arrives(family: str, attention: Attention, tokens: Array, discrete: bool) -> dict[str, Any]:
    eye = np.eye(attention.dim)
    whole = Attention(Q=eye, K=eye, V=attention.U)
    if family == "subspaces":
        triple = good_triple_with_multiplicity(whole)
        found = late(attention, tokens, triple.basis.T @ triple.onto, discrete=discrete)
        count, from_corner, away, holds = polytope(found)
        return _told(found) | {"clusters": count, "off_vertices": from_corner, "away": away, "holds": holds}
    simple = good_triple(whole)
    found = late(attention, tokens, simple.left[None], discrete=discrete)
    count, away, holds = levels(found)
    paired = bool((pairings(attention, simple.right) > 0).all())
    return _told(found) | {"clusters": count, "away": away, "holds": holds, "paired": paired}


def _told(found: Late) -> dict[str, Any]:
    moving = found.moving if np.isfinite(found.moving) else None
    pace = found.rate if found.shaped else found.pace
    return {"reached": found.reached, "moving": moving, "diverges": found.diverges, "falls": found.falls, "pace": pace}


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a row for each case and number of heads, verdicts, and counts for each number of heads."""
    rows = [
        {key: case[key] for key in ("family", "form", "draw", "d", "n")} | row
        for case, result in zip(cases(config), results, strict=True)
        for row in result["rows"]
    ]
    shown = next(
        result
        for case, result in zip(cases(config), results, strict=True)
        if case["family"] == "polytope" and case["draw"] == 0 and case["form"] == "discrete"
    )
    return report.summary(rows, np.asarray(shown["tokens"]).tolist())


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, and counts for each family and number of heads."""
    return report.table(summary)


def figure(summary: dict[str, Any]) -> Figure:
    """Return where tokens of one draw come to rest with 1, 2, 4, ... heads, and clusters against heads."""
    return report.figure(summary)
