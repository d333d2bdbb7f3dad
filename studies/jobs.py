"""What is done apart from the run itself, in a process of its own: a case, and the summing up of all of them."""

from __future__ import annotations

import contextlib
import importlib
import signal
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from studies import interrupts, provenance, strict_json
from studies.case_store import CaseStore, Packed
from studies.contract import StudyConfig
from studies.errors import StoreError


@dataclass(frozen=True)
class CaseJob:
    """A case to be computed and stored.

    Parameters
    ----------
    module : str
        Import name of the module whose `run_case` is called.
    store : CaseStore
        Where it goes.
    case : dict
        The case.
    commit : str or None
        The sources' commit, for the manifest.
    """

    module: str
    store: CaseStore
    case: dict[str, Any]
    commit: str | None


@dataclass(frozen=True)
class CaseReport:
    """What became of a case: it is stored, unless one of these says otherwise.

    Parameters
    ----------
    failure : str or None
        The traceback of a case that raised.
    packed : Packed or None
        Its files, for the run to write: they were not written where it was computed.
    """

    failure: str | None = None
    packed: Packed | None = None


def compute(job: CaseJob, attempt: int, write: bool = True) -> CaseReport:
    """Compute a case and store it, unless it is there: an attempt may have died after storing it.

    If it is not to be written, or cannot be, the report holds it.
    """
    if write and job.store.holds(job.case):
        return CaseReport()
    try:
        packed = pack(job, attempt)
    except (Exception, SystemExit):
        # The exception itself may not survive pickling; its text does.
        return CaseReport(failure=traceback.format_exc())
    if write:
        with contextlib.suppress(StoreError), interrupts.held_back(signal.SIGTERM):
            job.store.write(job.case, packed)
            return CaseReport()
    return CaseReport(packed=packed)


def pack(job: CaseJob, attempt: int) -> Packed:
    """Return the files of a case, computed now.

    Raises
    ------
    RuntimeError
        If the sources are not those that the case is to be stored under.
    """
    run_case = importlib.import_module(job.module).run_case
    if (code := provenance.code(job.module)) != job.store.code:
        raise RuntimeError(f"the sources changed from {job.store.code} to {code} during the run: start it again")
    started, wall, cpu = datetime.now(UTC), time.perf_counter(), time.process_time()
    result = run_case(job.case)
    record = {
        "versions": provenance.versions(),
        "commit": job.commit,
        "machine": provenance.machine(),
        "started": started.isoformat(timespec="milliseconds"),
        "wall_time": time.perf_counter() - wall,
        "cpu_time": time.process_time() - cpu,
        "attempt": attempt,
    }
    return job.store.pack(job.case, result, record)


@dataclass(frozen=True)
class SumJob:
    """The cases of a study, all of them stored, to be summed up."""

    module: str
    config: StudyConfig
    store: CaseStore
    cases: list[dict[str, Any]]


@dataclass(frozen=True)
class SumReport:
    """A study's numbers and table, or the traceback of what went wrong.

    Parameters
    ----------
    failure : str or None
        The traceback.
    summary : dict
        The numbers.
    table : str
        The numbers as text.
    """

    failure: str | None
    summary: dict[str, Any]
    table: str


def sum_up(job: SumJob, _attempt: int) -> SumReport:
    """Read the results back, and return what the study makes of them."""
    try:
        module = importlib.import_module(job.module)
        results = []
        for case in job.cases:
            stored = job.store.load(case)
            if stored is None:
                raise LookupError(f"{job.store.path(case)} has gone")
            results.append(stored.result)
        summary = strict_json.loads(strict_json.dumps(module.summary(job.config, results)))
        if "headline" not in summary:
            raise LookupError('the summary has no key "headline"')
        return SumReport(None, summary, str(module.table(summary)))
    except (Exception, SystemExit):
        return SumReport(traceback.format_exc(), {}, "")
