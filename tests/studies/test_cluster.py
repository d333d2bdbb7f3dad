"""Real clusters on this machine: their numbers are those of a run without one, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from distributed import LocalCluster

import studies.__main__ as command
from studies import cluster, cluster_worker, provenance, runner
from studies.case_store import CaseStore
from studies.cluster import connected
from studies.errors import BAD_INPUT, DONE, INTERRUPTED, BadInput
from studies.registry import Study

HERE = Path(__file__).resolve().parent
FAKE = Study("fake", "fake_study", "squares")
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join((str(HERE.parents[1]), str(HERE)))}
SETTINGS = {"count": 5, "kernel": True, "size": 300}

# The cluster's own threads and sockets end a little after the cluster.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(autouse=True)
def config(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    import fake_study

    return fake_study.Config


@pytest.fixture(scope="module")
def digests(tmp_path_factory):
    """The digests of the cases, computed by one process of this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        import fake_study

        out = tmp_path_factory.mktemp("local")
        runner.run(FAKE, fake_study.Config(**SETTINGS), out, jobs=1)
        return document(out)["digests"]


def document(out):
    return json.loads((out / "fake" / "fake.json").read_text())


def manifests(out):
    found = [json.loads(path.read_text()) for path in (out / "fake" / "cases").glob("*.json")]
    return sorted(found, key=lambda one: one["case"]["k"])


@contextmanager
def scheduler(folder):
    """A scheduler in a process of its own; the address is what it writes into a file."""
    file = folder / "scheduler.json"
    with dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file) as one:
        while not file.exists() or not file.read_text():
            assert one.poll() is None
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"], one


def worker(address, folder, *options):
    options = ("--nthreads", "2", "--no-dashboard", "--local-directory", folder, *options)
    return dask("worker", address, *options)


@contextmanager
def dask(*arguments):
    with subprocess.Popen(
        [sys.executable, "-m", "dask", *map(str, arguments)], env=ENVIRONMENT, stderr=subprocess.DEVNULL
    ) as one:
        try:
            yield one
        finally:
            one.terminate()
            one.wait()


def test_a_local_cluster_computes_the_same_bits(tmp_path, config, digests, monkeypatch):
    monkeypatch.setattr(CaseStore, "write", None)  # it is the workers who write
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0") as local,
        connected(local.scheduler_address) as engine,
    ):
        outcome = runner.run(FAKE, config(**SETTINGS), tmp_path, engine=engine)
        assert outcome.failures == () and document(tmp_path)["digests"] == digests
        assert runner.run(FAKE, config(**SETTINGS), tmp_path, engine=engine).reused == 5
        (tmp_path / "trouble").write_text("1 raise")
        wrong = runner.run(FAKE, config(trouble=str(tmp_path / "trouble")), tmp_path, engine=engine)
        assert "the case went wrong" in wrong.failures[0].reason and wrong.there == 3
    assert [path.name for path in (tmp_path / "fake" / "cases").iterdir() if path.name.startswith(".")] == []


def test_a_scheduler_and_a_worker_in_processes_of_their_own_compute_the_same_bits(tmp_path, config, digests, capfd):
    trouble = tmp_path / "trouble"
    with ExitStack() as stack:
        address, _ = stack.enter_context(scheduler(tmp_path))
        stack.enter_context(worker(address, tmp_path))
        out = tmp_path / "out"
        arguments = ["run", "fake", "--dask", address, "--config", str(tmp_path / "c.toml"), "--out", str(out)]
        (tmp_path / "c.toml").write_text('[fake]\ncount = 5\nkernel = true\nsize = 300\nlog = ""\n')
        assert command.main(arguments, {"fake": FAKE}) == DONE
        assert document(out)["digests"] == digests

        # The worker that computes is killed: its nanny starts another, and the case is tried again.
        trouble.write_text("1 once")
        with connected(address) as engine:
            outcome = runner.run(FAKE, config(trouble=str(trouble)), tmp_path / "killed", engine=engine)
        assert outcome.table == "sum of squares 14"
        assert [one["attempt"] for one in manifests(tmp_path / "killed")] == [1, 2, 1, 1]
        said = capfd.readouterr().err
        assert "attempt 1 of case {'k': 1" in said and "it is tried again" in said


