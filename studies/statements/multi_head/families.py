"""Random heads for each row of Table 1; U = sum_h V_h has the leading eigenvalue 1 (or is -I).

| family      | values                                                   | B_h           |
|-------------|----------------------------------------------------------|---------------|
| polytope    | I/H                                                      | > 0           |
| common      | all with the same leading (right) eigenvector            | > 0           |
| own         | each a good triple of its own                            | > 0           |
| any         | Gaussian entries                                         | Gaussian      |
| subspaces   | I/H on a plane F; anything smaller on the same complement| > 0           |
| origin      | -I/H                                                     | I             |
| origin, B_h | -I/H                                                     | > 0           |

Draws of `common`, `own` and `any` are repeated until U has a leading eigenvalue that is real, positive, simple and at
least 1/0.95 times as large as the others.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import block_diag

from particles import Attention
from particles.checks import Array
from particles.spectrum import good_triple
from studies.statements import draws

HYPERPLANES = ("common", "own", "any")
ORIGIN = ("origin", "origin, B_h")
TITLES = {
    "polytope": "V_h = I/H, B_h > 0",
    "common": "one leading eigenvector, B_h > 0",
    "own": "each V_h its own, B_h > 0",
    "any": "Gaussian Q, K, V",
    "subspaces": "V_h = I/H on a plane, B_h > 0",
    "origin": "V_h = -I/H, B_h = I",
    "origin, B_h": "V_h = -I/H, B_h > 0",
}
_BELOW = 0.95
_MOST = 10_000  # attempts at a U


def heads(family: str, rng: np.random.Generator, count: int, d: int) -> Attention:
    """Return `count` random heads of the family in R^d."""
    for _ in range(_MOST):
        B = np.array([_form(family, rng, d) for _ in range(count)])
        V = np.array(_values(family, rng, count, d))
        if family in HYPERPLANES:
            size = _leading(V.sum(axis=0))
            if size is None:
                continue
            V = V / size
        eye = np.broadcast_to(np.eye(d), B.shape)
        return Attention(Q=np.swapaxes(B, 1, 2), K=eye, V=V)
    raise ArithmeticError(f"no U of family {family!r} with a leading eigenvalue in {_MOST} draws")


def pairings(attention: Attention, right: Array) -> Array:
    """Return <Q_h phi, K_h phi> for every head, shape (H,)."""
    return np.array([right @ B @ right for B, _ in attention.heads])


def as_one(attention: Attention) -> Attention:
    """Return the one head with V = U and the first head's B."""
    return Attention(Q=attention.Q[0], K=attention.K[0], V=attention.U)


def _form(family: str, rng: np.random.Generator, d: int) -> Array:
    if family == "any":
        return rng.standard_normal((d, d))
    return np.eye(d) if family == "origin" else draws.positive_definite(rng, d)


def _values(family: str, rng: np.random.Generator, count: int, d: int) -> list[Array]:
    if family in ORIGIN or family == "polytope":
        return [(-1 if family in ORIGIN else 1) * np.eye(d) / count] * count
    if family == "any":
        return [rng.standard_normal((d, d)) for _ in range(count)]
    if family == "own":
        return [draws.good_triple_values(rng, d) for _ in range(count)]
    basis = draws.basis(rng, d)
    if family == "subspaces":
        smaller = [rng.uniform(-0.9, 0.9, (d - 2, d - 2)) / (count * max(1, d - 2)) for _ in range(count)]
        return [basis @ block_diag(np.eye(2) / count, block) @ np.linalg.inv(basis) for block in smaller]
    common = basis[:, :1]
    values = []
    for _ in range(count):
        own = np.hstack([common, draws.basis(rng, d)[:, 1:]])
        diagonal = rng.uniform(0.5, 1.5) * np.concatenate([[1.0], rng.uniform(-0.9, 0.9, d - 1)])
        values.append(own * diagonal @ np.linalg.inv(own))
    return values


def _leading(U: Array) -> float | None:
    """Return the leading eigenvalue of U if it is real, positive, simple and well above the others."""
    triple = good_triple(Attention(Q=np.eye(len(U)), K=np.eye(len(U)), V=U))
    return triple.value if triple.holds and triple.gap >= (1 - _BELOW) * triple.value else None
