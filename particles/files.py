"""Files that are either the old one or the complete new one: write beside, fsync, rename."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from itertools import count
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

    Two processes may write to one `path`, each to a part of its own. A part is locked while it is written, and the
    system drops the locks of the dead: so what a killed process left is told from what another one is still at, and is
    used again or removed. Parts have numbers, that none has to be looked for in a folder of many files.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    number, file = _begun(path)
    part = Path(file.name)
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
    _sweep(path, number)


def _part(path: Path, name: int | str) -> Path:
    return path.with_name(f".{path.name}.{name}.part")


def _begun(path: Path) -> tuple[int, BinaryIO]:
    """Return an empty part of the file `path`, open and locked, and its number: the least that is free."""
    number = 0
    while fcntl is not None:
        part = _part(path, number)
        try:
            file = open(part, "wb", opener=_as_it_is)  # noqa: SIM115  it is the caller who closes it
        except PermissionError:
            if not part.exists():
                raise
            number += 1  # left by another user
            continue
        try:
            if _locked(file):
                file.truncate()
                return number, file
        except BlockingIOError:
            number += 1
        except OSError:  # a disk without locks: none is taken for dead then
            file.close()
            part.unlink(missing_ok=True)
            break
        file.close()
    return 0, open(_part(path, uuid4().hex), "xb")


def _as_it_is(path: str, flags: int) -> int:
    """Open a file for writing and do not empty it yet: it may be another's, and be renamed meanwhile."""
    return os.open(path, flags & ~os.O_TRUNC, 0o666)


def _locked(file: BinaryIO) -> bool:
    """Lock an open part; False if it was renamed or removed before.

    Raises
    ------
    BlockingIOError
        If another process is at it.
    """
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        return os.path.samestat(os.stat(file.name), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _sweep(path: Path, number: int) -> None:
    """Remove the parts of `path` that nobody writes to: those below `number`, and above it up to the first missing."""
    if fcntl is None:
        return
    for other in count():
        part = _part(path, other)
        if part.exists():
            with suppress(OSError), open(part, "r+b") as file:
                if _locked(file):
                    part.unlink()
        elif other > number:
            break


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
