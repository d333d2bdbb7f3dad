"""Errors under refinement: particles and grids against exact solutions, and orders observed.

Problems with an exact solution: B = 0 (the measure is translated by (e^{tV} - I) m_0) and Gaussian data (Riccati's
equation). Without one: a smooth density on [-1, 1] and on the square under attention, where the particle method at
a size well past its own convergence stands for the solution.

On the line distances are exact. In the plane the exact solution is integrated over the grid's cells and compared with
the cells' masses: W1 between them does not see the cells (mass m moved on by one cell costs m times its width), so it
shows the scheme's order; W2 does, and falls like the width times the root of the mass that is misplaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import expm

import meanfield
from meanfield.projection import cell_masses
from particles import Attention, Measure, Raw
from studies.text_table import text_table

TITLES = {
    "plane": "smooth density on the square, against 28 x 28 particles",
    "free": "B = 0, smooth density, against the translated density",
    "gaussian": "Gaussian data cut at 8 deviations, against Riccati's equation",
    "line": "smooth density on [-1, 1], against 96 particles",
}
Sizes = tuple[tuple[int, ...], tuple[int, ...]]  # nodes of the particles, cells of the grids

METHODS = {  # a last digit is the order
    "particles": "quadrature particles",
    "grid1": "finite volumes, order 1",
    "grid2": "finite volumes, order 2",
    "remap2": "semi-Lagrangian",
}
_STEP = 6.4  # of the depth times the width of a cell: step and cells are refined together


@dataclass(frozen=True, eq=False)
class Problem:
    """A law, an initial measure, and what the solution at the end is compared with."""

    law: Raw
    initial: Measure
    exact: Measure


def problem(name: str, depth: float) -> Problem:
    """Return one of the problems of this study."""
    return {"free": _free, "gaussian": _gaussian, "line": _line, "plane": _plane}[name](depth)


def _free(depth: float) -> Problem:
    law = Raw(Attention(Q=[[0.0]], K=[[0.0]], V=[[1.0]]))
    bump, lower, upper = _bump(0.0), np.array([-1.0]), np.array([1.0])
    start = meanfield.Smooth(bump, lower, upper)
    shift = (expm(depth * law.attention.V) - np.eye(1)) @ start.mean
    moved = meanfield.Smooth(_bump(float(shift[0])), lower + shift, upper + shift)
    return Problem(law, start, moved)


def _gaussian(depth: float) -> Problem:
    law = Raw(Attention(Q=[[1.0]], K=[[1.0]], V=[[-1.0]]))
    start = meanfield.Gaussian([0.5], [[0.25]])
    exact = meanfield.solve(law, start, [0.0, depth], method=meanfield.Riccati())[-1]
    return Problem(law, start.truncated(8.0), exact)


def _line(depth: float) -> Problem:
    law = Raw(Attention(Q=[[1.0]], K=[[1.0]], V=[[1.0]]))
    start = meanfield.Smooth(_bump(0.0), [-1.0], [1.0])
    return Problem(law, start, _reference(law, start, depth, 96))


def _plane(depth: float) -> Problem:
    law = Raw(Attention(Q=np.eye(2), K=[[1.0, 0.4], [-0.3, 0.8]], V=[[0.3, -0.5], [0.2, 0.1]]))
    start = meanfield.Smooth(lambda x: np.prod(0.75 * (1 - x**2), axis=1), [-1.0, -1.0], [1.0, 1.0])
    return Problem(law, start, _reference(law, start, depth, 28))


def _bump(shift: float) -> Any:
    return lambda x: (1 + 0.5 * np.sin(2 * (x[:, 0] - shift))) / 2


def _reference(law: Raw, start: Measure, depth: float, n: int) -> Measure:
    return meanfield.solve(law, start, [0.0, depth], method=meanfield.ParticleMethod(n=n))[-1]


def cases(depth: float, line: Sizes, plane: Sizes) -> list[dict[str, Any]]:
    """Return a case for each problem, method and size; those in the plane come first."""
    chosen = [
        (name, method, size)
        for name in TITLES
        for method in METHODS
        for size in reversed((plane if name == "plane" else line)[method != "particles"])
    ]
    return [{"problem": name, "method": method, "size": size, "depth": depth} for name, method, size in chosen]


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return the distance of one solution at the end from what it is compared with."""
    what = problem(case["problem"], case["depth"])
    size = case["size"]
    methods: dict[str, meanfield.Method] = {
        "particles": meanfield.ParticleMethod(n=size),
        "grid1": meanfield.FiniteVolume(size, order=1),
        "grid2": meanfield.FiniteVolume(size, order=2),
        "remap2": meanfield.SemiLagrangian(size, _STEP * case["depth"] / size),
    }
    curve = meanfield.solve(what.law, what.initial, [0.0, case["depth"]], method=methods[case["method"]])
    end = curve[-1]
    stats: dict[str, float] = {key: curve.stats[key] for key in ("mass_error", "least_mass") if key in curve.stats}
    if end.dim == 1:
        return {
            "W1": meanfield.wasserstein(end, what.exact, p=1),
            "W2": meanfield.wasserstein(end, what.exact),
            **stats,
        }
    return {**_in_the_plane(end, what.exact), **stats}