def test_a_case_whose_worker_dies_each_time_is_given_up(tmp_path, config):
    trouble = tmp_path / "trouble"
    trouble.write_text("1 die")
    log = tmp_path / "log"
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0") as local,
        connected(local.scheduler_address) as engine,
    ):
        outcome = runner.run(FAKE, config(trouble=str(trouble), log=str(log)), tmp_path / "out", engine=engine)
    assert ["in each of 3 attempts" in one.reason for one in outcome.failures] == [True] and outcome.there == 3
    assert sorted(map(int, log.read_text().split())) == [0, 1, 1, 1, 2, 3]


def test_files_travel_back_from_a_worker_that_does_not_see_the_folder(tmp_path, config, digests, monkeypatch):
    @contextmanager
    def elsewhere(_):
        yield tmp_path / "on another disk"

    monkeypatch.setattr(cluster, "_token", elsewhere)
    write, written = CaseStore.write, []
    monkeypatch.setattr(
        CaseStore, "write", lambda store, case, packed: (written.append(case), write(store, case, packed))
    )
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0") as local,
        connected(local.scheduler_address) as engine,
    ):
        assert runner.run(FAKE, config(**SETTINGS), tmp_path / "out", engine=engine).failures == ()
    assert len(written) == 5 and document(tmp_path / "out")["digests"] == digests


def test_a_worker_with_other_code_is_refused(tmp_path):
    token = tmp_path / "token"
    token.write_text("token")
    code = provenance.code("fake_study")
    versions = provenance.versions()
    assert cluster_worker.greet(token, "fake_study", code, versions) == (True, None)
    assert cluster_worker.greet(tmp_path / "none", "fake_study", code, versions) == (False, None)
    _, refusal = cluster_worker.greet(token, "fake_study", "0+0", versions)
    assert refusal is not None and "the run's are 0+0" in refusal
    _, refusal = cluster_worker.greet(token, "fake_study", code, {**versions, "numpy": "1.0"})
    assert refusal is not None and "instead of 1.0" in refusal


def test_a_run_is_interrupted_while_it_waits_for_a_worker(tmp_path):
    with scheduler(tmp_path) as (address, _):
        script = f"""
import sys
import studies.__main__ as command
from studies.registry import Study
arguments = ["run", "fake", "--dask", {address!r}, "--out", {str(tmp_path / "out")!r}]
sys.exit(command.main(arguments, {{"fake": Study("fake", "fake_study", "squares")}}))
"""
        with subprocess.Popen(
            [sys.executable, "-c", script], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
        ) as run:
            assert "can be used; waiting for one" in run.stderr.readline()
            run.send_signal(signal.SIGINT)
            _, said = run.communicate()
    assert run.returncode == INTERRUPTED and said == "meanfield: interrupted; finished results are kept\n"


def test_a_scheduler_that_goes_away_ends_the_run(tmp_path, config, monkeypatch):
    monkeypatch.setattr("studies.crew._GONE", 1.0)
    with scheduler(tmp_path) as (address, one), connected(address) as engine:
        end = threading.Timer(0.5, one.kill)
        end.start()
        outcome = runner.run(FAKE, config(), tmp_path / "out", engine=engine)
        end.join()
    assert len(outcome.failures) == 4
    assert all(f"the scheduler at {address} does not answer any more" in one.reason for one in outcome.failures)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "http://127.0.0.1:80", "tcp://127.0.0.1"])
def test_an_address_where_nobody_answers_is_bad_input(address, tmp_path, capsys):
    arguments = ["run", "fake", "--dask", address, "--out", str(tmp_path / "out")]
    assert command.main(arguments, {"fake": FAKE}) == BAD_INPUT
    said = capsys.readouterr().err
    assert f"--dask: no scheduler answers at {address!r}" in said and "tcp://127.0.0.1:8786" in said
    assert not (tmp_path / "out").exists()


def test_without_the_extra_the_command_that_installs_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BadInput, match=r"python -m pip install 'attention-meanfield\[dask\]'"), connected("x:1"):
        pass
