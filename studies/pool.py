"""Supervised processes: jobs to reports; a process that dies takes only its own job with it, which is tried again.

Each process has a pipe of its own. One that dies is seen at once, by its end of the pipe and by its sentinel; the
others go on. What ran in it was begun for nothing: it goes to the end of the queue, and after three attempts it is
given up. A job that a process had not begun when it died is not charged with an attempt.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from types import TracebackType
from typing import Any, Self

from studies import interrupts, worker
from studies.worker import BEGUN, Function

ATTEMPTS = 3  # the first, and twice again
_FALSE_STARTS = 3  # processes in a row that die before they begin their job
_TICK = 1.0
_GRACE = 1.0  # for the processes to end by themselves: a quarter is plenty


@dataclass(frozen=True)
class Started:
    """A job was given away."""

    index: int


@dataclass(frozen=True)
class Lost:
    """The process that did a job died: it `what`; the job is tried again."""

    index: int
    what: str
    attempt: int


@dataclass(frozen=True)
class Ended:
    """A job's end: what its function returned, or why there is nothing."""

    index: int
    report: Any
    failure: str | None = None


@dataclass(frozen=True)
class Tick:
    """A second went by."""


Event = Started | Lost | Ended | Tick


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool:
    """Processes that do jobs, started as they are needed; when the `with` block ends, so do they.

    Within the block the signals of `studies.interrupts` raise KeyboardInterrupt out of `each` and `check` only.

    Parameters
    ----------
    jobs : int
        The largest number of processes; even one runs apart, so that a job can kill only its own process.
    stay : bool
        Whether idle processes outlive a block that ends well, so that there can be another one; then `close` ends them.
    """

    def __init__(self, jobs: int, *, stay: bool = False) -> None:
        self._jobs = jobs
        self._stay = stay
        self._threads = max(1, usable_cores() // jobs)
        self._workers: list[_Worker] = []
        self._interrupts = interrupts.Interrupts()

    def __enter__(self) -> Self:
        self._interrupts.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if not self._stay or kind is not None:
                _end(self._workers)
        finally:
            self._interrupts.__exit__(kind, error, at)

    def close(self) -> None:
        """End the processes that stayed."""
        with interrupts.Interrupts():
            _end(self._workers)

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal asked for an end."""
        self._interrupts.raise_if_any()

    def each(self, function: Function, arguments: Mapping[int, Any]) -> Generator[Event, None, None]:
        """Yield what happens to the jobs `function(argument, attempt)`, until every one has ended.

        Parameters
        ----------
        function : callable
            A function of a module; what it returns must survive pickling, and it must not raise.
        arguments : mapping from int
            Its first argument, for each job.

        Raises
        ------
        KeyboardInterrupt
            If a signal asked for an end.
        """
        queue = _Queue(deque(arguments), Counter(), Counter())
        while queue.waiting or any(one.index is not None for one in self._workers):
            while queue.waiting and (one := self._free(len(queue.waiting))) is not None:
                index = queue.waiting[0]
                if one.give(index, (function, arguments[index], queue.attempts[index] + 1)):
                    queue.waiting.popleft()
                    yield Started(index)
                else:
                    self._bury(one)
            yield from self._next(queue)

    def _next(self, queue: _Queue) -> Iterator[Event]:
        """Wait for something to happen, and yield what did."""
        handles: list[Any] = [self._interrupts.reader]
        for one in self._workers:
            handles += [one.connection, one.process.sentinel]
        ready = connection.wait(handles, timeout=_TICK)
        self.check()
        if not ready:
            yield Tick()
        for one in list(self._workers):
            if one.connection in ready or one.process.sentinel in ready:
                index, alive = one.index, True
                try:
                    while one.connection.poll():
                        if (event := one.hear()) is not None:
                            yield event
                except (EOFError, OSError):
                    alive = False
                if not alive or not one.process.is_alive():
                    what = self._bury(one)
                    if one.index is not None and index is not None:
                        yield from queue.lost(index, what, begun=one.begun)

    def _free(self, wanted: int) -> _Worker | None:
        for one in self._workers:
            if one.index is None:
                return one
        if len(self._workers) >= self._jobs or wanted == 0:
            return None
        self._workers.append(_Worker(self._threads))
        return self._workers[-1]

    def _bury(self, one: _Worker) -> str:
        """Remove a dead process, and say how it died."""
        self._workers.remove(one)
        one.connection.close()
        one.process.join(_GRACE)
        if one.process.exitcode is None:
            one.process.kill()  # it closed its pipe and lives: nothing can reach it any more
            one.process.join()
        return _how_it_died(one.process.exitcode or 0)


@dataclass(frozen=True)
class _Queue:
    """Jobs that wait for a process, and how often each was begun, or was with a process that never began."""

    waiting: deque[int]
    attempts: Counter[int]
    false_starts: Counter[int]

    def lost(self, index: int, what: str, *, begun: bool) -> Iterator[Event]:
        """Queue a job again whose process died, or give it up."""
        counts, most = (self.attempts, ATTEMPTS) if begun else (self.false_starts, _FALSE_STARTS)
        counts[index] += 1
        if counts[index] < most:
            # Last: a case that needs all the memory has more of it when the others are done.
            self.waiting.append(index)
            when = "" if begun else " before it began"
            yield Lost(index, what + when, self.attempts[index] + (not begun))
        elif begun:
            yield Ended(index, None, f"its process ended abruptly in each of {most} attempts; the last one {what}")
        else:
            yield Ended(index, None, f"{most} processes ended before they could begin it; the last one {what}")


class _Worker:
    """A process, the pipe to it, and the job it has, if any."""

    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.index: int | None = None
        self.begun = False
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=worker.serve, args=(theirs,), daemon=True)
        with _environment(worker.environment(threads)), interrupts.held_back(signal.SIGINT):
            self.process.start()
        theirs.close()

    def give(self, index: int, job: tuple[Function, Any, int]) -> bool:
        """Whether the process took the job; if not, it is dead."""
        try:
            self.connection.send(job)
        except OSError:
            return False
        self.index, self.begun = index, False
        return True

    def hear(self) -> Ended | None:
        """Take the next message of the process; return the end of its job, if it is that."""
        message = self.connection.recv()
        if not self.begun:
            assert message == BEGUN
            self.begun = True
            return None
        assert self.index is not None
        index, self.index, self.begun = self.index, None, False
        return Ended(index, message)


def _end(workers: list[_Worker]) -> None:
    """Leave no process behind. One that is writing a finished case is given the time to; the others end at once."""
    for one in workers:
        one.connection.close()
        if one.index is not None:
            one.process.terminate()
    last = time.monotonic() + _GRACE
    for one in workers:
        one.process.join(max(0.0, last - time.monotonic()))
        if one.process.exitcode is None:
            one.process.kill()
            one.process.join()
    workers.clear()


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Let a process that is started within the block have these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _how_it_died(status: int) -> str:
    if status >= 0:
        return f"left with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    out_of_memory = " (perhaps out of memory: try fewer --jobs)" if name == "SIGKILL" else ""
    return f"was killed by {name}{out_of_memory}"
