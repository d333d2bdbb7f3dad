"""Which of the stored studies were run in which size, and by which commands."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from studies.paper.order import ALL
from studies.paper.stored import Stored
from studies.registry import GROUPS
from studies.statements.wording import counted

_ONE = "quick and full"  # the size of a study whose two sizes are the same


def commands(present: Sequence[Stored]) -> list[str]:
    """Return what computes the stored studies and makes the page of them, a line each."""
    groups: dict[tuple[str, int], list[str]] = {}
    main = _main(present)
    for one in present:
        size = main if one.size == _ONE else one.size
        groups.setdefault((size, one.document["seed"]), []).append(one.name)
    lines = []
    for (size, seed), names in groups.items():
        if size == "changed":
            lines += [f"meanfield run {name} --config FILE.toml --seed {seed} --out results" for name in names]
        else:
            option = " --full" * (size == "full")
            lines += _wrapped(f"meanfield run {' '.join(_grouped(names))}{option} --seed {seed} --out results")
    return [*lines, "python -m studies.paper results > docs/paper.md"]


def described(present: Sequence[Stored]) -> str:
    """Return how many studies were run in each size, with the names of those in another than most."""
    main = _main(present)
    by: dict[str, list[str]] = {}
    for one in present:
        by.setdefault(one.size, []).append(one.name)
    single = by.pop(_ONE, [])
    said = [
        f"{size} in {counted(len(names), 'study', 'studies')}" + (f" ({', '.join(names)})" if size != main else "")
        for size, names in sorted(by.items(), key=lambda item: item[0] != main)
    ]
    if single:
        said.append(f"{counted(len(single), 'study', 'studies')} with one size only")
    return ", ".join(said) or "none"


def _main(present: Sequence[Stored]) -> str:
    """Return which of the two sizes more studies were run in, full if neither."""
    found = [one.size for one in present]
    return max(("full", "quick"), key=found.count)


def _grouped(names: Iterable[str]) -> list[str]:
    """Return the names in the page's order, with one name for all that are in a group."""
    left, found = [name for name in ALL if name in set(names)], []
    for group in ("paper", "statements", "figures"):
        if set(GROUPS[group]) <= set(left):
            found.append(group)
            left = [name for name in left if name not in GROUPS[group]]
    return [*found, *left]


def _wrapped(command: str) -> list[str]:
    """Return a command in lines that a shell joins."""
    lines = textwrap.wrap(command, 110, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False)
    return [*(f"{line} \\" for line in lines[:-1]), lines[-1]]
