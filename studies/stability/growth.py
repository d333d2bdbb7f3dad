"""One pair of initial measures under one law: five numbers at each depth, and the ladder between two of them.

The pairs are atoms, hence an exact pair of solutions of (6.1) in their own right: W2 between their two sides is a
linear program between atoms, and nothing but the integration over depth stands between it and the bounds. The limit,
solved from the densities, is measured beside, with an interval for the error of its distance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import meanfield
from meanfield.curve import Curve
from meanfield.stability import growth_report, measured_distances
from meanfield.wasserstein import gelbrich
from particles import Dynamics
from particles.checks import Array
from studies.stability.pairs import Start, law_of, start_of

LADDER = ("atoms", "coupled", "sharp", "carried", "modes", "log_norm", "averaged", "split", "a_posteriori", "a_priori")
_LEAST_EXPONENT = 0.1  # per unit of depth: what a ratio is taken of, at least
_GAP = 1e-9  # relative, of a linear program between a few hundred atoms


def run_case(case: dict[str, Any]) -> dict[str, Any]:
    """Return logarithms of growth factors over depth."""
    law = law_of(case["law"], case["value"], case["dim"])
    start = start_of(case["pair"], case["dim"], case["radius"], case["pairs"], case["seed"])
    times = np.array(case["times"])
    growth = growth_report(law, start.couple, times, case["pairs"], radius=start.radius)
    limit = _limit(law, start, times, case)
    exact = growth.atoms * np.array([[1.0], [1 - _GAP], [1 + _GAP]])
    distances = np.array(limit["distances"]) if limit["status"] == "solved" else exact
    initial = float(np.clip(np.exp(growth.exponents["coupled"][0]), *distances[1:, 0]))
    report = growth.against(distances, initial)
    return {
        "initial": initial,
        "limit": {key: limit[key] for key in ("status", "message")},
        "measured": _logs(report.measured),
        "between": [_logs(end) for end in report.between],
        "exponents": {"atoms": _logs(report.atoms), **{k: _plain(v) for k, v in report.exponents.items()}},
        "errors": {name: _plain(values) for name, values in report.errors.items()},
        "in_order": report.in_order.tolist(),
        "atoms_in_order": bool((report.atoms <= report.coupled * np.exp(_GAP)).all()),
    }


def _limit(law: Dynamics, start: Start, times: Array, case: dict[str, Any]) -> dict[str, Any]:
    """Return W2 between the two solutions from densities with its interval, or why there is none."""
    if start.densities is None:
        return {"status": "atoms", "message": "the measures are atoms: the pairs are the solutions"}
    method = meanfield.ParticleMethod(**case["method"])
    if case["too_large"] is not None:
        return {"status": "not affordable", "message": case["too_large"]}
    runs = [meanfield.solve(law, side, times, method=method) for side in start.densities]
    for run in runs:
        # to a tolerance the method itself says whether it is met; a fixed number of nodes is judged by the flow map
        if run.status != "finished" or (method.n is not None and not getattr(run.measures[-1], "resolved", True)):
            particles = int(run.stats["particles"])
            why = run.message if run.status != "finished" else "the flow map is not resolved by its nodes"
            return {"status": "not resolved", "message": f"{particles} particles: {why}"}
    found = measured_distances(runs[0], runs[1], case["atoms"])
    if method.n is not None:  # such a method states no error: three quarters of the nodes along each axis say it
        coarser = meanfield.ParticleMethod(n=3 * method.n // 4)
        rough = [meanfield.solve(law, side, times, method=coarser) for side in start.densities]
        apart = np.abs(_without_atoms(*runs) - _without_atoms(*rough))
        found[1:] = np.maximum(0.0, found[1:] + np.outer([-1.0, 1.0], apart))
    count = max(int(run.stats["particles"]) for run in runs)
    return {"status": "solved", "message": f"{count} particles", "distances": found.tolist()}


def _without_atoms(curve: Curve, other: Curve) -> Array:
    """W2 on the line, Gelbrich's bound on it elsewhere: what nodes give without atoms that stand for cells."""
    distance = meanfield.wasserstein if curve[0].dim == 1 else gelbrich
    return np.array([distance(mu, nu) for mu, nu in zip(curve.measures, other.measures, strict=True)])


def _logs(factors: Array) -> list[float | None]:
    with np.errstate(divide="ignore"):
        return _plain(np.log(factors))


def _plain(values: Array) -> list[float | None]:
    """None for what is not finite: JSON has no infinities."""
    return [float(value) if np.isfinite(value) else None for value in values]


def row(case: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Return a case with the exponents c, factor <= e^{c t}, and the sharpness ratio of its bounds."""
    times = np.array(case["times"])
    logs = {name: np.array([np.inf if v is None else v for v in result["exponents"][name]]) for name in LADDER}
    c = {name: _exponent(times, values) for name, values in logs.items()}
    measured = _exponent(times, np.array([np.nan if v is None else v for v in result["measured"]]))
    scale = max(abs(c["atoms"]), _LEAST_EXPONENT)
    ratios = {name: 1 + (c[name] - c["atoms"]) / scale for name in LADDER[1:]}
    return {
        **{key: case[key] for key in ("dim", "value", "radius", "pair", "law", "times")},
        **result,
        "measured_exponent": _finite(measured),
        "c": {name: _finite(value) for name, value in c.items()},
        "ratios": {name: _finite(value) for name, value in ratios.items()},
        "bounds_hold": bool(np.all(result["in_order"]) and result["atoms_in_order"]),
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _exponent(times: Array, logs: Array) -> float:
    """The least c with factor(t) <= e^{c t} factor(0) at every depth."""
    return float(((logs[1:] - logs[0]) / times[1:]).max())
