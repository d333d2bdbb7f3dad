"""The measures whose limits are looked for, with the coordinates in which the paper's statements see clusters.

Q = I and K = B throughout, so that Q^T K = B.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

import meanfield
from particles import Attention, Raw, Rescaled
from particles.checks import Array
from particles.spectrum import good_triple

FIGURE_6 = [[0.64709742, 0.81911926], [0.61210449, 0.63263484]]  # the published value matrix
_SLANTED = [[1.0, 0.5], [0.5, 0.4]]  # positive definite, and <B v, v> is not the largest <B v, .> at two corners
_COUPLED = [[1.0, 0.3], [0.3, 1.0]]
_IN_SPACE = [[1.0, 0.0, 0.3], [0.0, 1.0, 0.2], [0.3, 0.2, 1.0]]

Source = meanfield.Uniform | meanfield.Smooth


@dataclass(frozen=True, eq=False)
class Problem:
    """One measure and what becomes of it.

    Parameters
    ----------
    statement : str
        The statement of the paper that it is a counterpart of.
    title : str
        The measure and the matrices in words.
    attention : Attention
        What moves it.
    start : measure
        mu_0, on a box.
    onto : (c, d) array
        Rows of the map from a point to the coordinates that cluster.
    count : int
        How many limit points are expected.
    along : int, optional
        Where two basins divide the box so that every line along this axis crosses once, that axis.
    """

    statement: str
    title: str
    attention: Attention
    start: Source
    onto: Array
    count: int
    along: int | None = None

    @property
    def raw(self) -> bool:
        """Whether the statement is about the raw law: V = -I, where points tend to 0 without rescaling."""
        return self.statement == "Theorem 8.5"

    @cached_property
    def law(self) -> Raw | Rescaled:
        """The law in whose frame there is a limit."""
        return Raw(self.attention) if self.raw else Rescaled(self.attention)

    @cached_property
    def value(self) -> float:
        """The leading eigenvalue of V."""
        return float(np.linalg.eigvals(self.attention.V).real.max())

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.start.dim

    def seen(self, points: Array) -> Array:
        """Return the coordinates that cluster, shape (..., c)."""
        return points @ self.onto.T

    @cached_property
    def width(self) -> float:
        """The largest extent of mu_0 in these coordinates."""
        spread = np.abs(self.onto) @ (self.start.upper - self.start.lower)
        return float(spread.max())


def _attention(B: object, V: object) -> Attention:
    return Attention(Q=np.eye(len(np.asarray(V))), K=B, V=V)


def _left(attention: Attention) -> Array:
    """The left eigenvector phi_1^* of length 1, as a row: distances between level sets are then lengths."""
    left = good_triple(attention).left
    return (left / np.linalg.norm(left))[None, :]


@lru_cache(maxsize=1)
def problems() -> dict[str, Problem]:
    """Return all problems by name."""
    line, plane = _attention([[1.0]], [[1.0]]), _attention(np.eye(2), np.eye(2))
    six = _attention(np.eye(2), FIGURE_6)
    mixed, space = np.diag([1.0, -0.5]), np.diag([1.0, 1.0, -0.5])
    uneven = meanfield.Smooth.normalised(lambda x: 1 + 0.8 * np.sin(0.9 * x[:, 0] + 0.4), [-5.0], [5.0])
    hill = meanfield.Smooth.normalised(
        lambda x: 1 + 0.6 * np.sin(0.7 * x[:, 0] - 0.5 * x[:, 1] + 0.3), [-3.0, -3.0], [3.0, 3.0]
    )

    def box(*sides: tuple[float, float]) -> meanfield.Uniform:
        return meanfield.Uniform([low for low, _ in sides], [high for _, high in sides])

    one, two, full = np.eye(1), np.eye(2), (-5.0, 5.0)
    return {
        "line, even": Problem("Theorem 2.1", "uniform on [-5, 5], V = 1", line, box(full), one, 2),
        "line, uneven": Problem("Theorem 2.1", "density 1 + 0.8 sin on [-5, 5], V = 1", line, uneven, one, 2, 0),
        "rectangle": Problem(
            "Theorem 3.1", "uniform on [-5, 5] x [-3, 3], V = B = I", plane, box(full, (-3, 3)), two, 4
        ),
        "off the origin": Problem(
            "Theorem 3.1", "uniform on [1, 5] x [-2, 2], V = B = I", plane, box((1, 5), (-2, 2)), two, 2
        ),
        "slanted B": Problem(
            "Theorem 3.1",
            "uneven on [-3, 3]^2, V = I, B not diagonal",
            _attention(_SLANTED, np.eye(2)),
            hill,
            two,
            2,
            0,
        ),
        "Fig. 6, even": Problem(
            "Theorem 4.2", "uniform on [-5, 5]^2, V of Fig. 6", six, box(full, full), _left(six), 2
        ),
        "Fig. 6, uneven": Problem(
            "Theorem 4.2", "uniform on [-3, 5] x [-4, 4], V of Fig. 6", six, box((-3, 5), (-4, 4)), _left(six), 2, 0
        ),
        "two points x line": Problem(
            "Theorem 5.2",
            "uniform on [-4, 5] x [-3, 3], V = diag(1, -1/2)",
            _attention(_COUPLED, mixed),
            box((-4, 5), (-3, 3)),
            np.eye(2)[:1],
            2,
            0,
        ),
        "polygon x line": Problem(
            "Theorem 5.2",
            "uniform on [-5, 5] x [-3, 3] x [-2, 2], V = diag(1, 1, -1/2)",
            _attention(_IN_SPACE, space),
            box(full, (-3, 3), (-2, 2)),
            np.eye(3)[:2],
            4,
        ),
        "origin, line": Problem(
            "Theorem 8.5", "uniform on [-5, 5], V = -1", _attention([[1.0]], [[-1.0]]), box(full), one, 1
        ),
        "origin, plane": Problem(
            "Theorem 8.5", "uneven on [-3, 3]^2, V = -I", _attention(np.eye(2), -np.eye(2)), hill, two, 1
        ),
    }
