"""What can go wrong in a command, one class for each exit status, and the nearest valid name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

DONE, BAD_INPUT, RUN_FAILED, STORE_FAILED, INTERRUPTED = 0, 2, 3, 4, 130


class BadInput(ValueError):
    """What was asked for is not valid; holds every problem, not only the first.

    Parameters
    ----------
    problems : iterable of str
        One clear line each.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class StoreError(OSError):
    """A result could not be written."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a sentence with the nearest valid name, or with all of them if none is near.

    Examples
    --------
    >>> nearest("stabilty", ["stability", "convergence"])
    'Did you mean stability?'
    >>> nearest("figure-1", ["figure-13", "figure-01"])
    'Did you mean figure-01?'
    """
    names = {one.lower(): one for one in valid}
    same = [one for one in names if _counting(one) == _counting(name.lower())]
    if same:
        return f"Did you mean {names[same[0]]}?"
    close = difflib.get_close_matches(name.lower(), names, n=1)
    return f"Did you mean {names[close[0]]}?" if close else f"Valid: {', '.join(names.values())}."


def _counting(name: str) -> str:
    """Return a name without the zeros that its numbers begin with."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", name)
