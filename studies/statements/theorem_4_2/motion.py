"""One draw of Theorem 4.2: the levels phi_1^*(z_i), where they end, and the lemmas along the way.

A level is measured with the *left* eigenvector, <phi_1^*, phi_1> = 1. From the depth t* on at which `settle` knows
every token's leader it is explicit,

    phi_1^*(z_i(t)) = phi_1^*(z_L) + e^{-lambda_1 t} phi_1^*(D_i),

so its limit is the level of the leader. Where double precision does not tell leaders apart, the paper's own bound, with
its constants for these tokens, still shows to which level each tends, and encloses it (`particles.sides`); where all
levels have become one to `_ONE`, so have their limits, by Lemma 9.1. Both can leave a draw undecided, not make it fail.

Up to t* the tokens are moved by (1.1) once more, and Lemmas 9.1 and 9.3 are checked between consecutive depths, for the
left eigenvectors of all eigenvalues:

    Lemma 9.1    max_j phi_k^*(z_j) does not grow, min_j does not fall       lambda_k real and >= 0
    Lemma 9.3    |phi_k^*(e^{tV} z_i)| <= max_j |phi_k^*(z_j(0))| e^{|lambda_k| t}

The solver keeps its local error below 1e-9 |x|; what it adds up to is taken to be at most `_SOLVED` |x|, and a rise
of more than |phi_k^*| times that would be a failure.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from particles import Adaptive, Attention, Raw, Rescaled, solve
from particles.checks import Array
from particles.levels import levels
from particles.march import FINISHED
from particles.settled import Settled, settle
from particles.spectrum import GoodTriple, good_triple

_SOLVED = 1e-7
_TOLERANCE = 1e-9
_DEPTHS = 33
_SAME = 1e-7  # of the spread of the levels: closer ones are one value; leaders are known to 1e-8 and better
_ONE = 1e-5  # of the initial spread: levels that have come this close, and can only come closer, are one value
_STEPS = 20_000
LATE = (40.0, 400.0)  # depths lambda_1 t
FOLLOWED = 12.0  # depth lambda_1 t to which (3.1) is solved for Cor. 9.2
_ROUNDING = 1e-9
_SPLIT = 1e-5  # of the largest eigenvalue: rounding moves those of a Jordan block of size 2 by 1e-8, and makes pairs


def numbers(attention: Attention, tokens: Array, until: float, never: int = 0) -> dict[str, Any]:
    """Return where the levels end, and the lemmas along the way.

    `until` is the last depth, times lambda_1; of `never` tokens it is known that nothing decides them.
    """
    triple = good_triple(attention)
    if not triple.holds:
        return {"failed": list(triple.failed), "problems": list(triple.problems)}
    late = settle(attention, tokens, until=until / triple.value)
    times = np.linspace(0.0, late.depth or 3.0 / triple.value, _DEPTHS)
    stepper = Adaptive(_TOLERANCE, _TOLERANCE * float(np.abs(tokens).max()), most_steps=_STEPS)
    path = solve(Raw(attention), tokens, times, stepper=stepper)
    tracks = np.exp(-triple.value * path.times)[:, None] * (path.points @ triple.left)
    values = np.linalg.eigvals(attention.heads[0][1])
    return {
        "failed": [],
        "eigenvalues": [[float(z.real), float(z.imag)] for z in values[np.argsort(-np.abs(values))]],
        "value": triple.value,
        "gap": triple.gap,
        "pairing": triple.pairing,
        "angle": angle(triple),
        "times": path.times,
        "tracks": tracks,
        **limits(attention, tokens, late, triple, never),
        **lemmas(attention, path.times, path.points),
        **divergence(attention, late),
    }


def angle(triple: GoodTriple) -> float:
    """Return the angle between phi_1 and phi_1^*, degrees."""
    cosine = 1.0 / float(np.linalg.norm(triple.left) * np.linalg.norm(triple.right))
    return float(np.degrees(np.arccos(min(cosine, 1.0))))


def limits(attention: Attention, tokens: Array, late: Settled, triple: GoodTriple, never: int = 0) -> dict[str, Any]:
    """Return the values levels tend to: by the leaders, or as a bound encloses them where that decides more tokens."""
    found = followed(late, triple)
    if found["undecided"] <= never:
        return found
    other = enclosed(attention, tokens, triple)
    return other if other["undecided"] < found["undecided"] else found


def followed(late: Settled, triple: GoodTriple) -> dict[str, Any]:
    """Return the values the decided tokens' levels tend to, and how far from them they are at late depths."""
    decided = late.decided
    found: dict[str, Any] = {
        "by": "leaders",
        "depth": late.depth * triple.value,
        "undecided": int((~decided).sum()),
        "width": 0.0,
    }
    if not decided.any():
        return {**found, "ends": [], "off": [], "error": None, "outcome": None}
    ends = (late.limit @ triple.left)[decided]
    offsets = (late.offsets @ triple.left)[decided]
    off = [float(np.abs(np.exp(-depth) * offsets).max()) for depth in (found["depth"], *LATE)]
    error = late.error * float(np.linalg.norm(triple.left))
    scale = float(np.abs(ends).max())
    same = _SAME * scale + 10 * error
    sorted_ends = np.sort(ends)
    distinct = sorted_ends[np.concatenate([[True], np.diff(sorted_ends) > same])]
    # each must be the lowest, the highest, or 0
    among = bool(np.all((distinct <= distinct[0] + same) | (distinct >= distinct[-1] - same) | (abs(distinct) <= same)))
    outcome = None if found["undecided"] else len(distinct) <= 3 and among
    return {**found, "ends": distinct.tolist(), "off": off, "error": error, "outcome": outcome}


