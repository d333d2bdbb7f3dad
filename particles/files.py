"""Files that are either the old one or the complete new one: write beside, fsync, rename."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from uuid import uuid4

import numpy as np

from particles.checks import Array

Result = TypeVar("Result")


def write_beside(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Let `write` fill a temporary file in the same folder, then rename it to `path`; nothing is left on failure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with open(part, "xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


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
