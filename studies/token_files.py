"""Tokens from a file: .npy, .npz or .csv, one token a row."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from particles import Empirical

_BEGINNING = b"\x93NUMPY"  # of every .npy


def read_tokens(path: Path) -> Empirical:
    """Return the tokens in a file.

    Parameters
    ----------
    path : Path
        .npy: an (n, d) array. .npz: one such array, or `points` and perhaps `weights`. .csv: numbers between
        commas, one token a line, perhaps below one line of names.

    Raises
    ------
    ValueError
        If there is no such file, it is not of its kind, or its numbers are not tokens.
    """
    readers = {".npy": _npy, ".npz": _npz, ".csv": _csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"the token file must end in {', '.join(readers)}; got {path.name!r}")
    if not path.is_file():
        raise ValueError(f"there is no token file {path}")
    try:
        points, weights = reader(path)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"cannot read the token file {path}: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"the token file {path}: is not text in UTF-8, from byte {error.start} on") from error
    except ValueError as error:
        raise ValueError(f"the token file {path}: {error}") from error
    return Empirical(points, weights)


def _npy(path: Path) -> tuple[Any, Any]:
    with path.open("rb") as file:
        if file.read(len(_BEGINNING)) != _BEGINNING:
            raise ValueError("is not in the format of numpy.save")
    return np.load(path, allow_pickle=False), None


def _npz(path: Path) -> tuple[Any, Any]:
    if not zipfile.is_zipfile(path):
        raise ValueError("is not in the format of numpy.savez")
    with np.load(path, allow_pickle=False) as archive:
        names = archive.files
        if "points" in names and set(names) <= {"points", "weights"}:
            return archive["points"], archive["weights"] if "weights" in names else None
        if len(names) == 1:
            return archive[names[0]], None
    raise ValueError(f"must hold one array, or `points` and `weights`; it holds {', '.join(names) or 'nothing'}")


def _csv(path: Path) -> tuple[Any, Any]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    rows = [(number, line.split(",")) for number, line in enumerate(lines, 1) if line.strip()]
    if rows and not any(_is_number(cell) for cell in rows[0][1]):
        del rows[0]
    if not rows:
        raise ValueError("is empty")
    for number, cells in rows:
        if len(cells) != len(rows[0][1]):
            raise ValueError(f"line {number} has {len(cells)} columns, the first token {len(rows[0][1])}")
        for column, cell in enumerate(cells, 1):
            if not _is_number(cell):
                raise ValueError(f"line {number}, column {column} is not a number: {cell.strip()!r}")
    return np.array([[float(cell) for cell in cells] for _, cells in rows]), None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
