"""The forms the dense engine takes: symmetric, wide, shifted, batched, and the values apart from the keys."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cases
from cases import EPS
from particles import Attention, Empirical, Raw, Replicas, Rescaled
from particles.softmax import Dense, _rows


def cloud(rng, n: int, d: int, spread: float = 1.0):
    points = spread * rng.uniform(-1, 1, (n, d))
    weights = rng.uniform(0.1, 1, n)
    return points, weights / weights.sum()


@pytest.mark.parametrize("n", [1024, 1025, 2047])
@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_symmetry_changes_nothing(rng, n: int, d: int) -> None:
    points, weights = cloud(rng, n, d)
    points += 3.0  # off-centre: part of the exponent moves into the weights
    root = rng.standard_normal((d, d))
    B = root + root.T
    engine = Dense(points, np.log(weights))
    log_sums, means = engine.at_own_keys(B)
    plain_log_sums, plain_means = engine.log_sum_and_mean(points @ B)
    # exponents up to 16 d^2 |B| are rounded d times on either way
    error = 16 * d * EPS * np.abs(points @ B @ points.T).max()
    assert_allclose(log_sums, plain_log_sums, rtol=0, atol=error)
    assert_allclose(means, plain_means, rtol=0, atol=2 * error)


@pytest.mark.parametrize("scale", [1e3, 1e7])
def test_symmetry_steps_aside_where_exponents_are_large(rng, scale: float) -> None:
    points, weights = cloud(rng, 1100, 2)
    engine = Dense(points, np.log(weights))
    B = scale * np.eye(2)
    for one, other in zip(engine.at_own_keys(B), engine.log_sum_and_mean(points @ B), strict=True):
        assert_array_equal(one, other)


def test_symmetry_steps_aside_for_watchers(rng) -> None:
    points, weights = cloud(rng, 1100, 2)
    weights[7] = 0.0
    with np.errstate(divide="ignore"):
        engine = Dense(points, np.log(weights / weights.sum()))
    assert_array_equal(engine.at_own_keys(np.eye(2))[1], engine.log_sum_and_mean(points)[1])


def test_symmetric_bits_do_not_depend_on_threads(rng, monkeypatch) -> None:
    engine = Dense(cloud(rng, 3000, 2)[0], np.zeros(3000))
    answers = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(_rows, "threads", lambda threads=threads: threads)
        answers.append(engine.at_own_keys(np.eye(2))[1])
    assert_array_equal(answers[0], answers[1])
    assert_array_equal(answers[0], answers[2])


def test_the_field_of_tokens_on_themselves_uses_the_symmetry(rng) -> None:
    points, weights = cloud(rng, 1200, 2)
    mu = Empirical(points, weights, softmax=Dense)
    attention = Attention(np.eye(2), np.eye(2), np.eye(2))
    # a copy of the points hides that they are the atoms
    assert_allclose(attention.field(mu, mu.points), attention.field(mu, mu.points.copy()), rtol=0, atol=16 * EPS)


@pytest.mark.parametrize(("k", "c"), [(8, 8), (9, 2), (2, 11), (10, 9), (3, 16), (23, 23), (24, 25)])
@pytest.mark.parametrize("exponent", [3.0, 1e3, 1e5])
@pytest.mark.parametrize("n", [1, 128, 297])
def test_wide_kernel(rng, k: int, c: int, exponent: float, n: int) -> None:
    keys, weights = cloud(rng, n, k)
    values = rng.standard_normal((n, c))
    a = rng.standard_normal((70, k))  # more than a tile of targets
    a *= exponent / max(np.abs(a @ keys.T).max(), 1e-300)
    exact_log_sums, exact_means, exact_covs = cases.softmax_by_hand(keys, weights, a, values)
    engine = Dense(keys, np.log(weights), values)
    error = (4 + 2 * k) * EPS * exponent
    log_sums, means = engine.log_sum_and_mean(a)
    size = np.abs(values).max()
    assert_allclose(log_sums, exact_log_sums, rtol=0, atol=error)
    assert_allclose(means, exact_means, rtol=0, atol=2 * error * size)
    assert_allclose(engine.covariance(a[:3]), exact_covs[:3], rtol=0, atol=8 * error * size**2)


@pytest.mark.parametrize("k", [8, 17])
def test_wide_rows_do_not_depend_on_their_company(rng, k: int) -> None:
    keys, weights = cloud(rng, 300, k)
    weights[5] = 0.0
    a = rng.standard_normal((60, k)) * 10.0 ** rng.uniform(-1, 6, (60, 1))  # with shifts and without
    a[7, 3] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        engine = Dense(keys, np.log(weights))
        log_sums, means = engine.log_sum_and_mean(a)
        for i in (0, 7, 23, 24, 59):
            log_sum, mean = engine.log_sum_and_mean(a[i : i + 1])
            assert_array_equal(log_sum[0], log_sums[i])
            assert_array_equal(mean[0], means[i])
    bad = np.isnan(means).any(axis=1)
    assert bad[7] and np.isnan(log_sums[7]) and bad.sum() == 1


def test_wide_exponents_of_any_size(rng) -> None:
    keys, _ = cloud(rng, 300, 9)
    nearest = keys[[3, 140, 299]]
    for size in (1e8, 1e17, 1e200):
        log_sums, means = Dense(keys, np.zeros(300)).log_sum_and_mean(size * (nearest / 9))
        best = np.argmax(nearest @ keys.T, axis=1)
        assert_allclose(means, keys[best], rtol=0, atol=4 * EPS)
        assert_allclose(log_sums, size / 9 * np.max(nearest @ keys.T, axis=1), rtol=32 * EPS)


def test_a_bound_far_above_every_exponent_is_no_trouble(rng) -> None:
    # on the diagonal of a box <a, y> stays at 0 for a across it, while the box allows 2e5
    line = np.linspace(-1, 1, 50)
    points, a = np.stack([line, -line], axis=1), np.array([[1e5, 1e5], [1e5, 1e5 + 1]])
    log_sums, means = Dense(points, np.full(50, -np.log(50))).log_sum_and_mean(a)
    assert_allclose(means[0], 0.0, rtol=0, atol=1e-10)  # exponents of 1e5 are rounded to 1.5e-11
    assert_allclose(log_sums[0], 0.0, rtol=0, atol=1e-10)


def test_weights_a_thousand_orders_apart(rng) -> None:
    # the exponents overrule the weights: log w spans 2000, <a, y> spans 4000
    points = np.linspace(-1, 1, 40)[:, None]
    log_weights = np.linspace(0.0, -2000.0, 40)
    a = np.array([[2000.0]])
    exact = log_weights + 2000.0 * points[:, 0]
    log_sum, mean = Dense(points, log_weights).log_sum_and_mean(a)
    tilted = np.exp(exact - exact.max())
    error = 16 * EPS * 4000
    assert_allclose(log_sum[0], exact.max() + np.log(tilted.sum()), rtol=0, atol=error)
    assert_allclose(mean[0], tilted @ points / tilted.sum(), rtol=0, atol=2 * error)


@pytest.mark.parametrize("d", [1, 3, 9])
def test_replicas_are_independent_systems(rng, d: int) -> None:
    points = rng.standard_normal((5, 37, d))
    weights = rng.uniform(0, 1, 37)
    weights[4] = 0.0
    weights /= weights.sum()
    replicas = Replicas(points, weights)
    attention = Attention(*rng.standard_normal((3, d, d)))
    for law in (Raw(attention), Rescaled(attention)):
        together = law.velocity(0.2, points, replicas)
        for r in range(len(replicas)):
            # the same kernel on the same numbers
            assert_allclose(together[r], law.velocity(0.2, points[r].copy(), replicas[r]), rtol=1e-13, atol=1e-13)
    moved = replicas.moved_to(points + 1.0)
    assert_allclose(moved.tilted_mean(points), replicas.tilted_mean(points) + 1.0, rtol=0, atol=64 * d * EPS)
    assert_allclose(moved.cgf(points), replicas.cgf(points) + points.sum(axis=2), rtol=0, atol=256 * d * EPS)


def test_replicas_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"`points` must have shape \(R, n, d\)"):
        Replicas(np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"`weights` must have shape \(4,\)"):
        Replicas(np.zeros((3, 4, 2)), [1.0])
    with pytest.raises(ValueError, match=r"`a` must have shape \(3, m, 2\); got \(2, 4, 2\)"):
        Replicas(np.zeros((3, 4, 2))).cgf(np.zeros((2, 4, 2)))
    with pytest.raises(ValueError, match=r"`points` must have shape \(3, 4, 2\)"):
        Replicas(np.zeros((3, 4, 2))).moved_to(np.zeros((3, 4, 1)))


def test_nan_in_one_replica_stays_there(rng) -> None:
    points = rng.standard_normal((3, 20, 2))
    a = points.copy()
    a[1, 4, 0] = np.nan
    with np.errstate(invalid="ignore"):
        means = Replicas(points).tilted_mean(a)
    bad = np.isnan(means).any(axis=2)
    assert bad[1, 4] and bad.sum() == 1
