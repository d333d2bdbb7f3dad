"""Sums over tensor grids against the definition: products, the log domain behind them, and series."""

from itertools import product as combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import cases
from cases import EPS
from meanfield.grid import tensor_points
from particles.softmax import _rows
from particles.softmax import tensor as tensor_module
from particles.softmax._product import TILE, product
from particles.softmax.axis import axis_matrices, series_matrices, terms_for
from particles.softmax.lattice import Frame, lattice
from particles.softmax.sheared import shear, sheared_field
from particles.softmax.tensor import Tensor, tensor_axes
from particles.softmax.tensor_series import TensorSeries, plan


def tensor(axes, weights, added=None) -> Tensor:
    return Tensor(axes, weights, added)


def by_hand(axes, weights, a):
    logs, means, _ = cases.softmax_by_hand(tensor_points(axes), weights.ravel(), a)
    return logs.astype(float), means.astype(float)


# ------------------------------------------------------------------------------------------------------ products


def in_panels(B):
    depth, columns = B.shape
    panels = -(-columns // TILE)
    wide = np.zeros((depth, panels * TILE))
    wide[:, :columns] = B
    return np.ascontiguousarray(wide.reshape(depth, panels, TILE).transpose(1, 0, 2))


@pytest.mark.parametrize(
    ("rows", "depth", "columns"), list(combinations((1, 7, 8, 19), (1, 128, 129, 300), (1, 8, 17, 50)))
)
def test_product_of_any_shape(rows: int, depth: int, columns: int, rng: np.random.Generator) -> None:
    A, B = rng.uniform(-1, 1, (rows, depth)), rng.uniform(-1, 1, (depth, columns))
    panels = -(-columns // TILE)
    C = np.full((panels, rows, TILE), np.nan)
    shape = C.reshape(-1), 0, TILE, rows * TILE, rows, depth, columns
    product(A.reshape(-1), 0, depth, in_panels(B).reshape(-1), 0, *shape)
    C = C.transpose(1, 0, 2).reshape(rows, -1)[:, :columns]
    assert_allclose(C, A @ B, rtol=0, atol=depth * EPS)  # roundings of sums of that length


# ---------------------------------------------------------------------------------------------- tensor directions

SHAPES = [((33, 50), (70, 25)), ((40, 1), (3, 30)), ((9, 5, 30), (20, 3, 26)), ((5, 4, 6), (3, 70, 4))]


def grid_problem(shape, targets, exponent: float, seed: int = 3):
    rng = np.random.default_rng(seed)
    axes = [np.sort(rng.uniform(-1, 2, n)) for n in shape]
    weights = rng.uniform(0, 1, shape) ** 6
    return axes, weights / weights.sum(), [rng.uniform(-1, 1, n) * exponent / len(shape) for n in targets]


@pytest.mark.parametrize("exponent", [1e-3, 1.0, 30.0, 300.0])
@pytest.mark.parametrize(("shape", "targets"), SHAPES)
def test_tensor_against_the_definition(shape, targets, exponent: float) -> None:
    axes, weights, a_axes = grid_problem(shape, targets, exponent)
    a = tensor_points(a_axes)
    directions = tensor_axes(a)
    assert directions is not None and directions.index is None
    logs, means = tensor(axes, weights).log_sum_and_mean(directions)
    right = by_hand(axes, weights, a)
    # an exponent of that size is rounded a few times, as is a sum of up to 50 terms on each axis
    error = (10 + 4 * exponent) * EPS
    assert_allclose(logs, right[0], rtol=0, atol=max(error, 4 * EPS * np.abs(right[0]).max()))
    assert_allclose(means, right[1], rtol=0, atol=2 * error)
    assert_array_equal(tensor(axes, weights).mean(directions), means)


def test_axes_in_another_order() -> None:
    axes, weights, a_axes = grid_problem((6, 7, 8), (4, 5, 3), 10.0)
    a = tensor_points(a_axes)[:, [2, 0, 1]]  # the last coordinate is slowest
    directions = tensor_axes(a)
    assert directions is not None and directions.order == (1, 2, 0)
    for one, other in zip(tensor(axes, weights).log_sum_and_mean(directions), by_hand(axes, weights, a), strict=True):
        assert_allclose(one, other, rtol=0, atol=50 * EPS)  # exponents up to 10, rounded a few times


@pytest.mark.parametrize("exponent", [1e3, 1e4])
@pytest.mark.parametrize("d", [2, 3])
def test_weights_far_from_the_largest_exponent(d: int, exponent: float) -> None:
    axes = [np.linspace(-1, 1, 12)] * d
    weights = np.zeros((12,) * d)
    weights[(0,) * d], weights[(1,) * d], weights[(2,) * d] = 0.5, 0.3, 0.2  # products with e^{a y} underflow
    weights[(11,) * d] = 1e-300  # but this keeps the box
    a = tensor_points([np.linspace(-exponent, exponent, 9)] * d)
    found = tensor(axes, weights / weights.sum())
    assert found._in_range([np.unique(a[:, 0])] * d)
    assert found._products([np.unique(a[:, 0])] * d, with_totals=True)[-1] == 0.0
    logs, means = found.log_sum_and_mean(tensor_axes(a))
    right = by_hand(axes, weights / weights.sum(), a)
    assert_allclose(logs, right[0], rtol=0, atol=8 * d * EPS * exponent)  # a few roundings of the exponent
    assert_allclose(means, right[1], rtol=0, atol=16 * d * EPS * exponent)
    assert_array_equal(found.mean(tensor_axes(a)), means)


def test_law_that_is_added(rng: np.random.Generator) -> None:
    axes, weights, a_axes = grid_problem((10, 12), (8, 9), 5.0)
    a = tensor_points(a_axes)

    def normal(k: int, a):  # of mean k and variance 1
        return k * a + 0.5 * a**2, k + a

    logs, means = tensor(axes, weights, normal).log_sum_and_mean(tensor_axes(a))
    right = by_hand(axes, weights, a)
    assert_allclose(logs, right[0] + a[:, 1] + 0.5 * (a**2).sum(axis=1), rtol=0, atol=40 * EPS)  # numbers up to 20
    assert_allclose(means, right[1] + [0, 1] + a, rtol=0, atol=40 * EPS)


@pytest.mark.parametrize("shape", [(90, 80), (24, 20, 26)])
def test_bits_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch, shape) -> None:
    axes, weights, a_axes = grid_problem(shape, tuple(n + 1 for n in shape), 20.0)
    monkeypatch.setattr(_rows, "_SERIAL_BELOW", 1000)
    anyhow(monkeypatch)
    answers = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(_rows, "threads", lambda count=threads: count)
        found = tensor(axes, weights)
        nodes = found.interpolated(frame([np.linspace(-1, 1, 3 * n) for n in shape], np.eye(len(shape))))
        answers.append(
            (*found.log_sum_and_mean(tensor_axes(tensor_points(a_axes))), *found.scattered(SCATTERED[shape]), *nodes)
        )
    for other in answers[1:]:
        for one, two in zip(answers[0], other, strict=True):
            assert_array_equal(one, two)


SCATTERED = {shape: np.random.default_rng(4).uniform(-1, 1, (20_000, len(shape))) for shape in ((90, 80), (24, 20, 26))}


def test_matrices_of_an_axis_are_remembered() -> None:
    y, a = np.linspace(0, 1, 7), np.linspace(-3, 3, 5)
    assert axis_matrices(a, y) is axis_matrices(a.copy(), y.copy())
    assert axis_matrices(a, y) is not axis_matrices(a + 1, y)


# ------------------------------------------------------------------------------------------------------ lattices


@pytest.mark.parametrize("d", [2, 3])
def test_lattices_are_recognised(d: int, rng: np.random.Generator) -> None:
    axes = [np.sort(rng.uniform(-1, 3, n)) for n in (5, 7, 4)[:d]]
    x = tensor_points(axes)
    for B in (np.eye(d), np.diag([2.0, -3.0, 0.1])[:d, :d], np.eye(d)[::-1], rng.standard_normal((d, d))):
        found = lattice(x @ B)
        assert found is not None and found.shape == tuple(len(axis) for axis in axes)
        assert (found.columns is None) == (np.count_nonzero(B) > d)
    assert lattice(x[rng.permutation(len(x))]) is None
    bent = x.copy()
    bent[11, 1] += 1e-9
    assert lattice(bent) is None
    assert lattice(x[:-1]) is None
    assert lattice(np.zeros_like(x)) is None
    assert lattice(np.outer(np.arange(30.0), np.ones(d))) is None
    assert lattice(np.asfortranarray(x)) is not None
    for bad in (np.nan, np.inf):
        for i in (0, 1, 33, len(x) - 1):
            sick = x.copy()
            sick[i, 0] = bad
            assert lattice(sick) is None


@pytest.mark.parametrize("d", [2, 3])
def test_one_frame_seen_from_another(d: int, rng: np.random.Generator) -> None:
    B = rng.standard_normal((d, d))
    one = frame([rng.uniform(-1, 1, n) for n in (4, 5, 6)[:d]], B)
    box = frame([rng.uniform(-1, 2, n) for n in (3, 8, 2)[:d]], B).box()
    x = one.seen_from(box)
    assert_allclose(Frame(box.start, box.directions, x).points(), one.points(), rtol=0, atol=1e-14)
    assert one.is_full and one.seen_from(frame(one.steps, rng.standard_normal((d, d))).box()) is None
    assert not frame(one.steps, np.ones((d, d))).is_full
    assert not frame(one.steps, np.diag([1.0, 0.0, 1.0][:d])).is_full
    assert not frame([*one.steps[:-1], np.ones(3)], B).is_full


# -------------------------------------------------------------------------------------------------------- series


@pytest.mark.parametrize("rho", [0.1, 0.5, 1.0, 2.5])
@pytest.mark.parametrize("tol", [1e-3, 1e-8, 1e-13])
def test_interpolant_of_one_exponential(rho: float, tol: float) -> None:
    terms = terms_for(rho, tol)
    y, t = np.linspace(-1, 1, 21), np.linspace(-1, 1, 101)
    matrices = series_matrices(-rho, rho, 1, terms, y)
    assert matrices.shifts == [0.0]
    values = np.polynomial.chebyshev.chebval(t, matrices.powers)
    right = np.exp(rho * np.multiply.outer(y, t))
    # roundings are relative to the largest value, e^{2 rho} times the least; adding the terms takes a few
    assert (np.abs(values / right - 1) <= tol + 8 * EPS * np.exp(2 * rho)).all()
    assert terms_for(rho, tol / 1e3) > terms


def frame(steps, B) -> Frame:
    """Points with the given coordinates, times B."""
    return Frame(np.zeros(len(B)), np.eye(len(B)), list(steps)).turned(B)


def masses(kind: str, shape, rng):
    if kind == "flat":
        weights = np.ones(shape)
    elif kind == "smooth":
        weights = np.exp(-20 * sum((x - 0.3) ** 2 for x in np.meshgrid(*(np.linspace(-1, 1, n) for n in shape))))
        weights = weights.reshape(shape)
    elif kind == "one cell":
        weights = np.zeros(shape)
        weights.flat[rng.integers(weights.size)] = 1.0
    elif kind == "corners":
        weights = np.full(shape, 1e-200)
        weights.flat[[0, -1]] = 1.0, 1e-12
    else:
        weights = rng.uniform(0, 1, shape) * (rng.random(shape) < 0.1)
        weights.flat[0] += 1e-6
    return weights / weights.sum()


@given(
    kind=st.sampled_from(["flat", "smooth", "one cell", "corners", "holes"]),
    shape=st.sampled_from([(20, 31), (1, 40), (9, 6, 8)]),
    tol=st.sampled_from([1e-3, 1e-6, 1e-9, 1e-12]),
    size=st.sampled_from([0.1, 1.0, 10.0, 60.0]),
    seed=st.integers(0, 1000),
)
@example(kind="corners", shape=(20, 31), tol=1e-12, size=60.0, seed=0)
@example(kind="corners", shape=(9, 6, 8), tol=1e-12, size=10.0, seed=0)
def test_series_keep_their_bound(kind: str, shape, tol: float, size: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = len(shape)
    B = rng.standard_normal((d, d))
    axes = [np.linspace(-1, 1, n) + rng.uniform(-2, 2) for n in shape]
    weights = masses(kind, shape, rng)
    a = size * rng.uniform(-1, 1, (60, d)) @ B
    lower, upper = a.min(axis=0), a.max(axis=0)
    best = plan(0.5 * (upper - lower), shape, len(a), tol)
    if best is None or np.prod(np.multiply(best.cells, best.terms, dtype=float)) > 4e5:
        return  # too large for a test
    logs, means, certified = TensorSeries.of(axes, weights, lower, upper, best, tol).log_sum_and_mean(a)
    right = by_hand(axes, weights, a)
    assert certified.all()
    # exponents are rounded as everywhere
    rounding = 8 * d * EPS * max(1.0, np.abs(a).sum(axis=1).max() * 3)
    assert np.abs(logs - right[0]).max() <= tol + rounding
    assert np.abs(means - right[1]).max() <= tol + 2 * rounding  # the half sides are 1


@given(
    kind=st.sampled_from(["flat", "smooth", "one cell", "corners", "holes"]),
    shape=st.sampled_from([(20, 31), (2, 40), (9, 6, 8)]),
    tol=st.sampled_from([1e-3, 1e-6, 1e-9, 1e-12]),
    size=st.sampled_from([0.1, 1.0, 5.0, 40.0]),
    bent=st.sampled_from(["any", "upper", "lower", "nearly diagonal"]),
    seed=st.integers(0, 1000),
)
def test_sheared_lattices_keep_their_bound(kind: str, shape, tol: float, size: float, bent: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    d = len(shape)
    B = rng.standard_normal((d, d))
    B = {"upper": np.triu(B), "lower": np.tril(B), "nearly diagonal": np.diag(np.diag(B)) + 1e-12 * B}.get(bent, B)
    axes = [np.linspace(-1, 1, n) + rng.uniform(-2, 2) for n in shape]
    weights = masses(kind, shape, rng)
    a = size * tensor_points([np.sort(rng.uniform(-1, 1, n)) for n in (7, 5, 4)[:d]]) @ B
    found = lattice(a)
    assert found is not None
    answer = sheared_field(axes, weights, found, tol, True, np.inf)
    if answer is None:
        return  # too large in three dimensions
    right = by_hand(axes, weights, a)
    certified = ~np.isnan(answer[0])
    assert certified.all() or kind == "corners" or size == 40.0
    rounding = 8 * d * EPS * max(1.0, np.abs(a).sum(axis=1).max() * 3)  # exponents are rounded as everywhere
    assert np.abs(answer[0] - right[0])[certified].max(initial=0.0) <= tol + rounding
    assert np.abs(answer[1] - right[1])[certified].max(initial=0.0) <= tol + 2 * rounding  # the half sides are 1


# --------------------------------------------------------------------------------------------------------- nodes


def anyhow(patch: pytest.MonkeyPatch) -> None:
    """Take nodes however few points there are."""
    patch.setattr(tensor_module, "_OVERHEAD", -np.inf)
    patch.setattr(tensor_module, "_FEWER", 0)
    patch.setattr(tensor_module, "_EACH", 1e3)


@given(
    kind=st.sampled_from(["flat", "smooth", "one cell", "corners", "holes"]),
    shape=st.sampled_from([(20, 31), (2, 40), (9, 6, 8)]),
    size=st.sampled_from([0.01, 0.3, 1.0, 2.0, 5.0]),
    form=st.sampled_from(["any", "lower", "diagonal", "turned"]),
    seed=st.integers(0, 1000),
)
def test_sums_at_nodes_keep_their_bound(kind: str, shape, size: float, form: str, seed: int) -> None:
    rng, d = np.random.default_rng(seed), len(shape)
    B = rng.standard_normal((d, d))
    B = {"lower": np.tril(B), "diagonal": np.diag(np.diag(B)), "turned": np.diag(np.diag(B))[::-1]}.get(form, B)
    axes = [np.linspace(-1, 1, n) + rng.uniform(-2, 2) for n in shape]
    weights = masses(kind, shape, rng)
    targets = frame([np.sort(size * rng.uniform(-1, 1, n)) for n in ((19, 120), (9, 4, 27))[d - 2]], B)
    found = tensor(axes, weights)
    with pytest.MonkeyPatch.context() as patch:
        anyhow(patch)
        answer = found.interpolated(targets)
        only_means = found.interpolated(targets, with_logs=False)
    assert answer is not None or size >= 1 or kind in ("one cell", "corners")
    if answer is None:
        return
    assert_array_equal(only_means[1], answer[1])
    a = targets.points()
    some = rng.integers(len(a), size=60)
    right = by_hand(axes, weights, a[some])
    bound = found._node_sums[0].error
    assert bound <= 1e-12
    rounding = 8 * d * EPS * max(1.0, np.abs(a).sum(axis=1).max() * 3)  # exponents are rounded as everywhere
    assert np.abs(answer[0][some] - right[0]).max() <= bound + rounding
    assert np.abs(answer[1][some] - right[1]).max() <= 2 * (bound + rounding)  # the half sides are 1


@pytest.mark.parametrize("d", [2, 3])
def test_sums_at_nodes_serve_parallel_walls(d: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    anyhow(monkeypatch)
    axes, weights, _ = grid_problem((40, 30, 8)[:d], (1,) * d, 1.0)
    for B in (np.diag([0.5, -0.3, 0.4])[:d, :d], 0.3 * rng.standard_normal((d, d))):
        found = tensor(axes, weights)
        walls, centres = np.linspace(-1, 1, 51), np.linspace(-0.98, 0.98, 50)
        found.interpolated(frame([walls, *[centres] * (d - 1)], B))
        first = found._node_sums[0]
        V = rng.standard_normal((d, d))
        across = frame([centres, walls, centres][:d], B)
        means = found.interpolated(across, turn=V)[1]
        assert found._node_sums[0] is first
        assert_allclose(means, found.interpolated(across)[1] @ V.T, rtol=0, atol=50 * EPS)  # numbers up to 10
        found.interpolated(frame([2 * walls, *[centres] * (d - 1)], B))
        assert found._node_sums[0] is not first


def test_what_nodes_are_not_taken_for(monkeypatch: pytest.MonkeyPatch) -> None:
    anyhow(monkeypatch)
    corners = np.zeros((30, 30))
    corners[0, 0] = corners[-1, -1] = 0.5  # the sums vary by e^{10}
    axes, x = [np.linspace(-1, 1, 30)] * 2, np.linspace(-5, 5, 60)
    found = tensor(axes, corners)
    assert found.interpolated(frame([x, x], np.eye(2))) is None
    assert found.interpolated(frame([0.1 * x, 0.1 * x], np.eye(2))) is not None
    assert found.interpolated(frame([10 * x, x], np.eye(2))) is None  # too many nodes
    assert found.interpolated(frame([1e200 * x, x], np.eye(2))) is None
    a = tensor_points([x, x])
    assert_allclose(found.log_sum_and_mean(tensor_axes(a))[0], by_hand(axes, corners, a)[0], rtol=0, atol=50 * EPS)


@pytest.mark.parametrize("d", [2, 3])
def test_shear_factors(d: int, rng: np.random.Generator) -> None:
    for _ in range(20):
        G, x, y = rng.standard_normal((d, d)), rng.standard_normal(d), rng.standard_normal(d)
        found = shear(G)
        s, u = found.left @ x[list(found.rows)], found.right @ y[list(found.columns)]
        size = np.abs(found.pivots) @ (np.abs(found.left).sum(axis=1) * np.abs(found.right).sum(axis=1))
        assert_allclose(found.pivots @ (s * u), x @ G @ y, rtol=0, atol=50 * EPS * size)  # rounding of the factors
        assert np.abs(np.triu(found.left, 1)).max() == np.abs(np.triu(found.right, 1)).max() == 0
        assert np.abs(found.left).max() <= 2 and np.abs(found.right).max() <= 2  # the pivots are at least half
    assert shear(np.ones((d, d))) is None


def test_what_is_not_certified() -> None:
    axes = [np.linspace(-1, 1, 12)] * 2
    weights = np.zeros((12, 12))
    weights[0, 0], weights[11, 11] = 1.0, 1e-320
    a = np.random.default_rng(0).uniform(-1, 1, (50, 2)) * [500.0, 1.0]
    lower, upper = a.min(axis=0), a.max(axis=0)
    best = plan(0.5 * (upper - lower), (12, 12), len(a), 1e-6)
    logs, means, certified = TensorSeries.of(axes, weights, lower, upper, best, 1e-6).log_sum_and_mean(a)
    right = by_hand(axes, weights, a)
    assert certified.any() and not certified.all()
    assert np.isfinite(logs).all() and np.isfinite(means).all()
    assert_allclose(logs[certified], right[0][certified], rtol=0, atol=1e-6)
    assert_allclose(means[certified], right[1][certified], rtol=0, atol=1e-6)


def test_series_are_made_once_for_a_box(rng: np.random.Generator) -> None:
    axes, weights, _ = grid_problem((60, 60), (2, 2), 1.0)
    found = tensor(axes, weights)
    a = rng.uniform(-1, 1, (20_000, 2))
    found.scattered(a)
    first = found._series[0]
    found.scattered(0.9 * a)
    assert found._series[0] is first
    found.scattered(2 * a)
    assert found._series[0] is not first
    assert found.scattered(a[:3]) is None  # sooner done atom by atom
