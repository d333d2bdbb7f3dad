"""Files written beside and renamed: whole, also when writers are killed or write at once."""

import errno
import os
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


def test_what_several_killed_writers_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    started = [writer(path) for _ in range(3)]
    assert len(names(tmp_path)) == 3  # a part each
    for process in started:
        process.communicate("die\n", timeout=30)
    put(path, b"new")
    assert names(tmp_path) == ["state.npz"]


def test_nothing_of_a_longer_part_stays_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    (tmp_path / ".state.npz.0.part").write_bytes(b"of a killed process, and longer")
    put(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_file_may_be_written_out_of_order(tmp_path: Path) -> None:
    """As archives are: the length goes into the head when it is known."""
    path = tmp_path / "state.npz"

    def write(file) -> None:
        file.write(b"head....body")
        file.seek(4)
        file.write(b"0004")

    write_beside(path, write)
    assert path.read_bytes() == b"head0004body"


def test_parts_of_other_files_stay(tmp_path: Path) -> None:
    others = [".state.npz.old.0.part", ".xstate.npz.0.part", ".state.npz.part", ".state_npz.0.part"]
    for other in [*others, ".state.npz.0.part", ".state.npz.1.part"]:
        (tmp_path / other).write_bytes(b"")
    put(tmp_path / "state.npz", b"new")
    assert names(tmp_path) == sorted([*others, "state.npz"])


def test_many_files_in_the_folder_are_not_looked_through(tmp_path: Path, monkeypatch) -> None:
    """On the disks of clusters that takes longer than many a case."""
    looked = []
    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, lambda *of, name=name: looked.append(name))
    put(tmp_path / "state.npz", b"new")
    monkeypatch.undo()
    assert looked == []
    assert names(tmp_path) == ["state.npz"]


def locks(monkeypatch, act) -> None:
    """Let `act` happen before a file is locked."""
    from particles import files

    real = files.fcntl

    class Fcntl:
        LOCK_EX, LOCK_NB = real.LOCK_EX, real.LOCK_NB

        @staticmethod
        def flock(file, how) -> None:
            act(Path(file.name))
            real.flock(file, how)

    monkeypatch.setattr(files, "fcntl", Fcntl)


@pytest.mark.parametrize("what", ["swept", "renamed"])
def test_a_part_that_goes_before_it_is_locked_is_begun_again(tmp_path: Path, monkeypatch, what: str) -> None:
    gone = []

    def act(part: Path) -> None:
        if not gone:  # another process comes first
            gone.append(part)
            if what == "swept":
                part.unlink()
            else:
                part.write_bytes(b"of the other process")
                part.rename(tmp_path / "kept")

    locks(monkeypatch, act)
    put(tmp_path / "state.npz", b"new")
    assert len(gone) == 1
    assert (tmp_path / "state.npz").read_bytes() == b"new"
    assert names(tmp_path) == (["state.npz"] if what == "swept" else ["kept", "state.npz"])
    assert what == "swept" or (tmp_path / "kept").read_bytes() == b"of the other process"


def test_a_disk_without_locks_takes_files_too(tmp_path: Path, monkeypatch) -> None:
    def act(part: Path) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    locks(monkeypatch, act)
    put(tmp_path / "state.npz", b"new")
    assert (tmp_path / "state.npz").read_bytes() == b"new"
    assert names(tmp_path) == ["state.npz"]


def test_what_another_user_left_is_not_in_the_way(tmp_path: Path, monkeypatch) -> None:
    from particles import files

    left, real = tmp_path / ".state.npz.0.part", files._as_it_is
    left.write_bytes(b"")

    def opened(path, flags: int) -> int:  # root may open every file, so that its mode would not do
        if Path(path) == left:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, flags)

    monkeypatch.setattr(files, "_as_it_is", opened)
    put(tmp_path / "state.npz", b"new")
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
