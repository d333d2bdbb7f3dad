"""To which level tokens tend where they share leaders: against symmetry, more digits, and what is known of leaders."""

from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from particles import Attention, Empirical, settle
from particles.levels import levels


def attention(V: Any) -> Attention:
    eye = np.eye(len(V))
    return Attention(Q=eye, K=eye, V=V)


BALANCED = attention(np.diag([1.0, -0.8]))


def test_a_lead_that_two_share_for_ever() -> None:
    # mirror images: both stay at level 6, and share all three tokens once their second coordinates have shrunk
    tokens = [[6.0, 2.0], [6.0, -2.0], [1.0, 0.1]]
    assert settle(BALANCED, tokens, until=5.0).status == "undecided"
    late = levels(BALANCED, tokens)
    assert late.status == "settled" and late.side.tolist() == [1, 1, 1]
    # at depth 0 the third has weight e^-30 = 1e-13 for the others
    assert late.ends[1, 0] <= 6.0 <= late.ends[1, 1]
    assert late.width <= 1e-5
    assert np.isnan(late.ends[0]).all()


def test_in_thirty_digits() -> None:
    """A shared lead without symmetry: both leaders' levels at depth 9 are as good as their limit."""
    tokens = np.array([[3.0, 1.0], [3.0, -1.5], [1.0, 0.1]])
    assert settle(BALANCED, tokens, until=5.0).status == "undecided"
    late = levels(BALANCED, tokens)
    with mpmath.workdps(30):
        x = [[mpmath.mpf(float(v)) for v in row] for row in tokens]
        h = mpmath.mpf(1) / 100

        def velocity(x: list[Any]) -> list[Any]:
            found = []
            for a in x:
                w = [a[0] * b[0] + a[1] * b[1] for b in x]
                p = [mpmath.exp(v - max(w)) for v in w]
                mean = [mpmath.fsum(q * b[k] for q, b in zip(p, x, strict=True)) / mpmath.fsum(p) for k in (0, 1)]
                found.append([mean[0], mpmath.mpf("-0.8") * mean[1]])
            return found

        def moved(x: list[Any], k: list[Any], h: Any) -> list[Any]:
            return [[a + h * v for a, v in zip(p, q, strict=True)] for p, q in zip(x, k, strict=True)]

        for _ in range(900):
            k1 = velocity(x)
            k2 = velocity(moved(x, k1, h / 2))
            k3 = velocity(moved(x, k2, h / 2))
            k4 = velocity(moved(x, k3, h))
            for k, part in ((k1, 6), (k2, 3), (k3, 3), (k4, 6)):
                x = moved(x, k, h / part)
        exact = sorted(float(row[0] * mpmath.exp(-9)) for row in x[:2])
    assert 0 < exact[1] - exact[0] < 1e-3  # the limit is no lower than the first and no higher than the second
    # RK4's own error, steps of 1/100: 1e-7
    assert late.ends[1, 0] <= exact[1] + 1e-7
    assert late.ends[1, 1] >= exact[0] - 1e-7
    assert late.width < 1e-5


@pytest.mark.parametrize("seed", range(4))
def test_where_leaders_are_known_their_levels_are_enclosed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    V = np.array([[1.0, 0.4], [0.1, 0.2]]) if seed % 2 else np.array([[0.9, 0.2], [0.3, -0.4]])
    law, tokens = attention(V), rng.uniform(-5, 5, (6, 2))
    by_leaders, late = settle(law, tokens), levels(law, tokens)
    assert by_leaders.status == late.status == "settled"
    resting = by_leaders.limit @ late.left
    slack = 10 * by_leaders.error * np.linalg.norm(late.left)
    for k, sign in enumerate((-1, 1)):
        ends = resting[late.side == sign]
        assert np.ptp(ends) <= 2 * slack  # one value on each side
        assert ((late.ends[k, 0] - slack <= ends) & (ends <= late.ends[k, 1] + slack)).all()


def test_on_the_divide_nothing_is_decided() -> None:
    tokens = np.array([[4.0, 1.0], [2.0, -1.0], [-4.0, -1.0], [-2.0, 1.0], [0.0, 0.0]])
    late = levels(BALANCED, tokens)
    assert late.side.tolist() == [1, 1, -1, -1, 0]
    assert late.status == "undecided" and "1 tokens" in late.message
    assert_allclose(late.ends[0], -late.ends[1][::-1], atol=1e-6)  # two runs of tolerance 1e-8, by symmetry
    low, high = late.hull
    assert low <= late.levels.min() and late.levels.max() <= high


def test_a_depth_too_small_decides_nothing() -> None:
    late = levels(BALANCED, [[0.6, 2.0], [0.5, -2.0], [-0.4, 0.1]], until=1.0)
    assert late.depth <= 1.0
    assert late.side.tolist() == [0, 0, 0]
    assert np.isnan(late.width)


def test_weights_at_one_place_are_summed() -> None:
    apart = levels(BALANCED, [[4.0, 1.0], [3.0, -1.0], [3.0, -1.0], [-2.0, 0.5]])
    summed = levels(BALANCED, Empirical([[4.0, 1.0], [3.0, -1.0], [-2.0, 0.5]], [0.25, 0.5, 0.25]))
    assert_array_equal(apart.side, [1, 1, 1, -1])
    assert_array_equal(summed.side, [1, 1, -1])
    assert_allclose(apart.ends, summed.ends, atol=1e-4)  # each within its width and the runs' errors


def test_other_values_are_refused() -> None:
    with pytest.raises(ValueError, match="must be simple; its multiplicity is 2"):
        levels(attention(np.diag([1.0, 1.0, 0.3])), np.ones((2, 3)))
    with pytest.raises(ValueError) as raised:
        levels(attention(-np.eye(2)), [[1.0, 0.0, 2.0]], until=-1)
    assert all(name in str(raised.value) for name in ("`attention.V`", "`tokens`", "`until`"))
