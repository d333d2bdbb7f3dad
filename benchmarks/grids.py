"""The field of a density at all walls of its grid, by all cores: what a finite-volume step asks for.

A new density comes at every step, on walls that stay: its construction is timed too. The reference is the dense
kernel over the cells' centres at some of the walls.
"""

from __future__ import annotations

import numpy as np
from fast import some
from machine import load
from options import Options
from table import Row, at_most, refused
from timing import Case, side_by_side, wall

CELLS = {2: 256, 3: 64}
MILLISECONDS = {2: 5.0, 3: 15.0}
CHECKED = 40


def matrices(d: int) -> dict[str, np.ndarray]:
    """Return B along the axes, and B that mixes them."""
    turn = np.linalg.qr(np.random.default_rng(d).standard_normal((d, d)))[0]
    return {"diagonal": np.diag([1.0, 0.7, 1.3][:d]), "general": turn @ np.diag([1.0, 0.7, 1.3][:d])}


def all_walls(d: int, options: Options) -> list[Row]:
    from meanfield import Density, Grid, Uniform
    from meanfield.grid import tensor_points
    from particles import Attention
    from particles.softmax import Dense

    cells = CELLS[d] // (4 if options.quick else 1)
    grid = Grid([-1.0] * d, [1.0] * d, cells)
    masses = np.exp(-4 * ((grid.centres - 0.2) ** 2).sum(axis=1)).reshape(grid.shape)
    masses *= np.random.default_rng(options.seed).uniform(0.5, 1.5, grid.shape)
    masses /= masses.sum()
    walls = [tensor_points([grid.edges(j) if j == k else grid.axis_centres(j) for j in range(d)]) for k in range(d)]
    rows = []
    for kind, B in matrices(d).items():
        attention = Attention(Q=np.eye(d), K=B, V=np.eye(d))

        def field(mu: Density, attention: Attention = attention) -> list[np.ndarray]:
            return [attention.field(mu, x) for x in walls]

        def picked(values: list[np.ndarray]) -> np.ndarray:
            return np.concatenate([some(x, CHECKED) for x in values])

        kept = Density(grid, masses)
        checked = picked(walls) @ B
        means = Dense(grid.centres, np.log(masses.ravel())).log_sum_and_mean(checked)[1]
        reference = means + Uniform(-0.5 * grid.widths, 0.5 * grid.widths).tilted_mean(checked)
        cases = {
            "new": Case(lambda field=field: field(Density(grid, masses)), 1e-11, picked),
            "again": Case(lambda field=field, kept=kept: field(kept), 1e-11, picked),
        }
        measured = side_by_side(cases, reference, 3, wall)
        bar = at_most(MILLISECONDS[d] * (1 if kind == "diagonal" else 10))
        for case, words in (("new", "all walls"), ("again", "the same density again")):
            name = f"density {cells}^{d}, B {kind}, {words}"
            if case in measured.refused:
                rows.append(refused(name, measured.refused[case], bar if case == "new" else None))
                continue
            times = measured.times[case]
            took = f"processor {1e3 * times.cpu:.3g} ms, median {1e3 * times.median:.3g} ms"
            note = f"error {times.error:.0e}; {took}{load()}"
            judged = options.judged(bar) if case == "new" else None
            details = {"cells": cells, "d": d, "seed": options.seed, "ours": times.as_json()}
            rows.append(Row(name, 1e3 * times.least, "ms", judged, note, details=details))
    return rows
