"""What can go wrong in a command, one class for each exit status, and the nearest valid name."""

from __future__ import annotations

import difflib
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
    """
    names = {one.lower(): one for one in valid}
    close = difflib.get_close_matches(name.lower(), names, n=1)
    return f"Did you mean {names[close[0]]}?" if close else f"Valid: {', '.join(names.values())}."
