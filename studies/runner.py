"""Run a study: cases to results, results to numbers, table and figure.

OUT/NAME/cases/          every finished case, written at once; a second run goes on from them
OUT/NAME/NAME.json       configuration, seed, versions, commit, wall time, digests of the cases, summary
OUT/NAME/NAME.png, .svg  the figure

Cases are computed, and summed up, in processes of their own or on a cluster; this one only supervises and draws, so
that it can be interrupted at any moment.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies import contract, files, interrupts, pool, provenance
from studies.case_store import CaseStore, Damaged
from studies.contract import StudyConfig
from studies.errors import StoreError
from studies.jobs import CaseJob, CaseReport, SumJob, SumReport, compute, sum_up
from studies.progress import Progress
from studies.registry import Study
from studies.shard import Shard

# What computes elsewhere than on this machine: cases by their place, what to say lines with, and what raises if the
# run was interrupted -> events. See `studies.cluster`.
Engine = Callable[[Mapping[int, CaseJob], Callable[[str], None], Callable[[], None]], Generator[pool.Event, None, None]]


_LONGEST = 300  # characters of a case in a line about it


@dataclass(frozen=True)
class Failure:
    """A case, or the summing up, that did not finish."""

    what: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What a run of a study came to.

    Parameters
    ----------
    study : Study
        Which study.
    failures : tuple of Failure
        Cases that failed; the finished ones are kept all the same.
    summary : dict or None
        The study's numbers; None unless all cases are there.
    table : str
        The numbers as text; empty without them.
    reused : int
        How many cases were there from an earlier run.
    cases, there : int
        How many cases the study has, and how many of them are there now.
    """

    study: Study
    failures: tuple[Failure, ...]
    summary: dict[str, Any] | None
    table: str
    reused: int
    cases: int
    there: int


def run(
    study: Study,
    config: StudyConfig,
    out: Path,
    *,
    jobs: int | None = None,
    progress: bool = False,
    note: str = "",
    shard: Shard | None = None,
    engine: Engine | None = None,
    local: pool.Pool | None = None,
) -> Outcome:
    """Compute what is missing of a study's cases, and report when all are there.

    Parameters
    ----------
    study : Study
        Which study.
    config : StudyConfig
        An instance of the study's own `Config`.
    out : Path
        Folder of the results; the study writes into its subfolder. Several runs may share it.
    jobs : int, optional
        Worker processes; as many as usable cores if left out. The numbers do not depend on it.
    progress : bool
        Whether to show a bar on stderr.
    note : str
        What stands behind the study's name there, as "study 7 of 28".
    shard : Shard, optional
        Which of the cases are computed here; all if left out.
    engine : callable, optional
        What computes them instead of processes on this machine.
    local : studies.pool.Pool, optional
        The processes on this machine, which may have served another study; new ones, `jobs` at most, if left out.

    Returns
    -------
    Outcome
        The numbers, or what failed, or how many cases other shards have left.

    Raises
    ------
    studies.errors.StoreError
        If a result could not be written.
    KeyboardInterrupt
        If the run was interrupted. No process is left, and what finished is kept.
    """
    started = time.perf_counter()
    folder = files.make_folder(out / study.name).resolve()
    store = CaseStore(files.make_folder(folder / "cases"), study.name, provenance.code(study.module))
    module = contract.load(study)
    try:
        with interrupts.as_keyboard_interrupts():
            cases = module.cases(config)
    except Exception:
        return Outcome(study, (Failure("listing the cases", traceback.format_exc()),), None, "", 0, 0, 0)
    mine = {place: case for place, case in enumerate(cases) if shard is None or place in shard}

    digests, damages = _look(store, mine)
    reused = len(digests)
    commit = provenance.commit()
    missing = {
        place: CaseJob(study.module, store, case, commit) for place, case in mine.items() if place not in digests
    }

    def outcome(*failures: Failure, summed: SumReport | None = None) -> Outcome:
        summary, table = (None, "") if summed is None else (summed.summary, summed.table)
        return Outcome(study, failures, summary, table, reused, len(cases), len(digests))

    with (
        local or pool.Pool(min(jobs or pool.usable_cores(), max(1, len(missing)))) as local,
        Progress(study.name, len(mine), reused, progress, note) as shown,
    ):
        for text in damages.values():
            shown.say(text)
        found, failures = _computed(local, engine, missing, shown)
        digests |= found
        if not failures:
            others = {place: case for place, case in enumerate(cases) if place not in digests}
            digests |= _look(store, others, local.check)[0]
        if len(digests) < len(cases):
            return outcome(*failures)
        summed = _sum_up(local, SumJob(study.module, config, store, cases), shown.say)
    if isinstance(summed, Failure):
        return outcome(summed)
    try:
        with interrupts.as_keyboard_interrupts():
            files.write_figure(folder, study.name, module.figure(summed.summary))
    except StoreError:
        raise
    except Exception:
        return outcome(Failure("drawing", traceback.format_exc()))
    document = {
        "study": study.name,
        "seed": config.seed,
        "config": config.model_dump(mode="json"),
        "sources": store.code.partition("+")[2],
        **provenance.record(),
        "wall_time": time.perf_counter() - started,
        "cases": len(cases),
        "cases_reused": reused,
        "digests": [digests[place] for place in range(len(cases))],
        "summary": summed.summary,
    }
    # Last, so that where the numbers are, the figure is too.
    files.write_json(folder / f"{study.name}.json", document)
    return outcome(summed=summed)


