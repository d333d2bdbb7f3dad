"""JSON without NaN literals, and back without loss.

JSON has no NaN and no infinities. They are written as null, and the document says what stood there:

    {"slope": null, "non_finite": {"/slope": "nan"}}

so that a reader in any language sees valid JSON, and `loads` gives back the very same numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

NON_FINITE = "non_finite"


def dumps(document: Mapping[str, Any]) -> str:
    """Return `document` as strict JSON; numpy arrays and scalars become lists and numbers.

    Parameters
    ----------
    document : mapping
        Keys are strings; values are numbers, strings, None, arrays, and sequences and mappings of these.

    Raises
    ------
    TypeError
        If something in it is none of these, or a key is not a string. The text names the place.
    ValueError
        If it already uses the key that notes the non-finite numbers.
    """
    if NON_FINITE in document:
        raise ValueError(f"the key {NON_FINITE!r} is reserved for the numbers that JSON cannot hold")
    notes: dict[str, str] = {}
    plain = _plain(document, "", notes)
    if notes:
        plain[NON_FINITE] = notes
    return json.dumps(plain, allow_nan=False, indent=1, ensure_ascii=False) + "\n"


def loads(text: str) -> dict[str, Any]:
    """Return what `dumps` wrote, its non-finite numbers included.

    Raises
    ------
    ValueError
        If `text` is not strict JSON with a mapping at the top.
    """
    document = json.loads(text, parse_constant=_refuse)
    if not isinstance(document, dict):
        raise ValueError(f"a JSON document must be a mapping; got {type(document).__name__}")
    for pointer, number in document.pop(NON_FINITE, {}).items():
        *parents, last = (_unescape(part) for part in pointer.split("/")[1:])
        place: Any = document
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        place[int(last) if isinstance(place, list) else last] = float(number)
    return document


def _plain(value: Any, pointer: str, notes: dict[str, str]) -> Any:
    """Reduce `value` to what JSON knows; `pointer` is its place as in RFC 6901."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        notes[pointer] = str(value)
        return None
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{pointer or '/'}: keys must be strings; got {key!r}")
        return {key: _plain(item, f"{pointer}/{_escape(key)}", notes) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item, f"{pointer}/{index}", notes) for index, item in enumerate(value)]
    raise TypeError(f"{pointer or '/'}: {type(value).__name__} has no form in JSON")


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _unescape(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _refuse(literal: str) -> float:
    raise ValueError(f"{literal} is not JSON")
