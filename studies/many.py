"""One study or several, one after the other; then their films, and the page of the whole paper.

Several studies share their processes, which import the numerical libraries once. The sources of all of them are looked
at before the first process starts, so that one that has imported them can tell that they changed, and refuses.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from studies import animation, files, pool, provenance, runner
from studies.contract import StudyConfig
from studies.errors import DONE, RUN_FAILED
from studies.registry import Study
from studies.shard import Shard

Say = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What is to be run.

    Parameters
    ----------
    studies : sequence of (Study, StudyConfig)
        The studies, each with an instance of its own `Config`.
    out : Path
        Folder of the results.
    films : bool
        Whether those that can be animated are.
    page : bool
        Whether the page of the whole paper is written.
    jobs, shard, engine :
        As `studies.runner.run` takes them.
    progress : bool
        Whether to show bars on stderr.
    """

    studies: Sequence[tuple[Study, StudyConfig]]
    out: Path
    films: bool = False
    page: bool = False
    jobs: int | None = None
    shard: Shard | None = None
    engine: runner.Engine | None = None
    progress: bool = False


def run(order: Order, say: Say) -> int:
    """Run the studies and return the exit status; tables go to stdout, to `say` what went wrong.

    One that fails does not keep the others from being run.

    Raises
    ------
    studies.errors.StoreError
        If a result could not be written.
    KeyboardInterrupt
        If the run was interrupted. No process is left, and what finished is kept.
    """
    ffmpeg = animation.find_ffmpeg() if order.films else None
    if order.films and ffmpeg is None:
        say("no ffmpeg is found: films are written as GIF only")
    failed: list[str] = []
    unfinished: list[str] = []
    films: list[animation.FilmJob] = []
    with _processes(order) as local:
        for place, (study, config) in enumerate(order.studies, start=1):
            note = f"study {place} of {len(order.studies)}" if len(order.studies) > 1 else ""
            outcome = runner.run(
                study,
                config,
                order.out,
                jobs=order.jobs,
                progress=order.progress,
                note=note,
                shard=order.shard,
                engine=order.engine,
                local=local,
            )
            if outcome.failures:
                failed.append(study.name)
            elif outcome.summary is None:
                unfinished.append(study.name)
            elif order.films and animation.animated(study):
                films.append(animation.FilmJob.of(study, config, order.out, ffmpeg))
            _tell(outcome, note, order.out, say)
        if films:
            assert local is not None
            for name, reason in animation.make(films, local, progress=order.progress).items():
                say(f"{name}: its film failed:\n{reason.rstrip()}")
                failed.append(name)
    if order.page and not _page(order.out, [*failed, *unfinished], say):
        failed = failed or ["paper.md"]
    if len(failed) > 1:
        say(f"{len(failed)} of {len(order.studies)} studies failed: {', '.join(failed)}")
    return RUN_FAILED if failed else DONE


@contextmanager
def _processes(order: Order) -> Iterator[pool.Pool | None]:
    """Start processes for all studies; a single one starts its own, as many as it has cases."""
    if len(order.studies) == 1 and not order.films:
        yield None
        return
    for study, _ in order.studies:
        provenance.code(study.module)
    local = pool.Pool(order.jobs or pool.usable_cores(), stay=True)
    try:
        yield local
    finally:
        local.close()


def _tell(outcome: runner.Outcome, note: str, out: Path, say: Say) -> None:
    name = outcome.study.name
    for failure in outcome.failures:
        say(f"{name}: {failure.what} failed:\n{failure.reason.rstrip()}")
    if outcome.failures:
        say(f"{name}: {len(outcome.failures)} failed; the finished cases are kept in {out}")
    elif outcome.summary is None:
        there = f"{outcome.there} of {outcome.cases} cases are there"
        print(f"{name}: {there}; run without --shard to finish", flush=True)
    else:
        heading = f"== {name} ({note}): {outcome.study.summary}\n" if note else ""
        sys.stdout.write(f"{heading}{outcome.table}\n" + "\n" * bool(note))
        sys.stdout.flush()


def _page(out: Path, missing: Sequence[str], say: Say) -> bool:
    """Write the page of the paper if all of it is there; return whether nothing went wrong."""
    if missing:
        say(f"the page of the paper is not written: {', '.join(dict.fromkeys(missing))} did not finish")
        return True
    from studies.paper import page

    try:
        text = page.markdown(page.read(out))
    except Exception:
        say(f"the page of the paper failed:\n{traceback.format_exc().rstrip()}")
        return False
    files.write_text(out / "paper.md", text)
    print(f"the page of the paper: {out / 'paper.md'}", flush=True)
    return True
