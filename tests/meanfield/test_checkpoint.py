"""Runs that are killed and go on: in the same bits, in the right file, and never over someone else's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cases
import meanfield
from breaks import Break, Recording
from meanfield import (
    FiniteVolume,
    FrozenField,
    Gaussian,
    ParticleMethod,
    Riccati,
    SemiLagrangian,
    Smooth,
    Uniform,
    solve,
    storage,
)
from meanfield import checkpoint as checkpoints
from meanfield.checkpoint import NOWHERE, fingerprint
from particles import RK4, Adaptive, Attention, Empirical, Euler, Raw, Rescaled, softmax
from particles.checkpoint import CheckpointFile
from particles.march import march

ROOT = Path(meanfield.__file__).parent.parent
TIMES = [0.0, 0.3, 0.35, 0.8]

LAWS = {
    "raw": lambda: Raw(cases.random_attention(2, 2)),
    "rescaled": lambda: Rescaled(cases.non_commuting(2)),
    "line": lambda: Rescaled(cases.line(1.0, 1.0)),
}
STARTS: dict[str, Any] = {
    "Gaussian": cases.plane_gaussian,
    "Uniform": lambda: Uniform([-1, -1], [1, 0.5]),
    "Wide": lambda: Uniform([-5.0], [4.0]),
    "Smooth": lambda: Smooth.normalised(hill, [-1, -1], [1, 1]),
    "Empirical": lambda: Empirical(np.random.default_rng(0).uniform(-1, 1, (9, 2)), softmax=softmax.Dense),
}
METHODS: dict[str, tuple[str, str, Any]] = {
    "Riccati": ("raw", "Gaussian", lambda: Riccati()),
    "Riccati, rescaled, RK4": ("rescaled", "Gaussian", lambda: Riccati(RK4(0.03))),
    "FrozenField, long segments": ("raw", "Smooth", lambda: FrozenField(0.5)),
    "FrozenField, short segments": (
        "rescaled",
        "Uniform",
        lambda: FrozenField(0.1, ParticleMethod(n=6, stepper=RK4(0.05))),
    ),
    "FrozenField, atoms": ("raw", "Empirical", lambda: FrozenField(0.1)),
    "FrozenField, Riccati": ("raw", "Gaussian", lambda: FrozenField(0.2, Riccati())),
    "ParticleMethod, nodes": ("raw", "Smooth", lambda: ParticleMethod(n=8, stepper=RK4(0.05))),
    "ParticleMethod, tolerance": ("rescaled", "Smooth", lambda: ParticleMethod(tol=1e-4)),
    "ParticleMethod, wide": ("line", "Wide", lambda: ParticleMethod(tol=1e-3)),
    "FiniteVolume": ("raw", "Smooth", lambda: FiniteVolume(12)),
    "SemiLagrangian": ("raw", "Smooth", lambda: SemiLagrangian(12, 0.05)),
    "FrozenField, SemiLagrangian": ("raw", "Smooth", lambda: FrozenField(0.2, SemiLagrangian(12, 0.05))),
}


def hill(x: np.ndarray) -> np.ndarray:
    return np.prod(1 + 0.5 * np.sin(2 * x), axis=1)


def run(name: str, path: Path | None, times=TIMES) -> meanfield.Curve:
    law, start, method = METHODS[name]
    return solve(LAWS[law](), STARTS[start](), times, method=method(), checkpoint=path)


def bits(curve: meanfield.Curve) -> dict[str, Any]:
    """Everything about a curve but the seconds it took."""
    stats = {key: value for key, value in curve.stats.items() if key != "seconds"}
    parts = [(kind, {k: v.tobytes() for k, v in arrays.items()}) for kind, arrays in map(storage.pack, curve.measures)]
    return {
        "times": curve.times.tobytes(),
        "measures": parts,
        "stats": stats,
        "status": curve.status,
        "message": curve.message,
    }


# ------------------------------------------------------------------------------------------------ real kills

CHILD = """
import os, signal, sys
sys.path[:0] = {folders!r}
import numpy as np
from meanfield import checkpoint
from particles import checkpoint as kept
from particles import files
import test_checkpoint
checkpoint.INTERVAL = kept._SHARE = 0.0  # save after every step
saves, write = 0, files.{function}
def deadly(*arguments):
    global saves
    saves += 1
    if {before} and saves == {kill}: os.kill(os.getpid(), signal.SIGKILL)
    write(*arguments)
    if saves == {kill}: os.kill(os.getpid(), signal.SIGKILL)
