"""Rows: a figure, the bar it should reach, and what it was made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MEASURED, MISSING, REFUSED = "measured", "not available", "refused"


@dataclass(frozen=True)
class Bar:
    """A figure to reach: at least `figure`, or at most."""

    figure: float
    at_least: bool

    def met(self, value: float) -> bool:
        return value >= self.figure if self.at_least else value <= self.figure

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.figure:g}"


def at_least(figure: float) -> Bar:
    return Bar(figure, True)


def at_most(figure: float) -> Bar:
    return Bar(figure, False)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    `details` holds what the figure was made of: the case, its seed and every time.
    """

    name: str
    value: float | None = None
    unit: str = ""
    bar: Bar | None = None
    note: str = ""
    status: str = MEASURED
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        return None if self.bar is None or self.value is None else self.bar.met(self.value)

    def as_json(self) -> dict[str, Any]:
        bar = None if self.bar is None else {"figure": self.bar.figure, "at_least": self.bar.at_least}
        return {
            "name": self.name,
            "status": self.status,
            "value": self.value,
            "unit": self.unit,
            "bar": bar,
            "met": self.met,
            "note": self.note,
            **self.details,
        }

    def line(self) -> str:
        figure = self.status if self.value is None else f"{self.value:.3g} {self.unit}"
        mark = {None: "", True: "met", False: "MISSED"}[self.met]
        bar = "" if self.bar is None else str(self.bar)
        return f"{self.name:<50} {figure:>16}  {bar:>10}  {mark:<6} {self.note}".rstrip()


def missing(name: str, note: str, bar: Bar | None = None) -> Row:
    return Row(name, bar=bar, note=note, status=MISSING)


def refused(name: str, note: str, bar: Bar | None = None) -> Row:
    return Row(name, bar=bar, note=note, status=REFUSED)


HEADING = f"{'row':<50} {'figure':>16}  {'bar':>10}  {'':<6} note"


def summary(rows: Iterable[Row]) -> str:
    judged = [row.met for row in rows if row.met is not None]
    return f"{sum(judged)} of {len(judged)} bars met"
