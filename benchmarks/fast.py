"""Near-linear evaluation, through the public interface: `Empirical(points).tilted_mean(a)`.

Where the dense kernel would take minutes it is timed on some of the directions, and its time is that per direction
times their number. True errors are against the dense kernel on 64 directions, relative to the largest coordinate.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from dense import atoms, uniform_weights
from machine import load
from options import Options
from table import Row, at_least, at_most, missing, refused
from timing import BUDGET, Case, Measured, cpu, side_by_side, wall
from workers import Worker

SECONDS = {1: 0.06, 2: 0.2, 3: 1.3}
CHECKED = 64
EXTRAPOLATED = 2000  # directions that the dense kernel is timed on
LONGEST = 60.0  # seconds: what an engine says will take longer is not tried
DEFAULT_TOL = 1e-12


def engine(name: str) -> Any:
    """Return the engine `particles.softmax.name.Name`, or None while there is none."""
    try:
        return getattr(importlib.import_module(f"particles.softmax.{name.lower()}"), name)
    except (ImportError, AttributeError):
        return None


def automatic() -> bool:
    """Return whether `Empirical` chooses between engines."""
    from particles import Empirical
    from particles.softmax import Dense

    return inspect.signature(Empirical).parameters["softmax"].default is not Dense


def with_engine(y: np.ndarray, made: Any, tol: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the tilted means of these atoms by one engine, everything from the arrays on included."""
    from particles import Empirical

    return lambda a: Empirical(y, softmax=partial(made, tol=tol)).tilted_mean(a)


