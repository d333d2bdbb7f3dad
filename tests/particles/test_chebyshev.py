"""Series against numpy's own Chebyshev polynomials, moments against their definition."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev
from numpy.testing import assert_allclose

from cases import EPS
from particles.softmax.chebyshev import Cells, Series, Truncation

SHAPES = [
    ((1,), (5,)),
    ((4,), (1,)),
    ((3, 2), (6, 3)),
    ((1, 4), (17, 2)),
    ((2, 3, 2), (4, 9, 5)),
    ((1, 1, 1), (1, 2, 20)),
]


def by_numpy(cells: Cells, degrees, coefficients, point, orders) -> float:
    """Return one derivative of one function at one point, from numpy.polynomial."""
    scaled = (point - cells.lower) * cells.counts / (cells.upper - cells.lower)
    at = np.clip(scaled.astype(int), 0, np.array(cells.counts) - 1)
    t = 2 * (scaled - at) - 1
    block = coefficients[tuple(slice(i * p, (i + 1) * p) for i, p in zip(at, degrees, strict=True))]
    rate = 2 * np.array(cells.counts) / (cells.upper - cells.lower)
    for x, order, r in zip(t, orders, rate, strict=True):
        block = chebyshev.chebval(x, chebyshev.chebder(block, order, axis=0)) * r**order
    return block


@pytest.mark.parametrize(("counts", "degrees"), SHAPES)
def test_values_gradients_and_hessians(counts, degrees, rng) -> None:
    k = len(counts)
    cells = Cells(rng.uniform(-2, -1, k), rng.uniform(1, 3, k), np.array(counts))
    shape = (2, *(c * p for c, p in zip(counts, degrees, strict=True)))
    coefficients = rng.standard_normal(shape)
    series = Series(cells, Truncation.full(np.array(degrees)), coefficients)
    points = rng.uniform(cells.lower, cells.upper, (57, k))
    values = series.values(points)
    value, gradient = series.value_and_gradient(points)
    hessian = series.hessian(points)
    unit = np.eye(k, dtype=int)
    p = max(degrees)
    # |T_r^(o)| <= p^(2o), each of the p^k terms and each step of the recurrences rounds
    room = 10 * EPS * np.prod(degrees) * p
    rate = 2 * np.max(cells.scale)
    for c in range(2):
        for i, point in enumerate(points):
            exact = by_numpy(cells, degrees, coefficients[c], point, [0] * k)
            assert_allclose(value[c, i], exact, rtol=0, atol=room)
            assert_allclose(values[c, i], exact, rtol=0, atol=room)
            for a in range(k):
                exact = by_numpy(cells, degrees, coefficients[c], point, unit[a])
                assert_allclose(gradient[c, i, a], exact, rtol=0, atol=room * rate * p**2)
                for b in range(k):
                    exact = by_numpy(cells, degrees, coefficients[c], point, unit[a] + unit[b])
                    assert_allclose(hessian[c, i, a, b], exact, rtol=0, atol=room * rate**2 * p**4)
