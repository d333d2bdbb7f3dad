"""The door to the compiled room, opened on first use: importing numba alone takes a third of a second."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np

LOG2_E = float(np.log2(np.e))
LOG_2 = float(np.log(2.0))


@cache
def kernels() -> Any:
    """Return the module of compiled functions, `particles.softmax._dense`."""
    return importlib.import_module("particles.softmax._dense")


@cache
def threads() -> int:
    """Return numba's number of threads: the environment variable NUMBA_NUM_THREADS, else all usable cores."""
    return int(importlib.import_module("numba").config.NUMBA_NUM_THREADS)
