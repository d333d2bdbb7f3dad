"""`meanfield selftest`: kill real runs and their workers, damage real files, and compare every bit.

A small study is run once without any trouble. Then again on several processes, in shards, with processes and runs
killed at random moments, interrupted, with damaged files: numbers, arrays and figure must be those of the first run,
no finished case may be computed twice, and no process may be left.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import studies
from studies import files, processes
from studies.errors import DONE, INTERRUPTED, RUN_FAILED, BadInput
from studies.registry import SELFTEST

_RUN = """
import signal, sys
from studies.__main__ import script
from studies.registry import SELFTEST
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with & ignores it
    script(["run", "selftest", *sys.argv[1:]], {"selftest": SELFTEST})
"""
_OF_RUNS = 1 / 3  # the share of kills that hit the run and not one of its workers
_PATIENCE = 60.0  # seconds until a process that should have ended is taken for one that was left

Say = Callable[[str], None]


def _print(line: str) -> None:
    print(line, flush=True)


class Wrong(Exception):
    """Something is not as it must be."""


def selftest(*, kills: int, seed: int = 0, say: Say = _print) -> bool:
    """Return whether all is as it must be, and say what was done.

    Parameters
    ----------
    kills : int
        How many processes are killed.
    seed : int
        Decides what is killed and when.
    say : callable
        Takes a line of text.

    Raises
    ------
    studies.errors.BadInput
        On a system without signals.
    """
    if os.name != "posix":
        raise BadInput(["selftest kills processes as POSIX systems do, which this is not."])
    folder = Path(tempfile.mkdtemp(prefix="meanfield-selftest-"))
    test = _Selftest(folder, random.Random(seed), say)
    wrong = False
    try:
        test.reference()
        test.processes()
        test.shards()
        test.kills(kills)
        test.interrupt()
        test.damage()
    except Wrong as error:
        wrong = True
        say(f"FAILED: {error}")
        say(f"what it left is in {folder}")
    finally:
        test.clear()
        if not wrong:
            shutil.rmtree(folder)
    if not wrong:
        say("all runs gave the same bits")
    return not wrong


@dataclass(frozen=True)
class _Run:
    """A run, and the name of its folder."""

    name: str
    process: subprocess.Popen[str]

    def going(self) -> bool:
        return self.process.poll() is None


class _Selftest:
    """The parts of the test; each run is a process of its own, as a user's is."""

    def __init__(self, folder: Path, rng: random.Random, say: Say) -> None:
        self._folder, self._rng, self._say = folder, rng, say
        self._whole: dict[str, Any] = {}
        self._seconds = 0.0
        self._runs: list[_Run] = []

    def reference(self) -> None:
        self._finish(self._start("whole", "--jobs", "1"), "an undisturbed run")
        self._whole = self._bits("whole")
        self._say(f"an undisturbed run of {len(self._whole['digests'])} cases on 1 process")

    def processes(self) -> None:
        began = time.monotonic()
        self._finish(self._start("several", "--jobs", "3"), "a run on 3 processes")
        self._seconds = time.monotonic() - began
        self._compare("several")
        self._say(f"3 processes: the same bits, after {self._seconds:.1f} s")

    def shards(self) -> None:
        both = [self._start("shards", "--jobs", "1", "--shard", shard) for shard in ("1/2", "2/2")]
        for run in both:
            self._finish(run, "a shard")
        self._finish(self._start("shards"), "the run after both shards")
        self._see_reused("shards", len(self._whole["digests"]))
        self._compare("shards")
        self._say("2 shards at the same time: the same bits")

    def kills(self, wanted: int) -> None:
        """Kill workers and runs until there were enough; every run that gets to its end must have the same bits."""
        count = {"worker": 0, "run": 0}
        runs = finished = 0
        name = "killed-0"
        while sum(count.values()) < wanted:
            run = self._start(name, "--jobs", "2")
            runs += 1
            while run.going() and sum(count.values()) < wanted:
                time.sleep(self._rng.uniform(0, self._seconds / 4))
                if self._rng.random() < _OF_RUNS:
                    count["run"] += self._kill_run(run)
                else:
                    count["worker"] += self._kill_worker(run)
            if self._ended(run, "a run whose workers were killed", DONE, RUN_FAILED, -signal.SIGKILL) == DONE:
                self._compare(name)
                finished += 1
                name = f"killed-{finished}"
        self._finish(self._start(name, "--jobs", "2"), "the run after the last kill")
        self._compare(name)
        self._say(
            f"{sum(count.values())} kills ({count['worker']} of workers, {count['run']} of runs) in {runs} runs, "
            f"{finished + 1} of which got to the end: the same bits, no finished case lost"
        )

    def interrupt(self) -> None:
        run = self._start("interrupted", "--jobs", "2")
        self._until(lambda: bool(self._manifests("interrupted")) or not run.going(), "the first case")
        before, workers, began = self._manifests("interrupted"), processes.workers_of(run.process.pid), time.monotonic()
        run.process.send_signal(signal.SIGINT)
        self._ended(run, "an interrupted run", INTERRUPTED)
        seconds = time.monotonic() - began
        self._see_them_end(workers, "the interrupted run")
        self._finish(self._start("interrupted"), "the run after the interruption")
        self._see_kept("interrupted", before)
        self._compare("interrupted")
        self._say(f"Ctrl-C: status {INTERRUPTED} after {seconds:.2f} s, no process left, then the same bits")

    def damage(self) -> None:
        cases = self._folder / "several" / SELFTEST.name / "cases"
        manifests = sorted(cases.glob("*.json"))
        cut, changed, swapped, without, flipped = self._rng.sample(manifests, 5)
        cut.write_bytes(cut.read_bytes()[:-40])
        changed.write_text(changed.read_text().replace('"spread": ', '"spread": 1'))
        swapped.write_bytes(next(one for one in manifests if one != swapped).read_bytes())
        without.with_suffix(".npz").unlink()
        content = bytearray(flipped.with_suffix(".npz").read_bytes())
        content[len(content) // 2] ^= 1
        flipped.with_suffix(".npz").write_bytes(content)
        damaged = {cut, changed, swapped, without, flipped}
        before = {name: at for name, at in self._manifests("several").items() if cases / name not in damaged}
        said = self._finish(self._start("several"), "the run after the damage", silent=False)
        self._see_reused("several", len(manifests) - 5)
        if any(sum(one.name in line for line in said.splitlines()) != 1 for one in damaged):
            raise Wrong(f"not every damaged case was said, in one line: {said}")
        self._see_kept("several", before)
        self._compare("several")
        self._say("5 damaged files, each in another way: found, computed again, the same bits")

    def clear(self) -> None:
        """End whatever still runs."""
        for run in self._runs:
            if run.going():
                run.process.kill()
            run.process.communicate()

    def _start(self, name: str, *options: str) -> _Run:
        home = str(Path(studies.__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-c", _RUN, "--out", str(self._folder / name), *options]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
        )
        self._runs.append(_Run(name, process))
        return self._runs[-1]

    def _ended(self, run: _Run, what: str, *allowed: int) -> int:
        out, said = run.process.communicate()
        status = run.process.returncode
        if status not in allowed:
            raise Wrong(f"{what} ended with status {status}: {out}{said}")
        return status

    def _finish(self, run: _Run, what: str, *, silent: bool = True) -> str:
        """Wait for a run that must come to a good end; return what it said on stderr."""
        _, said = run.process.communicate()
        if run.process.returncode != DONE or (silent and said):
            raise Wrong(f"{what} ended with status {run.process.returncode}: {said}")
        return said

    def _see_reused(self, name: str, wanted: int) -> None:
        reused = self._document(name)["cases_reused"]
        if reused != wanted:
            raise Wrong(f"{reused} finished cases were used again in {name}; there were {wanted}")

    def _kill_worker(self, run: _Run) -> bool:
        """Whether there was a worker to be killed."""
        workers = processes.workers_of(run.process.pid)
        if not workers:
            return False
        try:
            os.kill(self._rng.choice(workers), signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def _kill_run(self, run: _Run) -> bool:
        """Whether the run was killed; if so, its workers must end, and a further run must keep what is there."""
        workers = processes.workers_of(run.process.pid)
        if not run.going():
            return False
        run.process.kill()
        run.process.wait()
        self._see_them_end(workers, "a killed run")
        before = self._manifests(run.name)
        self._finish(self._start(run.name, "--shard", f"1/{len(self._whole['digests'])}"), "a shard", silent=False)
        self._see_kept(run.name, before)
        return True

    def _see_them_end(self, workers: list[int], what: str) -> None:
        self._until(lambda: not any(map(processes.alive, workers)), f"the end of the workers of {what}")

    def _until(self, happened: Callable[[], bool], what: str) -> None:
        began = time.monotonic()
        while not happened():
            if time.monotonic() - began > _PATIENCE:
                raise Wrong(f"waited in vain for {what}")
            time.sleep(0.01)

    def _manifests(self, name: str) -> dict[str, tuple[int, int]]:
        """Return the finished cases, and what tells whether their files were written again."""
        found = {}
        for path in (self._folder / name / SELFTEST.name / "cases").glob("[0-9a-f]*.json"):
            status = path.stat()
            found[path.name] = (status.st_ino, status.st_mtime_ns)
        return found

    def _see_kept(self, name: str, before: dict[str, tuple[int, int]]) -> None:
        after = self._manifests(name)
        again = [one for one, at in before.items() if after.get(one) != at]
        if again:
            raise Wrong(f"finished cases were computed again in {name}: {', '.join(again)}")

    def _compare(self, name: str) -> None:
        bits = self._bits(name)
        differing = [key for key, value in self._whole.items() if bits[key] != value]
        if differing:
            raise Wrong(f"{name} differs from the undisturbed run in {', '.join(differing)}")

    def _document(self, name: str) -> dict[str, Any]:
        return files.read_json(self._folder / name / SELFTEST.name / f"{SELFTEST.name}.json")

    def _bits(self, name: str) -> dict[str, Any]:
        """Return what must not depend on anything."""
        folder = self._folder / name / SELFTEST.name
        arrays = {path.name: path.read_bytes() for path in (folder / "cases").glob("[0-9a-f]*.npz")}
        drawings = {kind: (folder / f"{SELFTEST.name}.{kind}").read_bytes() for kind in ("png", "svg")}
        document = self._document(name)
        return {"digests": document["digests"], "summary": repr(document["summary"]), "arrays": arrays, **drawings}
