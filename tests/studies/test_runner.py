from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studies import runner
from studies.errors import INTERRUPTED, StoreError
from studies.registry import Study

HERE = Path(__file__).resolve().parent
FAKE = Study("fake", "fake_study", "squares")


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

    def run(self, jobs=1, out="out", **settings):
        self.log.write_text("")
        config = self.config(log=str(self.log), trouble=str(self.trouble), **settings)
        return runner.run(FAKE, config, self.folder / out, jobs=jobs)

    @property
    def computed(self):
        return sorted(int(line) for line in self.log.read_text().split())

    @property
    def case_files(self):
        return sorted((self.folder / "out" / "fake" / "cases").iterdir())


def test_a_run_leaves_numbers_figure_and_table(trial):
    outcome = trial.run(seed=5)
    assert outcome.table == "sum of squares 34"  # 0 + 1 + 4 + 9, and four times the seed 5
    folder = trial.folder / "out" / "fake"
    assert {path.name for path in folder.iterdir()} == {"cases", "fake.json", "fake.png", "fake.svg"}
    document = json.loads((folder / "fake.json").read_text())
    assert document["seed"] == 5 and document["config"]["count"] == 4 and document["cases"] == 4
    assert document["summary"]["nans"] == 4  # a NaN in a result reaches the summary as NaN
    assert set(document["versions"]) == {"python", "attention-meanfield", "numpy", "scipy", "pot", "numba"}
    assert document["wall_time"] > 0 and "commit" in document


def test_finished_cases_are_not_computed_again(trial):
    first = trial.run()
    assert trial.computed == [0, 1, 2, 3]
    second = trial.run()
    assert trial.computed == [] and second.reused == 4 and second.summary == first.summary
    trial.run(count=6)
    assert trial.computed == [4, 5]
    trial.run(seed=1)
    assert trial.computed == [0, 1, 2, 3]


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "binary", "not a mapping"])
def test_a_damaged_case_is_computed_again(trial, damage):
    first = trial.run(count=2)
    path = trial.case_files[0]
    text = path.read_text()
    match damage:
        case "cut":
            path.write_text(text[: len(text) // 2])
        case "changed":
            path.write_text(text.replace('"square": ', '"square": 1'))
        case "empty":
            path.write_text("")
        case "binary":
            path.write_bytes(b"\xff\xfe\x00")
        case "not a mapping":
            path.write_text("[1, 2]")
    again = trial.run(count=2)
    assert len(trial.computed) == 1 and again.summary == first.summary
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("raise", "ArithmeticError: the case went wrong"),
        ("die", "ended abruptly"),
        ("not json", "cannot be stored"),
    ],
)
def test_a_failing_case_does_not_lose_the_others(trial, trouble, reason):
    trial.trouble.write_text(trouble)
    outcome = trial.run(jobs=1)
    assert [("'k': 1" in failure.what, reason in failure.reason) for failure in outcome.failures] == [(True, True)]
    assert outcome.summary is None and not (trial.folder / "out" / "fake" / "fake.json").exists()
    assert len(trial.case_files) == 3
    trial.trouble.unlink()
    assert trial.run().summary is not None
    assert trial.computed == [1]


def test_a_failing_summary_keeps_the_cases(trial):
    outcome = trial.run(count=0)
    assert "nothing to sum up" in outcome.failures[0].reason and outcome.summary is None


def test_the_numbers_do_not_depend_on_the_number_of_jobs(trial):
    one, two = trial.run(jobs=1, out="one", count=5), trial.run(jobs=2, out="two", count=5)
    assert one.summary == two.summary and one.table == two.table
    for kind in ("png", "svg"):
        assert (trial.folder / f"one/fake/fake.{kind}").read_bytes() == (
            trial.folder / f"two/fake/fake.{kind}"
        ).read_bytes()


def test_a_store_that_cannot_be_written_is_said_before_any_work(trial):
    (trial.folder / "taken").write_text("")
    with pytest.raises(StoreError):
        trial.run(out="taken")
    assert trial.computed == []


def test_a_store_that_fails_on_the_way_leaves_no_worker(trial, monkeypatch):
    import multiprocessing

    def full(*_):
        raise StoreError("no space left")

    monkeypatch.setattr("studies.files.write_json", full)
    with pytest.raises(StoreError, match="no space"):
        trial.run(count=8)
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as a signal")
def test_ctrl_c_keeps_what_finished_and_ends_the_workers(trial):
    trial.trouble.write_text("sleep")
    script = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import fake_study, studies.__main__ as command
from studies.registry import Study
settings = dict(log={str(trial.log)!r}, trouble={str(trial.trouble)!r})
fake_study.Config.quick = classmethod(lambda cls, seed: cls(**settings))
command.STUDIES = {{"fake": Study("fake", "fake_study", "squares")}}
sys.exit(command.main(["run", "fake", "--jobs", "1", "--out", {str(trial.folder / "out")!r}]))
"""
    worker = trial.folder / "worker"
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as process:
        while not worker.exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == INTERRUPTED
    assert said == "meanfield: interrupted; finished results are kept\n"
    assert len(trial.case_files) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(int(worker.read_text()), 0)
