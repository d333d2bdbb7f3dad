from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from studies import runner
from studies.errors import DONE, INTERRUPTED, StoreError
from studies.registry import Study
from studies.shard import Shard

HERE = Path(__file__).resolve().parent
FAKE = Study("fake", "fake_study", "squares")
posix = pytest.mark.skipif(os.name != "posix", reason="signals are sent")


@pytest.fixture(autouse=True)
def fake_study(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    import fake_study

    return fake_study


@pytest.fixture
def trial(tmp_path, fake_study):
    return Trial(tmp_path, fake_study.Config)


class Trial:
    """Runs of the fake study in one folder, and which cases each of them computed."""

    def __init__(self, folder, config):
        self.folder, self.config = folder, config
        self.trouble = folder / "trouble"
        self.log = folder / "log"
        self.worker = folder / "worker"

    def run(self, jobs=1, out="out", shard=None, **settings):
        self.log.write_text("")
        config = self.config(log=str(self.log), trouble=str(self.trouble), **settings)
        return runner.run(FAKE, config, self.folder / out, jobs=jobs, shard=shard)

    def start(self, jobs=1):
        """Run as a user does, in a process of its own."""
        self.log.write_text("")
        script = f"""
import sys
sys.path[:0] = {[str(HERE.parents[1]), str(HERE)]!r}
import fake_study, studies.__main__ as command
from studies.registry import Study
if __name__ == "__main__":
    settings = dict(log={str(self.log)!r}, trouble={str(self.trouble)!r})
    fake_study.Config.quick = classmethod(lambda cls, seed: cls(**settings))
    arguments = ["run", "fake", "--jobs", "{jobs}", "--out", {str(self.folder / "out")!r}]
    sys.exit(command.main(arguments, {{"fake": Study("fake", "fake_study", "squares")}}))
"""
        command = [sys.executable, "-c", script]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def until_in_case_1(self, process):
        """Return the process that computes case 1."""
        wait_for(lambda: self.worker.exists() and self.worker.read_text(), process)
        return int(self.worker.read_text())

    @property
    def computed(self):
        return sorted(int(line) for line in self.log.read_text().split())

    @property
    def case_files(self):
        return sorted((self.folder / "out" / "fake" / "cases").glob("*.json"))

    def document(self, out="out"):
        return json.loads((self.folder / out / "fake" / "fake.json").read_text())


def wait_for(what, process=None):
    while not what():
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.02)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_run_leaves_numbers_figure_and_table(trial):
    outcome = trial.run(seed=5)
    assert outcome.table == "sum of squares 34"  # 0 + 1 + 4 + 9, and four times the seed 5
    folder = trial.folder / "out" / "fake"
    assert {path.name for path in folder.iterdir()} == {"cases", "fake.json", "fake.png", "fake.svg"}
    document = trial.document()
    assert document["seed"] == 5 and document["config"]["count"] == 4 and document["cases"] == 4
    assert document["summary"]["nans"] == 4  # a NaN in a result reaches the summary as NaN
    assert set(document["versions"]) == {"python", "attention-meanfield", "numpy", "scipy", "pot", "numba"}
    assert document["wall_time"] > 0 and "commit" in document and "hostname" in document
    manifests = [json.loads(path.read_text()) for path in trial.case_files]
    assert sorted(one["digest"] for one in manifests) == sorted(document["digests"])
    for one in manifests:
        assert one["case"]["seed"] == one["seeds"]["seed"] == 5 and one["attempt"] == 1
        assert one["study"] == "fake" and one["versions"] == document["versions"] and "commit" in one
        assert set(one["machine"]) == {"platform", "processor", "cores", "hostname"}
        assert one["wall_time"] > 0 and one["cpu_time"] >= 0 and one["started"].endswith("+00:00")
    with np.load(trial.case_files[0].with_suffix(".npz")) as arrays:
        assert set(arrays.files) == {"rows", "places"} and arrays["rows"].dtype == np.float64


def test_finished_cases_are_not_computed_again(trial):
    first = trial.run()
    assert trial.computed == [0, 1, 2, 3]
    second = trial.run()
    assert trial.computed == [] and second.reused == 4 and second.summary == first.summary
    trial.run(count=6)
    assert trial.computed == [4, 5]
    trial.run(seed=1)
    assert trial.computed == [0, 1, 2, 3]


