"""The workers of a Dask cluster as a run sees them: who can be used, who has which case, who is gone."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from studies import cluster_worker, provenance
from studies.jobs import CaseJob, CaseReport

if TYPE_CHECKING:
    from distributed import Client, Future

_LOOK = 1.0  # seconds between two looks at who is there
_ANSWER = 1.0  # of the scheduler, to each
_RESULT = 10.0  # of a worker that has one
_GONE = 30.0  # without an answer


@dataclass
class _Member:
    """A worker: what it was asked last; whether it writes by itself, once it has said so; the case it has."""

    asked: Future
    writes: bool | None = None
    index: int | None = None


@dataclass(frozen=True)
class End:
    """A case's end on a worker: a report, a failure, or how its worker was lost."""

    index: int
    report: CaseReport | None = None
    failure: str | None = None
    lost: str | None = None


class Crew:
    """The workers of a cluster, for one run.

    Parameters
    ----------
    client : distributed.Client
        The connection to the scheduler.
    token : Path
        A file in the run's folder.
    job : CaseJob
        One of the run's jobs: what a worker must be able to import.
    """

    def __init__(self, client: Client, token: Path, job: CaseJob) -> None:
        self._client, self._token, self._job = client, token, job
        self._members: dict[str, _Member] = {}
        self._refused: set[str] = set()
        self._done: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._looked, self._answered = 0.0, time.monotonic()
        self._left: list[End] = []

    def look(self) -> list[str]:
        """Greet workers that came, miss those that went; return a line about each that cannot be used."""
        if time.monotonic() - self._looked >= _LOOK:
            self._looked = time.monotonic()
            present = self._present()
            if present is not None:
                self._answered = time.monotonic()
                self._compare(present)
        lines = []
        for worker, member in list(self._members.items()):
            if member.writes is None and member.asked.cancelled():
                del self._members[worker]  # the scheduler was away: it is greeted again
            elif member.writes is None and member.asked.done():
                refusal = self._hear_greeting(member)
                if refusal is not None:
                    lines.append(f"the worker at {worker} gets no cases: {refusal}")
                    self._refused.add(worker)
                    del self._members[worker]
        return lines

    def gone(self) -> bool:
        """Whether the scheduler has not answered for long."""
        return time.monotonic() - self._answered > _GONE

    def nobody(self) -> bool:
        """Whether no worker can be used, or may be found to be of use."""
        return not self._members

    def free(self) -> str | None:
        """Return a worker without a case; None if there is none."""
        if self._client.status == "running":
            for worker, member in self._members.items():
                if member.writes is not None and member.index is None:
                    return worker
        return None

    def busy(self) -> list[int]:
        """Return the cases that are with a worker."""
        return [member.index for member in self._members.values() if member.index is not None] + [
            end.index for end in self._left
        ]

    def give(self, worker: str, index: int, job: CaseJob, attempt: int) -> None:
        """Let a free worker compute a case."""
        member = self._members[worker]
        member.index = index
        member.asked = self._submit(worker, cluster_worker.compute, job, attempt, member.writes)

    def wait(self, seconds: float) -> None:
        """Wait until something ended, but not longer than this."""
        try:
            self._done.get(timeout=seconds)
        except queue.Empty:
            return

    def ended(self) -> list[End]:
        """Return what ended since."""
        ends, self._left = self._left, []
        for worker, member in list(self._members.items()):
            if member.index is not None and (member.asked.done() or member.asked.status == "lost"):
                end = _end(member.index, member.asked, worker)
                ends.append(end)
                member.index = None
                if end.lost is not None:
                    del self._members[worker]
        return ends

    def _present(self) -> set[str] | None:
        """Return the workers' addresses; None if the scheduler does not answer."""
        if self._client.status != "running":
            return None
        try:
            return set(self._client.nthreads(callback_timeout=_ANSWER))
        except Exception:  # a client fails in many ways while it loses its scheduler
            return None

    def _compare(self, present: set[str]) -> None:
        for worker in self._members.keys() - present:
            member = self._members.pop(worker)
            if member.index is not None:
                member.asked.cancel()
                self._left.append(End(member.index, lost=f"was on the worker at {worker}, which is gone"))
        for worker in sorted(present - self._members.keys() - self._refused):
            needs = (self._token, self._job.module, self._job.store.code, provenance.versions())
            self._members[worker] = _Member(self._submit(worker, cluster_worker.greet, *needs))

    def _hear_greeting(self, member: _Member) -> str | None:
        try:
            member.writes, refusal = member.asked.result(timeout=_RESULT)
        except Exception as error:  # such as a worker that cannot import this package
            return f"{type(error).__name__}: {error}".splitlines()[0]
        return refusal

    def _submit(self, worker: str, function: Callable[..., Any], *arguments: Any) -> Future:
        name = f"meanfield-{function.__name__}-{uuid4().hex}"
        future = self._client.submit(function, *arguments, key=name, workers=[worker], pure=False)
        future.add_done_callback(lambda _: self._done.put(None))
        return future


def _end(index: int, future: Future, worker: str) -> End:
    if future.status == "finished":
        try:
            return End(index, future.result(timeout=_RESULT))
        except Exception as error:
            return End(index, lost=f"was on the worker at {worker}, whose answer is lost ({error})")
    trouble = future.exception() if future.status == "error" else None
    if trouble is not None and type(trouble).__name__ != "KilledWorker":
        return End(index, failure=f"{type(trouble).__name__}: {trouble}")
    return End(index, lost=f"was on the worker at {worker}, which died")
