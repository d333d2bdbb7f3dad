"""The benchmark command runs, writes JSON, and times nothing whose result is wrong. Speed is not asserted."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def timing(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import timing

    yield timing
    sys.modules.pop("timing")


def test_a_quick_row_leaves_json(tmp_path) -> None:
    out = tmp_path / "field.json"
    options = ["--quick", "--only", "dense-1", "frame-core", "--peers", "numpy", "--out", out]
    command = [sys.executable, BENCHMARKS / "field.py", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(out.read_text())
    assert report["quick"] and report["machine"]["cores"] > 0 and report["versions"]["numpy"] == np.__version__
    limit, ratio, *frames = report["rows"]
    assert limit["unit"] == "%" and limit["limit"]["4 lanes"]["least"] > 0
    assert ratio["name"] == "dense d=1, numpy in blocks / ours"
    assert ratio["value"] == pytest.approx(ratio["theirs"]["least"] / ratio["ours"]["least"])
    assert ratio["met"] is None  # a quick run is not judged
    assert len(frames) == 4 and all(row["value"] > 0 for row in frames)  # none is refused: both exponentials agree
    for row in report["rows"]:
        assert row["name"] in done.stdout


def test_a_wrong_result_is_refused_and_not_timed(timing) -> None:
    reference = np.array([1.0, 2.0])
    runs = {"right": 0, "wrong": 0, "nan": 0, "short": 0}

    def case(name: str, result: list[float]):
        def run() -> np.ndarray:
            runs[name] += 1
            return np.array(result)

        return timing.Case(run, tol=1e-9)

    def broken() -> None:
        raise RuntimeError("no such device")

    cases = {
        "right": case("right", [1.0, 2.0 + 1e-10]),
        "wrong": case("wrong", [1.0, 2.0 + 1e-8]),
        "nan": case("nan", [1.0, float("nan")]),
        "short": case("short", [1.0]),
        "broken": timing.Case(broken),
    }
    measured = timing.side_by_side(cases, reference, rounds=2)
    assert set(measured.times) == {"right"}
    assert set(measured.refused) == {"wrong", "nan", "short", "broken"}
    assert "differs" in measured.refused["wrong"] and "no such device" in measured.refused["broken"]
    assert runs["right"] > 2 and runs["wrong"] == runs["nan"] == runs["short"] == 1


def test_a_ratio_is_that_of_the_least_times(timing) -> None:
    slow, fast = timing.Times((4.0, 6.0, 9.0)), timing.Times((2.0, 1.0, 3.0))
    assert timing.ratios(slow, fast) == {"least": 4.0, "median": 3.0}


def test_an_unknown_benchmark_is_named(capfd) -> None:
    done = subprocess.run([sys.executable, BENCHMARKS / "field.py", "--only", "dens"], check=False)
    assert done.returncode == 2
    assert "dense-1" in capfd.readouterr().err
