"""Files that are either the old one or the complete new one: write beside, fsync, rename."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from uuid import uuid4

import numpy as np

from particles.checks import Array

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

Result = TypeVar("Result")


def write_beside(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Let `write` fill a temporary file in the same folder, then rename it to `path`; nothing is left on failure.

    What a killed process left of the same file is removed then. A part is locked while it is written, and the system
    drops the locks of the dead: so a part of a process that is still at it is told from one that nobody will finish,
    and two processes may write to one `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part, file = _begun(path)
    try:
        with file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            if fcntl is not None:
                os.replace(part, path)  # while it is locked
        if fcntl is None:
            os.replace(part, path)  # such systems do not rename an open file
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    _sweep(path)


def _begun(path: Path) -> tuple[Path, BinaryIO]:
    """Return a new part of the file `path`, open and locked."""
    while True:
        part = path.with_name(f".{path.name}.{uuid4().hex}.part")
        file = open(part, "xb")  # noqa: SIM115  it is the caller who closes it
        if fcntl is None:
            return part, file
        with suppress(OSError):  # a disk without locks; then none is taken for dead either
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return part, file
        file.close()  # another process swept it before it was locked


def _sweep(path: Path) -> None:
    """Remove the parts of `path` that nobody writes to."""
    if fcntl is None:
        return
    form = re.compile(re.escape(f".{path.name}.") + "[0-9a-f]{32}" + re.escape(".part"))
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if form.fullmatch(entry.name):
                with suppress(OSError), open(entry.path, "rb") as file:  # it may be locked, renamed or not ours
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)


def write_npz(path: Path, kind: str, arrays: dict[str, Array], record: dict[str, Any]) -> None:
    """Write arrays and a JSON-able record to `path` as .npz (whose members carry checksums)."""
    header = json.dumps({"kind": kind, **record})
    members: dict[str, Any] = {"header": np.array(header), **arrays}
    write_beside(path, lambda file: np.savez(file, **members))


def read_npz(path: Path, kind: str, build: Callable[[dict[str, Array], dict[str, Any]], Result]) -> Result:
    """Return what `build` makes of the arrays and the record of a file written by `write_npz`.

    Raises
    ------
    ValueError
        If the file is damaged or holds another kind of result.
    """
    with open(path, "rb") as file:
        try:
            with np.load(file, allow_pickle=False) as members:
                arrays = {name: members[name] for name in members.files}
            record = json.loads(str(arrays.pop("header")))
            found = record.pop("kind")
            if found == kind:
                return build(arrays, record)
        except Exception as trouble:  # a damaged archive fails in many ways
            raise ValueError(
                f"`path` must be a file written by save; {path} is not, or is damaged: {trouble}."
            ) from trouble
    raise ValueError(f"`path` must hold a {kind}; {path} holds a {found}.")


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # other systems cannot open a folder
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
