"""Laws that every measure obeys, and one measure of every kind to run them on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtr

import cases
from meanfield import Density, Gaussian, Grid, ParticleMethod, PushForward, Smooth, Uniform, solve
from particles import Empirical, Measure, Raw
from particles.checks import Array


@dataclass(frozen=True)
class Subject:
    """A measure under test, and h(u) = sup of <u, y> over its support, for u of shape (m, d)."""

    measure: Measure
    support: Callable[[Array], Array]


def _box(lower: Array, upper: Array) -> Callable[[Array], Array]:
    return lambda u: np.maximum(u * lower, u * upper).sum(axis=1)


def _hull(points: Array) -> Callable[[Array], Array]:
    return lambda u: (u @ points.T).max(axis=1)


def _empirical(dim: int) -> Subject:
    rng = np.random.default_rng(dim)
    points = rng.uniform(-1, 2, (40, dim))
    points[7] = points[3]  # two equal tokens
    weights = rng.uniform(0, 1, 40)
    weights[[0, 5]] = 0.0
    points[5] = 50.0  # an atom of weight 0, far out
    weights /= weights.sum()
    return Subject(Empirical(points, weights), _hull(points[weights > 0]))


def _gaussian(dim: int) -> Subject:
    root = np.random.default_rng(dim).standard_normal((dim, dim)) / 2
    return Subject(Gaussian(np.linspace(-1, 1, dim), root @ root.T), lambda u: np.full(len(u), np.inf))


def _uniform(dim: int) -> Subject:
    lower, upper = -np.arange(1.0, dim + 1), np.full(dim, 0.5)
    return Subject(Uniform(lower, upper), _box(lower, upper))


def bump(x: Array) -> Array:
    """A positive function that is no product of functions of one variable."""
    return np.exp(-(x**2).sum(axis=1) - 0.5 * x[:, 0] * x[:, -1]) * (1.5 + np.sin(2 * x[:, 0]))


def _smooth(dim: int) -> Subject:
    lower, upper = np.full(dim, -1.0), np.linspace(1.0, 1.5, dim)
    return Subject(Smooth.normalised(bump, lower, upper), _box(lower, upper))


def _density(dim: int) -> Subject:
    grid = Grid(np.full(dim, -1.0), np.linspace(1.0, 2.0, dim), [9, 6][:dim])
    masses = bump(grid.centres).reshape(grid.shape)
    masses[0] = 0.0
    edge = grid.lower.copy()
    edge[0] = grid.edges(0)[1]
    return Subject(Density(grid, masses / masses.sum()), _box(edge, grid.upper))


def _push_forward(dim: int) -> Subject:
    source = _uniform(dim).measure
    curve = solve(Raw(cases.random_attention(3, dim)), source, [0.0, 0.5], method=ParticleMethod(n=14))
    moved = curve[-1]
    assert isinstance(moved, PushForward)
    return Subject(moved, _hull(moved.nodes.points))


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "Empirical-1": lambda: _empirical(1),
    "Empirical-3": lambda: _empirical(3),
    "Gaussian-1": lambda: _gaussian(1),
    "Gaussian-3": lambda: _gaussian(3),
    "Uniform-1": lambda: _uniform(1),
    "Uniform-3": lambda: _uniform(3),
    "Smooth-1": lambda: _smooth(1),
    "Smooth-2": lambda: _smooth(2),
    "Density-1": lambda: _density(1),
    "Density-2": lambda: _density(2),
    "PushForward-1": lambda: _push_forward(1),
    "PushForward-2": lambda: _push_forward(2),
}

# Smooth chooses its nodes by the largest direction of a batch, and settles its moments to 1e-12
BATCH_TOLERANCE = 1e-11


def _directions(mu: Measure, count: int = 17, size: float = 3.0) -> Array:
    return np.random.default_rng(count).uniform(-size, size, (count, mu.dim))


def obeys_protocol(it: Subject) -> None:
    mu, a = it.measure, _directions(it.measure)
    assert isinstance(mu, Measure)
    d, m = mu.dim, len(a)
    assert mu.mean.shape == (d,)
    assert mu.cov.shape == (d, d)
    assert mu.cgf(a).shape == (m,)
    assert mu.tilted_mean(a).shape == (m, d)
    assert mu.tilted_cov(a).shape == (m, d, d)
    assert mu.sample(5, np.random.default_rng(0)).shape == (5, d)


def accepts_no_directions(it: Subject) -> None:
    mu = it.measure
    none = np.empty((0, mu.dim))
    assert mu.cgf(none).shape == (0,)
    assert mu.tilted_mean(none).shape == (0, mu.dim)
    assert mu.tilted_cov(none).shape == (0, mu.dim, mu.dim)


def samples_nothing_when_asked(it: Subject) -> None:
    assert it.measure.sample(0, np.random.default_rng(0)).shape == (0, it.measure.dim)


def accepts_lists(it: Subject) -> None:
    mu, a = it.measure, _directions(it.measure, 2)
    assert_array_equal(mu.cgf(a.tolist()), mu.cgf(a))
    assert_array_equal(mu.tilted_mean(a.tolist()), mu.tilted_mean(a))
    assert_array_equal(mu.tilted_cov(a.tolist()), mu.tilted_cov(a))


def is_itself_without_tilt(it: Subject) -> None:
    mu, zero = it.measure, np.zeros((1, it.measure.dim))
    size = 1 + np.abs(mu.mean).max() + np.abs(mu.cov).max()
    # a few roundings of numbers of that size; Smooth: moments settled to 1e-12
    tolerance = 2e-12 * size
    assert_allclose(mu.cgf(zero), 0.0, atol=tolerance)
    assert_allclose(mu.tilted_mean(zero)[0], mu.mean, atol=tolerance)
    assert_allclose(mu.tilted_cov(zero)[0], mu.cov, atol=tolerance)


def tilted_mean_is_gradient_of_cgf(it: Subject) -> None:
    mu, a = it.measure, _directions(it.measure)
    # differences of order 4 with h = 1e-2: h^4 |Lambda^(5)| / 30 < 3e-10 |y|^5, rounding 1e-15 |Lambda| / h < 1e-12
    size = 1 + np.abs(mu.tilted_mean(a)).max()
    assert_allclose(cases.differences(mu.cgf, a, 1e-2), mu.tilted_mean(a), atol=1e-9 * size**5)


def tilted_cov_is_jacobian_of_tilted_mean(it: Subject) -> None:
    mu, a = it.measure, _directions(it.measure)
    size = 1 + np.abs(mu.tilted_mean(a)).max()
    assert_allclose(cases.differences(mu.tilted_mean, a, 1e-2), mu.tilted_cov(a), atol=1e-9 * size**6)


def cgf_is_convex_along_lines(it: Subject) -> None:
    mu = it.measure
    for size in (1.0, 30.0, 1e4):
        a, b = _directions(mu, 16, size), _directions(mu, 15, size)[[*range(15), 0]]
        ends = 0.5 * (mu.cgf(a) + mu.cgf(b))
        noise = 1e-13 * (1 + np.abs(mu.cgf(a)) + np.abs(mu.cgf(b)))  # rounding of the exponents
        assert (mu.cgf(0.5 * (a + b)) <= ends + noise).all()


def tilted_mean_stays_in_the_hull(it: Subject) -> None:
    mu = it.measure
    for size in (1.0, 30.0, 1e4):
        mean = mu.tilted_mean(_directions(mu, 32, size))
        u = np.random.default_rng(5).standard_normal((200, mu.dim))
        reach = it.support(u)
        # rounding of coordinates of order 1; the hull of a push-forward is that of its nodes
        assert ((mean @ u.T).max(axis=0) <= reach + 1e-12).all()


def tilted_cov_is_a_covariance(it: Subject) -> None:
    mu = it.measure
    cov = mu.tilted_cov(_directions(mu, 32))
    assert_array_equal(cov, np.swapaxes(cov, 1, 2))
    least = np.linalg.eigvalsh(cov)[:, 0]
    assert (least >= -1e-13 * np.abs(cov).max()).all()  # rounding


def samples_have_its_mean_and_cov(it: Subject) -> None:
    mu, n = it.measure, 20_000
    draws = mu.sample(n, np.random.default_rng(11))
    error = np.sqrt(np.diag(mu.cov) / n)
    assert (np.abs(draws.mean(axis=0) - mu.mean) <= 5 * error).all()  # five standard errors, fixed seed
    centred = draws - mu.mean
    products = centred[:, :, None] * centred[:, None, :]
    error = products.std(axis=0) / np.sqrt(n)
    assert (np.abs(products.mean(axis=0) - mu.cov) <= 5 * error).all()


def samples_lie_in_the_support(it: Subject) -> None:
    mu = it.measure
    draws = mu.sample(500, np.random.default_rng(12))
    u = np.random.default_rng(6).standard_normal((50, mu.dim))
    # draws of a push-forward may lie between its outermost nodes and the edge: 2 % of a box of size 3
    slack = 0.1 if isinstance(mu, PushForward) else 1e-12
    assert ((draws @ u.T).max(axis=0) <= it.support(u) + slack * np.linalg.norm(u, axis=1)).all()


def same_seed_same_sample(it: Subject) -> None:
    mu = it.measure
    first, again = (mu.sample(50, np.random.default_rng(3)) for _ in range(2))
    assert_array_equal(first, again)
    assert (mu.sample(50, np.random.default_rng(4)) != first).any()


def leaves_directions_unchanged(it: Subject) -> None:
    mu, a = it.measure, _directions(it.measure)
    kept = a.copy()
    for question in (mu.cgf, mu.tilted_mean, mu.tilted_cov):
        question(a)
        assert_array_equal(a, kept)


def answers_row_by_row(it: Subject) -> None:
    mu, a = it.measure, _directions(it.measure, 20)
    for question in (mu.cgf, mu.tilted_mean, mu.tilted_cov):
        rows = np.concatenate([question(row[None, :]) for row in a])
        assert_allclose(question(a), rows, atol=BATCH_TOLERANCE, rtol=BATCH_TOLERANCE)


def answers_alike_on_a_tensor_grid(it: Subject) -> None:
    mu = it.measure
    axes = [np.linspace(-2, 2, 5 + k) for k in range(mu.dim)]
    a = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, mu.dim)
    for question in (mu.cgf, mu.tilted_mean):
        rows = np.concatenate([question(row[None, :]) for row in a])
        assert_allclose(question(a), rows, atol=BATCH_TOLERANCE, rtol=BATCH_TOLERANCE)


def keeps_nan_in_its_row(it: Subject) -> None:
    mu, a = it.measure, _directions(it.measure, 18)
    spoiled = a.copy()
    spoiled[4] = np.nan
    others = np.arange(18) != 4
    for question in (mu.cgf, mu.tilted_mean, mu.tilted_cov):
        right, answer = question(a), question(spoiled)
        assert_allclose(answer[others], right[others], atol=BATCH_TOLERANCE, rtol=BATCH_TOLERANCE)
        if not (isinstance(mu, Gaussian) and question == mu.tilted_cov):  # S whatever the direction
            assert np.isnan(answer[4]).all()


def refuses_directions_of_wrong_shape(it: Subject) -> None:
    mu, d = it.measure, it.measure.dim
    for wrong in (np.zeros(d), np.zeros((2, d + 1)), np.zeros((1, 2, d)), np.float64(0)):
        for question in (mu.cgf, mu.tilted_mean, mu.tilted_cov):
            with pytest.raises(
                ValueError, match=rf"`a` must have shape \(m, {d}\); got \({', '.join(map(str, wrong.shape))}"
            ):
                question(wrong)
    with pytest.raises(ValueError, match="`a` must hold real numbers; got dtype complex128"):
        mu.cgf(np.zeros((1, d), dtype=complex))


def cannot_be_changed(it: Subject) -> None:
    for array in (it.measure.mean, it.measure.cov):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7.0


LAWS: list[Callable[[Subject], None]] = [
    obeys_protocol,
    accepts_no_directions,
    samples_nothing_when_asked,
    accepts_lists,
    is_itself_without_tilt,
    tilted_mean_is_gradient_of_cgf,
    tilted_cov_is_jacobian_of_tilted_mean,
    cgf_is_convex_along_lines,
    tilted_mean_stays_in_the_hull,
    tilted_cov_is_a_covariance,
    samples_have_its_mean_and_cov,
    samples_lie_in_the_support,
    same_seed_same_sample,
    leaves_directions_unchanged,
    answers_row_by_row,
    answers_alike_on_a_tensor_grid,
    keeps_nan_in_its_row,
    refuses_directions_of_wrong_shape,
    cannot_be_changed,
]


# ---------------------------------------------------------------------------------- laws of measures on the line


def _levels(count: int = 201) -> Array:
    """Levels in (0, 1), some of them near the ends."""
    return np.sort(np.concatenate([np.linspace(0.002, 0.998, count), 10.0 ** -np.arange(3.0, 13.0), [1 - 1e-12]]))


def _below(mu: Measure, x: Array, closed: bool) -> Array:
    """mu((-inf, x]), or mu((-inf, x)): by the atoms, or by Gauss rules of the density between many points."""
    if isinstance(mu, Empirical):
        held = mu.points[:, 0] <= x[:, None] if closed else mu.points[:, 0] < x[:, None]
        return held @ mu.weights
    if isinstance(mu, Gaussian):
        return ndtr((x - mu.mean[0]) / np.sqrt(mu.cov[0, 0]))
    lower, upper = mu.quantile([0.0, 1.0])
    jumps = mu.grid.edges(0) if isinstance(mu, Density) else np.linspace(lower, upper, 20)
    cuts = np.unique(np.concatenate([jumps, x]))
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half = 0.5 * np.diff(cuts)
    within = cuts[:-1, None] + half[:, None] * (1 + nodes)
    masses = half * (mu.pdf(within.reshape(-1, 1)).reshape(within.shape) @ weights)
    return np.concatenate([[0.0], np.cumsum(masses)])[np.searchsorted(cuts, x)]


def quantile_is_the_least_point_that_holds_the_level(it: Subject) -> None:
    mu, u = it.measure, _levels()
    x = mu.quantile(u)
    # sums of masses, of order 1; the density of a push-forward comes from a divergence integrated to 1e-11 a step
    tolerance = 1e-10 if isinstance(mu, PushForward) else 1e-13
    assert (_below(mu, x, closed=True) >= u - tolerance).all()
    assert (_below(mu, x, closed=False) <= u + tolerance).all()


def pdf_holds_what_lies_between_two_quantiles(it: Subject) -> None:
    mu, u = it.measure, np.linspace(0.001, 0.999, 41)
    if isinstance(mu, Empirical):
        return
    ends = mu.quantile(u)
    jumps = mu.grid.edges(0) if isinstance(mu, Density) else ends
    cuts = np.unique(np.concatenate([ends, jumps[(jumps > ends[0]) & (jumps < ends[-1])]]))
    nodes, weights = np.polynomial.legendre.leggauss(16)
    half = 0.5 * np.diff(cuts)
    within = cuts[:-1, None] + half[:, None] * (1 + nodes)
    masses = half * (mu.pdf(within.reshape(-1, 1)).reshape(within.shape) @ weights)  # pieces of 1/40: to rounding
    held = np.concatenate([[0.0], np.cumsum(masses)])[np.searchsorted(cuts, ends)]
    tolerance = 1e-10 if isinstance(mu, PushForward) else 1e-13  # as above
    assert_allclose(held, u - u[0], rtol=0, atol=tolerance)


def quantile_does_not_fall(it: Subject) -> None:
    x = it.measure.quantile(np.linspace(0, 1, 1001))
    with np.errstate(invalid="ignore"):
        assert (x[1:] >= x[:-1]).all()


def quantile_ends_where_the_support_does(it: Subject) -> None:
    u = np.array([[-1.0], [1.0]])
    # the hull of a push-forward is here that of its nodes: the flow of the box's ends lies a little beyond
    slack = 0.1 if isinstance(it.measure, PushForward) else 0.0
    ends = it.measure.quantile([0.0, 1.0]) * u[:, 0]
    assert (it.support(u) <= ends).all()
    assert (ends <= it.support(u) + slack).all()


def quantile_keeps_the_shape(it: Subject) -> None:
    mu, u = it.measure, np.linspace(0.05, 0.95, 6)
    x = mu.quantile(u)
    assert_array_equal(mu.quantile(u.reshape(2, 1, 3)), x.reshape(2, 1, 3))
    assert_array_equal(mu.quantile(u.tolist()), x)
    assert mu.quantile(float(u[4])) == x[4]
    assert mu.quantile(0.5).shape == ()
    assert mu.quantile([]).shape == (0,)


def quantile_refuses_what_is_no_level(it: Subject) -> None:
    for wrong, text in (
        ([0.5, np.nan], "`u` must be finite; got nan at index \\(1,\\)"),
        ([0.5, -1e-9, 2.0], "`u` must lie in \\[0, 1\\]; got -1e-09 \\(2 such in all\\)"),
        (1 + 1e-15, "`u` must lie in \\[0, 1\\]; got 1"),
        (["half"], "`u` must hold real numbers"),
    ):
        with pytest.raises(ValueError, match=text):
            it.measure.quantile(wrong)


def sample_follows_quantile(it: Subject) -> None:
    mu, n = it.measure, 4000
    draws = np.sort(mu.sample(n, np.random.default_rng(8))[:, 0])
    u = np.arange(1, n) / n
    x = mu.quantile(u)
    # Kolmogorov and Smirnov: sqrt(n) |F_n - F| passes 1.95 once in a thousand times; the seed is fixed
    reach = 1.95 / np.sqrt(n)
    assert (np.searchsorted(draws, x, side="right") / n >= u - reach).all()
    assert (np.searchsorted(draws, x, side="left") / n <= u + reach).all()


LINE = tuple(name for name in SUBJECTS if name.endswith("-1"))
LINE_LAWS: list[Callable[[Subject], None]] = [
    quantile_is_the_least_point_that_holds_the_level,
    pdf_holds_what_lies_between_two_quantiles,
    quantile_does_not_fall,
    quantile_ends_where_the_support_does,
    quantile_keeps_the_shape,
    quantile_refuses_what_is_no_level,
    sample_follows_quantile,
]


def quantile_is_for_the_line(it: Subject) -> None:
    text = f"`quantile` is for measures on the line, d = 1; this one lives in dimension {it.measure.dim}"
    with pytest.raises(ValueError, match=text):
        it.measure.quantile([0.5])
    with pytest.raises(ValueError, match=f"`u` must lie in .*\n{text}"):
        it.measure.quantile([1.5])


# ------------------------------------------------------------------------------- laws of measures with a density


def pdf_integrates_to_one(it: Subject) -> None:
    mu = it.measure
    masses = Grid(mu.lower, mu.upper, [90] * mu.dim)  # a multiple of the cells of every Density here
    # the midpoint rule with 90 cells of side < 0.04: error < 0.04^2 |pdf''| / 24 |box| < 2e-3; exact for Density
    assert_allclose(mu.pdf(masses.centres).sum() * masses.volume, 1.0, atol=2e-3)


def pdf_is_zero_outside(it: Subject) -> None:
    mu = it.measure
    for far in (10.0, 1e30):
        assert_array_equal(mu.pdf(np.full((2, mu.dim), far) * [[1.0], [-1.0]]), 0.0)


def pdf_of_nan_is_nan(it: Subject) -> None:
    assert np.isnan(it.measure.pdf(np.full((1, it.measure.dim), np.nan))).all()


def pdf_accepts_lists(it: Subject) -> None:
    middle = 0.5 * (it.measure.lower + it.measure.upper)
    assert_array_equal(it.measure.pdf([middle.tolist()]), it.measure.pdf(middle[None, :]))


def pdf_refuses_wrong_shapes(it: Subject) -> None:
    with pytest.raises(ValueError, match=r"`x` must have shape \(m, "):
        it.measure.pdf(np.zeros((2, it.measure.dim + 1)))


DENSITIES = ("Uniform-1", "Smooth-1", "Smooth-2", "Density-1", "Density-2")
DENSITY_LAWS: list[Callable[[Subject], None]] = [
    pdf_integrates_to_one,
    pdf_is_zero_outside,
    pdf_of_nan_is_nan,
    pdf_accepts_lists,
    pdf_refuses_wrong_shapes,
]
