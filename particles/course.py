"""The course of a run that may be broken off and resumed: how long it has taken, and how it ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Course:
    """What every resumable run keeps, beside its own state.

    Attributes
    ----------
    seconds : float
        What earlier runs took; once it has ended, all of it.
    status, message : str
        How it ended; empty while it goes on.
    """

    seconds: float = 0.0
    status: str = ""
    message: str = ""
    began: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        """Seconds so far, those of earlier runs included."""
        return self.seconds if self.message else self.seconds + time.perf_counter() - self.began

    def end(self, status: str, message: str) -> None:
        """Stop the clock and say how it ended."""
        self.seconds = self.elapsed
        self.status, self.message = status, message
