"""Timing side by side, of work that is first shown to be the same.

A case is run once and its result compared with the reference; a case that disagrees is refused and never timed. Then
every round runs all cases one after the other, so that whatever else the machine does meets them all alike. A short
case is run several times in a round and its best counts. A ratio is that of the least times; the median over rounds
stands beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

ROUND = 0.15  # seconds that a short case may fill in a round
MOST = 20  # runs in a round
BUDGET = 60.0  # seconds for all rounds; what takes longer has fewer of them

Clock = Callable[[], float]
cpu, wall = time.process_time, time.perf_counter  # what all threads together take; what a user waits


@dataclass(frozen=True)
class Case:
    """Something to time.

    Parameters
    ----------
    run : callable
        The work, from arrays in memory to a result in memory.
    tol : float, optional
        Largest relative difference from the reference; None for work without a result.
    result : callable
        What turns the outcome of `run` into an array to compare, outside the timing.
    """

    run: Callable[[], Any]
    tol: float | None = None
    result: Callable[[Any], Any] = np.asarray


@dataclass(frozen=True)
class Times:
    """The best time of each round, in seconds, by the clock that is judged; and the least of both clocks."""

    rounds: tuple[float, ...]
    error: float | None = None
    wall: float | None = None
    cpu: float | None = None

    @property
    def least(self) -> float:
        return min(self.rounds)

    @property
    def median(self) -> float:
        return median(self.rounds)

    def as_json(self) -> dict[str, Any]:
        return {
            "least": self.least,
            "median": self.median,
            "rounds": len(self.rounds),
            "error": self.error,
            "wall": self.wall,
            "cpu": self.cpu,
        }


@dataclass(frozen=True)
class Measured:
    """Times of the cases that agree, and why the others were refused."""

    times: dict[str, Times] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def difference(result: Any, reference: Any, size: float | None = None) -> float:
    """Return max |result - reference| / size, max |reference| if left out; infinite for NaN and for other shapes."""
    result, reference = np.asarray(result, dtype=float), np.asarray(reference, dtype=float)
    if result.shape != reference.shape:
        return np.inf
    largest = float(np.abs(result - reference).max() / (size or np.abs(reference).max()))
    return largest if largest >= 0 else np.inf


def side_by_side(
    cases: Mapping[str, Case], reference: Any, rounds: int, clock: Clock = wall, size: float | None = None
) -> Measured:
    """Time the cases that agree with the reference relative to `size`, interleaved, in at most so many rounds."""
    measured = Measured()
    errors: dict[str, float | None] = {}
    seconds: dict[str, float] = {}
    for name, case in cases.items():
        try:
            errors[name] = error = None if case.tol is None else difference(case.result(case.run()), reference, size)
            if error is not None and case.tol is not None and error > case.tol:
                measured.refused[name] = f"differs from the reference by {error:.1e}, more than {case.tol:.0e}"
            else:
                seconds[name] = _once(case.run)[wall]
        except Exception as trouble:  # a peer may fail in any way
            measured.refused[name] = words(trouble)
    repeats = {name: int(np.clip(ROUND / once, 1, MOST)) for name, once in seconds.items()}
    one_round = sum(repeats[name] * once for name, once in seconds.items())
    best: dict[str, list[dict[Clock, float]]] = {name: [] for name in seconds}
    for _ in range(int(np.clip(BUDGET / max(one_round, 1e-9), 1, rounds))):
        for name in seconds:
            runs = [_once(cases[name].run) for _ in range(repeats[name])]
            best[name].append({each: min(run[each] for run in runs) for each in (wall, cpu)})
    for name, rounds_of in best.items():
        least = {each: min(run[each] for run in rounds_of) for each in (wall, cpu)}
        judged = tuple(run[clock] for run in rounds_of)
        measured.times[name] = Times(judged, errors[name], least[wall], least[cpu])
    return measured


def words(trouble: Exception) -> str:
    """Return what failed, on one line."""
    return " ".join(f"failed: {type(trouble).__name__}: {trouble}".split())[:200]


def _once(run: Callable[[], Any]) -> dict[Clock, float]:
    began = {clock: clock() for clock in (cpu, wall)}
    run()
    return {clock: clock() - began[clock] for clock in (wall, cpu)}


def ratios(over: Times, under: Times) -> dict[str, float]:
    """Return the ratio of the least times, and the median of the ratios round by round."""
    by_round = [a / b for a, b in zip(over.rounds, under.rounds, strict=True)]
    return {"least": over.least / under.least, "median": median(by_round)}