def test_damaged_cases_are_computed_again_and_said(trial, capfd):
    first = trial.run(count=8)
    before = {path: path.read_bytes() for path in trial.case_files[0].parent.iterdir()}
    manifests = trial.case_files
    capfd.readouterr()
    reasons = {}

    def damage(manifest, reason, act):
        act(manifest)
        reasons[manifest] = reason

    damage(manifests[0], "is cut off", lambda path: path.write_bytes(before[path][: len(before[path]) // 2]))
    damage(
        manifests[1],
        "has been changed",
        lambda path: path.write_text(path.read_text().replace('"cores": ', '"cores": 1')),
    )
    damage(manifests[2], "is cut off", lambda path: path.write_bytes(b"\xff\xfe\x00"))
    damage(manifests[3], "belongs to another case", lambda path: path.write_bytes(before[manifests[6]]))
    damage(manifests[4], "is without its arrays", lambda path: path.with_suffix(".npz").unlink())
    changed = bytearray(before[manifests[5].with_suffix(".npz")])
    changed[len(changed) // 2] ^= 1
    damage(manifests[5], "with other arrays", lambda path: path.with_suffix(".npz").write_bytes(changed))
    again = trial.run(count=8)
    assert len(trial.computed) == 6 and again.reused == 2 and repr(again.summary) == repr(first.summary)
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 6
    for manifest, reason in reasons.items():
        assert [reason in line for line in said if manifest.name in line] == [True]
    for path, content in before.items():
        if path.suffix == ".npz":
            assert path.read_bytes() == content
    assert trial.run(count=8).reused == 8


def test_failing_cases_do_not_lose_the_others(trial, capfd):
    wrong = {
        "raise": ("ArithmeticError: the case went wrong", 1),
        "exit": ("SystemExit: 5", 1),
        "object": ("/square: type has no form in JSON", 1),
        "list": ("run_case must return a mapping; got list", 1),
        "die": ("in each of 3 attempts; the last one was killed by SIGKILL (perhaps out of memory", 3),
        "leave": ("in each of 3 attempts; the last one left with status 7", 3),
    }
    trial.trouble.write_text("\n".join(f"{k} {what}" for k, what in enumerate(wrong, start=1)))
    outcome = trial.run(count=8)
    assert len(outcome.failures) == 6 and outcome.summary is None and (outcome.there, outcome.cases) == (2, 8)
    for k, (failure, (reason, attempts)) in enumerate(zip(outcome.failures, wrong.values(), strict=True), start=1):
        assert f"'k': {k}" in failure.what and reason in failure.reason
        assert trial.computed.count(k) == attempts
    assert not (trial.folder / "out" / "fake" / "fake.json").exists() and len(trial.case_files) == 2
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 4 and all("it is tried again" in line for line in said)


def test_a_failed_case_is_computed_by_the_next_run(trial):
    trial.trouble.write_text("1 raise")
    assert trial.run().summary is None
    trial.trouble.unlink()
    assert trial.run().table == "sum of squares 14"
    assert trial.computed == [1]


def test_a_killed_case_is_tried_again(trial, capfd):
    trial.trouble.write_text("1 once")
    outcome = trial.run(jobs=2)
    assert outcome.table == "sum of squares 14" and trial.computed == [0, 1, 1, 2, 3]
    said = capfd.readouterr().err
    assert said.startswith("meanfield: fake: attempt 1 of case {'k': 1, ")
    assert said.endswith("was killed by SIGKILL (perhaps out of memory: try fewer --jobs); it is tried again\n")
    attempts = {manifest["case"]["k"]: manifest["attempt"] for manifest in map(loaded, trial.case_files)}
    assert attempts == {0: 1, 1: 2, 2: 1, 3: 1}


def loaded(path):
    return json.loads(path.read_text())


def test_a_failing_summary_keeps_the_cases(trial):
    outcome = trial.run(count=0)
    assert "nothing to sum up" in outcome.failures[0].reason and outcome.summary is None


def test_a_killed_summing_up_is_tried_again(trial, capfd):
    trial.trouble.write_text("sum once")
    assert trial.run(count=1).table == "sum of squares 0" and trial.computed == [0]
    assert "attempt 1 of summing up: its process was killed by SIGKILL" in capfd.readouterr().err


def test_no_bit_depends_on_the_number_of_jobs_and_threads(trial, monkeypatch):
    # The kernel's threads are the cores per job; linear algebra of this size uses threads where it may.
    monkeypatch.setattr("studies.pool.usable_cores", lambda: 4)
    one = trial.run(jobs=1, out="one", count=3, kernel=True, size=300)
    two = trial.run(jobs=3, out="two", count=3, kernel=True, size=300)
    assert repr(one.summary) == repr(two.summary) and one.table == two.table
    first, second = trial.document("one"), trial.document("two")
    assert first["digests"] == second["digests"] and len(set(first["digests"])) == 3
    for kind in ("png", "svg"):
        assert (trial.folder / f"one/fake/fake.{kind}").read_bytes() == (
            trial.folder / f"two/fake/fake.{kind}"
        ).read_bytes()


def test_a_case_is_not_stored_under_sources_that_did_not_make_it(trial, monkeypatch):
    # As if a file had been saved between the start of the run and that of its worker.
    monkeypatch.setattr("studies.provenance.code", lambda module: "0.0+other")
    outcome = trial.run(count=1)
    assert "the sources changed from 0.0+other to " in outcome.failures[0].reason and trial.case_files == []


def test_shards_share_a_folder_and_the_last_one_sums_up(trial):
    whole = trial.run(out="whole", count=5)
    first = trial.run(count=5, shard=Shard(2, 3))
    assert trial.computed == [1, 4] and first.summary is None and (first.there, first.cases) == (2, 5)
    second = trial.run(count=5, shard=Shard(1, 3))
    assert trial.computed == [0, 3] and (second.there, second.cases) == (4, 5) and not second.failures
    finished = trial.run(count=5)
    assert trial.computed == [2] and finished.reused == 4
    assert repr(finished.summary) == repr(whole.summary)
    assert trial.document()["digests"] == trial.document("whole")["digests"]
    last = trial.run(count=5, shard=Shard(3, 3))
    assert trial.computed == [] and repr(last.summary) == repr(whole.summary)


def test_runs_at_the_same_time_share_a_folder(trial):
    started = [trial.start(), trial.start(jobs=2)]
    said = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [DONE, DONE], said
    assert said[0] == said[1] == ("sum of squares 14\n", "")
    assert trial.run().reused == 4


def test_a_store_that_cannot_be_written_is_said_before_any_work(trial):
    (trial.folder / "taken").write_text("")
    with pytest.raises(StoreError):
        trial.run(out="taken")
    assert trial.computed == []


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_store_that_fails_on_the_way_leaves_no_worker(trial):
    trial.trouble.write_text(f"1 folder {trial.folder / 'out' / 'fake' / 'cases'}")
    with pytest.raises(StoreError, match="cannot write"):
        trial.run(count=8, jobs=2)
    assert multiprocessing.active_children() == []


@posix
@pytest.mark.parametrize(("number", "trouble"), [(signal.SIGINT, "kernel"), (signal.SIGTERM, "sleep")])
def test_an_interrupted_run_keeps_what_finished_and_ends_its_workers(trial, trouble, number):
    trial.trouble.write_text(f"1 {trouble}")
    with trial.start() as process:
        worker = trial.until_in_case_1(process)
        process.send_signal(number)
        _, said = process.communicate()
    assert process.returncode == INTERRUPTED
    assert said == "meanfield: interrupted; finished results are kept\n"
    assert len(trial.case_files) == 1 and not alive(worker)
    trial.trouble.unlink()
    assert trial.run().table == "sum of squares 14"
    assert trial.computed == [1, 2, 3]


@posix
def test_a_killed_run_loses_no_finished_case_and_leaves_no_worker(trial):
    trial.trouble.write_text("1 kernel")
    with trial.start(jobs=2) as process:
        worker = trial.until_in_case_1(process)
        wait_for(lambda: len(trial.case_files) == 3, process)
        process.kill()
    wait_for(lambda: not alive(worker))
    trial.trouble.unlink()
    assert trial.run().table == "sum of squares 14"
    assert trial.computed == [1]


@posix
def test_a_worker_that_is_killed_from_outside_costs_nothing_but_its_time(trial):
    trial.trouble.write_text("1 sleep")
    with trial.start(jobs=2) as process:
        worker = trial.until_in_case_1(process)
        trial.trouble.unlink()
        os.kill(worker, signal.SIGKILL)
        out, said = process.communicate()
    assert (process.returncode, out) == (DONE, "sum of squares 14\n")
    assert "attempt 1 of case {'k': 1" in said and "it is tried again" in said and len(said.splitlines()) == 1
    assert trial.computed == [0, 1, 1, 2, 3]
