"""Section 6 of the paper as verdicts: well-posedness from `existence`, the estimates from `stability`.

Both studies are older than the verdicts and judge by their own bounds; here their numbers are put into words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from studies.statements.verdict import Verdict
from studies.statements.wording import ends

_LEAST = 0.1  # what `stability` takes the ratio of exponents to, at least
_WELL_POSED = {
    "raw": ("Proposition 6.2", "From any tokens (1.1) has one Lipschitz solution, for all t."),
    "rescaled": ("Proposition 6.3", "From any tokens the rescaled equations (3.1) have one Lipschitz solution."),
}
_ESTIMATES = {
    "(6.3)": "|X[μ](x) − X[μ](y)| ≤ C_R |x − y| where x, y and the support of μ lie in the ball of radius R.",
    "(6.4)": "|X[μ](x)| ≤ C_R there.",
    "(6.5)": "|X[μ](x) − X[ν](x)| ≤ C_R W₂(μ, ν); here where x lies in the ball too, and with W₁ ≤ W₂.",
    "(6.7)": "W₁ ≤ W_p ≤ diam^(1 − 1/p) W₁^(1/p).",
    "(6.8)": "Flows of two fields v, w move two measures apart by e^((p+1)Lt/p) W_p plus "
    "e^(Lt/p) (e^(Lt) − 1)/L sup |v − w| at most.",
}


def of_existence(summary: Mapping[str, Any]) -> list[Verdict]:
    """Return what the scheme of the existence proof says, a verdict for each form of the law and one for both."""
    rows = summary["rows"]
    found = []
    for law, (statement, says) in _WELL_POSED.items():
        own = [row for row in rows if row["law"] == law]
        found.append(Verdict.of(statement, says, _scheme(own, summary["depth"]), map(_converges, own)))
    says = "The continuity equation has a solution: curves in fields that are held over τ converge to it as τ → 0."
    return [
        *found,
        Verdict.of("Proposition 6.5, existence", says, _scheme(rows, summary["depth"]), map(_converges, rows)),
    ]


def _converges(row: Mapping[str, Any]) -> bool:
    """Whether every halving of tau takes the curve nearer."""
    return min(row["orders"]) > 0


def _scheme(rows: Sequence[Mapping[str, Any]], depth: float) -> str:
    slopes, last = ends((row["slope"] for row in rows), ".2f"), [row["W1"][-1] for row in rows]
    powers = " to ".join(f"τ^{slope}" for slope in slopes.split(" to "))
    return (
        f"Fields held over τ, to depth {depth:g}, {len(rows)} cases: sup over t of W₁ from the curve without holding "
        f"falls at every halving in {sum(map(_converges, rows))}, to {max(last):.1e} at most, like {powers}."
    )


def of_stability(summary: Mapping[str, Any]) -> list[Verdict]:
    """Return what was measured of (6.3) to (6.8)."""
    rows = summary["rows"]
    measured = (
        f"{len(rows)} pairs of solutions: W₂ grows like e^(ct), c ≤ {max(row['c']['atoms'] for row in rows):.2f}, "
        f"and each of the five bounds is kept in {sum(row['bounds_hold'] for row in rows)}. "
        f"{_beyond(rows)}"
    )
    says = "(6.6): W₂(μ(t), ν(t)) ≤ e^(Ct) W₂(μ(0), ν(0)), with a constant that depends on the radius of the supports."
    found = [Verdict.of("Proposition 6.5, stability", says, measured, (row["bounds_hold"] for row in rows))]
    for name, says in _ESTIMATES.items():
        own = [row for row in summary["estimates"] if row["estimate"] == name]
        found.append(Verdict.of(name, says, _ratios(own), (row["holds"] for row in own)))
    return [*found, *(_on_all_of_the_line(row) for row in summary["estimates"] if row["estimate"] == "counterexample")]


def _beyond(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say how far the sharp bound's exponent is above the measured one: a row's ratio is 1 more than that."""
    known = [row for row in rows if row["ratios"]["sharp"] is not None]
    unit = [row for row in known if row["radius"] == 1]
    if not known:
        return "The sharp bound is finite for none."
    said = [f"{max(row['ratios']['sharp'] for row in own) - 1:.2f} over {len(own)}" for own in (known, unit) if own]
    return f"For the exponent s of the sharp bound (s − c) / max(|c|, {_LEAST:g}) is at most {said[0]} pairs" + (
        f" and {said[1]} on boxes of half side 1." if unit else "."
    )


def _ratios(rows: Sequence[Mapping[str, Any]]) -> str:
    largest = ", ".join(f"{max(row['largest']):.3f} (d = {row['dim']})" for row in rows)
    draws = " and ".join(str(draws) for draws in sorted({row["draws"] for row in rows}))
    return f"Largest ratio of the left side to the right one over {draws} random draws in each dimension: {largest}."


def _on_all_of_the_line(row: Mapping[str, Any]) -> Verdict:
    grows = all(one < other for one, other in pairwise(row["over_W2"]))
    measured = (
        f"(1 − e) δ₀ + e δ₁ against δ₀: sup over x of the gap over W₂ is {row['over_W2'][0]:.3g} "
        f"at e = {row['e'][0]:.1g} and {row['over_W2'][-1]:.3g} at e = {row['e'][-1]:.1g}"
        + (", growing all the way: no constant does." if grows else ".")
    )
    return Verdict.of("(6.5) as printed", "The same with the supremum over all x of ℝ^d.", measured, [not grows])
