"""What is known of independent tokens before anything moves, used to take noise out of means over replicas.

For tokens uniform on [-1, 1]^d and P_k the Legendre polynomials, c_a = (1/n) sum_j prod_i P_{a_i}(x_ji) have

    E c_a = 0,   E c_a^2 = prod_i 1 / (2 a_i + 1) / n,   E c_a c_b = 0 (a != b),   exactly and for every n.

Squared errors are nearly quadratic in the c_a, so most of their scatter is that of the low squares, whose means need
not be estimated: control variates. Those here are summed over the axes, as the problem does not tell them apart;
products of an even with an odd one are left out, as they change sign with the tokens and the errors do not.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.polynomial.legendre import legvander

from particles.checks import Array


def controls(tokens: Array) -> Array:
    """Return n (c_a^2 - its mean) for |a| <= 3 and n c_1 c_3, summed over the axes, of tokens (n, d); (4,) or (6,)."""
    n, dim = tokens.shape
    powers = legvander(tokens, 3)
    along = powers.mean(axis=0)
    found = [(n * along[:, k] ** 2 - 1 / (2 * k + 1)).sum() for k in (1, 2, 3)]
    found.append(n * (along[:, 1] * along[:, 3]).sum())
    for k in (1, 2) if dim > 1 else ():
        across = [(powers[:, i, 1] * powers[:, j, k]).mean() for i, j in permutations(range(dim), 2)]
        found.append(sum(n * c**2 - 1 / (3 * (2 * k + 1)) for c in across))
    return np.array(found)