def _computed(
    local: pool.Pool, engine: Engine | None, missing: Mapping[int, CaseJob], shown: Progress
) -> tuple[dict[int, str], list[Failure]]:
    """Compute and store cases; return the digests of those that are there now, and what failed, in their order."""
    digests: dict[int, str] = {}
    failures: dict[int, Failure] = {}
    for place, end in _ends(local, engine, missing, shown):
        job = missing[place]
        reason = _failure(job, end)
        if reason is None:
            found, damaged = _look(job.store, {place: job.case})
            digests |= found
            reason = None if found else damaged.get(place, f"{job.store.path(job.case)} is not there")
        if reason is not None:
            failures[place] = Failure(f"case {_short(job.case)}", reason)
        shown.ended(failed=reason is not None)
    return digests, [failures[place] for place in sorted(failures)]


def _look(
    store: CaseStore, cases: Mapping[int, dict[str, Any]], check: Callable[[], None] = lambda: None
) -> tuple[dict[int, str], dict[int, str]]:
    """Return the digests of the cases that are there and intact, and a line about each that is damaged."""
    digests, damages = {}, {}
    for place, case in cases.items():
        check()
        try:
            if (stored := store.load(case)) is not None:
                digests[place] = stored.digest
        except Damaged as error:
            damages[place] = f"{store.path(case)} {error}; the case is computed again"
    return digests, damages


def _ends(
    local: pool.Pool, engine: Engine | None, missing: Mapping[int, CaseJob], shown: Progress
) -> Generator[tuple[int, pool.Ended], None, None]:
    """Yield the cases as they end, and show what else happens."""
    chosen = local.each(compute, missing) if engine is None else engine(missing, shown.say, local.check)
    with closing(chosen) as events:
        for event in events:
            match event:
                case pool.Started():
                    shown.started()
                case pool.Lost(place, what, attempt):
                    shown.lost()
                    which = f"attempt {attempt} of case {_short(missing[place].case)}"
                    shown.say(f"{which}: its process {what}; it is tried again")
                case pool.Ended(place):
                    yield place, event
                case pool.Tick():
                    shown.tick()


def _failure(job: CaseJob, end: pool.Ended) -> str | None:
    """Return why a case failed; None if it is stored, which is done here if it was not where it was computed."""
    if end.failure is not None:
        return end.failure
    report: CaseReport = end.report
    if report.packed is not None:
        job.store.write(job.case, report.packed)
    return report.failure


def _sum_up(local: pool.Pool, job: SumJob, say: Callable[[str], None]) -> SumReport | Failure:
    for event in local.each(sum_up, {0: job}):
        if isinstance(event, pool.Lost):
            say(f"attempt {event.attempt} of summing up: its process {event.what}; it is tried again")
        if isinstance(event, pool.Ended):
            reason = event.failure or event.report.failure
            return event.report if reason is None else Failure("summing up", reason)
    raise AssertionError("a job that never ended")


def _short(case: Mapping[str, Any]) -> str:
    text = str(case)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