def _in_the_plane(end: Measure, exact: Measure) -> dict[str, float]:
    """Distances in d = 2: of flow maps between particle solutions, of masses of the same cells from a grid."""
    if isinstance(end, meanfield.PushForward):
        assert isinstance(exact, meanfield.PushForward)
        apart = np.linalg.norm(end.flow(exact.panels.points) - exact.nodes.points, axis=1)
        weights = exact.nodes.weights
        return {"W1": float(weights @ apart), "W2": float(np.sqrt(weights @ apart**2))}
    assert isinstance(end, meanfield.Density)
    masses = cell_masses(exact, end.grid)
    # the grid's box and the true support differ by O(width^2) at their edge: that much mass is not on the grid
    target = meanfield.Density(end.grid, masses / masses.sum())
    return {f"W{p}": meanfield.wasserstein(end.atoms, target.atoms, p=p) for p in (1, 2)}


def rows(cases: list[dict[str, Any]], results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return distances under refinement and observed orders, a row for each problem and method."""
    lines: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for case, result in zip(cases, results, strict=True):
        lines.setdefault((case["problem"], case["method"]), []).insert(0, {"size": case["size"], **result})
    return [
        {
            "problem": name,
            "title": TITLES[name],
            "method": method,
            "sizes": [point["size"] for point in points],
            **{p: [point[p] for point in points] for p in ("W1", "W2")},
            "orders": {p: _orders(points, p) for p in ("W1", "W2")},
        }
        for (name, method), points in lines.items()
    ]


def _orders(points: list[dict[str, Any]], p: str) -> list[float]:
    """Observed orders between neighbouring sizes."""
    sizes, errors = np.array([point["size"] for point in points]), np.array([point[p] for point in points])
    return (-np.diff(np.log(np.maximum(errors, 1e-300))) / np.diff(np.log(sizes))).tolist()


def headline(rows: list[dict[str, Any]], results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the last errors and orders, and how well the grids kept their mass."""
    grids = [result for result in results if "mass_error" in result]
    return {
        "largest_mass_error": max(result["mass_error"] for result in grids),
        "least_cell_mass": min(result["least_mass"] for result in grids),
        **{f"{row['problem']} {row['method']} W1": row["W1"][-1] for row in rows},
        **{
            f"{row['problem']} {row['method']} order": row["orders"]["W1"][-1]
            for row in rows
            if row["method"] != "particles"
        },
    }


HEADING = ("problem", "method", "size", "W1", "order", "W2", "order")


def lines(rows: list[dict[str, Any]]) -> Iterator[list[str]]:
    """Yield the cells of a table, a line for each problem, method and size."""
    for row in rows:
        for k, size in enumerate(row["sizes"]):
            order = [f"{row['orders'][p][k - 1]:.2f}" if k else "" for p in ("W1", "W2")]
            name = [row["problem"], METHODS[row["method"]], str(size)]
            yield [*name, f"{row['W1'][k]:.2e}", order[0], f"{row['W2'][k]:.2e}", order[1]]


def table(rows: list[dict[str, Any]]) -> str:
    """Return distances and orders as plain text."""
    titles = dict.fromkeys(f"{row['problem']}: {row['title']}" for row in rows)
    return "\n".join([*titles, text_table(HEADING, lines(rows))])
