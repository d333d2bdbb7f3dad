"""The eigenvalue of V that decides in the long run: e^{sV} = e^{lambda s} (Pi + N(s)), N(s) -> 0.

`posed` checks what is asked of a long run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import rsf2csf, schur
from scipy.linalg.lapack import dtrsen

from particles import checks
from particles.attention import Attention
from particles.checks import Array
from particles.measure import Empirical
from particles.spectrum import split

_SAME = 1e-9  # of the largest modulus: eigenvalues whose real parts are this close are one
_SEMISIMPLE = 1e-6  # of the norm of V, more than which V may not differ from lambda on the eigenspace


@dataclass(frozen=True, eq=False)
class Leading:
    """The eigenvalue of largest real part, and the projector onto its eigenspace along all others'."""

    value: float
    onto: Array

    @property
    def multiplicity(self) -> int:
        """How many eigenvalues are this one."""
        return round(float(np.trace(self.onto)))


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


def posed(
    attention: Any, tokens: Any, until: Any, latest: float, *, simple: bool = False
) -> tuple[Leading, Empirical, float]:
    """Return the leading eigenvalue, the tokens and the last depth, `latest` / lambda if `until` is None.

    Raises
    ------
    ValueError
        If an argument is not as it should be, or the eigenvalue is not simple and has to be; every problem on a line.
    """
    problems = checks.Problems()
    spectrum = leading(attention, problems)
    if isinstance(tokens, Empirical):
        start: Empirical | None = tokens
    else:
        points = checks.points("tokens", tokens, problems)
        start = None if points is None else Empirical(points)
    if start is not None and isinstance(attention, Attention) and start.dim != attention.dim:
        problems.add(f"`tokens` must live in dimension {attention.dim}, as the attention does; got {start.dim}.")
    if simple and spectrum is not None and spectrum.multiplicity > 1:
        problems.add(
            f"the leading eigenvalue {spectrum.value:.4g} of `attention.V` must be simple; its multiplicity is "
            f"{spectrum.multiplicity}."
        )
    horizon = None if until is None else checks.positive("until", until, problems)
    problems.raise_if_any()
    assert spectrum is not None and start is not None
    return spectrum, start, latest / spectrum.value if horizon is None else horizon
