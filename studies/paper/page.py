"""The page: statement by statement what the paper says, the command, the number measured, the verdict.

Nothing on it is typed but headings: sentences come from the verdicts that studies store, numbers from their headlines.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from studies.paper import equation, sizes, stored
from studies.paper.order import ALL, FIGURES, SECTIONS
from studies.paper.stored import Stored
from studies.registry import STUDIES
from studies.statements.verdict import Verdict, verdicts
from studies.statements.wording import counted

Results = Mapping[str, Stored | None]

_HEADING = ("statement", "the paper says", "measured", "verdict")
_UNSAID = ("Not said", "No statement", "(Beside", "(Read")  # how a text begins that is not the paper's
_OWN = {"existence": equation.of_existence, "stability": equation.of_stability}


def read(results: Path) -> dict[str, Stored | None]:
    """Return what is stored of each study on the page, None where there is nothing.

    Raises
    ------
    ValueError
        If a document is damaged.
    """
    return {name: stored.read(results, name) for name in ALL}


def markdown(results: Results) -> str:
    """Return the page."""
    lines = ["# The paper, statement by statement", "", *_preface(results)]
    for section in SECTIONS:
        lines += [f"## {section.title}", ""]
        lines += [section.text, ""] if section.text else []
        for name in section.studies:
            lines += _study(name, results.get(name))
    lines += ["## Figures", "", *_figures(results)]
    return "\n".join(lines).rstrip() + "\n"


def _preface(results: Results) -> list[str]:
    present = [one for one in results.values() if one is not None]
    seeds = sorted({one.document["seed"] for one in present})
    versions: dict[str, set[str]] = {}
    for one in present:
        for library, version in one.document["versions"].items():
            versions.setdefault(library, set()).add(version)
    judged = [verdict for one in present if one.name not in FIGURES for verdict in _verdicts(one)]
    own = [verdict for verdict in judged if not verdict.says.startswith(_UNSAID)]
    beside = [verdict for verdict in judged if verdict.says.startswith(_UNSAID)]
    missing = [name for name in ALL if results.get(name) is None]
    lines = [
        "Geshkovski, Letrouit, Polyanskiy, Rigollet, *The emergence of clusters in self-attention dynamics* (arXiv",
        "2305.05465). This page is not edited by hand but made by",
        "",
        *(f"    {line}" for line in sizes.commands(present)),
        "",
        "from the numbers that the studies have stored. A verdict counts draws or cases: in how many a statement held,",
        "in how many it failed, and how many double precision cannot decide.",
        "",
        *_bullet(f"Seed: {_listed(seeds)}. Size: {sizes.described(present)}."),
        f"- Versions: {_listed(f'{name} ' + '/'.join(sorted(of)) for name, of in versions.items())}.",
        *_bullet(f"On what the paper says {_counted(own)}."),
        *_bullet(f"On what it does not say, and is marked so, {_counted(beside)}."),
    ]
    if missing:
        lines += _bullet(f"Missing, so that their statements and figures are too: {_listed(missing)}.")
    return [*lines, ""]


def _counted(judged: Sequence[Verdict]) -> str:
    failing = sum(verdict.failed > 0 for verdict in judged)
    open_ = sum(verdict.failed == 0 and verdict.undecided > 0 for verdict in judged)
    return (
        f"{counted(len(judged), 'verdict', 'verdicts')}: {len(judged) - failing - open_} hold in all draws, {open_} in "
        f"all that are decided, {failing} fail in some or all"
    )


def _bullet(text: str) -> list[str]:
    return textwrap.wrap(f"- {text}", 118, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)


def _listed(values: Any) -> str:
    return ", ".join(map(str, values)) or "none"


def _study(name: str, one: Stored | None) -> list[str]:
    if one is None:
        return [_missing(name), ""]
    rows = [(v.statement, v.says, v.measured, _marked(v)) for v in _verdicts(one)]
    lines = [f"{_cell(STUDIES[name].summary)}:", "", f"    {one.command}", "", *_table(_HEADING, rows), ""]
    return lines + _exceptions(name, one.summary.get("exceptions"))


def _missing(name: str) -> str:
    return (
        f"**Missing:** nothing is stored of `{name}`; `{stored.command(name)}` with the same `--out`, and then "
        "`python -m studies.paper` for that folder, puts it here."
    )


def _verdicts(one: Stored) -> list[Verdict]:
    return _OWN[one.name](one.summary) if one.name in _OWN else verdicts(one.summary)


def _marked(verdict: Verdict) -> str:
    return verdict.text if verdict.held == verdict.draws else f"**{verdict.text}**"


def _exceptions(name: str, found: Any) -> list[str]:
    """Return the table of a study's exceptions, mappings, without the matrices in them."""
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        return []
    if not found:
        return ["There are no exceptions.", ""]
    matrices = [key for key in found[0] if any(_is_matrix(one.get(key)) for one in found)]
    keys = [key for key in found[0] if key not in matrices]
    rows = [[_number(one.get(key)) for key in keys] for one in found]
    where = f' ({", ".join(matrices)} of each are in {name}/{name}.json, under "summary", "exceptions")'
    heading = f"{counted(len(found), 'exception', 'exceptions')}{where * bool(matrices)}:"
    return [heading, "", *_table([_words(key) for key in keys], rows), ""]


def _figures(results: Results) -> list[str]:
    rows = []
    for name in FIGURES:
        one = results.get(name)
        if one is None:
            rows.append((STUDIES[name].summary, f"`{stored.command(name)}`", "**missing**"))
            continue
        headline = one.summary["headline"]
        numbers = "; ".join(f"{_words(key)}: {_number(value)}" for key, value in headline.items())
        rows.append((STUDIES[name].summary, f"`{one.command}`", numbers))
    return _table(("figure", "command", "numbers"), rows)


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, list) for row in value)


def _words(key: str) -> str:
    return key.replace("_", " ")


def _number(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "(" + ", ".join(map(_number, value)) + ")"
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key}: {_number(one)}" for key, one in value.items()) + ")"
    return str(value)


def _table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [tuple(map(_cell, heading)), ("---",) * len(heading), *(tuple(map(_cell, row)) for row in rows)]
    return [f"| {' | '.join(row)} |" for row in cells]


def _cell(text: str) -> str:
    """Return text that Markdown shows as it is, but for what is marked as code or as a whole in bold."""
    if text.startswith("**") and text.endswith("**") and len(text) > 4:
        return f"**{_cell(text[2:-2])}**"
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:  # a backtick that is left open
        parts = ["'".join(parts)]
    for k, part in enumerate(parts):
        for sign in "|" if k % 2 else "\\|*_<[":
            part = part.replace(sign, "\\" + sign)
        parts[k] = part
    return "`".join(parts)
