"""Exact W2 between clouds of atoms, beside POT's dense solver and SciPy's assignment; along a trajectory; and bounds.

    .vbench/bin/python benchmarks/distances.py

All solve the same program to the optimum: distances that differ by more than 1e-10 are refused. Rows count processor
time, of all threads together. "Cold" solves of a trajectory know nothing of each other, "warm" ones begin at the last
prices.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from machine import load
from table import HEADING, Row, at_least, refused, summary
from timing import Case, cpu, ratios, side_by_side
from workers import use_checkout

SAME = 1e-10
ROUNDS = 3
DEPTHS = np.linspace(0.0, 1.0, 50)


def dense(x: np.ndarray, y: np.ndarray) -> float:
    """W2 by the solver on the whole table of costs."""
    import ot
    from scipy.spatial.distance import cdist

    masses = np.full(len(x), 1 / len(x))
    return float(np.sqrt(ot.emd2(masses, masses, cdist(x, y, "sqeuclidean"), numItermax=10**8)))


def assigned(x: np.ndarray, y: np.ndarray) -> float:
    """W2 by an assignment, for as many atoms of equal mass on both sides."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    costs = cdist(x, y, "sqeuclidean")
    return float(np.sqrt(costs[linear_sum_assignment(costs)].mean()))


def beside(name: str, cases: dict[str, Case], reference: float | np.ndarray, bars: dict[str, float]) -> list[Row]:
    """Return a row for each case but the first: its time over that of the first."""
    measured = side_by_side(cases, reference, ROUNDS, cpu)
    first, *others = cases
    found = [refused(f"{name}: {case}", why) for case, why in measured.refused.items()]
    for case in others:
        if {first, case} <= set(measured.times):
            times = [measured.times[case], measured.times[first]]
            note = f"{times[0].least:.3g} s over {times[1].least:.3g} s{load()}"
            bar = at_least(bars[case]) if case in bars else None
            found.append(Row(f"{name}: {case} over {first}", ratios(*times)["least"], "x", bar, note))
    for row in found:
        print(row.line(), flush=True)
    return found


def clouds(quick: bool) -> list[Row]:
    """Two clouds of one size, drawn apart and nearly coupled."""
    from meanfield import transport
    from particles import Empirical

    rng = np.random.default_rng(0)
    found = []
    for n, d in [(250, 2), (500, 2), (1000, 2), (2000, 2), (2000, 3), (5000, 2)]:
        n = n // (5 if quick else 1)
        x = rng.uniform(-1, 1, (n, d))
        for kind, y in {"apart": rng.uniform(-1, 1, (n, d)), "near": x + 1e-3 * rng.normal(size=(n, d))}.items():
            mu, nu = Empirical(x), Empirical(y)
            cases = {
                "ours": Case(lambda mu=mu, nu=nu: transport(mu, nu).distance, SAME),
                "dense": Case(lambda x=x, y=y: dense(x, y), SAME),
            }
            if kind == "near":
                cases["assignment"] = Case(lambda x=x, y=y: assigned(x, y), SAME)
            found += beside(f"W2, n = {n}, d = {d}, {kind}", cases, transport(mu, nu).distance, {})
    return found


def along(quick: bool) -> list[Row]:
    """W2 between two clouds of tokens at fifty depths."""
    import meanfield
    import particles

    n = 200 if quick else 2000
    rng = np.random.default_rng(1)
    eye = np.eye(2)
    law = particles.Raw(particles.Attention(Q=eye, K=eye, V=eye))
    curve, other = (particles.solve(law, rng.uniform(-1, 1, (n, 2)), DEPTHS) for _ in range(2))

    def cold() -> np.ndarray:
        return np.array([meanfield.wasserstein(curve[k], other[k]) for k in range(len(DEPTHS))])

    cases = {
        "warm": Case(lambda: meanfield.wasserstein_curve(curve, other, DEPTHS), SAME),
        "cold": Case(cold, SAME),
        "dense": Case(lambda: np.array([dense(curve.points[k], other.points[k]) for k in range(len(DEPTHS))]), SAME),
    }
    return beside(f"W2 at {len(DEPTHS)} depths, n = {n}", cases, cold(), {} if quick else {"cold": 2.0})


def bounds(quick: bool) -> list[Row]:
    """Both ends of W2 at a size that no program reaches."""
    from meanfield import wasserstein_bounds
    from particles import Empirical

    n = 10**4 if quick else 10**6
    rng = np.random.default_rng(2)
    found = []
    for d in (2, 3):
        mu, nu = Empirical(rng.uniform(-1, 1, (n, d))), Empirical(rng.normal(size=(n, d)))
        began = cpu()
        lower, upper = wasserstein_bounds(mu, nu)
        row = Row(
            f"bounds on W2, n = {n}, d = {d}", cpu() - began, "s", None, f"{lower:.6g} <= W2 <= {upper:.6g}{load()}"
        )
        print(row.line(), flush=True)
        found.append(row)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small clouds, not judged")
    asked = parser.parse_args()
    use_checkout()
    print(HEADING)
    print(summary([row for part in (clouds, along, bounds) for row in part(asked.quick)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
