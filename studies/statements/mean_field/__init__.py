"""What becomes of the paper's statements for infinitely many tokens, which the paper does not say.

nu_t is the solution of the rescaled continuity equation from a measure with a density on a box. The row of token z
becomes the law P_t(z, dy), nu_t tilted by e^{<a, y>}, a = e^{t V^T} B^T e^{t V} z, and its mean is the head of z. The
counterparts:

    Theorem 2.1   d = 1, V > 0, QK > 0: nu_t -> m_a delta_a + m_b delta_b, where a, b are the limits of the support's
                  ends and m_a is nu_0 of the points left of one separatrix. Almost every row tends to delta_a or
                  delta_b: the map z -> head takes at most two values almost everywhere, which is the rank. The one
                  token that may stay bounded becomes the separatrix, of mass 0.
    Remark 2.2    near its end nu_t has a density that is constant on the scale of e^{-2t}, so that a row is
                  exponential there: W1(P_t(z, .), delta_b) = e^{-2t} / (QK z) in first order, V = 1. The doubly
                  exponential rate of n tokens, which comes from the gap between the first and the second, is lost.
    Theorem 3.1   the hull of the support shrinks (Prop. 8.2) to a convex K; where K is a polytope with vertices v_k
                  that lead themselves, nu_t -> sum of m_k delta_{v_k}, m_k = nu_0 of the basin of v_k. K need not be
                  a polytope: by symmetry a disc goes to a disc and its mass to the circle, all of which leads.
    Theorem 4.2   the law of phi_1^*(z) tends to m_a delta_a + m_b delta_b.
    Theorem 5.2   the law of pi_F(z) tends to the sum of m_k delta_{v_k}.
    Theorem 8.5   W2(mu_t, delta_0) -> 0. Near the origin x' = -(m + S x) with mean m and covariance S, so that
                  S' = -2 S^2 and W2 = (d / 2t)^{1/2} in first order: for n tokens that span R^d the same.

None of it is proved here. Each is computed by the particle method, on a grid, and for draws of n tokens. Where masses
are not equal by symmetry, they come from the separatrix, enclosed between tokens of weight 0 (`divide`).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from studies.contract import StudyConfig
from studies.statements.mean_field import judged
from studies.statements.mean_field.drawing import figure
from studies.statements.mean_field.judged import table
from studies.statements.mean_field.moved import PARTICLES, REMAPPED, VOLUMES
from studies.statements.mean_field.problems import problems
from studies.statements.mean_field.runs import by_method, by_shape, by_tokens

__all__ = ["Config", "cases", "figure", "run_case", "summary", "table"]

SHAPES = ("square", "ellipse", "disc")

Draws = tuple[Annotated[int, Field(ge=2)], Annotated[int, Field(ge=1)]]  # how many tokens, how many draws of them
Count = Annotated[int, Field(ge=4)]


class Config(StudyConfig):
    """Sizes of the study: `nodes` in d = 2, 3; `cells` in d = 1, 2, 3, none if 0; `divide_nodes` in d = 1 and above.

    `tokens` and `shapes` are pairs of a number of tokens and of draws.
    """

    problems: tuple[str, ...] = tuple(name for name in problems() if name != "Fig. 6, even")
    tolerance: float = Field(1e-4, gt=0)
    nodes: tuple[Count, Count] = (16, 8)
    cells: tuple[Count, Count, int] = (64, 16, 0)
    dt: float = Field(0.1, gt=0)
    volumes: bool = False
    lines: int = Field(8, ge=1)
    rounds: int = Field(2, ge=1)
    divide_nodes: tuple[Count, Count] = (64, 14)
    tokens: tuple[Draws, ...] = ((40, 16), (160, 6))
    shapes: tuple[Draws, ...] = ((20, 24), (40, 16), (80, 8))

    @field_validator("problems")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in problems()]
        if unknown or not names:
            raise ValueError(f"`problems` must be some of {', '.join(problems())}; got {', '.join(unknown) or 'none'}.")
        return names

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(
            seed=seed,
            problems=tuple(problems()),
            tolerance=1e-7,
            nodes=(48, 14),
            cells=(256, 64, 24),
            dt=0.05,
            volumes=True,
            lines=24,
            rounds=3,
            divide_nodes=(192, 32),
            tokens=((40, 200), (160, 100), (640, 20)),
            shapes=((20, 200), (40, 200), (80, 100), (160, 100), (320, 40), (640, 20)),
        )


def cases(config: Config) -> list[dict[str, Any]]:
    """Return one case for each problem and method, then for each problem and number of tokens, then for the shapes."""
    found: list[dict[str, Any]] = []
    for name in config.problems:
        problem = problems()[name]
        d = problem.dim
        amount = config.tolerance if d == 1 else float(config.nodes[d - 2])
        measure = {"kind": "measure", "problem": name, "dt": config.dt, "lines": 0}
        split = {"lines": config.lines, "rounds": config.rounds, "divide_nodes": config.divide_nodes[d > 1]}
        found.append(measure | {"by": PARTICLES, "amount": amount} | (split if problem.along is not None else {}))
        if config.cells[d - 1]:
            found.append(measure | {"by": REMAPPED, "amount": float(config.cells[d - 1])})
            if config.volumes and d < 3:
                found.append(measure | {"by": VOLUMES, "amount": config.cells[d - 1] / 2})
    for k, name in enumerate(config.problems):
        for n, draws in config.tokens:
            seed = [config.seed, k, n]
            found.append({"kind": "tokens", "problem": name, "n": n, "draws": draws, "seed": seed})
    for k, shape in enumerate(SHAPES):
        for n, draws in config.shapes:
            seed = [config.seed, 1000 + k, n]
            found.append({"kind": "shape", "shape": shape, "n": n, "draws": draws, "seed": seed})
    return found


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return one measure by one method, one number of tokens, or one shape."""
    return {"measure": by_method, "tokens": by_tokens, "shape": by_shape}[case["kind"]](case)


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a row for each problem and method, for each problem and number of tokens, and for each shape."""
    return judged.summary(list(zip(cases(config), results, strict=True)))
