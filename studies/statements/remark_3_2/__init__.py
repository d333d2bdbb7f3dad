"""Remark 3.2: how fast tokens gather, and how that depends on their modulus.

**Rate.** Once every token has its leader, z_i(t) = z_L + e^{-tV} D_i with D_i constant (`particles.settled`). In the
coordinates that cluster (all of z where V = I, the left eigenvector's phi_1^*(z) for a good triple, the projection on F
for a good triple with multiplicity) the distance to the limit is then exactly e^{-lambda (t - t*)} times what it was:
the rate is the leading eigenvalue, not faster. Before, there is a delay: tau in d(t) = d(0) e^{-lambda (t - tau)} says
how much depth it costs that leaders have to be found first. Here d(t) comes from solving (3.1), not the closed form.

**Modulus.** With V = I, tokens r zeta follow (3.1) with exponents r^2 e^{2t} <B^T zeta_i, zeta_j>, so that

    zeta of radius r at depth t  =  zeta of radius 1, started at depth log r, at depth t + log r.

A larger modulus is the same as a later start: that is all it does. The depth at which tokens are near their limits
falls with r only until there is no delay left, and is then log(d(0) / nearness): the contraction e^{-t} itself. The
depth t* at which every leader is certain keeps falling: gaps of exponents between two leaders grow like r^2 e^{2t}, but
those between a leader and what follows the same one, which is e^{-t} away, like r^2 e^t. The latter decide last, hence
t* = -2 log r + const. Where r is small tokens first gather about their mean, which grows like e^t and decides alone:
one cluster.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from studies.contract import StudyConfig
from studies.statements.remark_3_2 import judged
from studies.statements.remark_3_2.drawing import figure
from studies.statements.remark_3_2.judged import table
from studies.statements.remark_3_2.runs import FAMILIES, few, late, rate

__all__ = ["Config", "cases", "figure", "run_case", "summary", "table"]


class Config(StudyConfig):
    """Sizes of the study."""

    draws: int = Field(1, ge=1)
    n: int = Field(40, ge=2)
    radii: tuple[Annotated[float, Field(gt=0, le=100)], ...] = (0.5, 1.0, 2.0, 5.0, 10.0)
    tokens: tuple[Annotated[int, Field(ge=2)], ...] = (10, 40, 100)
    replicas: int = Field(6, ge=1)
    settled: int = Field(3, ge=1)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(seed=seed, draws=20, radii=(0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0), replicas=100, settled=100)


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each draw of a family, for each number of tokens, and for each draw over the radii."""
    rates = [
        {"kind": "rate", "family": family, "n": config.n, "seed": [config.seed, k, draw]}
        for k, family in enumerate(FAMILIES)
        for draw in range(config.draws)
    ]
    radii = list(config.radii)
    shares = [
        {"kind": "few", "n": n, "replicas": config.replicas, "radii": radii, "seed": [config.seed, 100, n]}
        for n in config.tokens
    ]
    depths = [
        {"kind": "late", "n": config.n, "radii": radii, "seed": [config.seed, 200, draw]}
        for draw in range(config.settled)
    ]
    return [*rates, *shares, *depths]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return one draw's distances, the shares of tokens that are clustered, or depths t* over the radii."""
    return {"rate": rate, "few": few, "late": late}[case["kind"]](case)


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a row for each draw of a family and for each number of tokens and radius, and the fit of t*."""
    return judged.summary(list(zip(cases(config), results, strict=True)))
