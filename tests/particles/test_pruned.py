"""The pruned kernel against the dense one: within the tolerance plus rounding, on data of every kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import cases
from cases import EPS
from particles.softmax import Dense, pruned
from particles.softmax.pruned import Pruned
from particles.softmax.tree import Tree, arranged


def uniform(rng, n, d):
    return rng.uniform(-1, 1, (n, d)), np.zeros(n)


def clustered(rng, n, d):
    return rng.uniform(-1, 1, (5, d))[rng.integers(5, size=n)] + 0.02 * rng.standard_normal((n, d)), np.zeros(n)


def sphere(rng, n, d):
    points = rng.standard_normal((n, d))
    return points / np.linalg.norm(points, axis=1, keepdims=True), np.zeros(n)


def heavy(rng, n, d):
    return rng.uniform(-1, 1, (n, d)), 20 * rng.standard_normal(n)


def tiny_and_empty(rng, n, d):
    logs = np.where(rng.random(n) < 0.3, -600.0, 0.0)
    logs[1::7] = -np.inf
    return rng.uniform(-1, 1, (n, d)), logs


def off_centre(rng, n, d):
    return 50 + rng.uniform(-1, 1, (n, d)), np.zeros(n)


def flat(rng, n, d):
    return rng.uniform(-1, 1, (n, d)) * np.where(np.arange(d), 1e-9, 1), np.zeros(n)


def equal(rng, n, d):
    return np.full((n, d), 0.7), np.zeros(n)


KINDS = [uniform, clustered, sphere, heavy, tiny_and_empty, off_centre, flat, equal]


def check(points, logs, values, a, tol) -> None:
    dense, fast = Dense(points, logs, values), Pruned(points, logs, values, tol=tol)
    v = points if values is None else values
    radius = np.linalg.norm(v - 0.5 * (v.min(axis=0) + v.max(axis=0)), axis=1).max()
    # exponents and log sums round a few times on either side; tilted means follow by twice the radius
    largest = max(1.0, np.abs(a).sum(axis=1).max() * np.abs(points).max(), np.abs(logs[logs > -np.inf]).max())
    rounding = 40 * EPS * largest
    for one, other, scale in zip(fast.log_sum_and_mean(a), dense.log_sum_and_mean(a), (1, radius), strict=True):
        floor = 8 * EPS * np.abs(v).max()
        assert_allclose(one, other, rtol=0, atol=tol * scale + 2 * rounding * scale + floor)
    found, exact = fast.covariance(a), dense.covariance(a)
    assert_allclose(found, exact, rtol=0, atol=tol * radius**2 + 8 * rounding * radius**2 + 1e-300)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(KINDS),
    st.integers(1, 3),
    st.floats(0, 6),
    st.sampled_from([1e-3, 1e-6, 1e-9, 1e-12]),
)
def test_the_tolerance_holds(seed: int, kind, d: int, log_exponent: float, tol: float) -> None:
    rng = np.random.default_rng(seed)
    points, logs = kind(rng, int(rng.integers(1, 1500)), d)
    m = int(rng.integers(1, 150))
    a = points[rng.integers(len(points), size=m)] if seed % 2 else rng.standard_normal((m, d))
    check(points, logs, None, a * 10.0**log_exponent / max(np.abs(a).max(), 1e-300), tol)


@pytest.mark.parametrize("n", [300, 1200])
@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(KINDS),
    st.integers(1, 3),
    st.floats(0, 4),
    st.sampled_from([1e-3, 1e-6, 1e-9, 1e-12]),
)
def test_the_tolerance_holds_for_series(n: int, seed: int, kind, d: int, log_exponent: float, tol: float) -> None:
    rng = np.random.default_rng(seed)
    points, logs = kind(rng, n, d)
    # few directions: the series is tried whatever asking costs
    m = int(rng.integers(200, 1500))
    a = rng.standard_normal((m, d)) if seed % 2 else points[rng.integers(n, size=m)]
    a *= 10.0 ** rng.uniform(-2, log_exponent) / max(np.abs(a).max(), 1e-300)
    values = rng.uniform(3, 5, (n, 2)) if seed % 3 == 0 else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pruned, "_WORTH_ASKING", 0)
        check(points, logs, values, a + 10.0**log_exponent * (seed % 5 == 0), tol)


def test_a_series_takes_the_place_of_the_atoms(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    points, logs = sphere(rng, 20_000, 2)
    engine = Pruned(points, logs)
    one = engine.log_sum_and_mean(100 * points)
    monkeypatch.setattr(pruned, "_WIDTHS", ())
    other = engine.log_sum_and_mean(100 * points)
    assert not np.array_equal(one[1], other[1])
    for x, y in zip(one, other, strict=True):
        assert_allclose(x, y, rtol=0, atol=2e-12 + 100 * EPS)


@pytest.mark.parametrize("d", [2, 4])
def test_values_apart_from_keys(d: int) -> None:
    rng = np.random.default_rng(1)
    points, logs = heavy(rng, 900, d)
    check(points, logs, rng.uniform(3, 5, (900, 2)), 30 * rng.standard_normal((70, d)), 1e-9)


@pytest.mark.parametrize("exponent", [1.0, 1e2, 1e4, 1e8, 1e12])
def test_any_exponent_against_the_definition(exponent: float) -> None:
    rng = np.random.default_rng(2)
    points, a = rng.uniform(-1, 1, (40, 2)), rng.standard_normal((50, 2))
    a *= exponent / np.abs(a @ points.T).max()
    log_sums, means = Pruned(points, np.zeros(40)).log_sum_and_mean(a)
    exact_log_sums, exact_means, _ = cases.softmax_by_hand(points, np.ones(40), a)
    rounding = 16 * EPS * max(1.0, exponent)
    assert_allclose(log_sums, exact_log_sums, rtol=0, atol=1e-12 + rounding)
    assert_allclose(means, exact_means, rtol=0, atol=2e-12 + 2 * min(rounding, 1.0))


def test_a_block_may_hold_directions_far_apart() -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(-1, 1, (700, 3))
    a = rng.standard_normal((20, 3)) * 10.0 ** rng.uniform(-3, 7, (20, 1))
    one, other = Pruned(points, np.zeros(700)), Dense(points, np.zeros(700))
    # each row rounds with its block: eps times the largest exponent, 5e7
    for x, y in zip(one.log_sum_and_mean(a), other.log_sum_and_mean(a), strict=True):
        assert_allclose(x, y, rtol=0, atol=1e-12 + 8 * EPS * np.abs(a).sum(axis=1).max())


@pytest.mark.parametrize("exponent", [1e17, 1e20, 1e60, 1e250])
def test_exponents_that_no_digit_resolves_give_the_leader(exponent: float) -> None:
    rng = np.random.default_rng(6)
    points = rng.uniform(-1, 1, (700, 3))
    a = exponent * rng.uniform(-1, 1, (90, 3))
    a[::3] *= 1.0 / exponent  # and the rows beside them stay right
    one, other = Pruned(points, np.zeros(700)), Dense(points, np.zeros(700))
    # two leaders are exponent / 700 apart and more, so nothing is left of the second; small rows keep the tolerance
    assert_allclose(one.log_sum_and_mean(a)[1], other.log_sum_and_mean(a)[1], rtol=0, atol=2e-12)
    assert_allclose(one.covariance(a), other.covariance(a), rtol=0, atol=4e-12)


def test_rows_that_are_not_numbers_stay_alone() -> None:
    rng = np.random.default_rng(4)
    points, a = rng.uniform(-1, 1, (200, 2)), 50 * rng.standard_normal((90, 2))
    engine = Pruned(points, np.zeros(200))
    log_sums, means = engine.log_sum_and_mean(a)
    broken = a.copy()
    broken[5], broken[40, 1], broken[77, 0] = np.nan, np.inf, -np.inf
    answer = engine.log_sum_and_mean(broken)
    bad = np.isin(np.arange(90), [5, 40, 77])
    assert np.isnan(answer[0][bad]).all() and np.isnan(answer[1][bad]).all()
    assert np.isnan(engine.covariance(broken)[bad]).all()
    assert_allclose(answer[0][~bad], log_sums[~bad], rtol=0, atol=1e-12)  # other blocks, the same tolerance
    assert_allclose(answer[1][~bad], means[~bad], rtol=0, atol=2e-12)


def test_bits_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from particles.softmax import _rows

    rng = np.random.default_rng(5)
    points = rng.uniform(-1, 1, (3000, 2))
    answers = []
    for count in (1, 2, 5):
        monkeypatch.setattr(_rows, "threads", lambda count=count: count)
        answers.append(Pruned(points, np.zeros(3000)).log_sum_and_mean(100 * points))
    for answer in answers[1:]:
        assert_array_equal(answer[0], answers[0][0])
        assert_array_equal(answer[1], answers[0][1])


def test_peaked_attention_meets_few_atoms() -> None:
    rng = np.random.default_rng(6)
    points = rng.uniform(-1, 1, (20_000, 3))
    engine = Pruned(points, np.zeros(20_000))
    assert engine.cost(1e5 * points) < 0.1 * engine.cost(10 * points)


@pytest.mark.parametrize("n", [1, 31, 32, 33, 257, 3000])
@pytest.mark.parametrize("d", [1, 3])
def test_the_tree_holds_its_atoms(n: int, d: int) -> None:
    points = np.random.default_rng(7).uniform(-1, 1, (n, d))
    order = arranged(points, 32)
    assert_array_equal(np.sort(order), np.arange(n))
    tree = Tree.over(np.ascontiguousarray(points[order].T), np.zeros(n))
    assert_allclose(tree.sizes[: tree.starts[1]].sum(), n, rtol=0)
    for leaf in range(tree.starts[1]):
        inside = points[order][32 * leaf : 32 * leaf + 32]
        assert_array_equal(tree.lows[:, leaf], inside.min(axis=0))
        assert_array_equal(tree.highs[:, leaf], inside.max(axis=0))
    top = slice(tree.starts[-2], tree.starts[-1])
    assert_allclose(np.logaddexp2.reduce(tree.masses[top]), np.log2(n), rtol=0, atol=1e-12)
