"""Agreement with the codimension conjecture by kind of spectrum, and the exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from particles.checks import Array
from studies.statements import verdict
from studies.statements.verdict import Verdict
from studies.statements.wording import ends
from studies.text_table import text_table

_FOUR = 4.0  # fewer limits than that are three at most
_REAL = ("real", "pairs below", "large negative")


@dataclass(frozen=True, eq=False)
class ToTheContrary:
    """A draw with more than three limits.

    Parameters
    ----------
    kind, head : str
        Kind of spectrum, and of Q^T K.
    seed : list of int
        What the generator was seeded with.
    V, B : (d, d) arrays
        Value matrix and Q^T K.
    tokens : (n, d) array
        Initial tokens.
    L : (k, d) array
        Left invariant subspace of the eigenvalues with positive real part.
    limits : (m, k) array
        The limits of L z_i, m > 3; under a leading complex pair one token of each cluster, where it was decided.
    """

    kind: str
    head: str
    seed: list[int]
    V: Array
    B: Array
    tokens: Array
    L: Array
    limits: Array


def exceptions(summary: Mapping[str, Any]) -> list[ToTheContrary]:
    """Return the exceptions of a summary with their arrays; `codimension.json` has one under "summary"."""
    return [
        ToTheContrary(
            record["kind"],
            record["head"],
            record["seed"],
            *(np.array(record[key]) for key in ("V", "B", "tokens", "L", "limits")),
        )
        for record in summary["exceptions"]
    ]


def summary(config: Any, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return verdicts by kind of spectrum, a row for each draw, and every exception."""
    from studies.statements.codimension import KINDS, cases

    rows, kept = [], []
    arrays = ("V", "B", "start", "L", "limits", "leaders")
    for case, result in zip(cases(config), results, strict=True):
        rows.append({**case, **{key: value for key, value in result.items() if key not in arrays}})
        if result["outcome"] is False:
            kept.append(
                {
                    **{key: case[key] for key in ("kind", "head", "seed")},
                    **{key: result[key].tolist() for key in ("V", "B", "L", "limits")},
                    "tokens": result["start"].tolist(),
                }
            )
    verdicts = [_verdict(kind, words, [row for row in rows if row["kind"] == kind]) for kind, words in KINDS.items()]
    turning = [row for row in rows if row["rest"] is not None and row["rest"]["most"] is not None]
    verdicts += [_bound(turning)] * bool(turning)
    counted = {
        kind: {
            "agrees": sum(row["outcome"] is True for row in rows if row["kind"] == kind),
            "does not": sum(row["outcome"] is False for row in rows if row["kind"] == kind),
            "not decided": sum(row["outcome"] is None for row in rows if row["kind"] == kind),
        }
        for kind in KINDS
    }
    return {
        "verdicts": [found.record() for found in verdicts],
        "rows": rows,
        "exceptions": kept,
        "counts": counted,
        "headline": {
            "draws": len(rows),
            "agrees": sum(row["outcome"] is True for row in rows),
            "exceptions": len(kept),
            "undecided": sum(row["outcome"] is None for row in rows),
            "exceptions_with_a_simple_real_leading_eigenvalue": sum(counted[kind]["does not"] for kind in _REAL),
            "most_limits": max((len(record["limits"]) for record in kept), default=0),
        },
    }


def _verdict(kind: str, words: str, rows: list[dict[str, Any]]) -> Verdict:
    numbers = [row["number"] for row in rows if row["number"] is not None]
    counts = ", ".join(f"{numbers.count(m)} with {m} limit{'s' * (m != 1)}" for m in sorted(set(numbers)))
    undecided = sum(row["outcome"] is None for row in rows)
    measured = f"Of {len(rows)} draws: {counts or 'none decided'}" + (
        f", {undecided} not decided." if undecided else "."
    )
    if kind in ("identity", "multiple"):
        measured += (
            " The limits are corners of a polytope (Theorems 3.1, 5.2), of which there may be more than three: as"
            " printed, the conjecture also admits a multiple leading eigenvalue."
        )
    elif kind == "normal pair leads":
        measured += (
            " On the pair V is a number times a rotation. Where that commutes with Q^T K, exponents <Qx_i, Kx_j> do not"
            " feel it, and the tokens gather at a polygon's corners as for V = I; those that turn about a leader stop"
            " where they lead themselves, so that many tokens are corners."
        )
    rests = [row["rest"] for row in rows if row["rest"] is not None and row["outcome"] is not None]
    if rests:
        certain = sum(rest["certain"] for rest in rests)
        measured += (
            f" In {len(rests)} of them leaders are shared or change for ever, and clusters at rest are counted, with at"
            f" most {max(rest['left'] for rest in rests):.0e} of their distance left to move"
        )
        measured += f"; in {certain} these are shown to stay apart" * bool(certain)
        angled = sum(rest["by_angle"] for rest in rests)
        measured += (
            f", and in {angled} their tokens have one limit by the bound on limits under a leading complex pair alone"
        ) * bool(angled)
        measured += "."
    measured += _at_least(rows) + _moving(rows)
    return Verdict.of(
        f"Codimension conjecture, {words}",
        "With k eigenvalues of positive real part, tokens tend to at most three parallel subspaces of codimension k.",
        measured,
        [row["outcome"] for row in rows],
    )


