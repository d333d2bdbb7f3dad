"""The door to the compiled room, opened on first use: importing numba alone takes a third of a second."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOG2_E = float(np.log2(np.e))
LOG_2 = float(np.log(2.0))


@cache
def opened(room: str) -> Any:
    """Return a module of compiled functions of this package."""
    return importlib.import_module(f"particles.softmax.{room}")


def read_only(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the array, or a view of it, that cannot be written to: one compiled form serves both kinds."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.setflags(write=False)
    return view


def aligned(size: int) -> NDArray[np.float64]:
    """Return zeros that start at a cache line."""
    room = np.zeros(size + 8)
    skip = -(room.__array_interface__["data"][0] // 8) % 8
    return room[skip : skip + size]


@cache
def threads() -> int:
    """Return numba's number of threads: the environment variable NUMBA_NUM_THREADS, else all usable cores."""
    return int(importlib.import_module("numba").config.NUMBA_NUM_THREADS)
