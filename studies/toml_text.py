"""Tables as TOML, which `tomllib` reads back to the very same values."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def table(name: str, content: Mapping[str, Any]) -> str:
    """Return `content` as the table [name]; a None, which TOML does not have, is left as a comment.

    Parameters
    ----------
    name : str
        The table's name.
    content : mapping
        Keys are strings; values are numbers, strings, truth values, and lists and mappings of these.
    """
    lines = [f"[{_key(name)}]"]
    for key, item in content.items():
        lines.append(f"# {_key(key)} is not set" if item is None else f"{_key(key)} = {_value(item)}")
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _text(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if not math.isfinite(value):
            return str(value)  # nan, inf, -inf: as TOML has them
        case int() | float():
            return repr(value)
        case str():
            return _text(value)
        case Mapping():
            return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_value, value)) + "]"
    raise TypeError(f"{type(value).__name__} has no form in TOML")


def _text(text: str) -> str:
    # JSON's strings are TOML's, but for one character that only TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
