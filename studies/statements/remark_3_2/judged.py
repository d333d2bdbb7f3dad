"""The numbers and verdicts of Remark 3.2."""

from __future__ import annotations

from typing import Any

import numpy as np

from particles.checks import Array
from studies.statements.remark_3_2.runs import NEAR, RADIUS
from studies.statements.verdict import Verdict
from studies.statements.verdict import table as verdict_table
from studies.statements.wording import ranging
from studies.text_table import text_table

FEW = 3.0  # depth of three layers with step 1, or of thirty with the paper's step 0.1
_EXPONENT = 1e-3  # the closed form is exact; the solution of (3.1) is good to 1e-6 of its size, 2e-4 of d at the end
_SHIFT = 1e-6  # what two runs with relative steps 1e-8 may grow apart where two leaders compete
_SLOPE = 0.5  # by which the slope of t* against log r and two standard errors may be off -2, so that it is not -1


def summary(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """Return a row for each draw of a family and for each number of tokens and radius, and the fit of t*."""
    rates = [
        {"family": case["family"]}
        | {k: np.asarray(v).tolist() if k in ("times", "farthest") else v for k, v in result.items()}
        for case, result in pairs
        if case["kind"] == "rate"
    ]
    few = [row for case, result in pairs if case["kind"] == "few" for row in _few_rows(case, result)]
    late = _late_rows([pair for pair in pairs if pair[0]["kind"] == "late"])
    settled = [row for row in rates if row["settled"]]
    slope = late["slope"]
    return {
        "verdicts": [verdict.record() for verdict in (_on_rate(rates), _on_few(few), _on_shift(few), _on_depth(late))],
        "rates": rates,
        "few": few,
        "late": late,
        "headline": {
            "settled": len(settled),
            "least exponent": min(row["exponent"] for row in settled),
            "largest exponent": max(row["exponent"] for row in settled),
            "mean delay": float(np.mean([row["delay"] for row in settled])),
            "largest shift": max(row["shift"] for row in few),
            "slope of t*": slope,
            **{f"90 % at, n = {row['n']}, r = {row['radius']:g}": row["at"][1] for row in few},
        },
    }


def _few_rows(case: dict[str, Any], result: dict[str, Any]) -> list[dict[str, Any]]:
    times, share = np.asarray(result["times"]), np.asarray(result["share"])
    few = int(np.searchsorted(times, FEW))
    return [
        {
            "n": case["n"],
            "radius": radius,
            "times": times.tolist(),
            "share": share[k].tolist(),
            "after few": float(share[k, few]),
            "at": [_reached(times, share[k], level) for level in (0.5, 0.9)],
            **{name: result[name][k] for name in ("undecided", "leaders", "shift")},
        }
        for k, radius in enumerate(case["radii"])
    ]


def _reached(times: Array, share: Array, level: float) -> float | None:
    """Return the depth at which a share is reached for good, linear between depths."""
    below = np.flatnonzero(share < level)
    if len(below) == 0:
        return float(times[0])
    k = int(below[-1])
    if k + 1 == len(times):
        return None
    part = (level - share[k]) / (share[k + 1] - share[k])
    return float(times[k] + part * (times[k + 1] - times[k]))


def _late_rows(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """Return t* over radii, the mean over draws that are decided at all of them, and its slope from radius 1 on."""
    results = [result for _, result in pairs]
    depth = np.array([result["depth"] for result in results])
    whole = np.isfinite(depth).all(axis=1)
    radii = np.array(pairs[0][0]["radii"])
    large = radii >= 1
    slopes = np.polyfit(np.log(radii[large]), depth[whole][:, large].T, 1)[0] if whole.any() and large.sum() > 1 else []
    slope = float(np.mean(slopes)) if len(slopes) else None
    error = float(np.std(slopes, ddof=1) / np.sqrt(len(slopes))) if len(slopes) > 1 else None
    return {
        "radii": radii.tolist(),
        "draws": len(results),
        "decided": int(whole.sum()),
        "depth": depth[whole].mean(axis=0).tolist() if whole.any() else None,
        "leaders": _means(np.array([result["leaders"] for result in results], dtype=float), np.isfinite(depth)),
        "slope": slope,
        "error": error,
    }


def _means(values: Array, known: Array) -> list[float | None]:
    """Return the mean of each column over the draws that are decided there, None where none is."""
    return [float(column[here].mean()) if here.any() else None for column, here in zip(values.T, known.T, strict=True)]


def _on_rate(rows: list[dict[str, Any]]) -> Verdict:
    settled = [row for row in rows if row["settled"]]
    outcomes = [abs(row["exponent"] - 1) <= _EXPONENT if row["settled"] else None for row in rows]
    exponents, delays = ([row[name] for row in settled] for name in ("exponent", "delay"))
    measured = (
        f"Largest distance to the limit over {len(settled)} draws: e^(-c lambda t) with "
        f"{ranging('c', exponents, '.6f')} after t*; it is d(0) e^(-lambda (t - tau)) with a delay tau of "
        f"{np.mean(delays):.2f} on average, {max(delays):.2f} at most: single exponential, with the "
        "leading eigenvalue as its rate."
    )
    says = "No rate is stated for Theorems 3.1, 4.2, 5.2; convergence is expected to be very quick."
    return Verdict.of("Remark 3.2, rate", says, measured, outcomes)


def _on_few(rows: list[dict[str, Any]]) -> Verdict:
    own = [row for row in rows if row["radius"] == RADIUS] or rows
    measured = "; ".join(
        f"n = {row['n']}: {100 * row['after few']:.0f} % within {NEAR:g} of the width at t = {FEW:g}, half of them at "
        f"t = {_text(row['at'][0])}, 90 % at t = {_text(row['at'][1])}"
        for row in own
    )
    says = "After few layers most tokens are already clustered."
    return Verdict.of(
        f"Remark 3.2, few layers (radius {own[0]['radius']:g})",
        says,
        measured + ".",
        [row["after few"] > 0.5 for row in own],
    )


def _on_shift(rows: list[dict[str, Any]]) -> Verdict:
    largest = max(row["shift"] for row in rows)
    n = sorted({row["n"] for row in rows})[len({row["n"] for row in rows}) // 2]
    own = [row for row in rows if row["n"] == n]
    measured = (
        "For V = I exactly as a later start does: "
        f"tokens of radius r and tokens of radius 1 started at depth log r differ by {largest:.0e} at most; n = {n}: "
        + ", ".join(f"90 % clustered at t = {_text(row['at'][1])} for radius {row['radius']:g}" for row in own)
        + "."
    )
    says = "How many layers are few depends on the modulus of the tokens."
    return Verdict.of("Remark 3.2, modulus", says, measured, [row["shift"] <= _SHIFT for row in rows])


def _on_depth(late: dict[str, Any]) -> Verdict:
    slope, error = late["slope"], late["error"]
    outcome = None if error is None else abs(slope + 2) + 2 * error <= _SLOPE
    if late["depth"] is None:
        measured = "No draw is decided at all radii."
    else:
        depths = ", ".join(f"{depth:.2f} (r = {r:g})" for r, depth in zip(late["radii"], late["depth"], strict=True))
        fit = "" if error is None else f"; slope {slope:.2f} +- {error:.2f} in log r from 1 on"
        one = ", ".join(
            f"{count:.1f} at r = {r:g}" for r, count in zip(late["radii"][:2], late["leaders"], strict=False)
        )
        measured = (
            f"Mean of t* over {late['decided']} of {late['draws']} draws: {depths}{fit}. Mean number of leaders where "
            f"they are decided: {one}."
        )
    says = "Not said by the paper: the depth t* at which every leader is certain is -2 log r + const."
    return Verdict.of("Remark 3.2, depth t*", says, measured, [outcome])


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, a row for each family, and depths over radii and numbers of tokens."""
    families = []
    for family in dict.fromkeys(row["family"] for row in summary["rates"]):
        own = [row for row in summary["rates"] if row["family"] == family and row["settled"]]
        if own:
            means = [np.mean([row[name] for row in own]) for name in ("value", "exponent", "delay", "depth", "leaders")]
            spans = [f"{means[0]:.3f}", f"{means[1]:.6f}", *(f"{mean:.2f}" for mean in means[2:])]
            families.append([family, str(len(own)), *spans])
    few = [
        [
            str(row["n"]),
            f"{row['radius']:g}",
            f"{100 * row['after few']:.1f} %",
            *(_text(depth) for depth in row["at"]),
            _text(row["leaders"]),
            str(row["undecided"]),
        ]
        for row in summary["few"]
    ]
    return "\n".join(
        [
            verdict_table(summary),
            "Means over draws that settle; exponent and delay in units of lambda and 1",
            text_table(["family", "draws", "lambda", "exponent", "delay", "t*", "leaders"], families),
            f"Clustered: within {NEAR:g} of the width of the limit; V = I, d = 2",
            text_table(["n", "radius", f"at t = {FEW:g}", "50 % at", "90 % at", "leaders", "undecided"], few),
        ]
    )
