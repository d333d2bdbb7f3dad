from __future__ import annotations

import copy
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

import meanfield
import particles
import studies.__main__ as command
from particles.checkpoint import CheckpointFile
from studies import errors, picture, problem
from studies.token_files import read_tokens

EXAMPLE = Path(problem.__file__).parent / "problems" / "figure_06.toml"
LINE = """
[attention]
V = [[-1.0]]
[law]
kind = "raw"
[initial]
kind = "uniform"
lower = [-1.0]
upper = [1.0]
[tokens]
n = 12
seed = 3
[times]
start = 0.0
stop = 1.0
count = 3
[method]
kind = "particles"
n = 12
"""


def parsed(changes=None, text=LINE):
    """The problem LINE with some tables replaced, or left out where the change is None."""
    source = {**copy.deepcopy(tomllib.loads(text)), **(changes or {})}
    return problem.parse({name: table for name, table in source.items() if table is not None}, Path())


def complaints(changes=None, text=LINE):
    with pytest.raises(errors.BadInput) as trouble:
        parsed(changes, text)
    return trouble.value.problems


def test_the_example_is_the_published_figure():
    task = problem.read(EXAMPLE)
    assert isinstance(task.law, particles.Rescaled) and task.law.dt is None
    # mathematics: the published value matrix has eigenvalues 1.348 and -0.068, to the digits printed
    np.testing.assert_allclose(sorted(np.linalg.eigvals(task.law.attention.V)), [-0.068, 1.348], atol=5e-4)
    np.testing.assert_array_equal(task.law.attention.B, np.eye(2))
    assert task.tokens.points.shape == (40, 2) and task.times.tolist() == [0, 1, 5, 15]
    assert np.abs(task.tokens.points).max() <= 5


def test_tokens_are_drawn_by_the_seed():
    np.testing.assert_array_equal(parsed().tokens.points, parsed().tokens.points)
    other = parsed({"tokens": {"n": 12, "seed": 4}})
    assert not np.array_equal(other.tokens.points, parsed().tokens.points)


def test_heads_get_an_identity_each():
    task = parsed({"attention": {"V": [[[1.0]], [[2.0]]]}})
    np.testing.assert_array_equal(task.law.attention.B, np.ones((2, 1, 1)))


def test_every_table_builds_its_object():
    task = parsed(
        {
            "law": {"kind": "rescaled", "dt": 0.25},
            "stepper": {"kind": "euler", "dt": 0.25},
            "times": {"values": [0, 1]},
            "initial": {"kind": "gaussian", "mean": [0.5], "cov": [[2.0]]},
            "method": None,
        }
    )
    assert task.law.dt == 0.25 and task.stepper == particles.Euler(0.25) and task.method is None
    assert isinstance(task.initial, meanfield.Gaussian) and task.initial.mean == [0.5]
    assert parsed({"stepper": {"kind": "rk4", "dt": 0.1}}).stepper == particles.RK4(0.1)
    assert parsed({"stepper": {"kind": "adaptive", "rtol": 1e-5}}).stepper == particles.Adaptive(rtol=1e-5)
    assert parsed({"method": {"kind": "finite_volume", "cells": 8}}).method == meanfield.FiniteVolume(8, order=2)


