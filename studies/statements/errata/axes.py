"""Section 4 and the captions of Figs. 6, 12, 13: which eigenvector the hyperplanes of Theorem 4.2 belong to.

Theorem 4.2 holds for phi_1^*(z_i), phi_1^* the left eigenvector. The text speaks of <z_i, phi_1 / |phi_1|>, the
caption of Fig. 6 of hyperplanes perpendicular to phi_1 "since V is diagonalizable", Section 9 of an orthonormal basis
of eigenvectors: all three need phi_1^* parallel to phi_1, as it is for a normal V. With a negative real part in the
spectrum the tokens leave along the hyperplanes, and <phi_1, z_i> with them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from particles.checks import Array
from particles.settled import settle
from particles.spectrum import good_triple
from studies.statements.setups import SETUPS

# as printed in the captions
PRINTED_EIGENVALUES: dict[int, list[complex]] = {
    6: [1.35, -0.07],
    12: [1, 0.1 + 0.08j, 1 - 0.08j],
    13: [1, -0.05 + 0.25j, -0.05 - 0.25j],
}
PRINTED_VECTORS = {6: [0.76, 0.65], 12: [0.38, 0.8, 0.47], 13: [-0.3, -0.8, -0.45]}
LATE = 60.0  # depth: e^{-t min Re lambda} is 60 in Fig. 6 and 27 in Fig. 13, e^{-lambda_1 t} below 1e-25


def measured(figure: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return angle, spectrum and both coordinates' spread within the clusters, where they settle and at `LATE`."""
    setup = SETUPS[figure]
    triple = good_triple(setup.attention)
    late = settle(setup.attention, setup.tokens(rng))
    values = np.linalg.eigvals(setup.V)
    rows: dict[str, Any] = {
        "figure": figure,
        "undecided": int((~late.decided).sum()),
        "angle": float(np.degrees(np.arccos(1 / np.linalg.norm(triple.left)))),
        "asymmetry": float(np.abs(setup.V - setup.V.T).max()),
        "eigenvalues": [[float(z.real), float(z.imag)] for z in values],
        "right": triple.right.tolist(),
        "left": (triple.left / np.linalg.norm(triple.left)).tolist(),
    }
    for name, t in (("settled", late.depth), ("late", LATE)):
        z = late.rescaled(t)
        for key, row in (("left", triple.left / np.linalg.norm(triple.left)), ("right", triple.right)):
            seen = z @ row
            inside = [np.ptp(seen[late.decided & (late.leaders == leader)]) for leader in late.leading]
            rows[f"{key}_{name}"] = float(max(inside)) / float(np.ptp(late.limit @ row))
    return rows


class Beside(NamedTuple):
    """A printed vector beside the unit eigenvector that it stands for."""

    unit: Array  # the eigenvector, turned to the side of what is printed
    as_printed: float  # the largest difference of a coordinate
    rescaled: float  # the same once what is printed is made a unit vector


def beside(printed: list[float], right: list[float]) -> Beside:
    """Return how far a printed vector is from a unit eigenvector, whatever its sign."""
    found, unit = np.array(printed), np.array(right)
    unit = unit * np.sign(unit @ found)
    return Beside(unit, *(float(np.abs(v - unit).max()) for v in (found, found / np.linalg.norm(found))))


def conjugate_closed(values: list[complex]) -> bool:
    """Return whether a real matrix can have these eigenvalues: each comes with its conjugate."""
    found = np.array(values, dtype=np.complex128)
    return bool(np.allclose(np.sort_complex(found), np.sort_complex(found.conj()), rtol=0, atol=1e-12))
