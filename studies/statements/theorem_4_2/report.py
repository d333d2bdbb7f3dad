"""From draws to verdicts: Theorem 4.2 with Lemmas 9.1 and 9.3, Cor. 9.2, Remarks 9.4 and 9.5."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from studies.statements import verdict
from studies.statements.theorem_4_2.motion import FOLLOWED
from studies.statements.verdict import Verdict
from studies.statements.wording import ends
from studies.text_table import text_table

_GROWTH = 0.02  # relative: the next slowest mode, the components of a complex pair, t e^(-lambda t) of a Jordan block
_STILL = 1e-13  # of the largest speed: rounding of a sum that cancels


def summary(config: Any, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return verdicts, a row for each draw, and the headline."""
    from studies.statements.theorem_4_2 import cases

    rows = [_row(case, result) for case, result in zip(cases(config), results, strict=True)]
    for row in [row for row in rows if row["kind"] == "symmetric"][1:]:  # the first is drawn
        del row["times"], row["tracks"]
    moved = [row for row in rows if row["kind"] not in ("screen", "astray", "nonnegative") and not row["failed"]]
    general = [row for row in moved if row["kind"] in ("triple", "published")]
    nonnegative = [row for row in rows if row["kind"] == "nonnegative"]
    screened = [row for row in rows if row["kind"] == "screen"]
    not_good = [row for row in rows if row.get("failed") and row["kind"] != "screen"]
    verdicts = [
        _theorem(general),
        _special(
            "jordan", "Remark 9.5 (a Jordan block)", "Theorem 4.2 holds for V that cannot be diagonalised.", moved
        ),
        _special("one side", "Theorem 4.2, all on one side", "Tokens with positive levels have one limit, b.", moved),
        _symmetric(moved),
        _lemma("lemma_9_1", "rise", moved),
        _lemma("lemma_9_3", "ratio", moved),
        _corollary(nonnegative),
        _growth(moved),
    ]
    return {
        "verdicts": [found.record() for found in verdicts],
        "rows": rows,
        "headline": {
            "all_decided_hold": all(row["outcome"] is not False for row in moved + nonnegative),
            "decided": sum(row["outcome"] is not None for row in general),
            "draws": len(general),
            "undecided_tokens": sum(row["undecided"] for row in general),
            "values": _counts(len(row["ends"]) for row in moved if row["outcome"]),
            "largest_off_at_40": max((row["off"][1] / row["scale"] for row in moved if row["off"]), default=0.0),
            "not_good_triples": len(not_good),
            "good_of_screened": {str(row["d"]): row["good"] / row["count"] for row in screened},
        },
    }


