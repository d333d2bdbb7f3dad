"""The configuration of a run: a study's quick or full size, with single keys replaced from a TOML file.

    [stability]
    seed = 3

A file holds a table for each study, and may hold those of studies that are not run. All that is wrong with it is said
at once.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from studies import contract, toml_text
from studies.contract import StudyConfig
from studies.errors import BadInput, nearest
from studies.registry import Study

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Tables = dict[str, dict[str, Any]]


def read(
    path: Path, studies: Iterable[str], problems: list[str], groups: Mapping[str, Sequence[str]] | None = None
) -> Tables:
    """Return the tables of a TOML file by the names of the studies; add a line to `problems` for all else in it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(f"cannot read the configuration {path}: {error.strerror}")
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path} is not TOML: {error}")
        return {}
    names = list(studies)
    for name, table in content.items():
        if not isinstance(table, dict):
            problems.append(f"{path}: `{name}` must stand in the table of a study, such as [{names[0]}].")
        elif groups and name in groups:
            problems.append(f"{path}: [{name}] is a group; give tables of its studies, such as [{groups[name][0]}].")
        elif name not in names:
            problems.append(f"{path}: [{name}] is not a study. {nearest(name, names)}")
    return {name: table for name, table in content.items() if name in names and isinstance(table, dict)}


def configuration(study: Study, *, full: bool, seed: int | None, changes: Mapping[str, Any]) -> StudyConfig:
    """Return a study's configuration of the size, with the seed and the changes that are asked for.

    Parameters
    ----------
    study : Study
        Which study.
    full : bool
        Whether to start from the full size instead of the quick one.
    seed : int or None
        The seed; 0 if neither it nor a change says otherwise.
    changes : mapping
        Keys to be replaced, as TOML has them; tables inside are merged.

    Raises
    ------
    studies.errors.BadInput
        With every problem found; each names its table and key.
    """
    model = contract.load(study).Config
    start = seed if seed is not None else changes.get("seed", 0)
    problems = []
    if "seed" in changes and changes["seed"] != start:
        problems.append(f"[{study.name}] `seed` = {changes['seed']!r} contradicts --seed {seed}; give one of them.")
    problems += [f"[{study.name}] {text}" for text in _not_finite(changes)]
    usable = start if isinstance(start, int) and not isinstance(start, bool) and start >= 0 else 0
    base = model.full(usable) if full else model.quick(usable)
    merged = _merged(base.model_dump(mode="json"), changes)
    try:
        # As JSON, in which a tuple is a list, so that nothing need be converted but that.
        chosen = model.model_validate_json(json.dumps(merged, default=str), strict=True)
    except ValidationError as error:
        problems += [f"[{study.name}] {text}" for text in _texts(model, error)]
    if problems:
        raise BadInput(problems)
    return chosen


def text(study: Study, config: StudyConfig) -> str:
    """Return a configuration as the table of a TOML file that `read` understands."""
    return toml_text.table(study.name, config.model_dump(mode="json"))


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(base[key], value)
        for key, value in changes.items()
        if isinstance(value, dict) and isinstance(base.get(key), dict)
    }
    return {**base, **changes, **both}


def _not_finite(value: Any, place: str = "") -> Iterator[str]:
    """Yield a line for every NaN and infinity: TOML has them, the files of results do not."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _not_finite(inner, _place([*([place] if place else []), key]))
    elif isinstance(value, list):
        for k, inner in enumerate(value):
            yield from _not_finite(inner, f"{place}[{k}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"`{place}` must be finite; got {value}."


def _texts(model: type[BaseModel], error: ValidationError) -> list[str]:
    """Return pydantic's complaints in this project's words."""
    texts: dict[str, None] = {}
    for one in error.errors():
        place = _place(one["loc"])
        message = complaint(one, _keys(model, one["loc"][:-1]))
        texts[f"`{place}` {message}" if place else message] = None
    return list(texts)


def complaint(one: ErrorDetails, known: Iterable[str]) -> str:
    """Return one of pydantic's complaints in this project's words; the key that it is about stands before it.

    Parameters
    ----------
    one : pydantic_core.ErrorDetails
        The complaint.
    known : iterable of str
        The keys that there are beside it.
    """
    match one["type"]:
        case "extra_forbidden":
            return f"is unknown. {nearest(str(one['loc'][-1]), known)}"
        case "missing":
            return "is missing."
        case "value_error":
            return f"{one['ctx']['error']}."
        case _ if one["msg"].startswith("Input should "):
            return f"must {one['msg'].removeprefix('Input should ')}; got {one['input']!r}."
        case _:
            return f"is refused: {one['msg']}; got {one['input']!r}."


def _place(parts: Iterable[int | str]) -> str:
    place = ""
    for part in parts:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else part
    return place


def _keys(model: type[BaseModel], parts: Iterable[int | str]) -> list[str]:
    """Return the keys that are known at a place inside the model."""
    for part in parts:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return list(model.model_fields)
        model = inner
    return list(model.model_fields)
