"""Theorem 4.2: for a good triple (Def. 4.1) tokens tend to at most three parallel hyperplanes.

The hyperplanes are level sets of the left eigenvector of the leading eigenvalue, at the levels

    a = lim min_j phi_1^*(z_j),   0,   b = lim max_j phi_1^*(z_j).

Draws: the published V of Figs. 6, 12 and 13; random V with lambda_1 simple and real and complex eigenvalues below it,
and Q = K = I or Q, K with entries uniform on [-1, 1] and <Q phi_1, K phi_1> > 0; a Jordan block below the leading
eigenvalue (Remark 9.5); a spectrum in [0, inf) (Cor. 9.2); tokens all on one side, or symmetric with one at 0.
`screen` counts which condition of Def. 4.1 fails for random Q, K, V as the paper draws them; `astray` shows what
happens if one does.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field
from scipy.linalg import block_diag

from particles import Adaptive, Attention, Empirical, Raw
from particles.checks import Array
from particles.march import march
from particles.spectrum import good_triple
from studies.contract import StudyConfig
from studies.statements import draws
from studies.statements.setups import SETUPS
from studies.statements.spectra import tilted, with_spectrum
from studies.statements.theorem_4_2 import motion
from studies.statements.theorem_4_2.report import summary, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Config", "cases", "figure", "run_case", "summary", "table"]

FIGURES = (6, 12, 13)
ASTRAY = ("positive", "real", "pairing")


class Config(StudyConfig):
    """Sizes of the study of Theorem 4.2."""

    draws: int = Field(1, ge=1)  # for each dimension, and each of Q = K = I and random Q, K
    dims: tuple[Annotated[int, Field(ge=2, le=20)], ...] = Field((2, 3, 5), min_length=1)
    tens: int = Field(0, ge=0)  # draws in d = 10, of 10 tokens at most: some take as long as all others
    special: int = Field(1, ge=1)  # of the Jordan block, [0, inf), one side, symmetric
    tokens: int = Field(8, ge=4)
    screened: int = Field(100, ge=1)
    until: float = Field(6.0, gt=0)  # depth, times lambda_1, at which to stop if a token is undecided

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, draws=17, tens=4, special=100, tokens=20, screened=1000)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each draw."""
    size = {"n": config.tokens, "until": config.until}
    few = size | {"n": min(config.tokens, 10)}
    found: list[dict[str, Any]] = []
    for d, count in ((10, config.tens), *((d, config.draws) for d in config.dims)):
        for k in range(count):
            for head in ("I", "random"):
                seed = [config.seed, d, k, int(head == "random")]
                found.append({"kind": "triple", "d": d, "head": head, "seed": seed, **(few if d == 10 else size)})
    found += [{"kind": "published", "figure": number, "seed": [config.seed, number], **size} for number in FIGURES]
    for kind in ("jordan", "nonnegative", "one side", "symmetric"):
        found += [
            {"kind": kind, "d": 3 if kind == "jordan" else 2 + k % 2, "seed": [config.seed, 100, k], **size}
            for k in range(config.special)
        ]
    found += [
        {"kind": "screen", "d": d, "count": config.screened, "seed": [config.seed, 200, d]}
        for d in sorted({*config.dims, 10})
    ]
    found += [{"kind": "astray", "condition": name, "seed": [config.seed, 300], **size} for name in ASTRAY]
    return found


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of one draw."""
    rng = np.random.default_rng(case["seed"])
    kind = case["kind"]
    if kind == "screen":
        return _screened(rng, case["d"], case["count"])
    if kind == "astray":
        return _astray(rng, case["condition"], case["n"])
    if kind == "published":
        setup = SETUPS[case["figure"]]
        return motion.numbers(setup.attention, setup.tokens(rng), case["until"])
    if kind == "triple":
        attention, refused = _triple(rng, case["d"], case["head"])
        tokens = draws.tokens(rng, case["n"], case["d"])
        return {"refused": refused, **motion.numbers(attention, tokens, case["until"])}
    if kind == "jordan":
        attention = _plain(_jordan(rng, case["d"]))
    elif kind == "nonnegative":
        attention = _plain(_nonnegative(rng, case["d"]))
        return motion.bounded(attention, draws.tokens(rng, case["n"], case["d"]), case["until"])
    else:
        attention = _plain(draws.good_triple_values(rng, case["d"]))
    tokens = draws.tokens(rng, case["n"], case["d"])
    if kind == "one side":
        triple = good_triple(attention)
        levels = tokens @ triple.left
        tokens = tokens + np.outer(np.where(levels < 0, -2 * levels, 0.0), triple.right)
    if kind == "symmetric":
        half = tokens[: case["n"] // 2]
        tokens = np.concatenate([half, -half, np.zeros((1, case["d"]))])
        found = motion.numbers(attention, tokens, case["until"], never=1)  # the one in the middle
        return {**found, "middle": _middle(attention, tokens)}
    return motion.numbers(attention, tokens, case["until"])


def _plain(V: Array) -> Attention:
    return Attention(Q=np.eye(len(V)), K=np.eye(len(V)), V=V)


def _triple(rng: np.random.Generator, d: int, head: str) -> tuple[Attention, int]:
    """Return a good triple and how many draws of Q, K were refused for their pairing."""
    V = draws.good_triple_values(rng, d)
    refused = 0
    if head == "I":
        return _plain(V), refused
    while True:
        Q, K = rng.uniform(-1, 1, (2, d, d))
        attention = Attention(Q=Q, K=K, V=V)
        if good_triple(attention).holds:
            return attention, refused
        refused += 1


def _jordan(rng: np.random.Generator, d: int) -> Array:
    """Return V with lambda_1 on top of one Jordan block that cannot be diagonalised, of size d - 1."""
    below = rng.uniform(-0.4, 0.4)
    block = below * np.eye(d - 1) + 0.3 * np.eye(d - 1, k=1)
    S = tilted(rng, d)
    return S @ block_diag([[1.0]], block) @ np.linalg.inv(S)


def _nonnegative(rng: np.random.Generator, d: int) -> Array:
    S = tilted(rng, d)
    return with_spectrum([1.0, *rng.uniform(0.0, 0.6, d - 1)], S)


def _middle(attention: Attention, tokens: Array) -> float:
    """Return the largest speed of the token at 0, over the largest of all, where the symmetry is held by hand.

    Left to itself it is lost: rounding moves the token at 0, which grows like e^{|Cov| t}, |Cov| some e^{2 lambda_1 t}.
    """
    law, half, speeds = Raw(attention), tokens[: len(tokens) // 2], [0.0]

    def velocity(t: float, points: Array) -> Array:
        every = np.concatenate([points, -points, tokens[-1:]])
        found = law.velocity(t, every, Empirical(every))
        speeds.append(float(np.abs(found[-1]).max() / np.abs(found).max()))
        return found[: len(points)]

    times = np.array([0.0, 4.0 / good_triple(attention).value])
    march(velocity, half, times, Adaptive(1e-8, 1e-8))
    return max(speeds)


def _screened(rng: np.random.Generator, d: int, count: int) -> dict[str, Any]:
    """Return how many random triples, entries uniform on [-1, 1], are good, and which conditions fail how often."""
    failed: Counter[str] = Counter()
    good = 0
    for _ in range(count):
        triple = good_triple(Attention(*rng.uniform(-1, 1, (3, d, d))))
        good += triple.holds
        failed.update(triple.failed)
    return {"good": good, "failed": dict(sorted(failed.items()))}


def _astray(rng: np.random.Generator, condition: str, n: int) -> dict[str, Any]:
    """Return what the levels do in the plane where one condition fails."""
    V, B = np.array([[1.0, 0.3], [0.0, 0.4]]), np.eye(2)
    left = np.array([1.0, 0.5], dtype=complex)  # of V, for the eigenvalue 1
    if condition == "positive":
        V = -V
    elif condition == "real":
        V, left = np.array([[0.5, -1.0], [1.0, 0.5]]), np.array([1.0, 1j])
    else:
        B = -B
    return motion.astray(draws.attention(B, V), draws.tokens(rng, n, 2), left, 6.0)


def figure(summary: dict[str, Any]) -> Figure:
    """Return levels over depth for the published V, and where the levels of all random draws end."""
    from studies.statements.theorem_4_2.drawing import drawn  # workers do not draw

    return drawn(summary)
