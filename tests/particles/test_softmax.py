"""The engines against the definition; errors are measured in roundings of the largest exponent."""

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import cases
from cases import EPS
from particles.softmax import Dense, _rows
from particles.softmax._exp import exp2, maximum
from particles.softmax.tensor import Tensor, tensor_axes


def problem(seed: int, n: int, d: int, exponent: float, m: int = 6):
    """Atoms in [-1, 1]^d, weights, and directions whose largest exponent is `exponent`."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1, 1, (n, d))
    weights = rng.uniform(0.1, 1, n)
    a = rng.standard_normal((m, d))
    a *= exponent / np.abs(a @ points.T).max()
    return points, weights / weights.sum(), a


def engine(points, weights) -> Dense:
    with np.errstate(divide="ignore"):
        return Dense(points, np.log(weights))


def roundings(exponent: float, d: int) -> float:
    """d products and sums, centring and the change of base each round an exponent once."""
    return (4 + 2 * d) * EPS * max(1.0, exponent)


def check(points, weights, a, exponent: float) -> None:
    log_sums, means = engine(points, weights).log_sum_and_mean(a)
    exact_log_sums, exact_means, exact_covs = cases.softmax_by_hand(points, weights, a)
    error = roundings(exponent, points.shape[1])
    size = np.abs(points).max()
    assert_allclose(log_sums, exact_log_sums, rtol=0, atol=error)
    # an error e in the exponents moves tilted means by at most e times the diameter, covariances by e diameter^2
    assert_allclose(means, exact_means, rtol=0, atol=2 * error * size)
    covs = engine(points, weights).covariance(a)
    assert_allclose(covs, exact_covs, rtol=0, atol=8 * error * size**2)


@pytest.mark.parametrize("exponent", [1.0, 100.0, 1e4, 1e6, 1e8])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_dense_for_any_exponent(exponent: float, d: int) -> None:
    check(*problem(1, 60, d, exponent), exponent)


@pytest.mark.parametrize("n", [1, 2, 7, 511, 512, 513, 1025])
def test_dense_around_the_block_size(n: int) -> None:
    check(*problem(2, n, 2, 30.0), 30.0)


@pytest.mark.parametrize("d", range(1, 10))
def test_dense_in_every_dimension(d: int) -> None:
    check(*problem(3, 40, d, 5.0), 5.0)


@pytest.mark.parametrize("exponent", [1.0, 100.0, 1e4, 1e6, 1e8])
def test_dense_against_sixty_digits(exponent: float) -> None:
    points, weights, a = problem(4, 12, 2, exponent)
    log_sums, means = engine(points, weights).log_sum_and_mean(a)
    for i, direction in enumerate(a):
        log_sum, mean = cases.softmax_in_mpmath(points, weights, direction)
        assert_allclose(log_sums[i], log_sum, rtol=0, atol=roundings(exponent, 2))
        assert_allclose(means[i], mean, rtol=0, atol=2 * roundings(exponent, 2))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 4), st.floats(-3, 8))
def test_dense_on_random_data(seed: int, n: int, d: int, log_exponent: float) -> None:
    check(*problem(seed, n, d, 10.0**log_exponent), 10.0**log_exponent)


def test_leader_in_the_last_block_overrules_the_earlier_ones() -> None:
    points = np.linspace(-1, 1, 1500)[:, None]
    weights = np.full(1500, 1 / 1500)
    for a in (1e7, -1e7):
        log_sum, mean = engine(points, weights).log_sum_and_mean(np.array([[a]]))
        # the second atom is 1e7 * 2/1499 = 13342 behind: nothing is left of it
        assert_allclose(mean, np.sign(a), rtol=0, atol=EPS)
        assert_allclose(log_sum, 1e7 - np.log(1500), rtol=roundings(1.0, 1))


def test_weights_of_zero_carry_nothing() -> None:
    points, weights, a = problem(5, 30, 2, 20.0)
    weights[[0, 3, 29]] = 0.0
    points[3] = 1e6  # so far out that it would lead
    weights /= weights.sum()
    carrying = weights > 0
    answer = engine(points, weights).log_sum_and_mean(a)
    without = engine(points[carrying], weights[carrying]).log_sum_and_mean(a)
    for one, other in zip(answer, without, strict=True):
        assert_array_equal(one, other)


def test_a_whole_block_of_tiny_weights() -> None:
    points, weights, a = problem(6, 1024, 1, 10.0)
    weights[:512] = 1e-300
    check(points, weights / weights.sum(), a, 700.0)  # log 1e-300 = -691 is an exponent too


def test_duplicates_count_together() -> None:
    points, weights, a = problem(7, 20, 3, 8.0)
    twice = engine(np.concatenate([points, points]), np.concatenate([0.25 * weights, 0.75 * weights]))
    for one, other in zip(twice.log_sum_and_mean(a), engine(points, weights).log_sum_and_mean(a), strict=True):
        assert_allclose(one, other, rtol=0, atol=roundings(8.0, 3))


def test_one_atom_is_its_own_mean() -> None:
    point, a = np.array([[0.3, -7.0, 1e5]]), np.array([[1.0, 2.0, -3e3], [0.0, 0.0, 0.0]])
    log_sums, means = engine(point, np.ones(1)).log_sum_and_mean(a)
    assert_array_equal(means, np.repeat(point, 2, axis=0))
    assert_allclose(log_sums, a @ point[0], rtol=4 * EPS)
    assert_array_equal(engine(point, np.ones(1)).covariance(a), 0.0)


def test_equal_atoms_have_no_spread() -> None:
    points = np.full((700, 2), 0.1)
    means = engine(points, np.full(700, 1 / 700)).log_sum_and_mean(np.array([[5.0, -3.0]]))[1]
    assert_array_equal(means, points[:1])
    assert_array_equal(engine(points, np.full(700, 1 / 700)).covariance(np.array([[5.0, -3.0]])), 0.0)


def test_digits_survive_far_from_the_origin() -> None:
    points, weights, a = problem(8, 50, 2, 10.0)
    points = np.round(points * 2**20) / 2**20  # so that moving by 2^30 is exact
    shift = np.array([2.0**30, -(2.0**30)])
    near, far = engine(points, weights), engine(points + shift, weights)
    assert_allclose(
        far.log_sum_and_mean(a)[1] - shift, near.log_sum_and_mean(a)[1], rtol=0, atol=2.0**-22
    )  # one rounding of a coordinate near 2^30
    assert_allclose(far.covariance(a), near.covariance(a), rtol=0, atol=roundings(10.0, 2))


def test_values_may_differ_from_keys() -> None:
    points, weights, a = problem(9, 600, 2, 15.0)
    values = np.random.default_rng(9).uniform(-1, 1, (600, 3))
    answer = Dense(points, np.log(weights), values).log_sum_and_mean(a)[1]
    P = np.exp(a @ points.T + np.log(weights))
    assert_allclose(answer, P @ values / P.sum(axis=1, keepdims=True), rtol=0, atol=roundings(15.0, 2))
    assert Dense(points, np.log(weights), values).covariance(a).shape == (6, 3, 3)


def test_bits_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    points, weights, a = problem(10, 1025, 3, 40.0, m=500)
    assert len(points) * len(a) > _rows._SERIAL_BELOW
    answers = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(_rows, "threads", lambda count=threads: count)
        answers.append((*engine(points, weights).log_sum_and_mean(a), engine(points, weights).covariance(a)))
    for other in answers[1:]:
        for one, two in zip(answers[0], other, strict=True):
            assert_array_equal(one, two)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize(("rows", "cost"), [(0, 10), (1, 1), (1, 10**9), (3, 10**8), (1000, 10**5), (7, 10**5)])
def test_every_row_is_done_once(monkeypatch: pytest.MonkeyPatch, threads: int, rows: int, cost: int) -> None:
    monkeypatch.setattr(_rows, "threads", lambda: threads)
    done = np.zeros(rows, dtype=int)

    def work(first: int, last: int) -> None:
        done[first:last] += 1

    _rows.share_rows(work, rows, cost)
    assert_array_equal(done, 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_trouble_in_a_piece_reaches_the_caller(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr(_rows, "threads", lambda: threads)

    def work(first: int, last: int) -> None:
        if last == 100:
            raise RuntimeError("in the last piece")

    with pytest.raises(RuntimeError, match="in the last piece"):
        _rows.share_rows(work, 100, 10**6)


# ------------------------------------------------------------------------------------------- NaN and infinity


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_silent_number_from_a_direction_that_is_none(bad: float) -> None:
    points, weights, a = problem(11, 1030, 2, 5.0)
    spoiled = a.copy()
    spoiled[2, 0] = bad
    right = engine(points, weights).log_sum_and_mean(a)
    with np.errstate(invalid="ignore"):
        log_sums, means = engine(points, weights).log_sum_and_mean(spoiled)
        covs = engine(points, weights).covariance(spoiled)
    assert not np.isfinite(log_sums[2])
    assert np.isnan(means[2]).all()
    assert np.isnan(covs[2]).all()
    others = np.arange(6) != 2
    assert_array_equal(log_sums[others], right[0][others])
    assert_array_equal(means[others], right[1][others])


@pytest.mark.parametrize("position", [0, 511, 512, 1029])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_silent_number_from_an_atom_that_is_none(position: int, bad: float) -> None:
    points, weights, a = problem(12, 1030, 1, 5.0)
    points[position] = bad
    with np.errstate(invalid="ignore"):
        log_sums, means = engine(points, weights).log_sum_and_mean(a)
    assert not np.isfinite(log_sums).any()
    assert np.isnan(means).all()


# ------------------------------------------------------------------------------------------------ tensor grids


def tensor_problem(shape: tuple[int, ...], targets: tuple[int, ...], exponent: float, seed: int = 13):
    rng = np.random.default_rng(seed)
    axes = [np.sort(rng.uniform(-1, 1, n)) for n in shape]
    weights = rng.uniform(0.1, 1, shape)
    a_axes = [rng.uniform(-1, 1, n) * exponent / len(shape) for n in targets]
    a = np.stack(np.meshgrid(*a_axes, indexing="ij"), axis=-1).reshape(-1, len(shape))
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(shape))
    return axes, points, weights / weights.sum(), a, rng


def tensor(axes, weights) -> Tensor:
    return Tensor(axes, weights)


@pytest.mark.parametrize("exponent", [1.0, 100.0, 1e5, 1e8])
@pytest.mark.parametrize(("shape", "targets"), [((9, 14), (6, 5)), ((30, 2), (4, 9)), ((5, 4, 6), (3, 4, 3))])
def test_tensor_agrees_with_dense(shape, targets, exponent: float) -> None:
    axes, points, weights, a, rng = tensor_problem(shape, targets, exponent)
    a = rng.permutation(a)
    directions = tensor_axes(a)
    assert directions is not None
    log_sums, means = tensor(axes, weights).log_sum_and_mean(directions)
    right = engine(points, weights.ravel()).log_sum_and_mean(a)
    assert_allclose(log_sums, right[0], rtol=0, atol=2 * roundings(exponent, len(shape)))
    assert_allclose(means, right[1], rtol=0, atol=4 * roundings(exponent, len(shape)))


def test_tensor_with_holes_in_the_weights() -> None:
    axes, points, weights, a, _ = tensor_problem((8, 7), (5, 5), 1e5)
    weights[2] = 0.0  # a row and a column that carry nothing, and a scattered cell
    weights[:, 0] = 0.0
    weights[5, 5] = 0.0
    weights /= weights.sum()
    log_sums, means = tensor(axes, weights).log_sum_and_mean(tensor_axes(a))
    right = engine(points, weights.ravel()).log_sum_and_mean(a)
    assert_allclose(log_sums, right[0], rtol=0, atol=2 * roundings(1e5, 2))
    assert_allclose(means, right[1], rtol=0, atol=4 * roundings(1e5, 2))


def test_tensor_directions_with_some_missing_and_some_twice() -> None:
    axes, points, weights, a, rng = tensor_problem((8, 7), (6, 6), 50.0)
    a = np.concatenate([rng.permutation(a)[:30], a[:3]])
    directions = tensor_axes(a)
    assert directions is not None
    right = engine(points, weights.ravel()).log_sum_and_mean(a)
    for one, other in zip(tensor(axes, weights).log_sum_and_mean(directions), right, strict=True):
        assert_allclose(one, other, rtol=0, atol=4 * roundings(50.0, 2))


def test_scattered_directions_are_no_tensor_grid(rng: np.random.Generator) -> None:
    assert tensor_axes(rng.uniform(-1, 1, (100, 2))) is None
    grid = tensor_problem((2, 2), (5, 5), 1.0)[3]
    grid[7, 1] = np.nan
    assert tensor_axes(grid) is None


# ---------------------------------------------------------------------------------------------- the exponential


def test_exponential_to_rounding() -> None:
    s = np.concatenate([np.random.default_rng(14).uniform(-1020, 1020, 4000), np.arange(-1020.0, 1021), [0.5, -0.5]])
    with mpmath.workdps(40):
        worst = max(abs(mpmath.mpf(exp2(x)) / mpmath.power(2, mpmath.mpf(x)) - 1) for x in s)
    assert worst < 4e-16  # the last sums and the polynomial: just below two half-units in the last place


def test_exponential_at_whole_numbers_is_exact() -> None:
    assert all(exp2(float(i)) == 2.0**i for i in range(-1020, 1021))


def test_exponential_stops_falling_and_keeps_nan() -> None:
    assert exp2(-1e300) == exp2(-np.inf) == 2.0**-1020
    assert np.isnan(exp2(np.nan))
    assert np.isnan(maximum_of(np.nan, 1.0))
    assert np.isnan(maximum_of(1.0, np.nan))
    assert maximum_of(-np.inf, 2.0) == 2.0


def maximum_of(left: float, right: float) -> float:
    from numba import njit

    return njit(lambda x, y: maximum(x, y))(left, right)
