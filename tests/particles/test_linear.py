"""Points times a small matrix, against the library's product."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cases import EPS
from particles.softmax.linear import turned


@pytest.mark.parametrize("shape", [(5, 2), (20_000, 2), (20_001, 3), (3, 7000, 3), (20_000, 4)])
def test_turned_points(shape, rng: np.random.Generator) -> None:
    x, B = rng.standard_normal(shape), rng.standard_normal((shape[-1], shape[-1]))
    x[..., 7 % shape[-2], 1] = np.nan
    for points in (x, np.asfortranarray(x)):
        for matrix in (B, B.T):
            found = turned(points, matrix)
            assert found.shape == shape
            assert_allclose(found, x @ matrix, rtol=0, atol=40 * EPS)  # sums of numbers up to 10
            assert_array_equal(np.isnan(found), np.isnan(x @ matrix))
