"""Series and moments along one axis at unsorted points, and the logarithm they end in, against numpy."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev
from numpy.testing import assert_allclose, assert_array_equal

from cases import EPS
from particles.softmax import transform_line
from particles.softmax.chebyshev import Cells

SIZES = [(1, 1), (1, 5), (4, 8), (3, 23)]


def line(count: int) -> Cells:
    return Cells(np.array([-2.0]), np.array([1.5]), np.array([count]))


def places(cells: Cells, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cell of each point and its coordinate there."""
    scaled = (x - cells.lower[0]) * cells.scale[0]
    cell = np.clip(scaled.astype(int), 0, cells.counts[0] - 1)
    return cell, 2.0 * (scaled - cell) - 1.0


@pytest.mark.parametrize(("count", "terms"), SIZES)
def test_moments_are_sums_of_polynomials(count: int, terms: int, rng) -> None:
    cells, origin, n = line(count), np.array([0.25]), 301
    keys, weights = rng.uniform(-2, 1.5, (n, 1)) + origin, rng.standard_normal((2, n))
    found = transform_line.moments(cells, terms, keys, origin, weights).reshape(2, count, terms)
    cell, t = places(cells, keys[:, 0] - origin[0])
    basis = chebyshev.chebvander(t, terms - 1)
    for c in range(count):
        exact = weights[:, cell == c] @ basis[cell == c]
        # n terms of size one; the recurrence turns roundings of t into terms^2 as many
        assert_allclose(found[:, c], exact, rtol=0, atol=EPS * n * terms**2)


@pytest.mark.parametrize(("count", "terms"), SIZES)
@pytest.mark.parametrize("m", [1, 16, 1030])
def test_answers_are_the_series_and_what_was_divided_out(count: int, terms: int, m: int, rng) -> None:
    cells, shift = line(count), 3.0
    table = 0.1 * rng.standard_normal((3, count, terms)) / (1 + np.arange(terms)) ** 4
    table[0, :, 0] = 1.0  # sums are positive
    tilts, offsets = rng.standard_normal(count), 300.0 * rng.standard_normal(count)
    a = rng.uniform(-2, 1.5, (m, 1))
    cell, t = places(cells, a[:, 0])
    sums, first, second = (
        np.array([chebyshev.chebval(x, row[c]) for x, c in zip(t, cell, strict=True)]) for row in table
    )
    alpha = 0.5 / cells.scale[0]
    logs = np.log(sums) + offsets[cell] + alpha * tilts[cell] * t + a[:, 0] * shift
    least = np.zeros(count)
    room = 20 * EPS * terms**2
    values = transform_line.answers(cells, terms, a, table.reshape(3, -1), False, tilts, shift, offsets, least)
    assert_allclose(values[0], logs, rtol=0, atol=room + 4 * EPS * 1e3)  # offsets reach 1e3
    assert_allclose(values[1], np.stack([first / sums, second / sums], axis=1), rtol=0, atol=room)
    assert values[2].all()

    slopes = [chebyshev.chebval(x, chebyshev.chebder(table[0, c])) for x, c in zip(t, cell, strict=True)]
    least[0] = 0.95
    values = transform_line.answers(cells, terms, a, table[:1].reshape(1, -1), True, tilts, shift, offsets, least)
    assert_allclose(values[1][:, 0], slopes / sums / alpha + tilts[cell] + shift, rtol=0, atol=room * terms**2)
    assert_array_equal(values[2], sums >= least[cell])


def test_the_logarithm_is_right_to_rounding(rng) -> None:
    from particles.softmax._exp import log

    x = np.concatenate([10.0 ** rng.uniform(-300, 300, 500), rng.uniform(0.5, 2.0, 500), 1 + 1e-9 * rng.random(50)])
    exact = np.log(x.astype(np.longdouble))
    found = np.array([log(value) for value in x])
    # two roundings of the series, one of the sum: relative, since both parts have one sign or the first is larger
    assert_allclose(found, exact.astype(float), rtol=4 * EPS, atol=0)
    assert log(1.0) == 0.0
    assert np.isnan(log(np.nan))
