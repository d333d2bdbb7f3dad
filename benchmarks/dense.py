"""The dense kernel: against the machine's own limit, and against the peers, one thread each.

Times are processor time per core. Ours begins at the arrays, layout included, and gives the log sums as well; the
peers begin at data in their own form and give the means alone.
"""

from __future__ import annotations

from dataclasses import replace

import machine
import numpy as np
import peers
from options import Options
from table import Bar, Row, at_least, missing, refused
from timing import Case, Times, cpu, ratios, side_by_side

PERCENT = {1: 80, 2: 75, 3: 72}
TIMES = {"torch float64": 7, "pykeops": 18, "jax": 15, "numpy in blocks": 10, "numba double loop": 17}
WIDE = {16: 3.3, 64: 1.7, 128: 1.6}  # against torch float64


def atoms(n: int, d: int, seed: int, half: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-half, half, (n, d))


def uniform_weights(n: int) -> np.ndarray:
    return np.full(n, -np.log(n))


def ours(y: np.ndarray, a: np.ndarray) -> Case:
    from particles.softmax import Dense

    logs = uniform_weights(len(y))
    return Case(lambda: Dense(y, logs).log_sum_and_mean(a)[1], peers.FLOAT64)


def small_dimension(d: int, options: Options) -> list[Row]:
    """n = m = 1e4 in d = 1, 2, 3."""
    n = options.size(10_000)
    y = atoms(n, d, options.seed)
    work = machine.multiply_adds(d) * n * n
    limits = {f"{w} lanes": Case(lambda w=w: machine.limit(w)(work)) for w in machine.WIDTHS}
    rows, times = against_peers(f"dense d={d}", y, y, TIMES, options, limits)
    if "ours" not in times:
        return rows
    best = min((times[name] for name in limits), key=lambda t: t.least)
    share = 100 * best.least / times["ours"].least
    note = f"{_nanoseconds(times['ours'], n)}; limit {_nanoseconds(best, n)}, {1e-9 * work / best.least:.1f} fma/ns"
    details = {"ours": times["ours"].as_json(), "limit": {k: times[k].as_json() for k in limits}, "n": n, "d": d}
    bar = options.judged(at_least(PERCENT[d]))
    return [Row(f"dense d={d}, of the machine's limit", share, "%", bar, note, details=details), *rows]


def large_dimension(d: int, options: Options) -> list[Row]:
    """n = m = 4000 in d = 16, 64, 128."""
    n = options.size(4000)
    y = atoms(n, d, options.seed)
    work = machine.multiply_adds(d) * n * n
    limits = {f"{w} lanes": Case(lambda w=w: machine.limit(w)(work)) for w in machine.WIDTHS}
    only = replace(options, peers=tuple(f for f in options.peers if f == "torch"))
    rows, times = against_peers(f"dense d={d}", y, y, {"torch float64": WIDE[d]}, only, limits)
    if "ours" in times:
        best = min((times[name] for name in limits), key=lambda t: t.least)
        note = f"{_nanoseconds(times['ours'], n)}; limit {_nanoseconds(best, n)}"
        share = 100 * best.least / times["ours"].least
        rows.insert(0, Row(f"dense d={d}, of the machine's limit", share, "%", note=note, details={"n": n, "d": d}))
    return rows


def against_peers(
    title: str,
    y: np.ndarray,
    a: np.ndarray,
    bars: dict[str, float],
    options: Options,
    others: dict[str, Case] | None = None,
) -> tuple[list[Row], dict[str, Times]]:
    """Return a row for each peer, and the times of all that was run."""
    rivals = peers.chosen(options.peers)
    reference = peers.chosen(("numpy",))[0].case(y, a, "cpu").run()
    cases = {"ours": ours(y, a), **(others or {})}
    cases |= {peer.name: peer.case(y, a, "cpu") for peer in rivals if peer.installed}
    measured = side_by_side(cases, reference, options.rounds, cpu)
    rows = []
    if "ours" in measured.refused:
        rows.append(refused(f"{title}, ours", measured.refused["ours"]))
    for peer in rivals:
        name = f"{title}, {peer.name} / ours"
        bar = options.judged(at_least(bars[peer.name])) if peer.name in bars else None
        rows.append(_against(name, peer, bar, measured, y.shape, options.seed))
    return rows, measured.times


def _against(name, peer, bar: Bar | None, measured, shape, seed: int) -> Row:
    if not peer.installed:
        return missing(name, peers.INSTALL, bar)
    if peer.name in measured.refused:
        return refused(name, measured.refused[peer.name], bar)
    if "ours" not in measured.times:
        return refused(name, "ours was refused", bar)
    theirs, mine = measured.times[peer.name], measured.times["ours"]
    ratio = ratios(theirs, mine)
    n, d = shape
    note = f"{_nanoseconds(theirs, n)}; by median {ratio['median']:.3g}"
    details = {"n": n, "m": n, "d": d, "seed": seed, "ours": mine.as_json(), "theirs": theirs.as_json(), "ratio": ratio}
    return Row(name, ratio["least"], "x", bar, note, details=details)


def _nanoseconds(times: Times, n: int) -> str:
    return f"{1e9 * times.least / n**2:.3f} ns an interaction"


def symmetric(d: int, options: Options) -> list[Row]:
    """Targets = sources, B = I: each exponential used at both ends."""
    from particles.softmax import Dense

    name, bar = f"symmetric d={d}, plain / symmetric", at_least(1.5)
    n = options.size(10_000)
    y, logs = atoms(n, d, options.seed), uniform_weights(n)
    plain = ours(y, y)
    cases = {"plain": plain, "symmetric": Case(lambda: Dense(y, logs).at_own_keys(np.eye(d))[1], peers.FLOAT64)}
    measured = side_by_side(cases, plain.run(), options.rounds, cpu)
    if measured.refused:
        return [refused(name, "; ".join(measured.refused.values()), bar)]
    ratio = ratios(measured.times["plain"], measured.times["symmetric"])
    details = {"n": n, "d": d, "ratio": ratio, **{k: t.as_json() for k, t in measured.times.items()}}
    return [Row(name, ratio["least"], "x", options.judged(bar), f"by median {ratio['median']:.3g}", details=details)]
