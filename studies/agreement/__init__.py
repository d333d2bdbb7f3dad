"""Particles, grids, frozen fields and exact solutions against each other.

`refinement`: errors and observed orders as sizes grow, on four problems. `pairs`: on eleven problems every two methods
that solve the same one, in W2, against the sum of the errors that both state. `python -m studies.agreement FILE` turns
the stored numbers into `docs/agreement.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from studies.agreement import pairs, refinement
from studies.contract import StudyConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Config(StudyConfig):
    """Sizes of the agreement study: nodes or cells along each axis; `pair_cells` in d = 1, 2 and 3."""

    depth: float = Field(1.0, gt=0)
    particles: tuple[int, ...] = (6, 8, 12, 16, 24, 32)
    cells: tuple[int, ...] = (32, 64, 128, 256)
    plane_cells: tuple[int, ...] = (12, 16, 24, 32)
    plane_particles: tuple[int, ...] = (4, 6, 8, 12, 16)
    pair_cells: tuple[int, int, int] = (128, 24, 8)

    @classmethod
    def full(cls, seed: int = 0) -> Config:
        """Return the size a paper would print."""
        return cls(
            seed=seed,
            particles=(6, 8, 12, 16, 24, 32, 48, 64),
            cells=(32, 64, 128, 256, 512, 1024, 2048),
            plane_cells=(12, 16, 24, 32, 48, 64),
            pair_cells=(512, 40, 12),
        )


def cases(config: Config) -> list[dict[str, Any]]:
    """Return the cases of the pairs, then those of the refinement."""
    line, plane = (config.particles, config.cells), (config.plane_particles, config.plane_cells)
    return [*pairs.cases(config.depth, config.pair_cells), *refinement.cases(config.depth, line, plane)]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return one problem's pairs, or the distance of one solution from what it is compared with."""
    return pairs.run_case(case) if "pairs" in case else refinement.run_case(case)


def summary(config: Config, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return distances under refinement with observed orders, and every pair with its bar."""
    chosen = cases(config)
    count = sum("pairs" in case for case in chosen)
    compared = [
        pair
        for case, result in zip(chosen[:count], results[:count], strict=True)
        for pair in pairs.rows(case["pairs"], result)
    ]
    refined = refinement.rows(chosen[count:], results[count:])
    return {
        "rows": refined,
        "pairs": compared,
        "depth": config.depth,
        "headline": {**pairs.headline(compared), **refinement.headline(refined, results[count:])},
    }


def table(summary: dict[str, Any]) -> str:
    """Return both tables as plain text."""
    title = f"Distance at t = {summary['depth']:g}"
    return "\n".join([title, refinement.table(summary["rows"]), "", pairs.table(summary["pairs"])])


def figure(summary: dict[str, Any]) -> Figure:
    """Return W1 against size, one panel for each problem, and the ratios of all pairs to their bars."""
    from studies.agreement.drawing import drawn  # workers do not draw

    return drawn(summary)
