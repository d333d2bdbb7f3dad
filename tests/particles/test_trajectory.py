from pathlib import Path

import numpy as np
import pytest
import xarray
from numpy.testing import assert_array_equal

import cases
from meanfield import Curve, ParticleMethod, Uniform
from meanfield import solve as solve_equation
from particles import Empirical, Raw, Trajectory, files, solve


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deeper" / "run.npz"


def run() -> Trajectory:
    tokens = Empirical([[0.5, 1.0], [1.0, -1.0], [0.1, 0.2]], [0.25, 0.25, 0.5])
    return solve(Raw(cases.random_attention(0, 2)), tokens, [0.0, 0.1, 1 / 3])


def same(one: Trajectory, other: Trajectory) -> bool:
    arrays = all(np.array_equal(getattr(one, k), getattr(other, k)) for k in ("times", "points", "weights"))
    return arrays and all(getattr(one, k) == getattr(other, k) for k in ("stats", "status", "message"))


def test_measures_by_index() -> None:
    trajectory = run()
    assert len(trajectory) == 3
    assert isinstance(trajectory[1], Empirical)
    assert_array_equal(trajectory[-1].points, trajectory.points[-1])
    assert_array_equal(trajectory[-1].weights, trajectory.weights)
    with pytest.raises(IndexError):
        trajectory[3]
    assert len(list(trajectory)) == 3


def test_arrays_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        run().points[0, 0, 0] = 1.0


def test_save_and_load_change_nothing(path: Path) -> None:
    trajectory = run()
    trajectory.save(path)
    assert same(Trajectory.load(path), trajectory)
    assert [p.name for p in path.parent.iterdir()] == ["run.npz"]


def test_names_without_ending_are_kept(tmp_path: Path) -> None:
    run().save(str(tmp_path / "run"))
    assert same(Trajectory.load(str(tmp_path / "run")), Trajectory.load(tmp_path / "run"))


def test_a_saved_file_can_be_read_by_whoever_may_read_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour").write_text("")
    run().save(tmp_path / "run.npz")
    assert (tmp_path / "run.npz").stat().st_mode == (tmp_path / "neighbour").stat().st_mode


def test_another_kind_of_result_is_refused(path: Path) -> None:
    law = Raw(cases.line(1.0, 1.0))
    solve_equation(law, Uniform([0.0], [1.0]), [0.0], method=ParticleMethod(n=4)).save(path)
    with pytest.raises(
        ValueError, match=r"`path` must hold a particles\.Trajectory; .*run\.npz holds a meanfield\.Curve"
    ):
        Trajectory.load(path)
    run().save(path)
    with pytest.raises(ValueError, match=r"`path` must hold a meanfield\.Curve; .* holds a particles\.Trajectory"):
        Curve.load(path)


def write_text(path: Path) -> None:
    path.write_text("no result")


def write_nothing(path: Path) -> None:
    path.write_bytes(b"")


def write_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def write_pickle(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.array([{"a": 1}], dtype=object))


def write_foreign_npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, points=np.zeros((3, 2)))


def write_header_that_is_no_record(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, header=np.array("[1, 2]"))


def write_header_without_arrays(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, header=np.array('{"kind": "particles.Trajectory"}'))


FOREIGN = [
    write_text,
    write_nothing,
    write_npy,
    write_pickle,
    write_foreign_npz,
    write_header_that_is_no_record,
    write_header_without_arrays,
]


@pytest.mark.parametrize("write", FOREIGN, ids=lambda write: write.__name__)
def test_a_file_not_written_by_save_is_refused(write, tmp_path: Path) -> None:
    write(tmp_path / "run.npz")
    with pytest.raises(ValueError, match="`path`"):
        Trajectory.load(tmp_path / "run.npz")


def test_a_missing_file_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Trajectory.load(tmp_path / "run.npz")


def test_a_truncated_file_is_refused(path: Path) -> None:
    run().save(path)
    whole = path.read_bytes()
    for length in (1, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="`path` must be a file written by save"):
            Trajectory.load(path)


def test_a_flipped_byte_is_refused_or_harmless(path: Path) -> None:
    trajectory = run()
    trajectory.save(path)
    whole = path.read_bytes()
    refused = 0
    for position in range(0, len(whole), 3):
        spoiled = bytearray(whole)
        spoiled[position] ^= 0xFF
        path.write_bytes(bytes(spoiled))
        try:
            loaded = Trajectory.load(path)
        except ValueError:
            refused += 1
        else:
            assert same(loaded, trajectory), f"byte {position} changed the result unnoticed"
    assert refused > len(whole) // 6  # the arrays are more than half of the file, and checked


def test_a_failing_write_leaves_the_old_file(path: Path) -> None:
    run().save(path)
    before = path.read_bytes()

    def fail(file) -> None:
        file.write(b"half of it")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        files.write_beside(path, fail)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["run.npz"]


def test_an_interrupted_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run().save(path)
    before = path.read_bytes()

    def interrupted(*_) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run().save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["run.npz"]


def test_saving_again_replaces(path: Path) -> None:
    run().save(path)
    shorter = solve(Raw(cases.line(1.0, 1.0)), [[1.0]], [0.0, 1.0])
    shorter.save(path)
    assert same(Trajectory.load(path), shorter)


def test_labelled_array() -> None:
    trajectory = run()
    labelled = trajectory.to_xarray()
    assert isinstance(labelled, xarray.DataArray)
    assert labelled.dims == ("depth", "token", "coordinate")
    assert_array_equal(labelled.values, trajectory.points)
    assert_array_equal(labelled.depth, trajectory.times)
    assert_array_equal(labelled.weight, trajectory.weights)
    assert labelled.attrs["status"] == "finished"
    nearest = labelled.sel(depth=0.11, method="nearest").sel(token=2)
    assert_array_equal(nearest, trajectory.points[1, 2])