def test_all_problems_come_at_once_with_the_nearest_names():
    said = complaints(
        {
            "attention": {"V": [[1.0, 2.0], [3.0]], "k": [[1.0]]},
            "law": {"kind": "rescald"},
            "initial": {"kind": "uniform", "lower": [0.0], "uper": [1.0]},
            "times": {"values": [0.0, 2.0, 1.0]},
            "method": {"cells": 3},
            "token": {"n": 3},
        }
    )
    assert sorted(said) == sorted(
        [
            "[attention] `V` must be rectangular; its rows have unequal lengths.",
            "[attention] `k` is unknown. Did you mean K?",
            "[law] `kind` = 'rescald' is unknown. Did you mean rescaled?",
            "[initial] `upper` is missing.",
            "[initial] `uper` is unknown. Did you mean upper?",
            "[times] `times` must increase strictly; got 2.0 followed by 1.0 at index 2.",
            "[method] needs `kind`, one of particles, finite_volume, semi_lagrangian, frozen_field, riccati.",
            "[token] is unknown. Did you mean tokens?",
        ]
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"attention": None}, "[attention] is missing."),
        ({"attention": 3}, "[attention] must be a table"),
        ({"attention": {"V": [[1.0, True]]}}, "[attention] `V` must hold numbers only; got True at [0][1]."),
        ({"attention": {"V": [["a"]]}}, "[attention] `V` must hold numbers only; got 'a' at [0][0]."),
        ({"attention": {"V": [[float("nan")]]}}, "[attention] `V` must be finite; got nan at index (0, 0)"),
        ({"attention": {"V": 1.0}}, "[attention] `V` must have shape"),
        ({"attention": {"V": [[1.0, 2.0]]}}, "[attention] `V` must be square"),
        ({"law": {"kind": "rescaled", "dt": -1.0}}, "[law] `dt` must be a positive number"),
        ({"attention": {"V": [[-1.0]]}, "law": {"kind": "rescaled", "dt": 1.0}}, "[law] R = I + dt V"),
        ({"tokens": {"n": 0}}, "[tokens] `n` must be greater than or equal to 1; got 0."),
        ({"tokens": {}}, "[tokens] needs either `file` or `n`."),
        ({"tokens": {"n": 3, "file": "a.npy"}}, "[tokens] needs either `file` or `n`."),
        ({"tokens": {"file": "nowhere.npy"}}, "[tokens] there is no token file nowhere.npy"),
        ({"times": {"stop": 1.0}}, "[times] needs either `values`"),
        ({"times": {"values": [1.0], "count": 2}}, "got both."),
        ({"method": {"kind": "particles"}}, "[method] needs either `n` or `tol`."),
        (
            {"method": {"kind": "particles", "n": "many"}},
            "[method] `n` must be a valid integer; got 'many'.",
        ),
        ({"initial": {"kind": "uniform", "lower": [1.0], "upper": [0.0]}}, "[initial] "),
        (
            {"initial": {"kind": "uniform", "lower": [0, 0], "upper": [1, 1]}},
            "[initial] has dimension 2, [attention] 1.",
        ),
        ({"initial": None, "tokens": None}, "[method] solves the limit, which needs [initial]."),
        (
            {"initial": None, "method": None},
            "[tokens] `n` tokens are drawn from [initial], which is missing.",
        ),
        ({"tokens": None, "method": None}, "[initial] is there in vain"),
        ({"initial": None, "tokens": None, "method": None}, "there is nothing to solve"),
        ({"tokens": None, "stepper": {"kind": "rk4", "dt": 0.1}}, "[stepper] moves the tokens"),
        ({"stepper": {"kind": "rk4", "dt": 0.0}}, "[stepper] `dt` must be a positive number"),
        ({"law": {"kind": "rescaled", "dt": 0.5}, "method": None}, "[tokens] a discrete law"),
        ({"method": {"kind": "riccati"}}, "[method] "),
    ],
)
def test_one_problem_is_one_clear_line(changes, text):
    said = complaints(changes)
    assert len(said) == 1 and text in said[0], said


def test_what_is_not_toml_says_where(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text("[law\n")
    with pytest.raises(errors.BadInput, match=r"is not TOML: .*line 1"):
        problem.read(path)


@pytest.fixture
def points():
    return np.arange(6.0).reshape(3, 2) / 7


def write_points(path, points):
    match path.name:
        case "plain.npy":
            np.save(path, points)
        case "one.npz":
            np.savez(path, anything=points)
        case "weighted.npz":
            np.savez(path, points=points, weights=[0.5, 0.25, 0.25])
        case "headed.csv":
            path.write_text("x,y\n" + "\n".join(",".join(map(repr, row)) for row in points.tolist()) + "\n")
        case "bare.csv":
            path.write_text("\n".join(" , ".join(map(repr, row)) for row in points.tolist()))


@pytest.mark.parametrize("name", ["plain.npy", "one.npz", "weighted.npz", "headed.csv", "bare.csv"])
def test_token_files_are_read_exactly(tmp_path, points, name):
    write_points(tmp_path / name, points)
    tokens = read_tokens(tmp_path / name)
    np.testing.assert_array_equal(tokens.points, points)
    assert tokens.weights[0] == (0.5 if name == "weighted.npz" else 1 / 3)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.txt", b"1,2", "must end in .npy, .npz, .csv; got 'a.txt'"),
        ("a.npy", b"not numpy", "a.npy: is not in the format of numpy.save$"),
        ("a.npy", b"\x93NUMPY\x01\x00", "a.npy: "),  # cut off
        ("a.npz", b"PK not a zip", "a.npz: is not in the format of numpy.savez"),
        ("a.csv", b"1,2\n3,\xff\n", "a.csv: is not text in UTF-8, from byte 6 on"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"x,y\n1,2\n3\n", "line 3 has 1 columns, the first token 2"),
        ("a.csv", b"1,2\n3,four\n", "line 2, column 2 is not a number: 'four'"),
        ("a.csv", b"1,2\n3,nan\n", r"must be finite; got nan at index \(1, 1\)"),
    ],
)
def test_a_bad_token_file_says_why(tmp_path, name, content, text):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=text):
        read_tokens(tmp_path / name)


def test_an_archive_of_several_arrays_is_ambiguous(tmp_path, points):
    np.savez(tmp_path / "a.npz", x=points, y=points)
    with pytest.raises(ValueError, match="one array, or `points` and `weights`; it holds x, y"):
        read_tokens(tmp_path / "a.npz")


def solved(folder, text):
    (folder / "problem.toml").write_text(text)
    out = folder / "out"
    status = command.main(["solve", str(folder / "problem.toml"), "--out", str(out)])
    return status, out, json.loads((out / "summary.json").read_text())


