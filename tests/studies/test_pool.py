"""Real processes that die: each takes only its own job with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from studies import pool
from studies.pool import Ended, Lost, Pool, Started

posix = pytest.mark.skipif(os.name != "posix", reason="signals are sent")


def job(argument, attempt):
    what, folder = argument
    with open(Path(folder) / "log", "a") as log:
        log.write(f"{what} {attempt}\n")
    match what.split():
        case ["die"]:
            os.kill(os.getpid(), signal.SIGKILL)
        case ["die", last] if attempt <= int(last):
            os.kill(os.getpid(), signal.SIGKILL)
        case ["large"]:
            return "x" * 10_000_000
        case ["wait"]:
            (Path(folder) / "waits").write_text(str(os.getpid()))
            time.sleep(120)
        case ["slow"]:
            time.sleep(0.5)
        case ["pid"]:
            return os.getpid()
        case ["environment"]:
            return {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")}
    return what


class Unbeginnable:
    """An argument whose arrival kills the process, before it has begun anything."""

    def __reduce__(self):
        return os._exit, (9,)


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent))


def all_ends(what, folder, jobs):
    import test_pool  # by the name under which a worker finds it

    with Pool(jobs) as processes:
        events = list(processes.each(test_pool.job, {k: (one, str(folder)) for k, one in enumerate(what)}))
    assert multiprocessing.active_children() == []
    return events


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def test_every_job_ends_once(tmp_path):
    events = all_ends(["a", "large", "b"], tmp_path, 2)
    ends = {event.index: event for event in of(Ended, events)}
    assert {k: len(end.report) for k, end in ends.items()} == {0: 1, 1: 10_000_000, 2: 1}
    assert sorted(event.index for event in of(Started, events)) == [0, 1, 2] and not of(Lost, events)


@posix
def test_only_the_job_of_a_dead_process_is_charged(tmp_path):
    # The slow ones run beside processes that die five times.
    what = ["slow", "die", "slow", "die 2", "slow", "slow"]
    events = all_ends(what, tmp_path, 2)
    ends = {event.index: event for event in of(Ended, events)}
    assert {k for k, end in ends.items() if end.failure} == {1}
    assert "in each of 3 attempts; the last one was killed by SIGKILL" in ends[1].failure
    assert Counter((tmp_path / "log").read_text().splitlines()) == {
        "slow 1": 4,
        **{f"die {attempt}": 1 for attempt in (1, 2, 3)},
        **{f"die 2 {attempt}": 1 for attempt in (1, 2, 3)},
    }
    assert sorted((event.index, event.attempt) for event in of(Lost, events)) == [(1, 1), (1, 2), (3, 1), (3, 2)]


def test_a_job_that_no_process_can_begin_is_given_up_and_the_others_go_on(tmp_path):
    import test_pool

    with Pool(1) as processes:
        events = list(processes.each(test_pool.job, {0: Unbeginnable(), 1: ("a", str(tmp_path))}))
    ends = {event.index: event for event in of(Ended, events)}
    assert ends[0].failure == "3 processes ended before they could begin it; the last one left with status 9"
    assert ends[1].report == "a"


@posix
def test_a_process_that_died_between_two_jobs_is_replaced_at_no_cost(tmp_path):
    import test_pool

    with Pool(1) as processes:
        first = of(Ended, processes.each(test_pool.job, {0: ("pid", str(tmp_path))}))[0].report
        os.kill(first, signal.SIGKILL)
        second = of(Ended, processes.each(test_pool.job, {0: ("pid", str(tmp_path))}))[0].report
    assert second != first
    assert (tmp_path / "log").read_text() == "pid 1\npid 1\n"  # each in its first attempt


def test_processes_are_used_again(tmp_path):
    import test_pool

    with Pool(1) as processes:
        pids = {of(Ended, processes.each(test_pool.job, {0: ("pid", str(tmp_path))}))[0].report for _ in range(3)}
    assert len(pids) == 1


def test_processes_may_outlive_a_block(tmp_path):
    import test_pool

    processes, pids = Pool(1, stay=True), set()
    for _ in range(2):
        with processes:
            pids |= {end.report for end in of(Ended, processes.each(test_pool.job, {0: ("pid", str(tmp_path))}))}
    assert len(pids) == 1 and [one.pid for one in multiprocessing.active_children()] == list(pids)
    with pytest.raises(LookupError), processes:
        raise LookupError
    assert multiprocessing.active_children() == []
    with processes:
        pids |= {end.report for end in of(Ended, processes.each(test_pool.job, {0: ("pid", str(tmp_path))}))}
    assert len(pids) == 2
    processes.close()
    assert multiprocessing.active_children() == []


def test_linear_algebra_has_one_thread_and_kernels_have_their_share(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "usable_cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    seen = of(Ended, all_ends(["environment"], tmp_path, 2))[0].report
    assert seen == {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "3"}
    assert "OMP_NUM_THREADS" not in os.environ


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_processes_and_only_then_is_an_interrupt(tmp_path, number):
    import test_pool

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), Pool(1) as processes:
        for event in processes.each(test_pool.job, {0: ("wait", str(tmp_path))}):
            if isinstance(event, pool.Tick) and (tmp_path / "waits").exists():
                os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before and multiprocessing.active_children() == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "waits").read_text()), 0)


def test_the_runs_own_error_leaves_no_process(tmp_path):
    import test_pool

    with pytest.raises(LookupError), Pool(2) as processes:
        for event in processes.each(test_pool.job, {k: ("slow", str(tmp_path)) for k in range(8)}):
            if isinstance(event, Ended):
                raise LookupError
    assert multiprocessing.active_children() == []
