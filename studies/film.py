"""A film: what `meanfield run --animate` writes for a study that has one.

A study module that can be animated defines, beside what `studies.contract` lists,

    film(config) -> Film

Its frames are drawn one at a time, without pyplot, and the same at every call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Film:
    """Frames and how fast they follow each other.

    Parameters
    ----------
    frames : int
        How many there are.
    draw : callable
        k -> a fresh Figure, for k = 0, 1, ..., frames - 1; all of the same size in pixels.
    per_second : float
        Frames a second.
    """

    frames: int
    draw: Callable[[int], Figure]
    per_second: float = 12.0
