"""Finished cases, one file each: an intact one is never computed again, a damaged one always is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies import files, strict_json


@dataclass(frozen=True)
class CaseStore:
    """The results of one study's cases in a folder.

    Parameters
    ----------
    folder : Path
        Where the files are.
    study : str
        The study's name.
    version : str
        Version of the code; cases of another version are not found.
    """

    folder: Path
    study: str
    version: str

    def path(self, case: Mapping[str, Any]) -> Path:
        """Return where the result of `case` is kept."""
        return self.folder / f"{_digest(self._key(case))[:24]}.json"

    def load(self, case: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the stored result of `case`, or None if there is none or it is damaged."""
        try:
            stored = files.read_json(self.path(case))
            intact = stored["digest"] == _digest(stored["result"]) and stored["key"] == _round_trip(self._key(case))
        # A damaged file can be wrong in any way: cut off, not UTF-8, a list, keys missing.
        except (OSError, ValueError, TypeError, LookupError):
            return None
        return stored["result"] if intact else None

    def save(self, case: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
        """Store the result of `case` and return it as `load` will."""
        kept = _round_trip(result)
        files.write_json(self.path(case), {"key": self._key(case), "digest": _digest(kept), "result": kept})
        return kept

    def _key(self, case: Mapping[str, Any]) -> dict[str, Any]:
        return {"study": self.study, "version": self.version, "case": case}


def _round_trip(document: Mapping[str, Any]) -> dict[str, Any]:
    return strict_json.loads(strict_json.dumps(document))


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(strict_json.dumps(document).encode()).hexdigest()
