"""Value matrices with prescribed eigenvalues, V = S D S^{-1}, in a basis S that is well away from singular."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import block_diag

from particles.checks import Array

_TILT = 0.6  # norm of S R^T - I for a rotation R: the condition number of S is at most (1 + 0.6) / (1 - 0.6) = 4


def tilted(rng: np.random.Generator, d: int) -> Array:
    """Return a random rotation with a tilt: a basis of R^d of condition number at most 4, one vector a column."""
    tilt = rng.uniform(-1, 1, (d, d))
    return (np.eye(d) + _TILT * tilt / np.linalg.norm(tilt, 2)) @ rotation(rng, d)


def rotation(rng: np.random.Generator, d: int) -> Array:
    """Return an orthogonal matrix, uniform among all."""
    Q, R = np.linalg.qr(rng.standard_normal((d, d)))
    return Q * np.sign(np.diag(R))


def with_spectrum(values: Sequence[complex], S: Array) -> Array:
    """Return V = S D S^{-1} with these eigenvalues; one with positive imaginary part stands for its pair.

    Raises
    ------
    ValueError
        If they are not as many as S has columns.
    """
    blocks = [
        np.array([[value.real, -value.imag], [value.imag, value.real]]) if value.imag else np.array([[value.real]])
        for value in map(complex, values)
    ]
    size = sum(len(block) for block in blocks)
    if size != len(S):
        raise ValueError(f"`values` must be the {len(S)} eigenvalues of a ({len(S)}, {len(S)}) matrix; got {size}.")
    return S @ block_diag(*blocks) @ np.linalg.inv(S)
