"""How fast n tokens approach the mean-field limit, for (1.1) with Q = K = V = I from the uniform law on [-1, 1]^d.

    (E W2(mu^n_t, mu_t)^2)^{1/2}   and   (E sup_x |X[mu^n_t](x) - X[mu_t](x)|^2)^{1/2},   x in the support of mu_t

in d = 1, 2, 3, for independent, quasi-random, quantile and quadrature tokens (`starts`, with the known rates). `limit`
says what tokens are compared with, `replicas` when they suffice, `rule` how slopes are fitted, `bounds` what (6.6)
allows single replicas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, field_validator

from studies.contract import StudyConfig
from studies.convergence import rule, starts, summing, text
from studies.convergence.bounds import bounded
from studies.convergence.replicas import measured

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Power = Annotated[int, Field(ge=7, le=20)]  # three sizes at least, from 2^5 on: as many as a fit has unknowns
Nodes = Annotated[int, Field(ge=3, le=64)]


class Config(StudyConfig):
    """Sizes of the convergence study; triples are for d = 1, 2, 3."""

    times: tuple[float, ...] = (0.0, 0.5, 1.0)
    powers: tuple[Power, Power, Power] = (11, 9, 8)  # W2 with up to 2^power tokens
    field_powers: tuple[Power, Power, Power] = (11, 9, 9)
    nodes: tuple[Nodes, Nodes, Nodes] = (16, 10, 7)  # quadrature with up to so many nodes along an axis
    width: float = Field(0.06, gt=0)  # wanted of the slopes' 95 % intervals
    most: int = Field(256, ge=64)  # replicas of independent tokens
    most_quasi: int = Field(32, ge=32)
    atoms: float = Field(2.0, ge=1)  # for the limit in d >= 2, over the number of tokens
    bounded: int = Field(4, ge=1)  # replicas with bounds of their own for (6.6)
    resamples: int = Field(2000, ge=100)

    @field_validator("times")
    @classmethod
    def _from_zero(cls, times: tuple[float, ...]) -> tuple[float, ...]:
        if len(times) < 2 or times[0] != 0 or (np.diff(times) <= 0).any():
            raise ValueError("must begin at 0 and increase")
        return times

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(
            seed=seed,
            powers=(14, 12, 11),
            field_powers=(14, 12, 11),
            nodes=(20, 14, 9),
            width=0.03,
            most=1024,
            most_quasi=64,
            bounded=32,
            resamples=10000,
        )


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each start, dimension and number of tokens, the largest first, then those of (6.6)."""
    found = []
    for start in starts.STARTS:
        for dim in (1, 2, 3):
            found += _of_start(config, start, dim)
    found.sort(key=lambda case: -case["n"] * case["most"] * (3 if case["pieces"] else 1))
    first = 2**starts.SMALLEST
    return found + [
        {"bounded": dim, "dim": dim, "n": first, "replica": replica, "times": list(config.times), "seed": config.seed}
        for dim in (1, 2, 3)
        for replica in range(config.bounded)
    ]


def _of_start(config: Config, start: str, dim: int) -> list[dict[str, Any]]:
    tops = {"W2": config.powers[dim - 1], "field": config.field_powers[dim - 1]}
    sizes = {quantity: starts.sizes(start, dim, top, config.nodes[dim - 1]) for quantity, top in tops.items()}
    targets = {
        quantity: rule.target(np.array(own), starts.corrected(quantity, start, dim), config.width)
        for quantity, own in sizes.items()
    }
    most = {starts.INDEPENDENT: config.most, starts.QUASI_RANDOM: config.most_quasi}.get(start, 1)
    return [
        {
            "start": start,
            "dim": dim,
            "n": n,
            "times": list(config.times),
            "target": {quantity: targets[quantity] for quantity in tops if n in sizes[quantity]},
            "most": most,
            # products of a law on the line need no atoms
            "pieces": _odd((config.atoms * n) ** (1 / dim)) if dim > 1 and start in starts.RANDOM else 0,
            "seed": config.seed,
        }
        for n in sorted({n for own in sizes.values() for n in own})
    ]


def _odd(length: float) -> int:
    """The next odd integer from below or above, so that atoms do not line up with tokens in powers of two."""
    return 2 * round((length - 1) / 2) + 1


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return one start's replicas, or the growth of one replica and its bounds."""
    return bounded(case) if "bounded" in case else measured(case)


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return means, slopes with intervals beside the known ones, geometric factors, and growth beside (6.6)."""
    chosen = cases(config)
    count = sum("bounded" not in case for case in chosen)
    rng = np.random.default_rng(config.seed)
    rows = list(summing.rows(chosen[:count], results[:count], config.resamples, rng))
    growth = summing.growth(chosen[:count], results[:count], list(zip(chosen, results, strict=True))[count:])
    return {"rows": rows, "growth": growth, "headline": summing.headline(rows, growth)}


def table(summary: dict[str, Any]) -> str:
    """Return slopes with 95 % intervals, geometric factors, and growth beside (6.6)."""
    return text.table(summary)


def figure(summary: dict[str, Any]) -> Figure:
    """Return W2 and the field error against n, a column for each dimension, and growth beside (6.6)."""
    from studies.convergence.drawing import drawn  # workers do not draw

    return drawn(summary)
