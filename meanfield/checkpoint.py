"""What a checkpoint of a mean-field run belongs to: fingerprints of law, initial measure, depths and method.

Two problems have the same fingerprint if their defining arrays and parameters agree to the last bit. A function, such
as the density of a `Smooth`, counts by its values at the measure's own nodes.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from meanfield import storage
from particles import checks
from particles.checkpoint import NOWHERE, Checkpoint, CheckpointFile
from particles.measure import Empirical, Measure

__all__ = ["INTERVAL", "NOWHERE", "Checkpoint", "checkpoint_at", "fingerprint"]

INTERVAL = 5.0  # seconds between two saves


def checkpoint_at(path: Any, problem: dict[str, Any], problems: checks.Problems) -> Checkpoint:
    """Return the checkpoint of a problem in the file `path`, or `NOWHERE` for None; complain if it cannot be used."""
    if path is None:
        return NOWHERE
    if not isinstance(path, str | os.PathLike):
        problems.add(f"`checkpoint` must be the path of a file; got {path!r}.")
        return NOWHERE
    file = Path(path)
    if file.is_dir():
        problems.add(f"`checkpoint` must be the path of a file; {file} is a folder.")
        return NOWHERE
    folder = next(parent for parent in file.absolute().parents if parent.exists())
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        problems.add(f"`checkpoint` must be a file that can be written; {folder} does not take files.")
        return NOWHERE
    try:
        return CheckpointFile(file, {name: fingerprint(part) for name, part in problem.items()}, INTERVAL)
    except (ValueError, TypeError) as complaint:
        problems.add(str(complaint))
        return NOWHERE


def fingerprint(value: Any) -> str:
    """Return a hash of everything that defines a law, a measure, depths or a method.

    Raises
    ------
    TypeError
        If it holds something whose value cannot be told, such as a function of the user's.
    """
    digest = hashlib.sha256()
    for part in _parts(value):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    """Yield the bytes that tell one value from another."""
    match value:
        case None | bool() | str():
            yield repr(value).encode()
        case int() | float() | np.integer() | np.floating():
            yield float(value).hex().encode()
        case np.ndarray():
            yield f"{value.dtype.str} {value.shape}".encode()
            yield value.tobytes()
        case tuple() | list():
            yield f"{len(value)}".encode()
            for item in value:
                yield from _parts(item)
        case functools.partial():
            yield from _parts((value.func, value.args, sorted(value.keywords.items())))
        case type():
            yield _name(value)
        case Measure():
            yield from _measure_parts(value)
        case _ if inspect.isfunction(value):
            if value.__closure__ is not None or "<" in value.__qualname__:
                raise _untold(value)
            yield _name(value)
        case _:
            yield from _field_parts(value)


def _measure_parts(mu: Measure) -> Iterator[bytes]:
    try:
        kind, arrays = storage.pack(mu)
    except TypeError:  # a measure of the user's own
        yield from _field_parts(mu)
        return
    yield kind.encode()
    for name, array in sorted(arrays.items()):
        yield name.encode()
        yield from _parts(array)
    if isinstance(mu, Empirical):
        yield from _parts(mu.softmax)  # another engine, other last bits


def _field_parts(value: Any) -> Iterator[bytes]:
    if not is_dataclass(value):
        raise _untold(value)
    names, form = {field.name for field in fields(value)}, type(value)
    if any(not isinstance(getattr(form, name, None), functools.cached_property) for name in vars(value).keys() - names):
        raise _untold(value)  # a subclass with more to it than its fields
    yield _name(form)
    for field in fields(value):
        yield field.name.encode()
        yield from _parts(getattr(value, field.name))


def _untold(value: Any) -> TypeError:
    return TypeError(
        f"`checkpoint` cannot tell one {type(value).__name__} from another ({value!r}): "
        "a run with it cannot be resumed. Leave `checkpoint` out."
    )


def _name(thing: Any) -> bytes:
    return f"{thing.__module__}.{thing.__qualname__}".encode()