files.{function} = deadly
test_checkpoint.run({name!r}, {path!r})
"""


def killed(name: str, path: Path, kill: int, function: str = "write_npz", before: bool = False) -> None:
    """Run in a process of its own that is killed at one of its saves."""
    folders = [str(ROOT), str(Path(cases.__file__).parent), str(Path(__file__).parent)]
    script = CHILD.format(folders=folders, name=name, path=str(path), kill=kill, function=function, before=before)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("name", METHODS)
def test_a_killed_run_goes_on_and_ends_bit_for_bit(name, tmp_path, monkeypatch) -> None:
    path, calls = tmp_path / "state.npz", []
    for form in (Raw, Rescaled):
        velocity = form.velocity
        monkeypatch.setattr(form, "velocity", lambda *a, velocity=velocity: calls.append(1) or velocity(*a))
    whole, work = run(name, None), len(calls)
    killed(name, path, kill=3)
    calls.clear()
    resumed = run(name, path)
    assert bits(resumed) == bits(whole)
    assert 0 < len(calls) < work  # it did not begin anew
    calls.clear()
    again = run(name, path)
    assert bits(again) == bits(whole)
    assert again.stats["seconds"] == resumed.stats["seconds"]
    assert not calls  # what had ended is given back at once


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_kill_while_writing_leaves_the_state_before(tmp_path) -> None:
    path = tmp_path / "state.npz"
    killed("Riccati", path, kill=3, function="os.replace", before=True)
    assert len(list(tmp_path.iterdir())) == 2  # and what was being written beside it
    assert bits(run("Riccati", path)) == bits(run("Riccati", None))
    assert list(tmp_path.iterdir()) == [path]  # which the next write removes


# ------------------------------------------------------------------------------------- every place to break off


def swirl(t: float, x: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(3 * x[:, 1] + t), np.cos(2 * x[:, 0])], axis=1)


@pytest.mark.parametrize("stepper", [Adaptive(rtol=1e-7), Euler(0.09), RK4(0.07)], ids=repr)
def test_the_time_loop_goes_on_from_any_step(stepper) -> None:
    start, times = np.random.default_rng(1).uniform(-1, 1, (5, 2)), np.array([-0.2, 0.1, 0.31, 0.32, 1.7])
    whole = march(swirl, start, times, stepper)
    assert whole.stats["steps"] > 5
    for k in range(1, int(whole.stats["steps"]) + 2):  # the last save is that of the end
        broken = Recording(k)
        with pytest.raises(Break):
            march(swirl, start, times, stepper, checkpoint=broken)
        resumed = march(swirl, start, times, stepper, checkpoint=Recording(saved=broken.saved))
        assert [state.tobytes() for state in resumed.states] == [state.tobytes() for state in whole.states]
        assert {**resumed.stats, "seconds": 0} == {**whole.stats, "seconds": 0}
        assert (resumed.status, resumed.message) == (whole.status, whole.message)


def test_a_run_to_a_tolerance_goes_on_from_any_stage() -> None:
    """Two runs that refine and one that moves the particles once more: breaks fall into each of them."""
    law, mu0, times = LAWS["line"](), STARTS["Wide"](), np.array(TIMES)
    method = ParticleMethod(tol=1e-3)
    whole = Recording()
    curve = method.run(law, mu0, times, False, whole)
    saves = -1 - whole.left
    assert saves > 20
    for k in range(1, saves + 1, 5):
        broken = Recording(k)
        with pytest.raises(Break):
            method.run(law, mu0, times, False, broken)
        assert bits(method.run(law, mu0, times, False, Recording(saved=broken.saved))) == bits(curve)


def test_a_run_that_failed_is_not_tried_again(tmp_path) -> None:
    path = tmp_path / "state.npz"
    problem = Raw(cases.line(1.0, 1.0)), Gaussian([0.0], [[1.0]]), [0.0, 0.4, 1.0]
    first = solve(*problem, method=Riccati(), checkpoint=path)
    again = solve(*problem, method=Riccati(), checkpoint=path)
    assert first.status == "stopped"
    assert bits(first) == bits(again)


def test_saves_are_apart_by_the_interval(tmp_path, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr("particles.checkpoint.time.monotonic", lambda: now[0])
    file = CheckpointFile(tmp_path / "state.npz", {}, checkpoints.INTERVAL)
    assert not file.due()
    now[0] += checkpoints.INTERVAL
    assert file.due()
    file.save({}, {})
    assert not file.due()


def test_a_state_that_takes_long_to_write_is_written_seldom(tmp_path, monkeypatch) -> None:
    now = [0.0]

    def slow(*_):
        now[0] += 3.0

    monkeypatch.setattr("particles.checkpoint.time.monotonic", lambda: now[0])
    monkeypatch.setattr("particles.files.write_npz", slow)
    file = CheckpointFile(tmp_path / "state.npz", {}, 5.0)
    file.save({}, {})
    now[0] += 29.0
    assert not file.due()
    now[0] += 1.0
    assert file.due()


def test_a_short_part_saves_only_when_due(tmp_path) -> None:
    path = tmp_path / "state.npz"
    for interval, kept in ((1e9, False), (0.0, True)):
        sparing = CheckpointFile(path, {}, interval).beside({}, {}).sparing()
        sparing.save({}, {})
        assert path.exists() == kept


def test_a_part_is_kept_with_the_whole() -> None:
    whole = Recording()
    part = whole.beside({"x": np.ones(2)}, {"k": 1})
    assert part.load() is None
    part.save({"x": np.zeros(3)}, {"k": 2})
    arrays, record = whole.saved
    assert record == {"k": 1, "part": {"k": 2}}
    assert arrays["x"].tolist() == [1, 1]
    mine, inner = whole.beside({}, {}, whole.load()).load()
    assert inner == {"k": 2}
    assert mine["x"].tolist() == [0, 0, 0]


def test_nowhere_keeps_nothing() -> None:
    NOWHERE.save({"x": np.ones(1)}, {})
    assert NOWHERE.load() is None
    assert not NOWHERE.due()


# --------------------------------------------------------------------------------------------- the wrong file


def complaint(law, mu0, times, method, path) -> str:
    with pytest.raises(ValueError) as caught:
        solve(law, mu0, times, method=method, checkpoint=path)
    return str(caught.value)


def test_another_problem_is_refused_by_name_and_the_file_stays(tmp_path) -> None:
    path = tmp_path / "state.npz"
    law, mu0, times, method = Raw(cases.line(-1.0, 1.0)), Gaussian([0.0], [[1.0]]), [0.0, 1.0], Riccati()
    solve(law, mu0, times, method=method, checkpoint=path)
    kept = path.read_bytes()
    other_law, other_mu0 = Raw(cases.line(-1.0, 2.0)), Gaussian([1e-300], [[1.0]])
    for arguments, named in (
        ((other_law, mu0, times, method), ["`dynamics`"]),
        ((Rescaled(law.attention), mu0, times, method), ["`dynamics`"]),
        ((law, other_mu0, times, method), ["`mu0`"]),
        ((law, mu0, [0.0, np.nextafter(1.0, 2.0)], method), ["`times`"]),
        ((law, mu0, times, Riccati(RK4(0.1))), ["`method`"]),
        ((other_law, other_mu0, times, FrozenField(0.1)), ["`dynamics`", "`method`", "`mu0`"]),
    ):
        text = complaint(*arguments, path)
        assert f"a run with other {', '.join(named)}. " in text
    assert path.read_bytes() == kept


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "curve"])
def test_a_damaged_file_is_refused_and_stays(damage: str, tmp_path) -> None:
    path = tmp_path / "state.npz"
    problem = Raw(cases.line(-1.0, 1.0)), Gaussian([0.0], [[1.0]]), [0.0, 1.0], Riccati()
    curve = solve(*problem[:3], method=problem[3], checkpoint=path)
    whole = path.read_bytes()
    if damage == "curve":
        curve.save(path)
    else:
        at = len(whole) // 2
        flipped = whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :]
        path.write_bytes({"cut": whole[:at], "flipped": flipped, "empty": b"", "text": b"hello"}[damage])
    left = path.read_bytes()
    text = complaint(*problem, path)
    assert text.startswith("`checkpoint` must be a new file or one that an earlier run of this problem left")
    assert str(path) in text
    assert path.read_bytes() == left


def test_what_is_no_path_is_refused(tmp_path) -> None:
    problem = Raw(cases.line(-1.0, 1.0)), Gaussian([0.0], [[1.0]]), [0.0, 1.0], Riccati()
    assert "is a folder" in complaint(*problem, tmp_path)
    assert "`checkpoint` must be the path of a file; got 3." in complaint(*problem, 3)
    (tmp_path / "file").touch()
    assert "does not take files" in complaint(*problem, tmp_path / "file" / "state.npz")
    solve(*problem[:3], method=problem[3], checkpoint=tmp_path / "new" / "folder" / "state.npz")
    assert (tmp_path / "new" / "folder" / "state.npz").exists()


def test_a_full_disk_is_warned_of_and_the_run_goes_on(tmp_path, monkeypatch) -> None:
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("particles.files.write_npz", full)
    with pytest.warns(RuntimeWarning, match="could not be written: No space left"):
        curve = solve(
            Raw(cases.line(-1.0, 1.0)),
            Gaussian([0.0], [[1.0]]),
            [0.0, 1.0],
            method=Riccati(),
            checkpoint=tmp_path / "state.npz",
        )
    assert curve.status == "finished"


# ------------------------------------------------------------------------------------------------ fingerprints


def test_fingerprints_tell_apart_what_differs_and_nothing_else() -> None:
    def smooth(power: int) -> Smooth:
        return Smooth.normalised(lambda x: 1 + x[:, 0] ** power, [-1], [1])

    same = [
        (smooth(2), smooth(2)),
        (Raw(Attention([[1]], [[1]], [[2]])), Raw(Attention([[1.0]], [[1.0]], [[2.0]]))),
        (FrozenField(1), FrozenField(np.float64(1.0))),
        (RK4(0.1), RK4(0.1)),
        (Empirical([[0.0]], softmax=softmax.within(0.1)), Empirical([[0.0]], softmax=softmax.within(0.1))),
    ]
    assert all(fingerprint(one) == fingerprint(other) for one, other in same)
    different = [
        smooth(2),
        smooth(4),
        Uniform([-1], [1]),
        Uniform([-1], [1 + 1e-15]),
        RK4(0.1),
        Euler(0.1),
        Raw(cases.line(1.0, 1.0)),
        Rescaled(cases.line(1.0, 1.0)),
        Empirical([[0.0]]),
        Empirical([[0.0]], softmax=softmax.within(0.1)),
        Empirical([[0.0]], softmax=softmax.within(0.01)),
        FrozenField(1),
        FrozenField(1, ParticleMethod(n=3)),
    ]
    assert len({fingerprint(value) for value in different}) == len(different)


def test_what_cannot_be_told_apart_is_refused(tmp_path) -> None:
    mu0 = Empirical([[0.0]], softmax=lambda *arguments: softmax.Dense(*arguments))
    text = complaint(Raw(cases.line(1.0, 1.0)), mu0, [0.0, 1.0], FrozenField(0.1), tmp_path / "state.npz")
    assert "`checkpoint` cannot tell one function from another" in text


def test_a_law_with_more_to_it_than_its_fields_is_refused(tmp_path) -> None:
    class Own(Raw):
        def __init__(self, strength: float) -> None:
            super().__init__(cases.line(1.0, 1.0))
            object.__setattr__(self, "strength", strength)

    text = complaint(Own(2.0), Uniform([0], [1]), [0.0, 1.0], FrozenField(0.1), tmp_path / "state.npz")
    assert "`checkpoint` cannot tell one Own from another" in text
