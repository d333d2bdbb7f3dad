"""Inside a worker process. Nothing heavy is imported: thread limits must be set before numpy comes."""

from __future__ import annotations

import importlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import traceback
from collections.abc import Callable
from typing import Any

LINEAR_ALGEBRA = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def prepare(threads: int) -> None:
    """Set up a fresh process: threads, Ctrl-C, and an end when the parent ends.

    Parameters
    ----------
    threads : int
        For numba's row-parallel kernels, whose results do not depend on it. Linear algebra always gets one
        thread, because its last bits do.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["NUMBA_NUM_THREADS"] = str(threads)
    os.environ.update(dict.fromkeys(LINEAR_ALGEBRA, "1"))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def work(module: str, case: dict[str, Any]) -> tuple[dict[str, Any] | None, str | None]:
    """Return (result, None), or (None, traceback) if the case raised."""
    try:
        run_case: Callable[[dict[str, Any]], dict[str, Any]] = importlib.import_module(module).run_case
        return run_case(case), None
    except Exception:
        # The exception itself may not survive pickling; its text does.
        return None, traceback.format_exc()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
