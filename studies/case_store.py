"""Finished cases, two files each: an intact one is never computed again, a damaged one always is.

    ADDRESS.json  manifest: the case, its result's numbers, who made it and when, checksums
    ADDRESS.npz   the arrays of the result, if it has any

The address is the beginning of the SHA-256 of study, code and case. The arrays are written first, so that where a
manifest is, all of the case is. Both are replaced in one step each, and a case's bits are the same whoever computes
it: any number of processes may share the folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies import array_file, files, strict_json
from studies.array_file import AnyArray

_ADDRESS = 24  # of the 64 digits: a chance of 1e-17 that two of a million cases share one


class Damaged(ValueError):
    """What is stored of a case is not what was written."""


@dataclass(frozen=True)
class Stored:
    """A finished case.

    Parameters
    ----------
    result : dict
        What the case came to.
    digest : str
        SHA-256 of the result alone, the same for the same bits.
    """

    result: dict[str, Any]
    digest: str


@dataclass(frozen=True)
class Packed:
    """The contents of a case's two files, ready to be written here or to travel."""

    manifest: bytes
    arrays: bytes | None


@dataclass(frozen=True)
class CaseStore:
    """The results of one study's cases in a folder.

    Parameters
    ----------
    folder : Path
        Where the files are.
    study : str
        The study's name.
    code : str
        Version of the code, with a digest of its sources; cases of another one are not found.
    """

    folder: Path
    study: str
    code: str

    def path(self, case: Mapping[str, Any]) -> Path:
        """Return where the manifest of `case` is kept; its arrays are beside it, with the suffix .npz."""
        return self.folder / f"{_sha256(strict_json.dumps(self._key(case)).encode())[:_ADDRESS]}.json"

    def load(self, case: Mapping[str, Any]) -> Stored | None:
        """Return what is stored of `case`; None if nothing is.

        Raises
        ------
        Damaged
            If what is there is not what was written; the text says how.
        """
        path = self.path(case)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Damaged(f"cannot be read: {error.strerror}") from error
        manifest = _opened(content)
        if {name: manifest.get(name) for name in ("study", "code", "case")} != _round_trip(self._key(case)):
            raise Damaged("belongs to another case")
        numbers, digest = manifest["result"], manifest["digest"]
        arrays = _read_arrays(path.with_suffix(".npz"), manifest["arrays"])
        result = {name: arrays[name] if name in arrays else numbers[name] for name in manifest["order"]}
        return Stored(result, digest)

    def holds(self, case: Mapping[str, Any]) -> bool:
        """Whether `case` is there and intact."""
        try:
            return self.load(case) is not None
        except Damaged:
            return False

    def pack(self, case: Mapping[str, Any], result: Mapping[str, Any], record: Mapping[str, Any]) -> Packed:
        """Return the files of `case`; `record` says who made it and when.

        Raises
        ------
        TypeError, ValueError
            If the result, or the case, has no form in these files. The text names the place.
        """
        if not isinstance(result, Mapping):
            raise TypeError(f"run_case must return a mapping; got {type(result).__name__}")
        arrays = {name: value for name, value in result.items() if array_file.holds(value)}
        numbers = _round_trip({name: value for name, value in result.items() if name not in arrays})
        content = array_file.dumps(arrays) if arrays else None
        manifest = {
            **self._key(case),
            "seeds": {name: case[name] for name in ("seed", "seeds") if name in case},
            **record,
            "result": numbers,
            "order": list(result),
            "arrays": None if content is None else {"names": list(arrays), "sha256": _sha256(content)},
            "digest": _digest(numbers, arrays),
        }
        manifest["checksum"] = _sha256(strict_json.dumps(manifest).encode())
        return Packed(strict_json.dumps(manifest).encode(), content)

    def write(self, case: Mapping[str, Any], packed: Packed) -> None:
        """Put what `pack` made into the folder.

        Raises
        ------
        studies.errors.StoreError
            If that fails.
        """
        path = self.path(case)
        if packed.arrays is not None:
            files.write_bytes(path.with_suffix(".npz"), packed.arrays)
        files.write_bytes(path, packed.manifest)

    def _key(self, case: Mapping[str, Any]) -> dict[str, Any]:
        return {"study": self.study, "code": self.code, "case": case}


def _opened(content: bytes) -> dict[str, Any]:
    """Return the manifest, if it is whole."""
    try:
        manifest = strict_json.loads(content.decode())
        checksum = manifest.pop("checksum")
        intact = checksum == _sha256(strict_json.dumps(manifest).encode())
    # It can be wrong in any way: cut off, not UTF-8, a list, notes on numbers that are not there, too deep.
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise Damaged("is cut off, or is no manifest") from error
    if not intact:
        raise Damaged("has been changed: its checksum is wrong")
    return manifest


def _read_arrays(path: Path, note: Mapping[str, Any] | None) -> dict[str, AnyArray]:
    if note is None:
        return {}
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Damaged(f"is without its arrays: {path.name}: {error.strerror}") from error
    if _sha256(content) != note["sha256"]:
        raise Damaged(f"is with other arrays than its own: the checksum of {path.name} is wrong")
    return array_file.loads(content, note["names"])


def _round_trip(document: Mapping[str, Any]) -> dict[str, Any]:
    return strict_json.loads(strict_json.dumps(document))


def _digest(numbers: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> str:
    digest = hashlib.sha256(strict_json.dumps(numbers).encode())
    for name, array in arrays.items():
        digest.update(f"{name}\0{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
