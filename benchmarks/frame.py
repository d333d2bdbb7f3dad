"""An evaluation of the rescaled law (3.1) with few tokens: beside the raw law, and with the library's exponential.

Every evaluation is at a depth of its own, as in a time loop, so that nothing is answered from memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
from machine import load
from options import Options
from table import Row, at_least, at_most, refused
from timing import Case, Clock, Measured, ratios, side_by_side

N, DIMS = 40, (3, 10)
DEPTHS = np.linspace(0.0, 2.0, 200)  # more than are remembered
AGREE = 1e-9  # exponents reach some hundred, and the library's exponential errs by 1e-12
BARS = {("library", "ours"): at_least(1.0), ("ours", "raw"): at_most(3.0)}
NAMES = {"library": "library's e^tV", "ours": "rescaled", "raw": "raw"}


def rows(clock: Clock, options: Options) -> list[Row]:
    """Return both ratios for each dimension."""
    return [row for d in DIMS for row in _rows(d, clock, options)]


def _rows(d: int, clock: Clock, options: Options) -> list[Row]:
    from scipy.linalg import expm

    from particles import Attention, Empirical, Raw, Rescaled, dynamics

    rng = np.random.default_rng(options.seed)
    eye, V = np.eye(d), rng.standard_normal((d, d)) / np.sqrt(d)
    mu = Empirical(rng.uniform(-1.0, 1.0, (N, d)))
    raw, ours, theirs = (form(Attention(Q=eye, K=eye, V=V)) for form in (Raw, Rescaled, Rescaled))

    class Library:
        def __init__(self, attention: Any) -> None:
            self.U = attention.U

        def at(self, t: float) -> Any:
            return expm(t * self.U)

    def each(law: Any) -> Callable[[], list[Any]]:
        return lambda: [law.velocity(t, mu.points, mu.moved_to(mu.points)) for t in DEPTHS.tolist()]

    def by_library() -> list[Any]:
        with patch.object(dynamics, "_exponential", Library):
            return each(theirs)()

    cases = {"ours": Case(each(ours), AGREE), "library": Case(by_library, AGREE), "raw": Case(each(raw))}
    measured = side_by_side(cases, by_library(), options.rounds, clock)
    return [_ratio(d, over, under, measured, options) for over, under in BARS]


def _ratio(d: int, over: str, under: str, measured: Measured, options: Options) -> Row:
    name, bar = f"a velocity, d={d}, {NAMES[over]} / {NAMES[under]}", options.judged(BARS[over, under])
    for case in (over, under):
        if case in measured.refused:
            return refused(name, f"{case} {measured.refused[case]}", bar)
    above, below = measured.times[over], measured.times[under]
    found, one = ratios(above, below), 1e6 / len(DEPTHS)
    note = f"median {found['median']:.3g}; {one * above.least:.3g} and {one * below.least:.3g} us{load()}"
    details = {over: above.as_json(), under: below.as_json(), "n": N, "depths": len(DEPTHS)}
    return Row(name, found["least"], "x", bar, note, details=details)
