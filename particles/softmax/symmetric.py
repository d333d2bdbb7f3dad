"""Self-attention under a symmetric form B: the exponents <B y_i, y_j> are the same from both ends.

Centred at c they are <B (y_i - c), y_j - c>; what is left, <B c, y_j - c>, goes into the weight of atom j.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.kernels import LOG2_E, opened

if TYPE_CHECKING:
    from particles.softmax.dense import Atoms

_FEW = 4  # coordinates and channels, beyond which the registers no longer hold both ends
_LARGEST = 100_000  # atoms: beyond, sums for every strip would take much memory
_HEAVIEST = 200.0  # binary orders of magnitude that the weights may change by


def symmetric_sums(atoms: Atoms, B: Array) -> tuple[Array, Array] | None:
    """Return the sums over the columns at a_i = B y_i, (columns, n), and the shifts of their exponents, (n,).

    None if the exponents are too large to go without shifts, or the atoms too few, too many or of too many coordinates.
    """
    room = opened("_symmetric")
    k, padded, n = *atoms.keys.shape[-2:], atoms.count
    if max(k, atoms.channels) > _FEW or atoms.lifted or not 2 * room.BLOCK <= n <= _LARGEST:
        return None
    directions = LOG2_E * (B @ atoms.keys)
    halves, centre = np.array(atoms.halves), atoms.centres[0, :k]
    heavier = LOG2_E * ((B @ centre) @ atoms.keys)
    if not (np.abs(directions).T @ halves).max() <= room.SAFE or not np.abs(heavier).max() <= _HEAVIEST:
        return None
    columns = atoms.columns * np.exp2(heavier)
    sums = np.empty((room.STRIPS, len(columns), padded))

    def work(first: int, last: int) -> None:
        room.strips(first, last, n, directions, atoms.halves, atoms.keys, columns, atoms.width, sums)

    share_rows(work, room.STRIPS, n * n // (2 * room.STRIPS))
    return sums.sum(axis=0)[:, :n], np.zeros(n)