def test_a_small_problem_from_end_to_end(tmp_path, capsys):
    status, out, summary = solved(tmp_path, LINE)
    assert status == errors.DONE
    names = {"tokens.npz", "limit.npz", "measure.png", "measure.svg", "summary.json"}
    assert {path.name for path in out.iterdir()} == names
    path, curve = particles.Trajectory.load(out / "tokens.npz"), meanfield.Curve.load(out / "limit.npz")
    assert path.times.tolist() == curve.times.tolist() == summary["times"] == [0.0, 0.5, 1.0]
    assert summary["tokens"]["mean"][2] == path[2].mean.tolist()
    assert summary["limit"]["lower"][0][0] == pytest.approx(-1, abs=1e-12)
    assert summary["w2"][1] == pytest.approx(meanfield.wasserstein(path[1], curve[1]), rel=1e-12)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split("  ")[-1].strip() == "W2" and len(printed) == 4


def test_an_interrupted_run_keeps_its_tokens_and_goes_on_with_the_limit(tmp_path, monkeypatch):
    _, out, whole = solved(tmp_path, LINE)
    drawn, limit = (out / "measure.png").read_bytes(), meanfield.Curve.load(out / "limit.npz")
    for path in out.iterdir():
        path.unlink()
    saved, save = [], CheckpointFile.save

    def twice(self, arrays, record):
        save(self, arrays, record)
        saved.append(self)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(meanfield.checkpoint, "INTERVAL", 0.0)  # after every step
    monkeypatch.setattr(CheckpointFile, "save", twice)
    assert command.main(["solve", str(tmp_path / "problem.toml"), "--out", str(out)]) == errors.INTERRUPTED
    monkeypatch.setattr(CheckpointFile, "save", save)
    (state,) = out.glob("limit.*.checkpoint")
    assert {path.name for path in out.iterdir()} == {"tokens.npz", state.name}
    loaded, load = [], CheckpointFile.load
    monkeypatch.setattr(CheckpointFile, "load", lambda self: loaded.append(load(self)) or loaded[-1])
    _, _, again = solved(tmp_path, LINE)
    assert loaded[0] is not None and not state.exists()
    assert (out / "measure.png").read_bytes() == drawn
    assert again["w2"] == whole["w2"] and again["limit"]["mean"] == whole["limit"]["mean"]
    resumed = meanfield.Curve.load(out / "limit.npz")
    assert all(np.array_equal(resumed[k].nodes.points, limit[k].nodes.points) for k in range(3))


def test_a_run_that_stops_is_3_and_keeps_what_was_reached(tmp_path, capsys):
    # Gaussian data with V B > 0 on the line blow up at t = 1/(2 V B s^2) = 1/2.
    text = LINE.replace("[[-1.0]]", "[[1.0]]").replace("count = 3", "count = 6")
    text = text[: text.index("[initial]")] + (
        '[initial]\nkind = "gaussian"\nmean = [0.0]\ncov = [[1.0]]\n'
        '[times]\nstop = 1.0\ncount = 6\n[method]\nkind = "riccati"\n'
    )
    status, _, summary = solved(tmp_path, text)
    assert status == errors.RUN_FAILED
    assert summary["limit"]["status"] == "stopped" and summary["limit"]["times"] == [0.0, 0.2, 0.4]
    assert capsys.readouterr().err.startswith("meanfield: limit: ")


def test_a_token_file_lies_beside_the_problem(tmp_path, points):
    np.save(tmp_path / "mine.npy", points)
    text = '[attention]\nV = [[1.0, 0.0], [0.0, 1.0]]\n[law]\nkind = "rescaled"\n'
    text += '[tokens]\nfile = "mine.npy"\n[times]\nvalues = [0.0, 0.5]\n'
    status, out, summary = solved(tmp_path, text)
    assert status == errors.DONE and not (out / "limit.npz").exists() and "w2" not in summary
    np.testing.assert_array_equal(particles.Trajectory.load(out / "tokens.npz").points[0], points)


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("kind", ["tokens", "limit", "both"])
def test_the_figure_shows_tokens_limit_or_both_in_any_dimension(dim, kind):
    rng = np.random.default_rng(0)
    tokens = [particles.Empirical(rng.normal(size=(7, dim))) for _ in range(3)]
    limit = [
        meanfield.Gaussian(np.zeros(dim), np.eye(dim)),
        meanfield.Density(meanfield.Grid([0.0] * dim, [1.0] * dim, 2), np.full((2,) * dim, 0.5**dim)),
    ]
    frames = picture.Frames(
        np.array([0.0, 1.0, 2.0]), tokens if kind != "limit" else [], limit if kind != "tokens" else []
    )
    figure = picture.measure_over_time(frames, "title")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ([""] if dim == 1 else ["t = 0", "t = 1", "t = 2"][: frames.count])
    drawn = sum(len(axes.collections) + len(axes.lines) for axes in figure.axes)
    on_the_line = {"tokens": 7, "limit": picture.QUANTILES, "both": 7 + picture.QUANTILES}
    assert drawn == (on_the_line[kind] if dim == 1 else {"tokens": 3, "limit": 2, "both": 5}[kind])
