"""Independent cases on several processes: results as they come, failures kept apart, nothing left running."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from studies import worker

Case = dict[str, Any]
ABRUPT = "its worker process ended abruptly; the system may have run out of memory (try fewer --jobs)"


@dataclass(frozen=True)
class Finished:
    """One case's end: a result, or the traceback of its failure."""

    index: int
    result: dict[str, Any] | None
    failure: str | None


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each_case(module: str, cases: Mapping[int, Case], jobs: int) -> Generator[Finished, None, None]:
    """Yield the end of every case, in the order in which they end.

    Parameters
    ----------
    module : str
        Import name of the module whose `run_case` is called.
    cases : mapping from int to dict
        The cases by their place in the study.
    jobs : int
        Number of worker processes; even one runs apart, so that a case can kill only its own process.
    """
    todo = dict(cases)
    while todo:
        # A dead worker breaks its whole pool; what had not started goes on in the next one.
        yield from _one_pool(module, todo, min(jobs, len(todo)))


def _one_pool(module: str, todo: dict[int, Case], jobs: int) -> Iterator[Finished]:
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(
        max_workers=jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=worker.prepare,
        initargs=(max(1, usable_cores() // jobs),),
    )
    running: dict[Future, int] = {}
    try:
        while todo or running:
            # No queue ahead of the workers: only cases that really ran are blamed when a pool breaks.
            while todo and len(running) < jobs:
                index = next(iter(todo))
                running[executor.submit(worker.work, module, todo[index])] = index
                del todo[index]
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield _finished(running.pop(future), future)
    except BrokenProcessPool:
        # Raised by submit, once every case that ran has been yielded with its failure.
        return
    finally:
        _end(executor, before, in_the_middle=bool(running))


def _finished(index: int, future: Future) -> Finished:
    try:
        result, failure = future.result()
    except BrokenProcessPool:
        return Finished(index, None, ABRUPT)
    except Exception as error:
        # The result could not travel between processes.
        return Finished(index, None, f"{type(error).__name__}: {error}")
    return Finished(index, result, failure)


def _end(executor: ProcessPoolExecutor, before: set[Any], *, in_the_middle: bool) -> None:
    """Leave no process behind; cases in the middle of their work are not waited for."""
    if in_the_middle:
        for process in set(multiprocessing.active_children()) - before:
            process.terminate()
    executor.shutdown(wait=True, cancel_futures=True)
