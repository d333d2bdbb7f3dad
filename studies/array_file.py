"""Named arrays as the bytes of an .npz file, and back: dtype, shape and every bit; the same arrays, the same bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

AnyArray = NDArray[Any]

_KINDS = "biufc"  # truth values, integers, floats, complex numbers


def holds(value: Any) -> bool:
    """Whether `value` is an array that such a file holds."""
    return isinstance(value, np.ndarray) and value.dtype.kind in _KINDS


def dumps(arrays: Mapping[str, AnyArray]) -> bytes:
    """Return the file's content; `numpy.load` reads it.

    Raises
    ------
    ValueError
        If a name cannot be one in the file.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")  # dated 1980: the content decides the bytes
            if not isinstance(name, str) or member.filename != f"{name}.npy":
                raise ValueError(f"an array cannot be called {name!r}")
            with archive.open(member, "w", force_zip64=True) as file:
                npy.write_array(file, array, allow_pickle=False)
    return buffer.getvalue()


def loads(content: bytes, names: Iterable[str]) -> dict[str, AnyArray]:
    """Return the arrays of these names from what `dumps` made."""
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in names:
            with archive.open(f"{name}.npy") as file:
                arrays[name] = npy.read_array(file, allow_pickle=False)
    return arrays