def enclosed(attention: Attention, tokens: Array, triple: GoodTriple) -> dict[str, Any]:
    """Return the values levels tend to as a bound encloses them, or Lemma 9.1 if levels have become one value."""
    late = levels(attention, tokens)
    by, known, undecided = "bound", late.ends[~np.isnan(late.ends[:, 0])], int((~late.decided).sum())
    if undecided and np.ptp(late.hull) <= _ONE * float(np.ptp(tokens @ triple.left)):
        by, known, undecided = "one value", np.array([late.hull]), 0
    ends = known.mean(axis=1) * np.sign(late.left @ triple.left)
    return {
        "by": by,
        "depth": late.depth * triple.value,
        "undecided": undecided,
        "width": float(np.ptp(known, axis=1).max(initial=0.0)),
        "ends": np.sort(ends).tolist(),
        "off": [],
        "error": None,
        "outcome": None if undecided else True,
    }


def lemmas(attention: Attention, times: Array, x: Array) -> dict[str, Any]:
    """Return the largest rise against Lemma 9.1 and ratio against Lemma 9.3, each with what the solver may add.

    Without eigenvectors, as for a Jordan block, there are none to check: None.
    """
    V = attention.heads[0][1]
    values, vectors = np.linalg.eig(V)
    if np.linalg.cond(vectors) > 1e6:
        return {"rise": None, "lemma_9_1": None, "ratio": None, "lemma_9_3": None}
    left = np.linalg.inv(vectors)
    sizes = np.abs(x).max(axis=(1, 2))
    rises, within, ratios, below = [0.0], True, [0.0], True
    for value, row in zip(values, left, strict=True):
        seen = x @ row
        slack = _SOLVED * float(np.linalg.norm(row)) * sizes
        top = np.abs(seen).max(axis=1) * np.exp(-abs(value) * times)
        ratios.append(float((top / top[0]).max()))
        below &= bool((top <= top[0] + slack * np.exp(-abs(value) * times)).all())
        if abs(value.imag) > _ROUNDING or value.real < 0:
            continue
        levels = seen.real * np.exp(-value.real * times)[:, None]
        rise = np.maximum(np.diff(levels.max(axis=1)), -np.diff(levels.min(axis=1)))
        rises.append(float(rise.max() / np.ptp(levels[0])))
        within &= bool((rise <= (slack * np.exp(-value.real * times))[1:]).all())
    return {"rise": max(rises), "lemma_9_1": within, "ratio": max(ratios), "lemma_9_3": below}


