"""Random tokens and random matrices of which it is known by construction which of the paper's theorems apply to them.

A value matrix is put together from its eigenvalues, V = S D S^{-1}, with a basis S that is neither orthonormal nor
close to singular: the left and the right eigenvectors then differ, as they do in the paper's own examples.
"""

from __future__ import annotations

import numpy as np

from particles import Attention
from particles.checks import Array
from studies.statements.spectra import rotation, with_spectrum

_LEADING = (0.5, 1.5)  # the largest eigenvalue of a value matrix is drawn from here
_BELOW = 0.9  # every other one is at most this times as large, so that the gap is not an accident of the draw
_SHEAR = 0.7  # operator norm of S - I in some orthonormal basis


def tokens(rng: np.random.Generator, n: int, d: int, radius: float = 5.0) -> Array:
    """Return n tokens, uniform on [-radius, radius]^d, as in the paper's figures; shape (n, d)."""
    return rng.uniform(-radius, radius, (n, d))


def attention(B: Array, V: Array) -> Attention:
    """Return one head with Q^T K = B."""
    return Attention(Q=B.T, K=np.eye(len(B)), V=V)


def positive_definite(rng: np.random.Generator, d: int) -> Array:
    """Return a symmetric B with axes uniform among all frames and eigenvalues uniform on [1/2, 2]; shape (d, d)."""
    frame = rotation(rng, d)
    B = (frame * rng.uniform(0.5, 2.0, d)) @ frame.T
    return (B + B.T) / 2


def good_triple_values(rng: np.random.Generator, d: int) -> Array:
    """Return V whose largest eigenvalue is real, positive and simple (Def. 4.1); shape (d, d).

    lambda_1 is uniform on [1/2, 3/2], the others, real or in complex pairs, are at most 0.9 lambda_1 in modulus. With
    B > 0 this is a good triple.
    """
    return paranormal(rng, d, 1)


def paranormal(rng: np.random.Generator, d: int, multiplicity: int) -> Array:
    """Return V that is lambda I on F, and of spectral radius at most 0.9 lambda on G (Def. 5.1); shape (d, d).

    F of dimension `multiplicity` and G, which is not orthogonal to it, are invariant; lambda is uniform on [1/2, 3/2].

    Raises
    ------
    ValueError
        If `multiplicity` is not one of 1, ..., d.
    """
    if not 1 <= multiplicity <= d:
        raise ValueError(f"`multiplicity` must be one of 1, ..., {d}; got {multiplicity}.")
    leading = rng.uniform(*_LEADING)
    if multiplicity == d:
        return leading * np.eye(d)
    values = [leading] * multiplicity + _smaller(rng, d - multiplicity, _BELOW * leading)
    return with_spectrum(values, basis(rng, d))


def _smaller(rng: np.random.Generator, count: int, largest: float) -> list[complex]:
    """Return `count` eigenvalues, in [-largest, largest] or pairs in that disc, of which one stands for both."""
    values: list[complex] = []
    while count > 0:
        if count > 1 and rng.random() < 0.5:
            modulus, angle = largest * np.sqrt(rng.random()), rng.uniform(0, np.pi)
            values.append(complex(modulus * np.cos(angle), modulus * np.sin(angle)))
            count -= 2
        else:
            values.append(rng.uniform(-largest, largest))
            count -= 1
    return values


def basis(rng: np.random.Generator, d: int) -> Array:
    """Return a basis of R^d, one vector a column: an orthonormal one, sheared, of condition number at most 17/3."""
    shear = rng.standard_normal((d, d))
    return rotation(rng, d) @ (np.eye(d) + _SHEAR * shear / np.linalg.norm(shear, 2))
