"""Lambda and its gradient of gridded densities, at cell walls and at scattered points, for any B."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from cases import EPS
from meanfield import Density, Grid, Uniform
from meanfield.density import add_langevin
from meanfield.grid import tensor_points
from meanfield.uniform import langevin
from particles import Attention, Raw
from particles.softmax import tensor
from particles.softmax.lattice import lattice

GENERAL = np.array([[1.0, 0.3, -0.2], [0.5, 0.9, 0.1], [0.2, -0.4, 1.1]])
TURNED = np.array([[0.0, -1.2, 0.0], [0.7, 0.0, 0.0], [0.0, 0.0, 1.0]])
SERIES = 1e-12  # tolerance of series, in half sides of the box
FORMS = {"diagonal": np.diag([1.0, -0.8, 0.5]), "turned": TURNED, "upper": np.triu(GENERAL), "general": GENERAL}


def gaussian(shape, size: float = 1.0) -> Density:
    d = len(shape)
    grid = Grid(-size * np.ones(d), size * np.ones(d) + 0.1, shape)
    heights = np.exp(-((grid.centres - 0.2 * size) ** 2).sum(axis=1) / (0.3 * size**2))
    return Density(grid, (heights / heights.sum()).reshape(shape))


def walls(grid: Grid, k: int):
    return tensor_points([grid.edges(j) if j == k else grid.axis_centres(j) for j in range(grid.dim)])


def by_hand(mu: Density, a):
    """Atoms in extended precision, and the closed form of a cell."""
    y, w = mu.grid.centres.astype(np.longdouble), mu.masses.ravel().astype(np.longdouble)
    y, w = y[w > 0], w[w > 0]
    half = mu.grid.widths / 2
    cell = Uniform(-half, half)
    exponents = a @ y.T + np.log(w)
    top = exponents.max(axis=1, keepdims=True)
    powers = np.exp(exponents - top)
    total = powers.sum(axis=1)
    return (top[:, 0] + np.log(total) + cell.cgf(a)).astype(float), (powers @ y / total[:, None]).astype(
        float
    ) + cell.tilted_mean(a)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("shape", "size"), [((60, 75), 1.0), ((64, 50), 5.0), ((17, 20, 15), 1.0)])
def test_field_at_the_walls(form: str, shape, size: float, rng: np.random.Generator) -> None:
    mu, d = gaussian(shape, size), len(shape)
    for k in range(d):
        a = walls(mu.grid, k) @ FORMS[form][:d, :d]
        some = rng.integers(len(a), size=40)
        cgf, means = by_hand(mu, a[some])
        exponent = np.abs(a).sum(axis=1).max() * size
        exact = (20 + 4 * exponent) * EPS  # roundings of exponents and of sums along the axes
        tol = exact if form in ("diagonal", "turned") else exact + SERIES
        assert_allclose(mu.cgf(a)[some], cgf, rtol=0, atol=tol)
        assert_allclose(mu.tilted_mean(a)[some], means, rtol=0, atol=2 * tol * size)


def test_exponents_too_large_for_products_and_series(rng: np.random.Generator) -> None:
    mu = gaussian((20, 25))
    x = walls(mu.grid, 0)
    for B in (1e6 * np.eye(2), 1e6 * GENERAL[:2, :2]):
        some = rng.integers(len(x), size=30)
        cgf, means = by_hand(mu, (x @ B)[some])
        assert_allclose(mu.cgf(x @ B)[some], cgf, rtol=1e-14, atol=1e-9)  # roundings of exponents of 2e6
        assert_allclose(mu.tilted_mean(x @ B)[some], means, rtol=0, atol=1e-8)


@pytest.mark.parametrize("ordered", [True, False])
def test_nan_stays_in_its_rows(ordered: bool, rng: np.random.Generator) -> None:
    mu = gaussian((60, 70))
    a = walls(mu.grid, 0) if ordered else rng.uniform(-2, 2, (5000, 2))
    clean = mu.tilted_mean(a)
    a = a.copy()
    a[[3, 700], [0, 1]] = np.nan
    sick = np.isnan(a).any(axis=1)
    means, cgf = mu.tilted_mean(a), mu.cgf(a)
    assert np.isnan(cgf[sick]).all()
    assert np.isnan(means[sick]).all()
    assert_allclose(means[~sick], clean[~sick], rtol=0, atol=2 * SERIES)
    assert np.isfinite(cgf[~sick]).all()


def test_scattered_directions_that_series_do_not_reach(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor, "_EACH", 1e3)  # so few atoms are sooner summed one by one
    grid = Grid([-1.0, -1.0], [1.0, 1.0], (40, 40))
    masses = np.zeros((40, 40))
    masses[0, 0], masses[39, 39] = 1.0, 1e-310  # most sums of products underflow
    mu = Density(grid, masses)
    a = rng.uniform(-1, 1, (30_000, 2)) * [400.0, 1.0]
    _, _, certified = mu._tensor.scattered(a)
    assert not certified.all()
    some = np.concatenate([np.flatnonzero(~certified)[:20], np.flatnonzero(certified)[:20]])
    cgf, means = by_hand(mu, a[some])
    assert_allclose(mu.cgf(a)[some], cgf, rtol=1e-12)
    assert_allclose(mu.tilted_mean(a)[some], means, rtol=0, atol=3 * SERIES)


@given(
    size=st.sampled_from([0.3, 3.0, 20.0]),
    sharp=st.sampled_from([0.0, 3.0, 1e3]),
    empty=st.booleans(),
    seed=st.integers(0, 99),
)
def test_scattered_directions(size: float, sharp: float, empty: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    grid = Grid(rng.uniform(-2, 0, 2), rng.uniform(1, 2, 2), (30, 40))
    heights = np.exp(-sharp * ((grid.centres - rng.uniform(-1, 1, 2)) ** 2).sum(axis=1)).reshape(30, 40)
    heights[12:, :7] *= not empty
    mu = Density(grid, heights / heights.sum())
    a = size * rng.uniform(-1, 1, (4000, 2)) @ rng.standard_normal((2, 2))
    some = rng.integers(len(a), size=20)
    cgf, means = by_hand(mu, a[some])
    rounding = 16 * EPS * max(1.0, 2 * np.abs(a).sum(axis=1).max())
    assert_allclose(mu.cgf(a)[some], cgf, rtol=0, atol=SERIES + rounding)
    assert_allclose(mu.tilted_mean(a)[some], means, rtol=0, atol=2 * (SERIES + rounding))  # half sides up to 2


@pytest.mark.parametrize("size", [0.0, 1e-8, 0.3, 0.999, 5.0])
def test_mean_of_the_cell(size: float, rng: np.random.Generator) -> None:
    half = np.array([0.5, 2.0, 1.0])
    a = size * rng.uniform(-1, 1, (1000, 3)) / half
    means = np.ones((1000, 3))
    add_langevin(means, a, half)
    assert_allclose(means, 1 + half * langevin(half * a), rtol=0, atol=8 * EPS)


def test_attention_at_markers(rng: np.random.Generator) -> None:
    mu = gaussian((64, 64))
    law = Raw(Attention(Q=np.eye(2), K=GENERAL[:2, :2], V=np.eye(2)))
    markers = rng.uniform(mu.lower, mu.upper, (3000, 2))
    field = law.velocity(0.0, markers, mu)
    assert len(mu._tensor._series) == 1
    some = slice(0, 3000, 100)
    assert_allclose(field[some], by_hand(mu, markers[some] @ GENERAL[:2, :2])[1], rtol=0, atol=2 * SERIES)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(170, 180), (50, 52, 54)])
def test_walls_of_many_cells(form: str, shape, rng: np.random.Generator) -> None:
    mu, d = gaussian(shape), len(shape)
    B, V = FORMS[form][:d, :d], rng.standard_normal((d, d))
    attention = Attention(Q=np.eye(d), K=B, V=V)
    for k in range(d):
        x = walls(mu.grid, k)
        some = rng.integers(len(x), size=40)
        cgf, means = by_hand(mu, x[some] @ B)
        exact = (20 + 4 * np.abs(x @ B).sum(axis=1).max()) * EPS
        assert_allclose(mu.cgf(x @ B)[some], cgf, rtol=0, atol=exact + SERIES)
        for field in (attention.field(mu, x), mu.turned_mean(x, B, V)):
            assert_allclose(field[some], means @ V.T, rtol=0, atol=3 * np.abs(V).sum() * (exact + SERIES))
    assert len(mu._tensor._node_sums) == 1


def test_turned_mean_at_any_points(rng: np.random.Generator) -> None:
    mu, B, V = gaussian((40, 40)), GENERAL[:2, :2], rng.standard_normal((2, 2))
    for x in (rng.uniform(-1, 1, (5000, 2)), walls(mu.grid, 1), np.full((20, 2), np.nan)):
        assert_allclose(mu.turned_mean(x, B, V), mu.tilted_mean(x @ B) @ V.T, rtol=0, atol=10 * SERIES)
    flat = mu.turned_mean(walls(mu.grid, 0), np.diag([1.0, 0.0]), V)  # a line of directions
    assert_allclose(flat, mu.tilted_mean(walls(mu.grid, 0) * [1.0, 0.0]) @ V.T, rtol=0, atol=10 * SERIES)


def test_lattice_that_stations_do_not_reach(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor, "_EACH", 1e3)  # so few atoms are sooner summed one by one
    grid = Grid([-1.0, -1.0], [1.0, 1.0], (20, 20))
    masses = np.zeros((20, 20))
    masses[0, 0], masses[19, 19] = 1.0, 1e-310  # most sums of products underflow
    mu = Density(grid, masses)
    a = walls(grid, 0) @ np.array([[300.0, 100.0], [-50.0, 250.0]])
    _, _, certified = mu._tensor.sheared(lattice(a))
    assert certified.any() and not certified.all()
    cgf, means = by_hand(mu, a)
    assert_allclose(mu.cgf(a), cgf, rtol=1e-12)
    assert_allclose(mu.tilted_mean(a), means, rtol=0, atol=3 * SERIES)
