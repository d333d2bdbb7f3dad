"""Numbers in sentences: a range whose ends print alike is one number, and one of a kind is no plural."""

from __future__ import annotations

from collections.abc import Iterable


def ends(values: Iterable[float], form: str) -> str:
    """Return "2 to 6", or "2" where the least and the largest value print alike in the given form."""
    listed = list(values)
    least, largest = format(min(listed), form), format(max(listed), form)
    return least if least == largest else f"{least} to {largest}"


def ranging(name: str, values: Iterable[float], form: str) -> str:
    """Return "t from 15.4 to 45.6", or "t = 23.0" where both ends print alike in the given form."""
    found = ends(values, form)
    return f"{name} from {found}" if " to " in found else f"{name} = {found}"


def counted(number: int, one: str, many: str) -> str:
    """Return the number and what is said of one, or of none and of several."""
    return f"{number} {one if number == 1 else many}"
