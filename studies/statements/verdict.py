"""A verdict: what the paper states, in how many draws it held, and the numbers it was judged by.

A draw holds, fails, or is not decided: what double precision cannot tell apart is never counted as one of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from studies.text_table import text_table


@dataclass(frozen=True)
class Verdict:
    """What came of one statement.

    Parameters
    ----------
    statement : str
        What the paper calls it, as "Theorem 2.1".
    says : str
        What it says, in one sentence.
    measured : str
        The numbers it is judged by, in one sentence.
    held, failed, undecided : int
        Draws in which it held, in which it did not, and in which double precision does not tell.
    """

    statement: str
    says: str
    measured: str
    held: int
    failed: int = 0
    undecided: int = 0

    @classmethod
    def of(cls, statement: str, says: str, measured: str, outcomes: Iterable[bool | None]) -> Verdict:
        """Return the verdict over draws of which each held (True), failed (False) or is not decided (None)."""
        seen = list(outcomes)
        undecided = sum(outcome is None for outcome in seen)
        held = sum(outcome is not None and bool(outcome) for outcome in seen)
        return cls(statement, says, measured, held, len(seen) - held - undecided, undecided)

    @property
    def draws(self) -> int:
        """How many draws there were."""
        return self.held + self.failed + self.undecided

    @property
    def text(self) -> str:
        """The verdict in words."""
        if self.held == self.draws:
            return "holds" if self.draws == 1 else f"holds in all {self.draws}"
        parts = [f"holds in {self.held} of {self.draws}"] if self.held else []
        parts += [f"fails in {self.failed} of {self.draws}" if not parts else f"fails in {self.failed}"] * bool(
            self.failed
        )
        parts += [f"undecided in {self.undecided}"] * bool(self.undecided)
        return ", ".join(parts)

    def record(self) -> dict[str, Any]:
        """Return the verdict as it stands in a study's summary, under "verdicts"."""
        return asdict(self)


def verdicts(summary: Mapping[str, Any]) -> list[Verdict]:
    """Return the verdicts of a study's summary."""
    return [Verdict(**record) for record in summary["verdicts"]]


def table(summary: Mapping[str, Any]) -> str:
    """Return a row for each statement, and below it what was measured."""
    found = verdicts(summary)
    rows = [[verdict.statement, verdict.text] for verdict in found]
    lines = [f"{verdict.statement}: {verdict.says}\n    {verdict.measured}" for verdict in found]
    return "\n".join([text_table(["statement", "verdict"], rows), *lines])
