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


SETUPS = MappingProxyType(
    {
        3: Setup(40, [[1.0]], (0.0, 3.0, 5.0, 10.0), rescaled=False),
        5: Setup(40, published.IDENTITY, (0.0, 1.0, 2.0, 5.0)),
        6: Setup(40, published.FIG_6, (0.0, 1.0, 5.0, 15.0)),
        7: Setup(40, published.FIG_7, (0.0, 5.0, 10.0, 15.0)),
        10: Setup(100, [[1.0]], (0.0, 3.0, 5.0, 10.0), rescaled=False),
        12: Setup(25, published.FIG_12, (0.0, 5.0, 40.0)),
        13: Setup(25, published.FIG_13, (0.0, 5.0, 10.0, 30.0, 35.0, 40.0)),
    }
)
