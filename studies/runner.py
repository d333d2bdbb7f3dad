"""Run a study: cases to results, results to numbers, table and figure.

OUT/NAME/cases/*.json    every finished case, written at once; a second run goes on from them
OUT/NAME/NAME.json       configuration, seed, versions, commit, wall time, summary
OUT/NAME/NAME.png, .svg  the figure
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from studies import contract, files, pool, provenance, strict_json
from studies.case_store import CaseStore
from studies.contract import StudyConfig, StudyModule
from studies.registry import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    """

    study: Study
    failures: tuple[Failure, ...]
    summary: dict[str, Any] | None
    table: str
    reused: int


def run(study: Study, config: StudyConfig, out: Path, *, jobs: int | None = None, progress: bool = False) -> Outcome:
    """Compute what is missing of a study's cases, and report when all are there.

    Parameters
    ----------
    study : Study
        Which study.
    config : StudyConfig
        An instance of the study's own `Config`.
    out : Path
        Folder of the results; the study writes into its subfolder.
    jobs : int, optional
        Worker processes; as many as usable cores if left out. The numbers do not depend on it.
    progress : bool
        Whether to show a bar on stderr.

    Returns
    -------
    Outcome
        The numbers, or what failed.

    Raises
    ------
    studies.errors.StoreError
        If a result could not be written.
    """
    started = time.perf_counter()
    folder = files.make_folder(out / study.name)
    code = provenance.sources("particles", "meanfield", study.module)
    store = CaseStore(files.make_folder(folder / "cases"), study.name, f"{provenance.version()}+{code}")
    module = contract.load(study)

    cases = module.cases(config)
    results = {index: stored for index, case in enumerate(cases) if (stored := store.load(case)) is not None}
    reused = len(results)
    missing = {index: case for index, case in enumerate(cases) if index not in results}
    failures: dict[int, Failure] = {}
    with closing(pool.each_case(study.module, missing, jobs or pool.usable_cores())) as ends:
        for end in _shown(ends, study.name, reused, len(cases), progress):
            reason = end.failure
            if end.result is not None:
                try:
                    results[end.index] = store.save(cases[end.index], end.result)
                except (TypeError, ValueError) as error:
                    reason = f"its result cannot be stored: {error}"
            if reason is not None:
                failures[end.index] = Failure(f"case {cases[end.index]}", reason)
    if failures:
        return Outcome(study, tuple(failures[index] for index in sorted(failures)), None, "", reused)

    try:
        report = _sum_up(module, config, [results[index] for index in range(len(cases))])
    except Exception:
        return Outcome(study, (Failure("summing up", traceback.format_exc()),), None, "", reused)
    files.write_figure(folder, study.name, report.figure)
    document = {
        "study": study.name,
        "seed": config.seed,
        "config": config.model_dump(mode="json"),
        "sources": code,
        **provenance.record(),
        "wall_time": time.perf_counter() - started,
        "cases": len(cases),
        "cases_reused": reused,
        "summary": report.summary,
    }
    # Last, so that where the numbers are, the figure is too.
    files.write_json(folder / f"{study.name}.json", document)
    return Outcome(study, (), report.summary, report.table, reused)


@dataclass(frozen=True)
class _Report:
    summary: dict[str, Any]
    table: str
    figure: Figure


def _sum_up(module: StudyModule, config: StudyConfig, results: list[dict[str, Any]]) -> _Report:
    summary = strict_json.loads(strict_json.dumps(module.summary(config, results)))
    if "headline" not in summary:
        raise LookupError('the summary has no key "headline"')
    return _Report(summary, module.table(summary), module.figure(summary))


def _shown(ends: Iterator[pool.Finished], name: str, done: int, total: int, progress: bool) -> Iterator[pool.Finished]:
    with tqdm(total=total, initial=done, desc=name, unit="case", disable=not progress) as bar:
        for end in ends:
            bar.update()
            yield end
