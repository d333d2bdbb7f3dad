"""Refuse what would not fit into memory before it is tried."""

from __future__ import annotations

import math
import os


def require(needed: float, what: str) -> None:
    """Raise if `what` needs more bytes than are free.

    Raises
    ------
    MemoryError
        Naming both numbers.
    """
    free = free_memory()
    if needed > free:
        raise MemoryError(f"{what} needs {needed / 2**30:.3g} GiB; {free / 2**30:.3g} GiB are free.")


def free_memory() -> float:
    """Return the bytes that can be had without swapping; infinite where the system does not tell."""
    try:
        with open("/proc/meminfo") as lines:
            return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        pass
    try:
        return float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return math.inf
