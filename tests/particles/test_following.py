"""Gaps of exponents along the motion in closed form: against the exponents themselves, and what becomes of them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import expm

from particles.attention import Attention
from particles.checks import Problems
from particles.following import Following
from particles.leading import leading

V = np.array([[1.0, 0.3], [0.0, 0.5]])
B = np.array([[1.0, 0.2], [-0.1, 0.7]])


def spectrum(V: np.ndarray):
    eye = np.eye(len(V))
    found = leading(Attention(Q=eye, K=eye, V=V), Problems())
    assert found is not None
    return found


def following(points: list, leaders: list[int], B: np.ndarray = B, weights: list | None = None) -> Following:
    shares = np.full(len(points), 1 / len(points)) if weights is None else np.array(weights)
    with np.errstate(divide="ignore"):
        return Following(B, np.array(points, float), np.array(leaders), np.log(shares))


def test_gaps_are_differences_of_exponents(rng: np.random.Generator) -> None:
    points = rng.normal(size=(6, 2))
    some = following(points.tolist(), [0, 1, 0, 0, 1, 1], weights=[0.1, 0.2, 0.1, 0.3, 0.2, 0.1])
    lead, s = points[some.leaders], 1.7
    moved = lead @ expm(s * V).T + points - lead  # x_i(s)
    exponents = moved @ B @ moved.T + some.log_weights
    expected = exponents[np.arange(6), some.leaders][:, None] - exponents
    expected[np.arange(6), some.leaders] = np.inf
    found = some.gaps(expm(s * (V - np.eye(2))), np.exp(-s)) * np.exp(2 * s)
    assert_allclose(found, expected, rtol=1e-12, atol=1e-12)  # rounding
    assert_allclose(some.gaps()[0, 1], points[0] @ B @ (points[0] - points[1]) + np.log(0.5), rtol=1e-12)


def test_doubt_bounds_what_errors_do(rng: np.random.Generator) -> None:
    points, errors = rng.normal(size=(5, 2)), np.full(5, 1e-6)
    some = following(points.tolist(), [0, 0, 0, 3, 3])
    for _ in range(20):
        aside = rng.normal(size=(5, 2))
        moved = points + 1e-6 * aside / np.linalg.norm(aside, axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):  # inf - inf, where there is no rival
            change = np.abs(following(moved.tolist(), [0, 0, 0, 3, 3]).gaps() - some.gaps())
        rivals = some.rivals
        # to second order in the errors
        assert (change[rivals] <= some.doubt(errors)[rivals] + 1e-10).all()


def test_a_lead_that_lasts(rng: np.random.Generator) -> None:
    lead = spectrum(V)
    good = following([[20.0, 0.0], [10.0, 1.0], [-18.0, 1.0]], [0, 0, 2], np.eye(2))
    assert good.gaps().min() >= 45
    assert good.lasts(V, lead.value, lead.onto, 45.0).all()
    for s in np.linspace(0, 20, 50):
        gaps = good.gaps(expm(s * (V - np.eye(2))), np.exp(-s)) * np.exp(2 * s)
        assert gaps.min() >= 45


def test_a_lead_that_is_lost_later() -> None:
    # the second coordinate speaks for the leader now, but only the first one grows like e^t
    V = np.diag([1.0, 0.2])
    lead = spectrum(V)
    points = [[10.0, 60.0], [10.5, 55.0]]
    lost = following(points, [0, 0], np.eye(2))
    assert (lost.gaps()[[0, 1], [1, 1]][:1] >= 45).all()
    assert not lost.lasts(V, lead.value, lead.onto, 45.0).any()
    # without growth of the first over the second coordinate it would last
    assert following(points, [0, 0], np.eye(2)).lasts(np.eye(2), 1.0, np.eye(2), 45.0).all()


def test_a_lead_that_is_lost_for_a_while() -> None:
    # the eigenvalues 1 and 0.8 +- 6i: the pair turns the leader away and back before the first outgrows it
    V = np.array([[1.0, 0.0, 0.0], [0.0, 0.8, -6.0], [0.0, 6.0, 0.8]])
    lead = spectrum(V)
    turning = following([[10.0, 40.0, 0.0], [8.0, 30.0, 0.0]], [0, 0], np.eye(3))
    assert turning.gaps()[0, 1] > 45
    late = [turning.gaps(expm(s * (V - np.eye(3))), np.exp(-s))[0, 1] for s in (np.pi / 6, 40.0)]
    assert late[0] < 0 < late[1]
    assert not turning.lasts(V, lead.value, lead.onto, 45.0)[0]


def test_tokens_without_weight_are_no_rivals() -> None:
    some = following([[2.0, 0.0], [9.0, 0.0]], [0, 0], np.eye(2), weights=[1.0, 0.0])
    assert not some.rivals.any()
    assert some.lasts(np.eye(2), 1.0, np.eye(2), 45.0).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_projector_commutes_and_splits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(4, 4))
    values = np.diag([2.0, 2.0, 0.5, -3.0])
    matrix = basis @ values @ np.linalg.inv(basis)
    found = spectrum(matrix)
    assert found.value == pytest.approx(2.0, abs=1e-12 * np.linalg.cond(basis))
    expected = basis @ np.diag([1.0, 1.0, 0, 0]) @ np.linalg.inv(basis)
    assert_allclose(found.onto, expected, atol=1e-12 * np.linalg.cond(basis) ** 2)  # how far eigenvectors are known
