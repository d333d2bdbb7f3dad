"""The statements about several heads, judged from all runs."""

from __future__ import annotations

from typing import Any

from studies.statements.multi_head.families import HYPERPLANES, ORIGIN, TITLES
from studies.statements.verdict import Verdict
from studies.statements.wording import counted, ends, ranging

FORMS = {"discrete": "dt = 1", "continuous": "continuous"}
SAME = 1e-13  # of the field: sums of H terms in another order
GROWS = 1e-13  # of the size of the tokens: what a step rounds
FALLS = 0.05  # in a unit of depth: |z| falls at least by this rate
NEAR_VERTEX = 1e-2  # of the size: what a direct run tells apart

_UNSAID = "Not said by the paper:"

Rows = list[dict[str, Any]]


def verdicts(rows: Rows) -> list[Verdict]:
    """Return a verdict on each statement, for H > 1 heads but where it says otherwise.

    Section 12 states the law and no result: what is asked of several heads is our reading of the theorems about one.
    """
    found = _at_rest(rows, [row for row in rows if row["family"] == "polytope"])
    for family in (*HYPERPLANES, "subspaces", *ORIGIN):
        for form, name in FORMS.items():
            chosen = [r for r in rows if r["family"] == family and r["form"] == form and r["heads"] > 1]
            if family == "any":
                for sign, paired in (("every <Q_h phi, K_h phi> > 0", True), ("some <Q_h phi, K_h phi> < 0", False)):
                    some = [row for row in chosen if row["paired"] == paired]
                    found += [_of_levels(f"Gaussian heads, {sign}", name, some)] * bool(some)
            elif chosen:
                judge = _of_levels if family in HYPERPLANES else _of_fall if family in ORIGIN else _of_subspaces
                found.append(judge(TITLES[family], name, chosen))
    return found


def _at_rest(rows: Rows, at_rest: Rows) -> list[Verdict]:
    """Return what heads with one B are, and the verdicts on V_h = I/H."""
    one, several = ([r for r in at_rest if (r["heads"] > 1) == many] for many in (False, True))
    known = [row for row in several if not row["undecided"]]
    timed = [row for row in at_rest if row["form"] == "continuous"]
    merged = max(row["merged"] for row in rows)
    grown = [row["growth"] for row in at_rest if row["growth"] is not None]
    total = sum(row["n"] for row in known)
    inside, off = (sum(row[key] for row in known) for key in ("inside", "off_vertices"))
    both = [(r["clusters"], r["clusters_with_steps"]) for r in at_rest if r.get("clusters_with_steps") is not None]
    companies = sum(row["largest_company"] > 1 for row in known)
    from_one, from_many = (_most([r["from_boundary"] for r in some if not r["undecided"]]) for some in (one, several))
    return [
        Verdict.of(
            "Section 12, heads with one B",
            "(Read from Section 12.) Heads with the same Q and K are one head whose value matrix is U = sum_h V_h.",
            f"The fields differ by at most {merged:.1e} of their size, which is rounding.",
            [row["merged"] <= SAME for row in rows],
        ),
        Verdict.of(
            "Prop. 8.2 with H heads",
            f"{_UNSAID} with V_h = I/H and any B_h the hull of the rescaled tokens shrinks.",
            f"In ten steps dt = 1 and 64 directions it grows by at most {_most(grown)} of the size of the tokens.",
            [growth <= GROWS for growth in grown],
        ),
        Verdict.of(
            "Section 12, dt = 1 beside continuous time",
            f"{_UNSAID} with V_h = I/H, B_h > 0 the same tokens gather in as many clusters in both.",
            f"In {len(both)} runs of either kind tokens end in {sum(a for a, _ in both)} clusters in continuous time "
            f"and in {sum(b for _, b in both)} with steps.",
            [
                None if r.get("clusters_with_steps") is None else r["clusters"] == r["clusters_with_steps"]
                for r in timed
            ],
        ),
        Verdict.of(
            "Theorem 3.1 with one head",
            "With V = I, B > 0 every token tends to the boundary of a polytope or to 0.",
            f"Farthest limit from there: {from_one} of the size of the tokens.",
            [None if row["undecided"] else row["inside"] == 0 for row in one],
        ),
        Verdict.of(
            "Theorem 3.1 with H > 1 heads",
            f"{_UNSAID} with V_h = I/H, B_h > 0 every token tends to the boundary of a polytope or to 0 (exact in the "
            "plane).",
            f"{inside} of {total} tokens {'tends' if inside == 1 else 'tend'} to points inside; farthest from boundary "
            f"and 0: {from_many} of the size of the tokens.",
            [None if row["undecided"] else row["inside"] == 0 for row in several],
        ),
        Verdict.of(
            "Table 1, row 1, with H > 1 heads",
            f"{_UNSAID} with V_h = I/H, B_h > 0 every token tends to a vertex.",
            f"{off} of {total} tokens {'tends' if off == 1 else 'tend'} to other points, means of the vertices their "
            f"heads attend to. In {companies} of {len(known)} runs some vertex "
            "is no leading token but the centre of several, each for other heads.",
            [None if row["undecided"] else row["off_vertices"] == 0 for row in several],
        ),
    ]


