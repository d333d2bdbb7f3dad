"""The test that users run, and that it sees what is wrong."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest

from studies import processes, selftest
from studies.selftest import Wrong, _Selftest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are killed")


@pytest.mark.slow
def test_all_is_as_it_must_be():
    said = []
    assert selftest.selftest(kills=3, seed=1, say=said.append), said
    assert said[-1] == "all runs gave the same bits"
    assert any("3 kills" in line for line in said)


@pytest.fixture
def test(tmp_path):
    return _Selftest(tmp_path, random.Random(0), print)


def finished(folder, digests=("a", "b"), spread=1.0):
    """A folder as a run of the study leaves it."""
    cases = folder / "selftest" / "cases"
    cases.mkdir(parents=True)
    for name in digests:
        (cases / f"{name}.json").write_text("{}")
        (cases / f"{name}.npz").write_bytes(name.encode())
    for kind in ("png", "svg"):
        (folder / "selftest" / f"selftest.{kind}").write_bytes(b"drawing")
    document = {"digests": digests, "summary": {"spread": spread}, "cases_reused": 0}
    (folder / "selftest" / "selftest.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda folder: (folder / "selftest" / "selftest.png").write_bytes(b"other"), "in png"),
        (lambda folder: (folder / "selftest" / "cases" / "a.npz").write_bytes(b"other"), "in arrays"),
        (lambda folder: (folder / "selftest" / "cases" / "b.npz").unlink(), "in arrays"),
    ],
)
def test_other_bits_are_seen(test, tmp_path, change, text):
    finished(tmp_path / "one")
    finished(tmp_path / "two")
    finished(tmp_path / "three", spread=1.0 + 2**-52)
    test._whole = test._bits("one")
    test._compare("two")
    with pytest.raises(Wrong, match="in summary"):
        test._compare("three")
    change(tmp_path / "two")
    with pytest.raises(Wrong, match=text):
        test._compare("two")


def test_a_finished_case_that_is_written_again_is_seen(test, tmp_path):
    finished(tmp_path / "one")
    before = test._manifests("one")
    assert set(before) == {"a.json", "b.json"}
    test._see_kept("one", before)
    (tmp_path / "one" / "selftest" / "cases" / "c.json").write_text("{}")  # a new one is none of these
    test._see_kept("one", before)
    (tmp_path / "one" / "selftest" / "cases" / "a.json").unlink()
    with pytest.raises(Wrong, match=r"a\.json"):
        test._see_kept("one", before)
    with pytest.raises(Wrong, match="0 finished cases were used again"):
        test._see_reused("one", 2)


def test_a_run_that_ends_wrongly_is_seen(test):
    run = test._start("out", "--jobs", "0")
    with pytest.raises(Wrong, match=r"ended with status 2: .*--jobs must be"):
        test._finish(run, "a run")


def test_only_workers_are_taken_for_workers():
    sleep = "import time; print('up', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", sleep], stdout=subprocess.PIPE, text=True)
    worker = subprocess.Popen([sys.executable, "-c", sleep, "multiprocessing.spawn"], stdout=subprocess.PIPE, text=True)
    with child, worker:
        for one in (child, worker):
            assert one.stdout.readline() == "up\n"
        assert processes.alive(child.pid)
        found = processes.workers_of(os.getpid())
        assert worker.pid in found and child.pid not in found and processes.workers_of(child.pid) == []
        child.kill()
        worker.kill()
        worker.wait()
        assert not processes.alive(worker.pid)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not processes.alive(child.pid)  # its entry is still there
