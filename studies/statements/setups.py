"""The paper's set-ups whose value matrices were published: number of tokens, dimension, V, panel depths.

Tokens are uniform on [-5, 5]^d and Q = K = I in all of them. The seeds were never published.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from particles import Attention, Raw, Rescaled
from particles.checks import Array
from studies.figures import published


@dataclass(frozen=True)
class Setup:
    """One figure's set-up.

    Parameters
    ----------
    n : int
        Number of tokens.
    value : list of lists
        The value matrix V, (d, d).
    times : tuple of float
        Depths t of the panels.
    rescaled : bool
        Whether the figure shows z = e^{-tV} x (3.1); if not, P(t) of (1.1).
    """

    n: int
    value: list[list[float]]
    times: tuple[float, ...]
    rescaled: bool = True

    @property
    def V(self) -> Array:
        """The value matrix, (d, d)."""
        return np.array(self.value)

    @property
    def attention(self) -> Attention:
        """One head with Q = K = I."""
        eye = np.eye(len(self.value))
        return Attention(Q=eye, K=eye, V=self.V)

    @property
    def law(self) -> Raw | Rescaled:
        """The law of motion that the figure shows."""
        return Rescaled(self.attention) if self.rescaled else Raw(self.attention)

    def tokens(self, rng: np.random.Generator) -> Array:
        """Return a draw of the initial tokens, (n, d)."""
        return rng.uniform(-published.BOX, published.BOX, (self.n, len(self.value)))


_PUBLISHED = {
    3: (40, [[1.0]]),
    5: (40, published.IDENTITY),
    6: (40, published.FIG_6),
    7: (40, published.FIG_7),
    10: (100, [[1.0]]),
    12: (25, published.FIG_12),
    13: (25, published.FIG_13),
}
SETUPS = MappingProxyType(
    {figure: Setup(n, V, tuple(published.TIMES[figure]), rescaled=len(V) > 1) for figure, (n, V) in _PUBLISHED.items()}
)
