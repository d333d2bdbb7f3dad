"""The codimension conjecture, over random spectra.

"Let k be the number of eigenvalues of V with positive real part. Then there are at most three parallel subspaces of
codimension k to which the tokens z_i(t) tend." With L (k, d) the left invariant subspace of these eigenvalues, it
says that L z_i tends to at most three points. From the depth on at which token i follows a leader alone,

    L z_i(t) = L z_{L(i)} + e^{-tM} L D_i,    L V = M L,

and e^{-tM} tends to 0: so the limits are the leaders' L z, and the question is how many leaders there are and where.
`settle` finds them if the eigenvalue of largest real part is real, unless tokens share leaders for ever. If it is a
complex pair, leaders within a cluster change for ever. In both cases `rotating.settle_turning` counts clusters at rest;
of a pair there may be pi / arcsin rho, rho the sine of the angle by which the direction in which tokens look at each
other swings. If the leading eigenvalue comes more than once, F its eigenspace, and tokens share leaders, groups are
counted of which a bound for all later depths shows that they stay apart in F (`particles.corners`). There are at least
as many limits, so that four groups are an exception; three or fewer tell nothing. What none of this decides counts as
not decided.

Draws: V = S D S^{-1} with prescribed D and random S, or Gaussian; Q = K = I or Q^T K > 0 at random; d = 2 to 6. An
exception is kept with its V, B, tokens, seed and limits: as arrays in its case, and in the summary, from which
`exceptions` reads it back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.linalg import expm

from particles import Attention
from particles.checks import Array, Problems
from particles.corners import corners
from particles.geometry import distinct
from particles.leading import leading
from particles.settled import settle
from particles.spectrum import growing
from studies.contract import StudyConfig
from studies.statements import draws
from studies.statements.codimension.report import exceptions, summary, table
from studies.statements.codimension.rotating import Turning, settle_turning
from studies.statements.spectra import rotation, tilted, with_spectrum

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["KINDS", "Config", "cases", "exceptions", "figure", "run_case", "summary", "table"]

KINDS = {
    "real": "all real, of both signs",
    "pairs below": "real leading one, complex pairs below",
    "large negative": "a negative one of larger modulus",
    "gaussian": "Gaussian matrix",
    "pair leads": "a complex pair leads, random basis",
    "normal pair leads": "a complex pair leads, V normal",
    "multiple": "the leading one comes twice",
    "identity": "V = I",
}
_TURNING = ("gaussian", "pair leads", "normal pair leads")
_HALF_TURNS = 4  # that a run under a pair may last at least
_FEW = 3  # limits, at most, by the conjecture
_SIMPLE = 1e-3  # of it: a lesser lead does not show at the depths that are reached
_SAME = 1e-6  # of the largest limit: closer ones are one; leaders are known to 1e-8 and better


class Config(StudyConfig):
    """Sizes of the study of the codimension conjecture."""

    draws: int = Field(1, ge=1)  # of each kind, d and Q^T K going round
    tokens: int = Field(8, ge=4)
    turning_tokens: int = Field(8, ge=4)  # where a pair may lead: more are more often held on a divide
    until: float = Field(7.0, gt=0)  # depth, times the largest real part, at which to stop if a token is undecided

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, draws=16, tokens=40, turning_tokens=10)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each draw."""
    dims = (2, 3, 4, 5, 6)
    return [
        {
            "kind": kind,
            "d": max(dims[k % len(dims)], 3 if kind == "pairs below" else 2),
            "head": "I" if k // len(dims) % 2 == 0 else "positive definite",
            "tokens": config.turning_tokens if kind in _TURNING else config.tokens,
            "until": config.until,
            "seed": [config.seed, j, k],
        }
        for k in range(config.draws)
        for j, kind in enumerate(KINDS)
    ]