def _at_least(rows: list[dict[str, Any]]) -> str:
    """Say in which draws there may be more limits than were counted."""
    said, known = "", [row for row in rows if row["at_least"]]
    grouped, parting = ([row["number"] for row in known if (row["rest"] is None) == here] for here in (True, False))
    if grouped:
        said += (
            f" In {len(grouped)} of them leaders are shared and limits are counted as groups that a bound for all later"
            f" depths shows to stay apart, {ends(grouped, 'd')}: there may be more."
        )
    if parting:
        said += (
            f" In {len(parting)} of them clusters are at rest, {ends(parting, 'd')}, but tokens of one may still part,"
            " as they have not kept their differences for half a turn: there may be more limits."
        )
    return said


def _moving(rows: list[dict[str, Any]]) -> str:
    """Say why draws are not decided whose leaders change for ever."""
    left = [row for row in rows if row["outcome"] is None and row["rest"] is not None]
    if not left:
        return ""
    return (
        f" Not decided where runs end at a t = {ends([row['depth'] for row in left], '.1f')}, a the largest real part,"
        f" as some token has moved by {ends([row['rest']['moving'] for row in left], '.0%')} of the size in the last"
        " half turn: clusters still merge there, or tokens of one part. Runs end early where tokens whirl on a divide,"
        " so that the solver would need more than 6000 steps for half a unit of depth."
    )


def _bound(rows: list[dict[str, Any]]) -> Verdict:
    """Judge the bound of `rotating` in the draws with a leading pair that swings."""
    told = [row["number"] is not None and not row["at_least"] and not row["rest"]["by_angle"] for row in rows]
    known = [(row["number"], row["rest"]) for row, here in zip(rows, told, strict=True) if here]
    met = "none is decided"
    if known:
        share = max(number / pair["most"] for number, pair in known)
        few = [number for number, pair in known if pair["most"] < _FOUR]
        met = f"limits are at most {share:.2f} of it"
        met += f"; where it is below 4 there are at most {max(few, default=0)}" * bool(few)
    return Verdict.of(
        "Limits under a leading complex pair",
        "Not said by the paper: beside 0 there are at most pi / arcsin rho limits in the plane of the pair, rho ="
        " |phi^T B phi| / (phi^H B phi) for its eigenvector phi; so the conjecture holds there if rho > sin(pi / 4).",
        f"Of {len(rows)} draws with rho from {min(row['rest']['swing'] for row in rows):.3f} to"
        f" {max(row['rest']['swing'] for row in rows):.3f}: {met}.",
        [row["number"] <= row["rest"]["most"] if here else None for row, here in zip(rows, told, strict=True)],
    )


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts and a row for each draw."""
    lines = [
        [
            row["kind"],
            str(row["d"]),
            str(row["k"]),
            row["head"],
            f"{row['depth']:.2f}",
            str(row["undecided"]),
            "-" if row["number"] is None else f"{'at least ' * row['at_least']}{row['number']}",
            {True: "agrees", False: "does not", None: "not decided"}[row["outcome"]],
        ]
        for row in summary["rows"]
    ]
    heading = ["spectrum", "d", "k", "Q^T K", "depth", "undecided tokens", "limits", "conjecture"]
    note = f'Exceptions kept with V, B, tokens, seed and limits: {len(summary["exceptions"])}, under "exceptions"'
    return "\n".join([verdict.table(summary), text_table(heading, lines), note])