def by_default(y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    from particles import Empirical

    return lambda a: Empirical(y).tilted_mean(a)


def dense(y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    from particles.softmax import Dense

    logs = uniform_weights(len(y))
    return lambda a: Dense(y, logs).log_sum_and_mean(a)[1]


def some(a: np.ndarray, count: int) -> np.ndarray:
    """Return so many of the directions, evenly taken."""
    return a[:: max(1, len(a) // count)][:count]


def against_dense(
    y: np.ndarray, a: np.ndarray, ways: dict[str, Callable[[np.ndarray], np.ndarray]], tol: float, rounds: int
) -> tuple[Measured, float]:
    """Time ways to the means at all directions beside the dense kernel; return its time for all of them too."""
    few, checked = some(a, EXTRAPOLATED), some(a, CHECKED)
    step = max(1, len(a) // CHECKED)
    cases = {"dense": Case(lambda: dense(y)(few))}
    for name, way in ways.items():
        cases[name] = Case(partial(way, a), tol, lambda means: means[::step][:CHECKED])
    measured = side_by_side(cases, dense(y)(checked), rounds, cpu, np.abs(y).max())
    return measured, measured.times["dense"].least * len(a) / len(few)


# --------------------------------------------------------------------------------------- moderate exponents


def uniform(d: int, options: Options) -> list[Row]:
    """n = m on [-5, 5]^d at 1e-10, on one core."""
    n, bar, tol = options.size(1_000_000), at_most(SECONDS[d]), 1e-10
    name = f"uniform [-5,5]^{d}, n=m={n:.0e}, 1e-10, one core"
    transform = engine("Transform")
    if transform is None:
        return [missing(name, "particles.softmax has no Transform", bar)]
    y = atoms(n, d, options.seed, 5.0)
    measured, dense_seconds = against_dense(y, y, {"ours": with_engine(y, transform, tol)}, tol, 3)
    if "ours" not in measured.times:
        return [refused(name, measured.refused["ours"], bar)]
    mine = measured.times["ours"]
    note = f"error {mine.error:.0e}; dense would take {dense_seconds:.3g} s, {dense_seconds / mine.least:.3g} x"
    details = {"n": n, "d": d, "seed": options.seed, "ours": mine.as_json(), "dense_extrapolated": dense_seconds}
    return [Row(name, mine.least, "s", options.judged(bar), note, details=details)]


_held: dict[str, Any] = {}


def _hold(n: int, d: int, seed: int) -> None:
    y = atoms(n, d, seed, 5.0)
    _held["run"] = partial(with_engine(y, engine("Transform"), 1e-10), y)
    _held["run"]()


def _timed_and_digest() -> tuple[float, str]:
    began = wall()
    means = _held["run"]()
    return wall() - began, hashlib.sha256(means.tobytes()).hexdigest()


def two_cores(d: int, options: Options) -> list[Row]:
    """The same in two processes by turns, one with one thread and one with two."""
    n, bar = options.size(1_000_000), at_least(1.7)
    name = f"uniform [-5,5]^{d}, n=m={n:.0e}, 1 / 2 threads"
    if engine("Transform") is None:
        return [missing(name, "particles.softmax has no Transform", bar)]
    seconds, digests, began = {1: list[float](), 2: list[float]()}, set[str](), wall()
    with Worker(1) as one, Worker(2) as two:
        for worker in (one, two):
            worker(_hold, n, d, options.seed)
        while len(seconds[2]) < options.rounds and (not seconds[2] or wall() - began < BUDGET):
            for threads, worker in ((1, one), (2, two)):
                took, digest = worker(_timed_and_digest)
                seconds[threads].append(took)
                digests.add(digest)
    same = "the same bits" if len(digests) == 1 else "DIFFERENT BITS"
    details = {"n": n, "d": d, "wall": {str(k): sorted(v) for k, v in seconds.items()}, "same_bits": len(digests) == 1}
    note = f"{min(seconds[1]):.3g} s and {min(seconds[2]):.3g} s; {same}{load()}"
    return [Row(name, min(seconds[1]) / min(seconds[2]), "x", options.judged(bar), note, details=details)]


def crossing(options: Options) -> list[Row]:
    """The size from which on the transform is faster than the dense kernel, [-1, 1]^3 at 1e-10."""
    name, bar, tol = "crossing fast/dense, [-1,1]^3, 1e-10", at_most(3000), 1e-10
    transform = engine("Transform")
    if transform is None:
        return [missing(name, "particles.softmax has no Transform", bar)]
    sizes = [round(500 * 2 ** (k / 2)) for k in range(8)]
    found = list[tuple[int, float]]()
    for n in sizes:
        y = atoms(n, 3, options.seed)
        ways = {"fast": with_engine(y, transform, tol), "dense": dense(y)}
        cases = {k: Case(partial(way, y), tol) for k, way in ways.items()}
        measured = side_by_side(cases, dense(y)(y), options.rounds, wall, np.abs(y).max())
        if measured.refused:
            return [refused(name, f"n = {n}: {measured.refused}", bar)]
        found.append((n, measured.times["fast"].least / measured.times["dense"].least))
    details = {"seed": options.seed, "fast_over_dense": found}
    slower = [k for k, (_, ratio) in enumerate(found) if ratio > 1]
    note = ", ".join(f"{n}: {ratio:.2g}" for n, ratio in found)
    if not slower:
        return [Row(name, float(sizes[0]), "atoms", bar, f"fast / dense: {note}", details=details)]
    if slower[-1] == len(found) - 1:
        return [Row(name, float(sizes[-1]), "atoms or more", bar, f"fast / dense: {note}", details=details)]
    (n, before), (m, after) = found[slower[-1]], found[slower[-1] + 1]
    at = n * (m / n) ** (np.log(before) / np.log(before / after))
    return [Row(name, float(at), "atoms", bar, f"fast / dense: {note}", details=details)]


# ------------------------------------------------------------------------------------------- large exponents


def peaked(d: int, options: Options) -> list[Row]:
    """n = m = 1e6 on [-1, 1]^d with exponents up to 1e4 and 1e6."""
    n = options.size(1_000_000)
    return [row for beta in (1e4, 1e6) for row in _beside_dense(n, d, beta, 50, ("Pruned",), options)]


def between(options: Options) -> list[Row]:
    """n = m = 1e5 on [-1, 1]^3 where exponents are neither small nor huge."""
    n, both = options.size(100_000), ("Transform", "Pruned")
    return [row for beta in (10, 30, 100, 300, 1000) for row in _beside_dense(n, 3, beta, 10, both, options)]


def _forecast(y: np.ndarray, a: np.ndarray, made: Any) -> float:
    """Return the seconds that an engine says it takes, 0 if it does not say."""
    one = made(y, uniform_weights(len(y)), tol=DEFAULT_TOL)
    return float(one.cost(a)) if hasattr(one, "cost") else 0.0


def _beside_dense(n: int, d: int, beta: float, times: float, engines: tuple[str, ...], options: Options) -> list[Row]:
    """Compare what `Empirical` decides with the dense kernel; while it does not decide, each of the engines."""
    title, bar = f"[-1,1]^{d}, n=m={n:.0e}, beta={beta:g}, dense", at_least(times)
    y = atoms(n, d, options.seed)
    ways = {"ours": by_default(y)}
    if not automatic():
        ways = {name: with_engine(y, engine(name), DEFAULT_TOL) for name in engines if engine(name) is not None}
        ways = {name: way for name, way in ways.items() if _forecast(y, beta * y, engine(name)) < LONGEST}
    if not ways:
        return [missing(f"{title} / ours", f"particles.softmax has no {' or '.join(engines)} for this", bar)]
    # what the exponents' own rounding allows: they reach beta d, with an eps relative error each
    tol = DEFAULT_TOL + 4 * np.finfo(float).eps * beta * d
    measured, dense_seconds = against_dense(y, beta * y, ways, tol, 1 if n > 500_000 else 3)
    rows = [refused(f"{title} / {name}", why, bar) for name, why in measured.refused.items()]
    for name in (name for name in ways if name in measured.times):
        mine = measured.times[name]
        note = (
            f"{mine.least:.3g} s, error {mine.error:.0e}; dense {dense_seconds:.3g} s, from {EXTRAPOLATED} directions"
        )
        details = {"n": n, "d": d, "beta": beta, "seed": options.seed, "ours": mine.as_json(), "dense": dense_seconds}
        ratio = dense_seconds / mine.least
        rows.append(Row(f"{title} / {name}", ratio, "x", options.judged(bar), note, details=details))
    return rows
