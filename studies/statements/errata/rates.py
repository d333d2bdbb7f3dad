"""How fast n random tokens approach their law: E W2 ~ n^{-1/2} on the line holds for one piece, not for two.

For two pieces of width w a distance h apart, the share of tokens in the left one is off by about n^{-1/2} / 2 times a
normal number N, and that share of the mass has to cross the gap:

    E W2 -> h (4n)^{-1/4} E |N|^{1/2},    E |N|^{1/2} = 2^{1/4} Gamma(3/4) / pi^{1/2} = 0.822.

Quantiles are linear on pieces, so W2 is exact: int (x_(i) - q(u))^2 du over [(i-1)/n, i/n] is ((x_(i) - m)^2 + s^2 /
12) / n, with m and s the mean of q and its rise there (n even: no piece is cut).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from particles.checks import Array

HALF_NORMAL = 2**0.25 * math.gamma(0.75) / math.sqrt(math.pi)


def rates(rng: np.random.Generator, sizes: list[int], replicas: int, gap: float) -> dict[str, Any]:
    """Return E W2 and its standard error for each n (even), one piece (gap 0) or two pieces of width 1 (gap > 0)."""
    means, errors = [], []
    for n in sizes:
        u = (np.arange(n) + 0.5) / n
        found = []
        for _ in range(replicas):
            x = np.sort(_quantile(rng.random(n), gap))
            rise = (2.0 if gap else 1.0) / n
            found.append(np.sqrt(np.mean((x - _quantile(u, gap)) ** 2) + rise**2 / 12))
        means.append(float(np.mean(found)))
        errors.append(float(np.std(found, ddof=1) / np.sqrt(replicas)))
    logs, weights = np.log(sizes), np.array(means) / np.array(errors)
    (slope, _), cov = np.polyfit(logs, np.log(means), 1, w=weights, cov="unscaled")
    return {
        "gap": gap,
        "sizes": sizes,
        "W2": means,
        "errors": errors,
        "slope": float(slope),
        "slope_error": float(cov[0, 0] ** 0.5),
    }


def _quantile(u: Array, gap: float) -> Array:
    """Return the quantile function at u: of [0, 1], or of [0, 1] and [1 + gap, 2 + gap] with half the mass each."""
    if not gap:
        return u
    return 2 * u + gap * (u > 0.5)
