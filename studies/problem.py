"""A problem of one's own, read from a TOML file; everything wrong with it is reported at once."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

import meanfield
import particles
from particles.solve import checked_start
from studies import tables
from studies.configuration import complaint
from studies.errors import BadInput, nearest

T = TypeVar("T")


@dataclass(frozen=True)
class Problem:
    """What is to be solved: the limit, the tokens, or both.

    Parameters
    ----------
    law : particles.Dynamics
        The law of motion.
    times : (m,) array
        When the solution is wanted; it starts at the first of them.
    tokens : particles.Empirical or None
        Finite n.
    stepper : particles.Stepper
        How the tokens are moved.
    initial : particles.Measure or None
        The limit's initial measure.
    method : meanfield.Method or None
        How the limit is solved; None if it is not wanted.
    source : dict
        The file's content.
    """

    law: particles.Dynamics
    times: particles.checks.Array
    tokens: particles.Empirical | None
    stepper: particles.Stepper
    initial: particles.Measure | None
    method: meanfield.Method | None
    source: dict[str, Any]


def read(path: Path) -> Problem:
    """Return the problem in a TOML file.

    Raises
    ------
    studies.errors.BadInput
        With every problem found; each names its table and key.
    """
    try:
        source = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput([f"cannot read the problem {path}: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput([f"{path} is not TOML: {error}"]) from error
    return parse(source, path.parent)


def parse(source: dict[str, Any], folder: Path) -> Problem:
    """Return the problem in a parsed TOML document; relative token files lie in `folder`."""
    wrong: list[str] = []
    parts = _tables(source, wrong)
    wrong += _missing(source, parts)

    def build(name: str, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except ValueError as error:
            wrong.extend(f"[{name}] {line}" for line in str(error).splitlines())
        return None

    def part(name: str, *arguments: Any) -> Any:
        table = parts.get(name)
        return None if table is None else build(name, lambda: table.build(*arguments))

    attention = part("attention")
    law = None if attention is None else part("law", attention)
    times, initial, method, stepper = (part(name) for name in ("times", "initial", "method", "stepper"))
    tokens_table = parts.get("tokens")
    drawn = isinstance(tokens_table, tables.TokensTable) and tokens_table.n is not None
    tokens = None if drawn and initial is None else part("tokens", folder, initial)
    if attention is not None:
        for name, measure in (("initial", initial), ("tokens", tokens if not drawn else None)):
            if measure is not None and measure.dim != attention.dim:
                wrong.append(f"[{name}] has dimension {measure.dim}, [attention] {attention.dim}.")
    if wrong:
        raise BadInput(wrong)
    assert law is not None and times is not None
    stepper = particles.Adaptive() if stepper is None else stepper
    if tokens is not None:
        build("tokens", lambda: checked_start(law, tokens, times, stepper))
    if initial is not None and method is not None:
        # At the first time alone there is nothing to step: the solver only checks its arguments.
        build("method", lambda: meanfield.solve(law, initial, times[:1], method=method))
    if wrong:
        raise BadInput(wrong)
    return Problem(law, times, tokens, stepper, initial, method, source)


def _tables(source: dict[str, Any], wrong: list[str]) -> dict[str, Any]:
    """Return the valid tables; those that are not add to `wrong`."""
    parts: dict[str, Any] = {}
    for name, content in source.items():
        if name not in tables.TABLES:
            wrong.append(f"[{name}] is unknown. {nearest(name, tables.TABLES)}")
        elif not isinstance(content, dict):
            wrong.append(f"[{name}] must be a table; got {content!r}.")
        elif (model := _model(name, content, wrong)) is not None:
            given = {key: value for key, value in content.items() if key != "kind" or None in tables.TABLES[name]}
            try:
                parts[name] = model.model_validate(given)
            except ValidationError as error:
                wrong += _texts(name, model, error, with_kind=None not in tables.TABLES[name])
    return parts


def _model(name: str, content: dict[str, Any], wrong: list[str]) -> type[tables.Table] | None:
    kinds = tables.TABLES[name]
    if None in kinds:
        return kinds[None]
    names = [kind for kind in kinds if kind is not None]
    kind = content.get("kind")
    if isinstance(kind, str) and kind in kinds:
        return kinds[kind]
    if "kind" not in content:
        wrong.append(f"[{name}] needs `kind`, one of {', '.join(names)}.")
    else:
        wrong.append(f"[{name}] `kind` = {kind!r} is unknown. {nearest(str(kind), names)}")
    return None


def _texts(name: str, model: type[tables.Table], error: ValidationError, *, with_kind: bool) -> list[str]:
    """Return pydantic's complaints in this project's words."""
    keys = [*(["kind"] if with_kind else []), *model.model_fields]
    texts: dict[str, None] = {}
    for one in error.errors():
        key = str(one["loc"][0]) if one["loc"] else ""
        text = complaint(one, keys)
        text = f"`{key}` {text}" if key else text
        texts[f"[{name}] {text}"] = None
    return list(texts)


def _missing(source: dict[str, Any], parts: dict[str, Any]) -> list[str]:
    """Say what is missing among the tables, and what is there in vain."""
    there = set(source)
    drawn = getattr(parts.get("tokens"), "n", None) is not None
    wrong = [f"[{name}] is missing." for name in tables.REQUIRED if name not in there]
    if not there & {"initial", "tokens", "method"}:
        wrong.append("there is nothing to solve: give [tokens], or [initial] and [method], or both.")
    if "method" in there and "initial" not in there:
        wrong.append("[method] solves the limit, which needs [initial].")
    if drawn and "initial" not in there:
        wrong.append("[tokens] `n` tokens are drawn from [initial], which is missing.")
    if "initial" in there and "method" not in there and not drawn and ("tokens" not in there or "tokens" in parts):
        wrong.append("[initial] is there in vain: give [method] for the limit, or [tokens] with `n`.")
    if "stepper" in there and "tokens" not in there:
        wrong.append("[stepper] moves the tokens, but there is no [tokens].")
    return wrong