def divergence(attention: Attention, late: Settled) -> dict[str, Any]:
    """Return the exponent with which decided tokens leave along their hyperplane, and the one expected, -min Re lambda.

    It is read off |z_i(t) - z_L| between two late depths, whole periods of the eigenvalue apart if that is complex;
    None if no real part is visibly negative, or if no token follows another.
    """
    values = np.linalg.eigvals(attention.heads[0][1])
    least, small = values[int(np.argmin(values.real))], _SPLIT * float(np.abs(values).max())
    followers = late.decided & (late.leaders != np.arange(len(late.leaders)))
    if least.real > -small or not followers.any():
        return {"growth": None, "growth_expected": None}
    span = 60.0 / -least.real
    if abs(least.imag) > small:
        period = 2 * np.pi / abs(least.imag)
        span = period * np.ceil(span / period)
    apart = [np.linalg.norm(late.rescaled(late.depth + k * span) - late.limit, axis=1)[followers] for k in (1, 2)]
    growth = float(np.median(np.log(apart[1] / apart[0]) / span))
    return {"growth": growth, "growth_expected": float(-least.real)}


def bounded(attention: Attention, tokens: Array, until: float) -> dict[str, Any]:
    """Return sup |z| over a run and at late depths, and the bound of Cor. 9.2, for a spectrum in [0, inf).

    |z_i| <= sum_k |phi_k| max_j |phi_k^*(z_j(0))| by Lemma 9.1 and the lines after it. All tokens are followed by (3.1)
    to `FOLLOWED`, whether or not their leaders are known; those whose leaders are known also in closed form from then
    on. The bound needs no leaders: a draw holds if nothing passes it, and is undecided if the run does not finish.
    """
    triple = good_triple(attention)
    V = attention.heads[0][1]
    vectors = np.linalg.eig(V)[1]
    start = tokens @ np.linalg.inv(vectors).T
    bound = float((np.linalg.norm(vectors, axis=0) * np.abs(start).max(axis=0)).sum())
    size = float(np.abs(tokens).max())
    times = np.linspace(0.0, FOLLOWED / triple.value, _DEPTHS)
    path = solve(Rescaled(attention), tokens, times, stepper=Adaptive(_TOLERANCE, _TOLERANCE * size, most_steps=_STEPS))
    late = settle(attention, tokens, until=until / triple.value)
    depths = np.array([late.depth, *(depth / triple.value for depth in LATE)])
    norms = np.linalg.norm(path.points, axis=2).max(axis=1)
    settled = [float(np.linalg.norm(late.rescaled(t)[late.decided], axis=1).max(initial=0.0)) for t in depths]
    largest = max(float(norms.max()), *settled)
    outcome = largest <= bound + _SOLVED * size if path.status == FINISHED else None
    return {
        "largest": largest,
        "bound": bound,
        "start": float(norms[0]),
        "undecided": int((~late.decided).sum()),
        "outcome": outcome,
    }


def astray(attention: Attention, tokens: Array, left: Array, depth: float) -> dict[str, Any]:
    """Return what the levels do where a condition of Def. 4.1 fails: their spread over depth, and how many values.

    Levels are left^T z with z = e^{-tV} x; a complex left eigenvector gives the plane of its pair. Nothing is claimed.
    """
    V = attention.heads[0][1]
    value = complex((left @ V @ left.conj()) / (left @ left.conj()))
    times = np.linspace(0.0, depth / abs(value), _DEPTHS)
    stepper = Adaptive(1e-8, 1e-8 * float(np.abs(tokens).max()), most_steps=_STEPS)
    path = solve(Raw(attention), tokens, times, stepper=stepper)
    levels = np.exp(-value * path.times)[:, None] * (path.points @ left)
    spread = np.abs(levels - levels.mean(axis=1, keepdims=True)).max(axis=1)
    plane = np.stack([levels[-1].real, levels[-1].imag], axis=1)
    far = np.linalg.norm(plane[:, None] - plane, axis=2)
    # greedy: how many discs of a hundredth of the spread at the start hold all levels
    left_over, count = np.ones(len(plane), dtype=bool), 0
    while left_over.any():
        first = int(np.argmax(left_over))
        left_over &= far[first] > 0.01 * spread[0]
        count += 1
    return {
        "depth": float(path.times[-1] * abs(value)),
        "spread": float(spread[-1] / spread[0]),
        "values": count,
        "status": path.status,
        "problems": list(good_triple(attention).problems),
    }