def values(rng: np.random.Generator, kind: str, d: int) -> Array:
    """Return V with a spectrum of this kind, (d, d), at least one real part positive and the largest one 1.

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {', '.join(KINDS)}; got {kind!r}.")
    if kind == "identity":
        return np.eye(d)
    if kind == "gaussian":
        while True:
            V = rng.standard_normal((d, d)) / np.sqrt(d)
            largest = float(np.linalg.eigvals(V).real.max())
            if largest > 0.1:  # k >= 1, and not by a hair
                return V / largest
    below: list[complex] = []
    if kind in ("pair leads", "normal pair leads"):
        chosen: list[complex] = [1 + 1j * rng.uniform(0.3, 3.0)]
    elif kind == "pairs below":
        chosen = [1.0, rng.uniform(-0.7, 0.7) + 1j * rng.uniform(0.2, 2.0)]
    elif kind == "large negative":
        chosen = [1.0, -rng.uniform(1.2, 2.0)]
    else:
        chosen = [1.0, 1.0] if kind == "multiple" else [1.0]
    while (left := d - sum(1 + bool(complex(value).imag) for value in [*chosen, *below])) > 0:
        real = rng.uniform(-0.8, 0.8)
        pair = left > 1 and kind != "real" and rng.random() < 0.5
        below.append(real + 1j * rng.uniform(0.2, 2.0) if pair else real)
    S = rotation(rng, d) if kind == "normal pair leads" else tilted(rng, d)
    return with_spectrum([*chosen, *below], S)


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return how many limits the growing parts of the tokens have, and where they are."""
    rng = np.random.default_rng(case["seed"])
    d = case["d"]
    V = values(rng, case["kind"], d)
    B = np.eye(d) if case["head"] == "I" else draws.positive_definite(rng, d)
    tokens = draws.tokens(rng, case["tokens"], d)
    attention = draws.attention(B, V)
    found = np.linalg.eigvals(V)
    k, L = growing(V)
    seen = _limits(attention, tokens, L, case["until"])
    separate = _distinct(seen.limits)
    number = len(separate) if seen.undecided == 0 else None
    return {
        "rest": seen.rest,
        "at_least": seen.at_least,
        "k": k,
        "eigenvalues": [[float(z.real), float(z.imag)] for z in found[np.argsort(-found.real)]],
        "depth": seen.depth,
        "undecided": seen.undecided,
        "leaders": seen.leaders,
        "number": number,
        "outcome": None if number is None else number <= _FEW,
        "V": V,
        "B": B,
        "start": tokens,
        "L": L,
        "limits": separate,
    }


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is known of the limits of L z: of which tokens (n,) they are, and these tokens' L z (m, k)."""

    leaders: NDArray[np.intp]
    limits: Array
    depth: float
    undecided: int
    rest: dict[str, Any] | None = None  # of clusters at rest
    at_least: bool = False  # whether there may be more limits


def _limits(attention: Attention, tokens: Array, L: Array, until: float) -> _Seen:
    """Return whom each token follows, or of which cluster or group it is, and where these are."""
    V = attention.heads[0][1]
    horizon = until / float(np.linalg.eigvals(V).real.max())
    if leading(attention, Problems()) is not None:
        late = settle(attention, tokens, until=horizon)
        if not late.decided.all() and _simple(V):
            turning = settle_turning(attention, tokens, 2 * horizon)
            if turning.decided:  # never parting: there are at most three levels
                return _resting(turning, L, V)
        if not late.decided.all() and not _simple(V):
            grouped = corners(attention, tokens, until=2 * horizon)
            if len(grouped.centres) > _FEW:
                first = np.unique(grouped.group, return_index=True)[1][grouped.group]
                return _Seen(first, _parts(grouped.tokens, first, grouped.depth, L, V), grouped.depth, 0, at_least=True)
        undecided = int((~late.decided).sum())
        return _Seen(late.leaders, late.limit[late.leading] @ L.T, late.depth, undecided)
    values = np.linalg.eigvals(V)
    half_turn = np.pi / abs(values[np.argmax(values.real)].imag)
    return _resting(settle_turning(attention, tokens, max(2 * horizon, _HALF_TURNS * half_turn)), L, V)


def _simple(V: Array) -> bool:
    """Return whether one eigenvalue has the largest real part."""
    reals = np.sort(np.linalg.eigvals(V).real)
    return len(V) == 1 or bool(reals[-1] - reals[-2] > _SIMPLE * reals[-1])


def _resting(turning: Turning, L: Array, V: Array) -> _Seen:
    """Return the clusters at rest; where tokens of one may part, four of them tell all that is asked."""
    at_least = turning.parting and len(np.unique(turning.clusters)) > _FEW
    undecided = 0 if turning.decided or at_least else len(turning.tokens)
    parts = _parts(turning.tokens, turning.clusters, turning.depth, L, V)
    return _Seen(turning.clusters, parts, turning.depth, undecided, turning.told, at_least)


def _parts(tokens: Array, clusters: NDArray[np.intp], depth: float, L: Array, V: Array) -> Array:
    """Return L z of the one token of each cluster by which it is known, from raw tokens at that depth."""
    found: Array = tokens[np.unique(clusters)] @ L.T @ expm(-depth * (L @ V @ L.T)).T
    return found


def _distinct(points: Array) -> Array:
    return distinct(points, _SAME * float(np.abs(points).max())) if len(points) else points


def figure(summary: dict[str, Any]) -> Figure:
    """Return counts of agreement by kind of spectrum, and one exception of each kind."""
    from studies.statements.codimension.drawing import drawn  # workers do not draw

    return drawn(summary)
