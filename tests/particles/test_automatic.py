"""The engine that chooses: its answers stay within the tolerance whatever it chooses, and it does choose."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from cases import EPS
from particles import Empirical, memory
from particles.softmax import Automatic, Dense, Pruned, Transform, _rows, within


def uniform(rng, n, d):
    return rng.uniform(-1, 1, (n, d))


def clustered(rng, n, d):
    return rng.uniform(-1, 1, (5, d))[rng.integers(5, size=n)] + 0.01 * rng.standard_normal((n, d))


def sphere(rng, n, d):
    x = rng.standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def off_centre(rng, n, d):
    return 50.0 + uniform(rng, n, d)


def flat(rng, n, d):
    x = uniform(rng, n, d)
    x[:, 0] *= 1e-9
    return x


def equal(rng, n, d):
    return np.repeat(uniform(rng, 1, d), n, axis=0)


DATA = [uniform, clustered, sphere, off_centre, flat, equal]
N = 1500  # more interactions than the dense engine is given unasked


def heavy(rng, n):
    """A few atoms carry nearly everything, and one in ten nothing."""
    weights = rng.pareto(0.5, n) * (rng.uniform(size=n) > 0.1)
    return weights / weights.sum()


def even(rng, n):
    return np.full(n, 1.0 / n)


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.sampled_from(DATA),
    st.sampled_from([even, heavy]),
    st.floats(-1, 6),
    st.integers(3, 12),
)
def test_within_the_tolerance(seed, d, data, weigh, log_exponent, digits) -> None:
    rng = np.random.default_rng(seed)
    points, weights, tol = data(rng, N, d), weigh(rng, N), 10.0**-digits
    a = data(rng, N, d)
    a *= 10.0**log_exponent / np.abs(a).max()
    with np.errstate(divide="ignore"):
        logs = np.log(weights)
    log_sums, means = Automatic(points, logs, tol=tol).log_sum_and_mean(a)
    true_log_sums, true_means = Dense(points, logs).log_sum_and_mean(a)
    carrying = points[weights > 0]
    centre = 0.5 * (carrying.min(axis=0) + carrying.max(axis=0))
    size = np.linalg.norm(carrying - centre, axis=1).max()
    # either engine rounds exponents relative to the centre, d products each, and the means where they lie
    rounding = (8 + 4 * d) * EPS * max(1.0, np.abs(a @ (carrying - centre).T).max())
    assert_allclose(means, true_means, rtol=4 * EPS, atol=(tol + 2 * rounding) * size)
    far = 4 * d * EPS * np.abs(a @ centre).max()
    assert_allclose(log_sums, true_log_sums, rtol=4 * EPS, atol=tol + rounding + far)


@pytest.mark.parametrize(
    ("n", "scale", "engine"), [(1000, 1.0, Dense), (20_000, 1.0, Transform), (20_000, 1e5, Pruned)]
)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_each_engine_has_its_place(rng, n: int, scale: float, engine, d: int) -> None:
    points = uniform(rng, n, d)
    chosen, _ = Automatic(points, np.full(n, -np.log(n)))._for(scale * points)
    assert type(chosen) is engine


def test_heads_of_low_rank_in_many_dimensions(rng) -> None:
    n, d = 5000, 12
    points = uniform(rng, n, d)
    logs = np.full(n, -np.log(n))
    a = points[:, :2] @ rng.standard_normal((2, d))  # directions that span a plane
    engine = Automatic(points, logs)
    chosen, turned = engine._for(a)
    assert type(chosen) is Transform and turned.shape == (n, 2)
    log_sums, means = engine.log_sum_and_mean(a)
    some = slice(0, n, 50)
    true_log_sums, true_means = Dense(points, logs).log_sum_and_mean(a[some])
    # the stated 1e-12 of the largest distance from the centre, sqrt(12), and the rounding of exponents up to 30
    assert_allclose(means[some], true_means, rtol=0, atol=1e-12 * np.sqrt(d) + 30 * d * EPS)
    assert_allclose(log_sums[some], true_log_sums, rtol=0, atol=1e-12 + 30 * d * EPS)
    covs = engine.covariance(a[:400])
    assert_allclose(covs, Dense(points, logs).covariance(a[:400]), rtol=0, atol=d * 1e-12 + 60 * d * EPS)


def test_directions_that_span_everything_stay_with_the_dense_engine(rng) -> None:
    points = uniform(rng, 2000, 5)
    assert type(Automatic(points, np.zeros(2000))._for(points)[0]) is Dense


def test_nan_stays_in_its_row(rng) -> None:
    points = uniform(rng, 20_000, 2)
    for scale in (1.0, 1e5):  # the transform, the pruned engine
        a = scale * points
        a[7, 1] = np.nan
        with np.errstate(invalid="ignore"):
            means = Empirical(points).tilted_mean(a)
        assert np.isnan(means[7]).all()
        assert np.isfinite(np.delete(means, 7, axis=0)).all()


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e5])
def test_bits_do_not_depend_on_threads(rng, monkeypatch, scale: float) -> None:
    points = uniform(rng, 20_000, 2)
    answers = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(_rows, "threads", lambda threads=threads: threads)
        answers.append(Empirical(points).tilted_mean(scale * points))
    assert_array_equal(answers[0], answers[1])
    assert_array_equal(answers[0], answers[2])


def test_what_does_not_fit_is_refused_with_the_numbers(rng, monkeypatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 1e5)
    points = uniform(rng, 2000, 1)
    with pytest.raises(MemoryError, match=r"Softmax over 2000 atoms at 2000 points needs .* GiB; .* GiB are free"):
        Empirical(points).tilted_mean(points)


def test_a_tolerance_can_be_asked_for(rng) -> None:
    points = uniform(rng, 4000, 3)
    rough = Empirical(points, softmax=within(1e-4)).tilted_mean(points)
    fine = Empirical(points, softmax=Dense).tilted_mean(points)
    assert_allclose(rough, fine, rtol=0, atol=1e-4 * np.sqrt(3))
