"""Files written beside and renamed: whole, also when writers are killed or write at once."""

import subprocess
import sys
from pathlib import Path

import pytest

import particles
from particles.files import write_beside

ROOT = Path(particles.__file__).parent.parent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="parts are locked on POSIX systems only")

WRITER = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from particles.files import write_beside

def write(file):
    file.write(b"of the other process")
    file.flush()
    print("at it", flush=True)
    if sys.stdin.readline().strip() == "die":
        os.kill(os.getpid(), signal.SIGKILL)

write_beside(Path({path!r}), write)
"""


def writer(path: Path) -> subprocess.Popen:
    """A process that is in the midst of writing to `path`, and waits to be told to go on or to die."""
    script = WRITER.format(root=str(ROOT), path=str(path))
    process = subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "at it\n"
    return process


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def put(path: Path, content: bytes) -> None:
    write_beside(path, lambda file: (file.write(content), None)[1])


def test_the_next_write_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    put(path, b"old")
    process = writer(path)
    process.communicate("die\n", timeout=30)
    assert process.returncode == -9
    assert path.read_bytes() == b"old"
    assert len(names(tmp_path)) == 2
    put(path, b"new")
    assert names(tmp_path) == ["state.npz"]
    assert path.read_bytes() == b"new"


def test_a_writer_that_lives_keeps_its_part(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    process = writer(path)
    put(path, b"mine")
    assert path.read_bytes() == b"mine"
    assert len(names(tmp_path)) == 2
    process.communicate("go on\n", timeout=30)
    assert process.returncode == 0
    assert names(tmp_path) == ["state.npz"]
    assert path.read_bytes() == b"of the other process"


def test_parts_of_other_files_stay(tmp_path: Path) -> None:
    part = ".{}." + 32 * "a" + ".part"
    others = [part.format("state.npz.old"), part.format("xstate.npz"), ".state.npz.part", ".state_npz." + 37 * "a"]
    for other in others:
        (tmp_path / other).write_bytes(b"")
    (tmp_path / part.format("state.npz")).write_bytes(b"")
    put(tmp_path / "state.npz", b"new")
    assert names(tmp_path) == sorted([*others, "state.npz"])


def test_a_part_swept_before_it_is_locked_is_begun_again(tmp_path: Path, monkeypatch) -> None:
    from particles import files

    swept = []

    class Fcntl:
        LOCK_EX, LOCK_NB = files.fcntl.LOCK_EX, files.fcntl.LOCK_NB

        @staticmethod
        def flock(file, how) -> None:
            if not swept:  # another process comes first
                swept.extend(tmp_path.iterdir())
                swept[0].unlink()
            files_fcntl.flock(file, how)

    files_fcntl = files.fcntl
    monkeypatch.setattr(files, "fcntl", Fcntl)
    put(tmp_path / "state.npz", b"new")
    assert len(swept) == 1
    assert names(tmp_path) == ["state.npz"]
    assert (tmp_path / "state.npz").read_bytes() == b"new"


def test_many_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from particles.files import write_beside
for k in range(100):
    write_beside(Path({str(path)!r}), lambda file: (file.write(sys.argv[1].encode() * 10_000), None)[1])
"""
    processes = [subprocess.Popen([sys.executable, "-c", script, letter]) for letter in "ab"]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert names(tmp_path) == ["state.npz"]
    assert path.read_bytes() in (b"a" * 10_000, b"b" * 10_000)
