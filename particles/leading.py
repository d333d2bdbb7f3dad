"""The eigenvalue of V that decides in the long run: e^{sV} = e^{lambda s} (Pi + N(s)), N(s) -> 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import rsf2csf, schur
from scipy.linalg.lapack import dtrsen

from particles import checks
from particles.attention import Attention
from particles.checks import Array
from particles.spectrum import split

_SAME = 1e-9  # of the largest modulus: eigenvalues whose real parts are this close are one
_SEMISIMPLE = 1e-6  # of the norm of V, more than which V may not differ from lambda on the eigenspace


@dataclass(frozen=True, eq=False)
class Leading:
    """The eigenvalue of largest real part, and the projector onto its eigenspace along all others'."""

    value: float
    onto: Array


def leading(attention: Any, problems: checks.Problems) -> Leading | None:
    """Return the leading eigenvalue; None and a complaint if it is not real, positive and semisimple."""
    if not isinstance(attention, Attention):
        problems.add(f"`attention` must be an Attention; got {type(attention).__name__}.")
        return None
    if len(attention.heads) > 1:
        problems.add(f"`attention` must have one head; got {len(attention.heads)}.")
        return None
    V = attention.heads[0][1]
    T, Z = schur(V)
    values = np.diag(rsf2csf(T, Z)[0])
    near = _SAME * float(np.abs(values).max())
    value = float(values.real.max())
    first = values.real >= value - near
    if value <= near or np.abs(values[first].imag).max() > near:
        listed = ", ".join(f"{number:.4g}" for number in values)
        problems.add(f"`attention.V` must have a real positive eigenvalue of largest real part; it has {listed}.")
        return None
    *_, onto = split(T, Z, first, dtrsen)
    off = float(np.linalg.norm(V @ onto - value * onto, 2))
    if off > _SEMISIMPLE * float(np.linalg.norm(V, 2)):
        problems.add(
            f"the leading eigenvalue {value:.4g} of `attention.V` must have as many eigenvectors as its "
            f"multiplicity, {first.sum()}; V differs from it by {off:.3g} there (a Jordan block)."
        )
        return None
    return Leading(value, onto)
