"""Inside a worker process: take a job, say so, do it, send what it came to; end when the parent does."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing import connection
from typing import Any

from tqdm import tqdm

from studies import interrupts

Function = Callable[[Any, int], Any]
BEGUN = "begun"
_DEATH_OF_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def environment(threads: int) -> dict[str, str]:
    """Return the variables of a worker's environment; they count when numerical libraries are first imported.

    Parameters
    ----------
    threads : int
        For numba's row-parallel kernels, whose results do not depend on it. Linear algebra always gets one
        thread, because its last bits do.
    """
    libraries = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    return {**dict.fromkeys(libraries, "1"), "NUMBA_NUM_THREADS": str(threads)}


def serve(jobs: connection.Connection) -> None:
    """Do the jobs (function, argument, attempt) that come until there are no more.

    What is sent back is `BEGUN`, and then what `function(argument, attempt)` returned, for each of them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    interrupts.let_through(signal.SIGINT)
    # The default is a lock between processes: of a worker that is ended it would be said that it leaks.
    tqdm.set_lock(threading.RLock())
    _end_with_parent()
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, argument, attempt = jobs.recv()
            jobs.send(BEGUN)
            jobs.send(function(argument, attempt))


def _end_with_parent() -> None:
    """End when the parent ends, even by kill -9, and even in a kernel that never lets Python run."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_DEATH_OF_PARENT, signal.SIGKILL)
    # Elsewhere, and if the parent ended before the line above.
    threading.Thread(target=_watch_parent, daemon=True).start()


def _watch_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
