"""The files a study or a problem leaves: text, JSON, figures; each the old one or the complete new one."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from particles.files import write_beside
from studies import strict_json
from studies.errors import StoreError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150


def make_folder(path: Path) -> Path:
    """Return the folder `path`, made with its parents if it is not there.

    Raises
    ------
    StoreError
        If it cannot be made or not be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the folder {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise StoreError(f"cannot write into the folder {path}")
    return path


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file `path` by `content` in one step.

    Raises
    ------
    StoreError
        If that fails; `path` is then as it was, and nothing is left beside it.
    """

    def write(file: BinaryIO) -> None:
        file.write(content)

    try:
        write_beside(path, write)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Replace the file `path` by `text` in UTF-8, in one step."""
    write_bytes(path, text.encode())


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Replace the file `path` by `document` as strict JSON, in one step."""
    write_text(path, strict_json.dumps(document))


def read_json(path: Path) -> dict[str, Any]:
    """Return the document that `write_json` wrote.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not what `write_json` writes.
    """
    return strict_json.loads(path.read_bytes().decode())


def write_figure(folder: Path, name: str, figure: Figure) -> None:
    """Write `figure` as NAME.png and NAME.svg; the same figure gives the same bytes."""
    from matplotlib import rc_context

    kinds: dict[str, dict[str, Any]] = {"png": {}, "svg": {"Date": None}}
    # Element identifiers in an SVG are random, and its date is today's, unless both are pinned.
    with rc_context({"svg.hashsalt": "attention-meanfield"}):
        for kind, metadata in kinds.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
            write_bytes(folder / f"{name}.{kind}", buffer.getvalue())
