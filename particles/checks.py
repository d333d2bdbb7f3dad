"""What every public face asks of its arguments, in one form: the rule, what came, what to do.

A face gathers all its problems in one `Problems` list and raises them together, before any work starts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WEIGHT_SUM_TOLERANCE = 1e-9
_SUM_ROUNDING = 1e-13


class Problems:
    """A list of complaints that becomes one ValueError, a line each."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, text: str) -> None:
        """Note one complaint."""
        self._texts.append(text)

    def raise_if_any(self) -> None:
        """Raise a ValueError holding every complaint, if there is one."""
        if self._texts:
            raise ValueError("\n".join(self._texts))

    def __bool__(self) -> bool:
        """Whether anything was complained of."""
        return bool(self._texts)


def real_array(name: str, value: Any, problems: Problems) -> Array | None:
    """Return `value` as a fresh, finite float64 array; None (and a complaint) if it is not one."""
    try:
        raw = np.asarray(value)
    except ValueError:
        problems.add(f"`{name}` must be a rectangular array of real numbers; got rows of unequal length.")
        return None
    if raw.dtype.kind not in "iuf":
        problems.add(f"`{name}` must hold real numbers; got dtype {raw.dtype}.")
        return None
    array = np.array(raw, dtype=np.float64, order="C")
    bad = ~np.isfinite(array)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        where = "" if array.ndim == 0 else f" at index {index}"
        problems.add(f"`{name}` must be finite; got {array[index]}{where} ({int(bad.sum())} such in all).")
        return None
    return array


def points(name: str, value: Any, problems: Problems, dim: int | None = None) -> Array | None:
    """Return `value` as an (n, d) array with n >= 1, d >= 1; None and a complaint otherwise."""
    array = real_array(name, value, problems)
    if array is None:
        return None
    if array.ndim == 1 and array.size:
        problems.add(
            f"`{name}` must have shape (n, d); got {array.shape}. "
            f"For tokens on the line use {name}[:, None], for one token {name}[None, :]."
        )
        return None
    if array.ndim != 2 or 0 in array.shape:
        problems.add(f"`{name}` must have shape (n, d) with at least one row and column; got {array.shape}.")
        return None
    if dim is not None and array.shape[1] != dim:
        hint = f" Its transpose would fit: pass {name}.T." if array.shape[0] == dim else ""
        problems.add(f"`{name}` must have shape (n, {dim}); got {array.shape}.{hint}")
        return None
    return array


def weights(name: str, value: Any, count: int, problems: Problems) -> Array | None:
    """Return `value` as `count` probabilities; None and a complaint if they are not that."""
    array = real_array(name, value, problems)
    if array is None:
        return None
    if array.shape != (count,):
        problems.add(f"`{name}` must have shape ({count},), one per point; got {array.shape}.")
        return None
    if (array < 0).any():
        index = int(np.argmax(array < 0))
        problems.add(f"`{name}` must not be negative; got {array[index]} at index {index}.")
        return None
    total = float(array.sum())
    if abs(total - 1.0) > WEIGHT_SUM_TOLERANCE:
        problems.add(f"`{name}` must sum to 1; they sum to {total:.12g}. Divide them by their sum.")
        return None
    # what passed may still be off in the last digits kept in a file: then it means these probabilities
    return array if abs(total - 1.0) < _SUM_ROUNDING else array / total


def times(value: Any, problems: Problems) -> Array | None:
    """Return `value` as strictly increasing times (m,), m >= 1; None and a complaint otherwise."""
    array = real_array("times", value, problems)
    if array is None:
        return None
    if array.ndim != 1 or array.size == 0:
        problems.add(f"`times` must have shape (m,) with m >= 1; got {array.shape}.")
        return None
    steps = np.diff(array)
    if (steps <= 0).any():
        index = int(np.argmax(steps <= 0))
        problems.add(
            f"`times` must increase strictly; got {array[index]} followed by {array[index + 1]} at index {index + 1}."
        )
        return None
    return array


def positive(name: str, value: Any, problems: Problems) -> float | None:
    """Return `value` as a positive finite float; None and a complaint otherwise."""
    array = real_array(name, value, problems)
    if array is None:
        return None
    if array.ndim != 0 or array <= 0:
        problems.add(f"`{name}` must be a positive number; got {value!r}.")
        return None
    return float(array)


def count(name: str, value: Any, problems: Problems, least: int = 1) -> int | None:
    """Return `value` as an integer of at least `least`; None and a complaint otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        problems.add(f"`{name}` must be an integer of at least {least}; got {value!r}.")
        return None
    return int(value)


def frozen(array: Array) -> Array:
    """Return `array`, made read-only."""
    array.setflags(write=False)
    return array


def directions(name: str, value: Any, dim: int, replicas: int | None = None) -> Array:
    """Return targets or directions as an (m, d) or (R, m, d) array; its entries may be NaN, which stay NaN.

    Raises
    ------
    ValueError
        If the shape is not (m, dim), or (replicas, m, dim), or the entries are not real.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"`{name}` must hold real numbers; got dtype {array.dtype}.")
    if replicas is None and (array.ndim != 2 or array.shape[1] != dim):
        raise ValueError(f"`{name}` must have shape (m, {dim}); got {array.shape}.")
    if replicas is not None and (array.ndim != 3 or array.shape[::2] != (replicas, dim)):
        raise ValueError(f"`{name}` must have shape ({replicas}, m, {dim}); got {array.shape}.")
    return array.astype(np.float64, copy=False)


def box(lower: Any, upper: Any, problems: Problems) -> tuple[Array, Array] | None:
    """Return the corners of a box with positive sides, each (d,); None and a complaint otherwise."""
    low, high = real_array("lower", lower, problems), real_array("upper", upper, problems)
    if low is None or high is None:
        return None
    low, high = np.atleast_1d(low), np.atleast_1d(high)
    if low.ndim != 1 or low.shape != high.shape:
        problems.add(f"`lower` and `upper` must have shape (d,) alike; got {low.shape} and {high.shape}.")
        return None
    if (low >= high).any():
        k = int(np.argmax(low >= high))
        problems.add(f"`lower` must be below `upper`; got {low[k]} and {high[k]} at index {k}.")
        return None
    return frozen(low), frozen(high)
