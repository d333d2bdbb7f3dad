"""The transform's bound is true: its answers against the dense engine, on data made to break it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from cases import EPS
from particles.softmax import Dense
from particles.softmax.transform import Transform

SHAPES = ["cube", "sphere", "clusters", "flat", "equal", "duplicates", "gaussian", "corners", "line"]


def cloud(shape: str, n: int, k: int, rng) -> np.ndarray:
    """Return points of size about one."""
    cube = rng.uniform(-1, 1, (n, k))
    if shape == "sphere":
        return cube / np.linalg.norm(cube, axis=1, keepdims=True)
    if shape == "clusters":
        return rng.uniform(-1, 1, (5, k))[rng.integers(5, size=n)] + 0.01 * cube
    if shape == "flat":
        return cube * 10.0 ** -rng.uniform(0, 14, k)
    if shape == "equal":
        return np.repeat(cube[:1], n, axis=0)
    if shape == "duplicates":
        return cube[rng.integers(min(3, n), size=n)]
    if shape == "gaussian":
        return rng.standard_normal((n, k)) / 3
    if shape == "corners":
        return np.sign(cube)
    if shape == "line":
        return cube[:, :1] * rng.uniform(-1, 1, k)
    return cube


def radius(values) -> float:
    centre = 0.5 * (values.min(axis=0) + values.max(axis=0))
    return np.linalg.norm(values - centre, axis=1).max()


def check(keys, logs, a, tol, values=None, covariance=False) -> Transform:
    """Compare with the dense engine; its own error is a few roundings of the exponents."""
    carrying = logs > -np.inf
    engine, dense = Transform(keys, logs, values, tol=tol), Dense(keys, logs, values)
    seen = (keys if values is None else values)[carrying]
    size = radius(seen)
    exponents = a @ keys[carrying].T
    spread = np.abs(a) @ np.ptp(keys[carrying], axis=0)
    roundings = 30 * EPS * (1 + spread)  # each exponent is a sum of a few products
    offset = 4 * EPS * np.abs(seen).max()
    log_sums, means = engine.log_sum_and_mean(a)
    exact_logs, exact_means = dense.log_sum_and_mean(a)
    shift = 30 * EPS * (1 + np.abs(exponents).max(axis=1) + np.abs(logs[carrying]).max())
    assert np.all(np.abs(log_sums - exact_logs) <= tol + shift)
    assert np.all(np.abs(means - exact_means) <= ((tol + roundings) * size + offset)[:, None])
    if covariance:
        covs, exact = engine.covariance(a), dense.covariance(a)
        assert np.all(np.abs(covs - exact) <= (4 * (tol + roundings) * size**2)[:, None, None])
    return engine


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from(SHAPES), st.sampled_from(SHAPES), st.integers(1, 3),
    st.integers(1, 300), st.integers(1, 60), st.floats(-3, 2.3), st.floats(3, 12), st.sampled_from([0.0, 1.0, 1e3]),
    st.sampled_from([0.0, 1.0, 30.0]),
)  # fmt: skip
def test_no_data_exceed_the_tolerance(seed, shape, directions, k, n, m, log_size, digits, far, heavy) -> None:
    rng = np.random.default_rng(seed)
    keys = cloud(shape, n, k, rng) + far * rng.standard_normal(k)
    a = 10.0**log_size * (cloud(directions, m, k, rng) + min(far, 1.0) * rng.standard_normal(k))
    check(keys, heavy * rng.standard_normal(n), a, 10.0**-digits)


@settings(max_examples=15)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from(SHAPES), st.integers(1, 3), st.integers(1, 4), st.floats(-2, 0.5),
    st.floats(3, 12),
)  # fmt: skip
def test_values_and_covariances_keep_the_tolerance(seed, shape, k, c, log_size, digits) -> None:
    rng = np.random.default_rng(seed)
    keys, a = cloud(shape, 200, k, rng), 10.0**log_size * cloud("gaussian", 30, k, rng)
    values = rng.standard_normal((200, c)) + 5.0
    check(keys, rng.standard_normal(200), a, 10.0**-digits, values, covariance=True)
    check(keys, rng.standard_normal(200), a, 10.0**-digits, covariance=True)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("tol", [1e-3, 1e-8, 1e-12])
def test_most_targets_are_certain_without_the_dense_engine(k: int, tol: float, rng) -> None:
    size = 2.0
    for shape in ("cube", "sphere", "gaussian"):
        keys, a = size * cloud(shape, 20_000, k, rng), size * cloud(shape, 900, k, rng)
        engine = Transform(keys, np.full(20_000, -np.log(20_000)), tol=tol)
        assert engine._twice(a, False).certain.mean() > 0.9
        check(keys, engine.log_weights, a, tol)


def test_errors_far_below_the_tolerance_are_roundings(rng) -> None:
    keys, a = cloud("cube", 2000, 2, rng), cloud("cube", 500, 2, rng)
    logs = np.full(2000, -np.log(2000))
    _, means = Transform(keys, logs, tol=1e-12).log_sum_and_mean(a)
    # nothing amplifies rounding: the series converge beyond tol, and every coefficient has small relative error
    assert_allclose(means, Dense(keys, logs).log_sum_and_mean(a)[1], rtol=0, atol=50 * EPS)


def test_broken_directions_spoil_only_their_own_rows(rng) -> None:
    keys, a = cloud("cube", 500, 2, rng), cloud("cube", 40, 2, rng)
    engine = Transform(keys, np.zeros(500), tol=1e-9)
    whole = engine.log_sum_and_mean(a)
    broken = a.copy()
    broken[3, 0], broken[7, 1], broken[9, 0] = np.nan, np.inf, -np.inf
    log_sums, means = engine.log_sum_and_mean(broken)
    bad = [3, 7, 9]
    assert np.isnan(log_sums[bad]).all() and np.isnan(means[bad]).all()
    good = np.setdiff1d(np.arange(40), bad)
    assert_allclose(log_sums[good], whole[0][good], rtol=0, atol=1e-9)
    assert_allclose(means[good], whole[1][good], rtol=0, atol=2e-9)
    assert np.isnan(engine.log_sum_and_mean(np.full((2, 2), np.nan))[0]).all()
    assert np.isnan(engine.covariance(broken)[3]).all()


def test_atoms_without_weight_carry_nothing(rng) -> None:
    keys, a = cloud("cube", 300, 3, rng), cloud("cube", 50, 3, rng)
    logs = rng.standard_normal(300)
    logs[::3] = -np.inf
    with_far = keys.copy()
    with_far[::3] = 1e6
    one = Transform(with_far, logs, tol=1e-10).log_sum_and_mean(a)
    other = Transform(keys[logs > -np.inf], logs[logs > -np.inf], tol=1e-10).log_sum_and_mean(a)
    for x, y in zip(one, other, strict=True):
        assert_array_equal(x, y)


def test_the_same_bits_for_any_number_of_threads(rng, monkeypatch) -> None:
    from particles.softmax import _rows

    keys, a = 3 * cloud("cube", 150_000, 2, rng), 3 * cloud("cube", 140_000, 2, rng)
    answers = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(_rows, "threads", lambda threads=threads: threads)
        answers.append(Transform(keys, np.zeros(len(keys)), tol=1e-8).log_sum_and_mean(a))
    for answer in answers[1:]:
        for x, y in zip(answers[0], answer, strict=True):
            assert_array_equal(x, y)


def test_costs_grow_and_end(rng) -> None:
    keys = cloud("cube", 1000, 3, rng)
    engine = Transform(keys, np.zeros(1000), tol=1e-10)
    costs = [engine.cost(size * keys) for size in (0.1, 1.0, 30.0)]
    assert costs == sorted(costs) and np.isfinite(costs).all()
    assert engine.cost(1e6 * keys) == np.inf
    # what cannot be transformed is still answered
    _, means = engine.log_sum_and_mean(1e6 * keys)
    assert_allclose(means, Dense(keys, np.zeros(1000)).log_sum_and_mean(1e6 * keys)[1], rtol=0, atol=1e-9)
