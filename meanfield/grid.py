"""A box cut into equal cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from particles import checks
from particles.checks import Array


@dataclass(frozen=True, eq=False)
class Grid:
    """The box [lower, upper] cut into shape[k] equal cells along axis k.

    Parameters
    ----------
    lower, upper : (d,) array
        Opposite corners.
    shape : int or sequence of d ints
        Cells along each axis.

    Raises
    ------
    ValueError
        If the box is empty or the shape does not fit.
    """

    lower: Array
    upper: Array
    shape: tuple[int, ...]

    def __init__(self, lower: Any, upper: Any, shape: Any) -> None:
        """Check and store the box and its cells."""
        problems = checks.Problems()
        box = checks.box(lower, upper, problems)
        dim = None if box is None else box[0].size
        cells = cells_per_axis("shape", shape, dim, problems)
        problems.raise_if_any()
        assert box is not None
        object.__setattr__(self, "lower", box[0])
        object.__setattr__(self, "upper", box[1])
        object.__setattr__(self, "shape", cells)

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.lower.size

    @cached_property
    def widths(self) -> Array:
        """Sides of a cell, shape (d,)."""
        return checks.frozen((self.upper - self.lower) / self.shape)

    @property
    def volume(self) -> float:
        """Volume of a cell."""
        return float(np.prod(self.widths))

    def edges(self, k: int) -> Array:
        """Cell walls along axis k, shape (shape[k] + 1,); the ends are exact."""
        return np.linspace(self.lower[k], self.upper[k], self.shape[k] + 1)

    def axis_centres(self, k: int) -> Array:
        """Cell centres along axis k, shape (shape[k],)."""
        edges = self.edges(k)
        return 0.5 * (edges[:-1] + edges[1:])

    @cached_property
    def centres(self) -> Array:
        """Cell centres, the last axis fastest; shape (prod(shape), d)."""
        return checks.frozen(tensor_points([self.axis_centres(k) for k in range(self.dim)]))


def tensor_points(axes: list[Array]) -> Array:
    """Return all points with coordinates from the given axes, the last axis fastest; shape (prod, d)."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def cells_per_axis(name: str, value: Any, dim: int | None, problems: checks.Problems) -> tuple[int, ...]:
    """Return cells along each of `dim` axes from one number or a sequence."""
    single = isinstance(value, int | np.integer)
    try:
        numbers = [value] * (dim or 1) if single else list(value)
    except TypeError:
        problems.add(f"`{name}` must be a number of cells or one for each axis; got {value!r}.")
        return ()
    if not numbers or (dim is not None and len(numbers) != dim):
        problems.add(f"`{name}` must have {dim or 'some'} entries, one for each axis; got {value!r}.")
    return tuple(checks.count(name, number, problems) or 0 for number in numbers)