def _of_levels(title: str, form: str, rows: Rows) -> Verdict:
    resting = [row for row in rows if row["holds"] and not row["falls"]]
    away, counts = ([row[key] for row in resting] for key in ("away", "clusters"))
    falling = [row["pace"] for row in rows if row["holds"] and row["falls"]]
    each = ", ".join(f"{counts.count(m)} with {m} level{'s' * (m != 1)}" for m in sorted(set(counts)))
    elsewhere = sum(row["holds"] is False and not row["diverges"] for row in rows)
    measured = f"At rest there: {each or 'none'}, at distances up to {_most(away)} of their size."
    measured += f" {elsewhere} at rest elsewhere." * bool(elsewhere)
    if falling:
        measured += (
            f" In {counted(len(falling), 'run', 'runs')} all levels tend to 0: heads that draw tokens to opposite sides"
            " balance, tokens keep their shape and z falls like e^(ck), k steps or depth,"
            f" {ranging('c', falling, '.2f')}."
        )
    return Verdict.of(
        f"Theorem 4.2 with H > 1 heads, {title}, {form}",
        f"{_UNSAID} along the leading left eigenvector of U tokens tend to one of a < 0 < b and 0.",
        measured + _restless(rows),
        [row["holds"] for row in rows],
    )


def _restless(rows: Rows) -> str:
    """Say what runs do that do not come to rest."""
    gone = sorted(row["pace"] for row in rows if row["holds"] is False and row["diverges"])
    left = [row for row in rows if row["holds"] is None]
    said = ""
    if gone:
        said += (
            f" {counted(len(gone), 'run outgrows', 'runs outgrow')} U to the end: heads follow different tokens, and z "
            f"grows like e^(ck), k steps or depth, {ranging('c', gone, '.2f')}."
        )
    if left:
        fast = [row["moving"] for row in left if row["moving"] is not None]
        falls = sum(row["pace"] < -FALLS for row in left)
        said += f" {len(left)} not decided: " + (
            "it ends early or still moves" if len(left) == 1 else "they end early or still move"
        )
        said += f", by {ends(fast, '.0e')} of the size in a unit of depth" if fast else ""
        said += f"; {counted(falls, 'grows', 'grow')} more slowly than U, heads drawn to opposite sides" * bool(falls)
        said += "."
    return said


def _of_subspaces(title: str, form: str, rows: Rows) -> Verdict:
    away = [row["away"] for row in rows if row["holds"] is not None]
    off = sum(row["off_vertices"] > NEAR_VERTEX for row in rows if row["holds"])
    return Verdict.of(
        f"Theorem 5.2 with H > 1 heads, {title}, {form}",
        f"{_UNSAID} with the same F and G for all heads tokens tend to (boundary of a polytope in F, or 0) x G.",
        f"Farthest from it where runs came to rest: {_most(away)} of the size; in {off} of "
        f"{counted(len(rows), 'run', 'runs')} some token "
        f"rests away from the vertices.{_restless(rows)}",
        [row["holds"] for row in rows],
    )


def _of_fall(title: str, form: str, rows: Rows) -> Verdict:
    norms = [row["norm"] for row in rows if row["norm"] is not None]
    powers = sorted(row["power"] for row in rows if row["power"] is not None)
    fall = f"it falls like t^p, {ranging('p', powers, '.2f')}" if powers else "nothing is known"
    return Verdict.of(
        f"Theorem 8.5 with H > 1 heads, {title}, {form}",
        f"{_UNSAID} every token tends to 0.",
        f"Largest norm at the end: {_most(norms)}; over the last decade of depth {fall}.",
        [row["holds"] for row in rows],
    )


def _most(values: list[float]) -> str:
    return f"{max(values):.1e}" if values else "none known"
