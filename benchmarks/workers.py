"""Processes with a fixed number of threads, for every library that a benchmark meets."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from multiprocessing import get_context
from typing import Any

from machine import ROOT

VARIABLES = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def use_checkout() -> None:
    """Let `import particles` find this checkout, installed or not."""
    sys.path.insert(0, str(ROOT))


class Worker:
    """A fresh process that is told its number of threads before any library is loaded. Call it to run there."""

    def __init__(self, threads: int) -> None:
        self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=use_checkout)
        before = dict(os.environ)
        os.environ.update(environment(threads))
        try:
            self._pool.submit(os.getpid).result()
        finally:
            os.environ.clear()
            os.environ.update(before)

    def __call__(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return self._pool.submit(_aside, work, *arguments).result()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *trouble: object) -> None:
        self._pool.shutdown(cancel_futures=True)


def _aside(work: Callable[..., Any], *arguments: Any) -> Any:
    """Do the work with what libraries print sent to standard error: standard output is the table's."""
    with redirect_stdout(sys.stderr):
        return work(*arguments)


def environment(threads: int) -> dict[str, str]:
    """Return the variables that fix the number of threads."""
    fixed = {name: str(threads) for name in VARIABLES}
    if threads == 1:
        fixed["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return fixed
