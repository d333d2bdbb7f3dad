"""What a run says while it runs: a bar on stderr, and lines above it."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

_FORMAT = "{desc} |{bar:24}| {n_fmt}/{total_fmt} done{postfix}; {elapsed} gone, {remaining} left"


class Progress:
    """How many cases are done, running and failed, and the time that is left.

    Parameters
    ----------
    name : str
        What is run.
    total, done : int
        How many cases there are, and how many of them from an earlier run.
    shown : bool
        Whether there is a bar; lines are said in any case.
    note : str
        What stands behind the name, before the bar.
    """

    def __init__(self, name: str, total: int, done: int, shown: bool, note: str = "") -> None:
        self._name, self._running, self._failed = name, 0, 0
        what = f"{name} ({note})" if note else name
        # The mean speed of all cases: that of the last few says little where cases are of all sizes.
        self._bar = tqdm(total=total, initial=done, desc=what, disable=not shown, bar_format=_FORMAT, smoothing=0)
        self._refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.close()

    def started(self) -> None:
        """Note that a case was given to a process."""
        self._running += 1
        self._refresh()

    def lost(self) -> None:
        """Note that the process of a case died."""
        self._running -= 1
        self._refresh()

    def ended(self, *, failed: bool) -> None:
        """Note that a case came to its end."""
        self._running -= 1
        self._failed += failed
        self._bar.update(not failed)
        self._refresh()

    def tick(self) -> None:
        """Let the clock go on."""
        self._bar.refresh()

    def say(self, text: str) -> None:
        """Write a line without breaking the bar."""
        with self._bar.external_write_mode(file=sys.stderr):
            print(f"meanfield: {self._name}: {text}", file=sys.stderr, flush=True)

    def _refresh(self) -> None:
        self._bar.set_postfix_str(f"{self._running} running, {self._failed} failed")
