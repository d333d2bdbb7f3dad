"""The study's verdicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from studies.statements.mean_field.moved import PARTICLES
from studies.statements.mean_field.problems import problems
from studies.statements.mean_field.rows import mass_error_of, masses_of
from studies.statements.verdict import Verdict

_UNDECIDED = 1e-3  # of the mass: what may still be near a divide at the last depth
_RISE = 1e-8  # of the width: steps are taken to 1e-11, or to 1/2000 of a tolerance of at most 1e-4
_SLOPE = 0.02  # of log(b - head) against t, from t = 2 to 4: what is left of first order is e^{-2t} itself
_FACTOR = 0.02  # of the same times e^{2t} z, which tends to 1
_LATE = (2.0, 4.0)
_RATE = 0.02  # of W2 (2t / d)^{1/2}, which tends to 1 like 1 / t
_GROWTH = 0.1  # slope of log(leaders) against log n above which a number grows like a power

_BOUNDED = {True: "bounded", False: "growing, so no polytope", None: "undecided"}

_COUNTERPARTS = {
    "Theorem 2.1": "on the line mu_t, rescaled, tends to two Diracs, and almost every row of P to one of them.",
    "Theorem 3.1": "with V = I mu_t, rescaled, tends to Diracs at those corners of its hull that lead.",
    "Theorem 4.2": "for a good triple the law of phi_1^*(z) tends to two Diracs.",
    "Theorem 5.2": "for a good triple with multiplicity the law of pi_F(z) tends to Diracs.",
}


def gathering(rows: list[dict[str, Any]]) -> list[Verdict]:
    """Theorems 2.1, 3.1, 4.2 and 5.2: as many limit points as expected, and next to no mass that goes elsewhere."""
    verdicts = []
    for statement, says in _COUNTERPARTS.items():
        own = [row for row in rows if row["statement"] == statement]
        if not own:
            continue
        outcomes = [len(row["places"]) == row["expected"] and row["undecided"] <= _UNDECIDED for row in own]
        text = "; ".join(_described(row) for row in own if row["by"] == PARTICLES)
        left = max(row["undecided"] for row in own)
        measured = f"By particles: {text}. Mass not decided at the end: at most {left:.1e}, by any method."
        verdicts.append(Verdict.of(f"{statement}, n = infinity", f"Not said by the paper: {says}", measured, outcomes))
    return verdicts


def _described(row: dict[str, Any]) -> str:
    points = ", ".join("(" + ", ".join(f"{x:.3f}" for x in place) + ")" for place in row["places"])
    masses = ", ".join(f"{mass:.4f}" for mass in masses_of(row))
    late = row["gathered_at"][2]
    when = f"99 % gathered at t = {late:.2f}" if late is not None else "99 % not yet gathered"
    return f"{row['problem']}: {points} with masses {masses} (+- {mass_error_of(row) + 1e-12:.1e}), {when}"


def shrinking(rows: list[dict[str, Any]]) -> list[Verdict]:
    """Prop. 8.2 and Lemma 9.1: no support function grows."""
    own = [row for row in rows if row["by"] == PARTICLES and row["statement"] != "Theorem 8.5"]
    outcomes = [row["rise"] <= _RISE * row["width"] for row in own]
    worst = max(row["rise"] / row["width"] for row in own)
    says = "Not said by the paper: the hull of the support, in the coordinates that cluster, shrinks."
    measured = (
        f"Largest growth of the support function between two depths: {worst:.1e} of the width, over {len(own)} runs."
    )
    return [Verdict.of("Proposition 8.2 and Lemma 9.1, n = infinity", says, measured, outcomes)]


def sharp(rows: list[dict[str, Any]], tokens: list[dict[str, Any]]) -> list[Verdict]:
    """Remark 2.2: single instead of doubly exponential."""
    own = [row for row in rows if "gaps" in row]
    if not own:
        return []
    fits = [sharpness(row) for row in own]
    outcomes = [abs(slope + 2) <= _SLOPE and abs(factor - 1) <= _FACTOR for slope, factor in fits]
    known = [row["gaps"][np.searchsorted(row["times"], 3.0)] for row in tokens if "gaps" in row and row["n"] == 40]
    beside = f" The median over draws of 40 tokens is {max(known):.0e} at t = 3." if known else ""
    gap = max(row["gaps"][np.searchsorted(row["times"], 3.0)] for row in own)
    measured = (
        "W1(P_t(b/2, .), delta_b) has slope "
        + ", ".join(f"{slope:.3f}" for slope, _ in fits)
        + " in log against t, and times "
        "e^{2t} b/2 it is "
        + ", ".join(f"{factor:.3f}" for _, factor in fits)
        + f" at t = {_LATE[1]:g}; at t = 3 it is "
        f"{gap:.0e}." + beside
    )
    says = "Not said by the paper: rows of P tend to Diracs only like e^{-2t} / z, not doubly exponentially."
    return [Verdict.of("Remark 2.2, n = infinity", says, measured, outcomes)]


def sharpness(row: dict[str, Any]) -> tuple[float, float]:
    """Return the slope of log(b - head) against t, and the gap times e^{2t} z at the end of the fit."""
    times, gaps, edges = (np.array(row[name]) for name in ("times", "gaps", "edges"))
    late = (times >= _LATE[0]) & (times <= _LATE[1])
    slope = np.polyfit(times[late], np.log(gaps[late]), 1)[0]
    k = np.flatnonzero(late)[-1]
    return float(slope), float(gaps[k] * np.exp(2 * times[k]) * 0.5 * edges[k])


def decay(row: dict[str, Any]) -> float:
    """Return W2(mu_t, delta_0) (2t / d)^{1/2} at the last depth."""
    dim = problems()[row["problem"]].dim
    return float(row["size"][-1] * np.sqrt(2 * row["times"][-1] / dim))


def decaying(rows: list[dict[str, Any]]) -> list[Verdict]:
    """Theorem 8.5: the size falls, and like (d / 2t)^{1/2}."""
    own = [row for row in rows if row["statement"] == "Theorem 8.5"]
    if not own:
        return []
    falls = [all(np.diff(row["size"]) < 0) for row in own]
    long = [row for row in own if row["by"] == PARTICLES]
    outcomes = [*falls, *(abs(decay(row) - 1) <= _RATE for row in long)]
    measured = (
        "W2(mu_t, delta_0) falls at every depth; times (2t/d)^(1/2) it is "
        + ", ".join(f"{decay(row):.4f}" for row in long)
        + f" at t = {long[0]['times'][-1]:g}: the decay is t^(-1/2), not exponential."
    )
    says = "Not said by the paper: with V = -I and B = I: mu_t tends to delta_0, and W2 like (d / 2t)^{1/2}."
    return [Verdict.of("Theorem 8.5, n = infinity", says, measured, outcomes)]


def agrees(row: dict[str, Any]) -> bool | None:
    """Whether a grid and the particles are as near as they say; None if a grid cannot tell its limit points."""
    if row["place"] is None:
        return None
    near = all(a <= b for a, b in zip(row["w1"], row["w1_allowed"], strict=True))
    return bool(near and row["place"] <= row["place_allowed"] and row["mass"] <= row["mass_allowed"])


def agreeing(rows: list[dict[str, Any]]) -> list[Verdict]:
    """Particles and grids are as near as they say."""
    if not rows:
        return []
    mass, place = (max((row[name] for row in rows if row[name] is not None), default=0.0) for name in ("mass", "place"))
    w1 = max(max(row["w1"]) for row in rows)
    ratio = max(max(np.array(row["w1"]) / np.array(row["w1_allowed"])) for row in rows)
    says = (
        "Not said by the paper: particles and grids, which share nothing but the field, agree in measures, limit "
        "points and masses within the errors that both state."
    )
    measured = (
        f"Largest differences over {len(rows)} pairs, and largest shares of the errors stated: W1 of projections "
        f"{w1:.2g}, {ratio:.2f} of its error; masses {mass:.1e}, {_share(rows, 'mass'):.2f}; limit points {place:.2g}, "
        f"{_share(rows, 'place'):.2f}, where half a cell at least is the error."
    )
    return [Verdict.of("Two methods, n = infinity", says, measured, [agrees(row) for row in rows])]


def _share(rows: list[dict[str, Any]], name: str) -> float:
    """Return the largest difference over what both methods state as their errors."""
    return max((row[name] / row[f"{name}_allowed"] for row in rows if row[name] is not None), default=0.0)


def towards(rows: list[dict[str, Any]]) -> list[Verdict]:
    """From n = 40 to the limit: masses and limit points of more tokens are nearer."""
    names = list(dict.fromkeys(row["problem"] for row in rows))
    outcomes, texts = [], []
    for name in names:
        own = [row for row in rows if row["problem"] == name]
        if len(own) < 2:
            continue
        keys = ("off_size",) if "off_size" in own[0] else ("off_masses", "off_places")
        outcomes += [own[-1][key] < own[0][key] for key in keys]
        if "off_masses" in own[0]:
            texts.append(f"{name} {own[0]['off_masses']:.3f} to {own[-1]['off_masses']:.3f}")
    if not outcomes:
        return []
    counts = [row["n"] for row in rows if row["problem"] == names[0]]
    measured = (
        f"Root mean square over draws of the masses' distance from the limit's, n = {counts[0]} to {counts[-1]}: "
        + "; ".join(texts)
        + "."
    )
    says = (
        "Not said by the paper: what 40 tokens do tends to what infinitely many do, in masses and places of the limit "
        "points or in size."
    )
    return [Verdict.of("n = 40 to infinity", says, measured, outcomes)]


def polytope(growth: list[dict[str, Any]], shapes: list[dict[str, Any]]) -> list[Verdict]:
    """Claim 1: whether the number of leaders stays bounded as a shape is filled."""
    if not growth:
        return []
    last = {row["shape"]: row for row in shapes}
    outcomes = [bounded(row) for row in growth]
    measured = "; ".join(
        f"{row['shape']}: {last[row['shape']]['leaders']:.1f} leaders of {last[row['shape']]['n']} tokens, "
        f"slope {row['slope']:.2f} +- {row['error']:.2f}, {_BOUNDED[outcome]}"
        for row, outcome in zip(growth, outcomes, strict=True)
    )
    says = "Not said by the paper: the number of leaders stays bounded as more tokens fill a shape."
    return [
        Verdict.of(
            "Claim 1, n to infinity",
            says,
            f"Leaders against n, in log: {measured}. The vertices of a disc's hull grow like n^(1/3).",
            outcomes,
        )
    ]


def bounded(row: dict[str, Any]) -> bool | None:
    """Whether a number of leaders stays bounded: if its slope cannot be told from 0 but from 1/3; if neither, None."""
    least, most = row["slope"] - 2 * row["error"], row["slope"] + 2 * row["error"]
    if least > _GROWTH:
        return False
    return True if least <= 0 and most < 1 / 3 else None
