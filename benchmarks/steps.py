"""A second-order step of the grid methods, by all cores, for symmetric and for other B.

    .vbench/bin/python benchmarks/steps.py

A step of `FiniteVolume` is two fields on all cell walls, the fluxes, and the support that follows. The figure is a
whole short run from the uniform law on a box, divided by its steps; a run before it is not counted, as the first one
compiles. The least of three is judged.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from machine import load
from table import HEADING, Row, at_most, summary
from workers import use_checkout

SECONDS = {(2, 256): 0.5, (3, 48): 2.0}
DEPTH = {2: 0.03, 3: 0.1}  # half a dozen steps
ROUNDS = 3


def attentions(d: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return pairs B, V: B along the axes, symmetric, and neither; V turns and shrinks."""
    turn = np.linalg.qr(np.random.default_rng(d).standard_normal((d, d)))[0]
    sizes = np.diag([1.0, 0.7, 1.3][:d])
    V = 0.5 * np.random.default_rng(1).standard_normal((d, d)) - np.eye(d)
    return {"diagonal": (sizes, V), "symmetric": (turn @ sizes @ turn.T, V), "general": (turn @ sizes, V)}


def rows(quick: bool) -> list[Row]:
    from meanfield import FiniteVolume, Uniform, solve
    from particles import Attention, Raw

    found = []
    for (d, cells), seconds in SECONDS.items():
        size = cells // (4 if quick else 1)
        for kind, (B, V) in attentions(d).items():
            law, start = Raw(Attention(Q=np.eye(d), K=B, V=V)), Uniform([-1.0] * d, [1.0] * d)
            times = []
            for _ in range(ROUNDS + 1):
                curve = solve(law, start, [0.0, DEPTH[d]], method=FiniteVolume(size))
                times.append(curve.stats["seconds"] / curve.stats["steps"])
            bar = None if quick else at_most(seconds)
            note = f"{curve.stats['steps']:.0f} steps, first {times[0]:.2g} s{load()}"
            row = Row(f"finite volumes {size}^{d}, B {kind}, a step", min(times[1:]), "s", bar, note)
            print(row.line(), flush=True)
            found.append(row)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a quarter of the cells along each axis, not judged")
    asked = parser.parse_args()
    use_checkout()
    print(HEADING)
    print(summary(rows(asked.quick)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
