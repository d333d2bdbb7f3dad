"""Where the tokens start, and how fast that is known to bring them to the limit.

    start          W2                                          field error, root mean square
    independent    n^{-1/2}, (log n / n)^{1/2}, n^{-1/3}       n^{-1/2}
    quasi-random   n^{-1/d}                                    n^{-3/2} (log n)^{(d-1)/2}
    quantiles      n^{-1/d}                                    n^{-2/d}
    quadrature     n^{-1/d}: they are n atoms                  C^{-n^{1/d}}

The first line is Ajtai, Komlos, Tusnady 1984 and Fournier, Guillin 2015, for densities bounded below on a box; the
field is the value of a smooth functional, so there the central limit theorem speaks. n^{-1/d} is the least that n
atoms can reach (Zador). Scrambled nets: Owen 1997; on the line few scrambles, about one in n, make up that mean square,
and the others do far better (Pan, Owen 2023), so that some tens of replicas show a steeper slope. Quantiles are the
midpoint rule; Gauss's rule is geometric as the flow is analytic. By (6.6), which bounds the growth by a factor that
does not depend on n, all hold at every depth, but from larger n on: the flow amplifies long waves most, and their part
of W2^2 is of order 1/n for independent tokens in every dimension.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from particles import Adaptive, Empirical, tokens
from particles.checks import Array

INDEPENDENT, QUASI_RANDOM, QUANTILES, QUADRATURE = "independent", "quasi-random", "quantiles", "quadrature"
STARTS = (INDEPENDENT, QUASI_RANDOM, QUANTILES, QUADRATURE)
RANDOM = (INDEPENDENT, QUASI_RANDOM)
QUANTITIES = ("W2", "field")

SMALLEST = 5  # log2 of the least n


def sizes(start: str, dim: int, top: int, nodes: int) -> list[int]:
    """Return the numbers of tokens: powers of 2 up to 2^top, that are d-th powers for a product of quantiles.

    Quadrature goes through every number of nodes along an axis, from 2 to `nodes`.
    """
    if start == QUADRATURE:
        return [m**dim for m in range(2, nodes + 1)]
    step = dim if start == QUANTILES else 1
    least = step * -(-(SMALLEST - 2 if start == QUANTILES else SMALLEST) // step)
    return [2**k for k in range(least, top + 1, step)]


def drawn(start: str, n: int, dim: int, seed: int, replica: int) -> Array:
    """Return one replica's n equal tokens in the box [-1, 1]^d, shape (n, d)."""
    lower, upper = -np.ones(dim), np.ones(dim)
    if start == QUANTILES:
        return tokens.by_quantile_products(n, [_quantile] * dim)
    rng = np.random.default_rng([seed, dim, n, replica, STARTS.index(start)])
    return (tokens.on_box if start == INDEPENDENT else tokens.quasi_random)(n, lower, upper, rng)


def gauss_nodes(n: int, dim: int) -> Empirical:
    """Return n = m^d Gauss nodes with their weights."""
    return tokens.by_quadrature(round(n ** (1 / dim)), -np.ones(dim), np.ones(dim))


def _quantile(u: Array) -> Array:
    return 2 * u - 1


def stepper(start: str) -> Adaptive:
    """Return tolerances well below the errors of the start: 1e-7 here against 1e-3, 1e-13 for quadrature."""
    if start == INDEPENDENT:
        return Adaptive(rtol=1e-6, atol=1e-8)
    return Adaptive(rtol=1e-9, atol=1e-11) if start != QUADRATURE else Adaptive(rtol=1e-13, atol=1e-14)


def rate(quantity: str, start: str, dim: int) -> tuple[Callable[[Array], Array], str] | None:
    """Return the known rate as a function of n and as TeX; None where it is geometric."""
    if quantity == "W2":
        if start == INDEPENDENT and dim < 3:
            return (_root, "n^{-1/2}") if dim == 1 else (_matching, r"(\log n / n)^{1/2}")
        return lambda n: n ** (-1 / dim), "n^{-1}" if dim == 1 else f"n^{{-1/{dim}}}"
    if start == QUADRATURE:
        return None
    if start == INDEPENDENT:
        return _root, "n^{-1/2}"
    if start == QUANTILES:
        return lambda n: n ** (-2 / dim), {1: "n^{-2}", 2: "n^{-1}", 3: "n^{-2/3}"}[dim]
    logs = {1: "", 2: r"(\log n)^{1/2}", 3: r"\log n"}[dim]
    return lambda n: n**-1.5 * np.log(n) ** ((dim - 1) / 2), f"n^{{-3/2}}{logs}"


def _root(n: Array) -> Array:
    return n**-0.5


def _matching(n: Array) -> Array:
    return np.sqrt(np.log(n) / n)


def corrected(quantity: str, start: str, dim: int) -> bool:
    """Return whether the fit has the term b/n: independent tokens, the field and, on the line, W2."""
    return start == INDEPENDENT and (quantity == "field" or dim == 1)
