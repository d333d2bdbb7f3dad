"""Inside a Dask worker: one case at a time, linear algebra in one thread, and whether the run's folder is seen."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path

from studies import jobs, provenance
from studies.jobs import CaseJob, CaseReport

_ONE_CASE = threading.Lock()


def greet(token: Path, module: str, code: str, versions: dict[str, str]) -> tuple[bool, str | None]:
    """Return whether this process sees the run's folder, and why it cannot be used, if it cannot.

    Parameters
    ----------
    token : Path
        A file in the folder that holds its own name.
    module : str
        The study's module.
    code : str
        Version and sources of the run.
    versions : dict
        The libraries of the run.
    """
    refusal = None
    mine = provenance.code(module)
    differing = sorted(name for name, one in provenance.versions().items() if versions[name] != one)
    if mine != code:
        refusal = f"its sources are {mine}, the run's are {code}; install the same there"
    elif differing:
        pairs = ", ".join(f"{name} {provenance.versions()[name]} instead of {versions[name]}" for name in differing)
        refusal = f"it has {pairs}"
    try:
        importlib.import_module("threadpoolctl")
    except ImportError as error:
        refusal = f"{error}; install the extra `dask` there"
    return _is(token), refusal


def compute(job: CaseJob, attempt: int, write: bool) -> CaseReport:
    """Compute a case as a process of its own would, to the same bits."""
    from threadpoolctl import threadpool_limits

    # Whatever brings linear algebra of its own must be here before its threads can be limited.
    for name in ("scipy.linalg", job.module):
        importlib.import_module(name)
    # numba's simplest threads cannot be used by two at once, and processor time is that of the whole process.
    with _ONE_CASE, threadpool_limits(limits=1, user_api="blas"):
        _limit_kernels()
        return jobs.compute(job, attempt, write)


def _limit_kernels() -> None:
    """Give numba's kernels as many threads as Dask gave this worker; their results do not depend on it."""
    import numba
    from distributed import get_worker

    numba.set_num_threads(max(1, min(get_worker().state.nthreads, numba.config.NUMBA_NUM_THREADS)))


def _is(token: Path) -> bool:
    try:
        return token.read_text(encoding="utf-8") == token.name
    except OSError:
        return False
