"""Checkpoints: the whole state of a run in one file, so that a run that was killed goes on where it was.

A run saves after a step when a checkpoint is due, and at its end; it starts from what `load` gives. Arrays and JSON
keep every bit of a float, so a resumed run ends as an uninterrupted one.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

from particles import files
from particles.checks import Array

Saved = tuple[dict[str, Array], dict[str, Any]]  # arrays, and a JSON-able record

_KIND = "checkpoint"
_PART = "part."
_SHARE = 10.0  # a state so large that it takes long to write is written more seldom


class Checkpoint:
    """Where a run keeps its state. This one keeps nothing: it is never due and holds none."""

    def load(self) -> Saved | None:
        """Return the arrays and the record that were saved last; None if there are none."""
        return None

    def save(self, arrays: dict[str, Array], record: dict[str, Any]) -> None:
        """Keep arrays and a JSON-able record in place of what was kept before."""

    def due(self) -> bool:
        """Whether it is time to save."""
        return False

    def beside(self, arrays: dict[str, Array], record: dict[str, Any], found: Saved | None = None) -> Checkpoint:
        """Return a checkpoint for a part of this run: what the part saves is kept together with these.

        In the whole's record it stands under "part". Give what `load` returned as `found`, and the part goes on from
        its share of that.
        """
        return _Part(self, arrays, record, found)

    def sparing(self) -> Checkpoint:
        """Return this checkpoint for one of many short parts: saved to only when due, not at the end of each."""
        return _Sparing(self)


NOWHERE = Checkpoint()


class CheckpointFile(Checkpoint):
    """A checkpoint in one .npz file, written beside and renamed: a kill leaves the old state or the new one.

    Parameters
    ----------
    path : Path
        The file; it need not exist yet.
    problem : dict of str to str
        What the run is about, by name; a file about something else is refused.
    interval : float
        Seconds between two saves.

    Raises
    ------
    ValueError
        If the file is damaged, is no checkpoint, or belongs to another problem.
    """

    def __init__(self, path: Path, problem: dict[str, str], interval: float) -> None:
        self._path, self._problem, self._interval = path, problem, interval
        self._saved_at, self._cost = time.monotonic(), 0.0
        self._read()  # refused now, not after an hour

    def load(self) -> Saved | None:
        """Return what the file holds; None if there is no file."""
        return self._read()

    def save(self, arrays: dict[str, Array], record: dict[str, Any]) -> None:
        """Replace the file. A disk that does not take it is warned of: the run goes on, and the old file stays."""
        began = time.monotonic()
        try:
            files.write_npz(self._path, _KIND, arrays, {"problem": self._problem, "record": record})
        except OSError as trouble:
            warnings.warn(f"checkpoint {self._path} could not be written: {trouble}", RuntimeWarning, stacklevel=2)
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - began

    def due(self) -> bool:
        """Whether `interval` seconds have passed since the last save, and ten times as many as it took."""
        return time.monotonic() - self._saved_at >= max(self._interval, _SHARE * self._cost)

    def _read(self) -> Saved | None:
        if not self._path.exists():
            return None
        try:
            arrays, record = files.read_npz(self._path, _KIND, lambda arrays, record: (arrays, record))
            problem, inner = record["problem"], record["record"]
        except (ValueError, KeyError, OSError) as trouble:
            raise ValueError(
                f"`checkpoint` must be a new file or one that an earlier run of this problem left; {self._path} is "
                f"damaged or something else ({trouble}). Remove it, or give another path."
            ) from trouble
        differing = sorted(
            name for name in self._problem.keys() | problem.keys() if self._problem.get(name) != problem.get(name)
        )
        if differing:
            raise ValueError(
                f"`checkpoint` must belong to this problem; {self._path} is of a run with other "
                f"{', '.join(f'`{name}`' for name in differing)}. Remove it, or give another path."
            )
        return arrays, inner


class _Part(Checkpoint):
    """A part of a run, whose state is kept with that of the whole."""

    def __init__(self, whole: Checkpoint, arrays: dict[str, Array], record: dict[str, Any], found: Saved | None):
        self._whole, self._arrays, self._record, self._found = whole, arrays, record, found

    def load(self) -> Saved | None:
        """Return the part's share of what was found."""
        if self._found is None or "part" not in self._found[1]:
            return None
        arrays, record = self._found
        mine = {name.removeprefix(_PART): array for name, array in arrays.items() if name.startswith(_PART)}
        return mine, record["part"]

    def save(self, arrays: dict[str, Array], record: dict[str, Any]) -> None:
        """Keep the part's state beside that of the whole."""
        inside = {_PART + name: array for name, array in arrays.items()}
        self._whole.save({**self._arrays, **inside}, {**self._record, "part": record})

    def due(self) -> bool:
        """Whether it is time to save."""
        return self._whole.due()


class _Sparing(Checkpoint):
    """A checkpoint that passes on what is due."""

    def __init__(self, whole: Checkpoint):
        self._whole = whole

    def load(self) -> Saved | None:
        """Return what was saved last."""
        return self._whole.load()

    def save(self, arrays: dict[str, Array], record: dict[str, Any]) -> None:
        """Save if it is time to."""
        if self.due():
            self._whole.save(arrays, record)

    def due(self) -> bool:
        """Whether it is time to save."""
        return self._whole.due()