def _row(case: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    row = {**case, **{key: value for key, value in result.items() if key not in ("times", "tracks")}}
    if case["kind"] == "nonnegative":
        row["tokens"] = case["n"]
    if "tracks" in result:
        row["tokens"] = result["tracks"].shape[1]
        row["scale"] = float(np.ptp(result["tracks"][0]))
        if case["kind"] in ("published", "symmetric"):
            row["times"], row["tracks"] = result["times"].tolist(), result["tracks"].tolist()
    return row


def _counts(numbers: Iterable[int]) -> dict[str, int]:
    return {str(number): count for number, count in sorted(Counter(numbers).items())}


def _listed(counts: dict[str, int]) -> str:
    parts = [f"{values} value{'s' * (values != '1')} in {count}" for values, count in counts.items()]
    return ", ".join(parts) or "none decided"


def _theorem(rows: list[dict[str, Any]]) -> Verdict:
    values = _listed(_counts(len(row["ends"]) for row in rows if row["outcome"] is not None))
    followed = [row for row in rows if row["off"]]
    all_known = sum(row["by"] == "leaders" and row["outcome"] is not None for row in rows)
    refused = sum(row.get("refused", 0) for row in rows)
    off = [max((row["off"][k] / row["scale"] for row in followed), default=0.0) for k in range(3)]
    error = max((row["error"] / row["scale"] for row in followed), default=0.0)
    lost, tokens = sum(row["undecided"] for row in rows), sum(row["tokens"] for row in rows)
    return Verdict.of(
        "Theorem 4.2",
        "For a good triple the levels phi_1^*(z_i) tend to at most three values, the lowest a, 0 and the highest b.",
        f"Among decided draws: {values}. In {all_known} draws every leader is known. Levels of tokens with known "
        f"leaders are off their limit by at most {off[0]:.1e} of the initial spread where they settle, {off[1]:.1e} at "
        f"lambda_1 t = 40, {off[2]:.1e} at 400, on leaders known to {error:.1e}. {_by_bounds(rows)}Double precision "
        f"leaves {lost} of {tokens} tokens undecided. Not counted: {refused} draws of Q, K with <Q phi_1, K phi_1> "
        "below 0.",
        [row["outcome"] for row in rows],
    )


def _by_bounds(rows: list[dict[str, Any]]) -> str:
    """Return what bounds decided where leaders are not known."""
    text = ""
    for by, means in (
        (
            "bound",
            "tokens share leaders, and a bound for all later depths shows that each tends to a or to b, enclosed",
        ),
        (
            "one value",
            "all levels come together before a bound holds, and their limits differ by no more than they do,",
        ),
    ):
        chosen = [row for row in rows if row["by"] == by and row["outcome"] is not None]
        if chosen:
            worst = max(row["width"] / row["scale"] for row in chosen)
            latest = max(row["depth"] for row in chosen)
            text += f"In {len(chosen)} {means} within {worst:.1e} by lambda_1 t = {latest:.0f}. "
    return text


def _special(kind: str, name: str, says: str, rows: list[dict[str, Any]]) -> Verdict:
    chosen = [row for row in rows if row["kind"] == kind]
    counts = _counts(len(row["ends"]) for row in chosen if row["ends"])
    found = _listed(counts)
    expected = [
        None if row["outcome"] is None else bool(row["outcome"]) and (kind != "one side" or len(row["ends"]) == 1)
        for row in chosen
    ]
    return Verdict.of(name, says, f"{_of_tokens(chosen)} Distinct limits: {found}.", expected)


def _of_tokens(rows: list[dict[str, Any]]) -> str:
    """Say of how many tokens the draws are."""
    return f"Each draw has {ends((row['tokens'] for row in rows), 'd')} tokens." if rows else "No draws."


def _symmetric(rows: list[dict[str, Any]]) -> Verdict:
    chosen = [row for row in rows if row["kind"] == "symmetric"]
    outcomes = []
    for row in chosen:
        ends, still = row["ends"], row["middle"] <= _STILL
        opposite = len(ends) == 2 and abs(ends[0] + ends[1]) <= 1e-6 * row["scale"] + row["width"]
        # the middle token is never decided: that it stays is known by symmetry
        outcomes.append((opposite and still) if row["undecided"] == 1 else None)
    worst = max((row["middle"] for row in chosen), default=0.0)
    return Verdict.of(
        "Theorem 4.2, three values",
        "A third hyperplane through the origin may appear for non-generic initial tokens.",
        f"{_of_tokens(chosen)} They are +-x and one at 0: two limits, b and -b, and the token at 0 has {worst:.1e} of"
        " the largest speed as long as the symmetry is held; a run left to itself loses it to rounding, so settling"
        " never decides it.",
        outcomes,
    )


def _lemma(key: str, number: str, rows: list[dict[str, Any]]) -> Verdict:
    seen = [row for row in rows if row[key] is not None]
    worst = max((row[number] for row in seen), default=0.0)
    if key == "lemma_9_1":
        says = "For lambda_k real and >= 0 the largest phi_k^*(z_j) does not grow and the least does not fall."
        text = f"The largest step the wrong way is {worst:.1e} of the initial spread; the solver may add 1e-7 |x|."
        return Verdict.of("Lemma 9.1", says, text, [row[key] for row in seen])
    says = "|phi_k^*(e^{tV} z_i)| <= C e^{|lambda_k| t}, with C the largest initial |phi_k^*(z_j)|."
    return Verdict.of("Lemma 9.3", says, f"The largest ratio of both sides is {worst:.6f}.", [row[key] for row in seen])


def _corollary(rows: list[dict[str, Any]]) -> Verdict:
    growth = max((row["largest"] / row["start"] for row in rows), default=0.0)
    share = max((row["largest"] / row["bound"] for row in rows), default=0.0)
    unknown = sum(row["undecided"] > 0 for row in rows)
    return Verdict.of(
        "Cor. 9.2",
        "With a spectrum in [0, inf) every z_i stays bounded.",
        f"{_of_tokens(rows)} |z| of all tokens to lambda_1 t = {FOLLOWED:g}, and of those with known leaders to 400, is"
        f" at most {growth:.2f} times its initial maximum and {share:.2f} of the bound that Lemma 9.1 gives, which"
        f" needs no leaders; in {unknown} of {len(rows)} draws some are not known.",
        [row["outcome"] for row in rows],
    )


def _growth(rows: list[dict[str, Any]]) -> Verdict:
    seen = [row for row in rows if row.get("growth") is not None]
    off = [abs(row["growth"] / row["growth_expected"] - 1) for row in seen]
    return Verdict.of(
        "Remark 9.4",
        "|z_i| may diverge along the hyperplane when V has negative eigenvalues.",
        f"It does, like e^(-t min Re lambda): the measured exponent differs from -min Re lambda by at most "
        f"{max(off, default=0.0):.1e} of it.",
        [error <= _GROWTH for error in off],
    )


def table(summary: dict[str, Any]) -> str:
    """Return the verdicts, the draws, what failed in screened triples, and what happens without a condition."""
    moved = [row for row in summary["rows"] if "ends" in row]
    lines = [
        [
            row["kind"] if row["kind"] != "published" else f"Fig. {row['figure']}",
            str(row.get("d", len(row["eigenvalues"]))),
            row.get("head", "I"),
            f"{row['gap'] / row['value']:.2f}",
            f"{row['angle']:.1f}",
            f"{row['depth']:.2f}",
            str(row["undecided"]),
            row["by"] if row["outcome"] is not None else "",
            " ".join(f"{end:.4f}" for end in row["ends"]),
            f"{row['width'] / row['scale']:.0e}" if row["width"] else "",
        ]
        for row in moved
    ]
    heading = ["draw", "d", "Q, K", "gap", "angle", "settled", "undecided", "by", "limits of phi_1^*(z)", "within"]
    parts = [verdict.table(summary), text_table(heading, lines)]
    parts.append("gap: (|lambda_1| - |lambda_2|) / lambda_1; angle of phi_1 and phi_1^*, degrees; settled: lambda_1 t*")
    parts.append("within: where the limits are enclosed by a bound, how well, over the initial spread")
    screened = [row for row in summary["rows"] if row["kind"] == "screen"]
    names = sorted({name for row in screened for name in row["failed"]})
    counted = [
        [str(row["d"]), str(row["count"]), str(row["good"]), *(str(row["failed"].get(name, 0)) for name in names)]
        for row in screened
    ]
    parts.append("Q, K, V with entries uniform on [-1, 1]: good triples, and which condition fails")
    parts.append(text_table(["d", "draws", "good", *names], counted))
    parts.append("Shown, not claimed: a condition fails")
    parts += [
        f"{row['condition']}: {row['problems'][0]}; at |lambda| t = {row['depth']:.1f} the levels' spread is "
        f"{row['spread']:.2g} of the initial one, {row['values']} values to a hundredth of it ({row['status']})"
        for row in summary["rows"]
        if row["kind"] == "astray"
    ]
    return "\n".join(parts)
