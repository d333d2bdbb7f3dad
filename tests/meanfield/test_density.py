import numpy as np
import pytest
from numpy.testing import assert_allclose

from meanfield import Density, Grid, Smooth, Uniform

SETTLED = 1e-11  # Smooth settles its moments to 1e-12 of the box


def parabola(x):
    return 0.75 * (1 - x[:, 0] ** 2)


def test_moments_of_a_parabola() -> None:
    mu = Smooth(parabola, [-1.0], [1.0])
    assert_allclose(mu.mean, 0.0, atol=SETTLED)
    assert_allclose(mu.cov, 0.2, atol=SETTLED)
    # int 3/4 (1 - y^2) e^{ay} dy = 3 (a cosh a - sinh a)/a^3
    a = np.array([[0.5], [-3.0], [20.0]])
    exact = np.log(3 * (a * np.cosh(a) - np.sinh(a)) / a**3)[:, 0]
    assert_allclose(mu.cgf(a), exact, atol=SETTLED)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("size", [1.0, 30.0, 1000.0])
def test_a_flat_density_is_the_uniform_law(dim: int, size: float) -> None:
    lower, upper = -np.ones(dim), np.full(dim, 2.0)
    flat, exact = Smooth(lambda x: np.full(len(x), 3.0**-dim), lower, upper), Uniform(lower, upper)
    a = np.random.default_rng(1).uniform(-size, size, (8, dim))
    # the rule resolves the layer of width 1/size at the wall: errors of a fraction of that layer times 1e-9
    assert_allclose(flat.tilted_mean(a), exact.tilted_mean(a), rtol=0, atol=1e-9)
    assert_allclose(flat.cgf(a), exact.cgf(a), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("pdf", "text"),
    [
        (
            lambda x: 2 * parabola(x),
            "`pdf` must integrate to 1 over the box; it integrates to 2. Divide it by that, or use Smooth.normalised.",
        ),
        (lambda x: x[:, 0], "`pdf` must be finite and not negative; it is -"),
        (lambda x: np.where(x[:, 0] > 0, np.nan, 1.0), "`pdf` must be finite and not negative; it is nan at ["),
        (
            lambda x: x,
            "`pdf` must map (n, d) to n real numbers; for points of shape (8, 1) it gave float64 of shape (8, 1).",
        ),
        (lambda x: 1.0, "`pdf` must map (n, d) to n real numbers"),
        (lambda x: parabola(x) + 0j, "it gave complex128"),
        (lambda x: 1.0 * (x[:, 0] > 0.1234), "`pdf` is not resolved by 2048 Gauss nodes along an axis"),
        (3.0, "`pdf` must be a function (n, d) -> (n,); got float."),
    ],
)
def test_what_is_no_density(pdf, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Smooth(pdf, [-1.0], [1.0])
    assert text in str(caught.value)


def test_box_and_function_are_complained_of_together() -> None:
    with pytest.raises(ValueError) as caught:
        Smooth("parabola", [1.0], [0.0])
    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["`lower`", "`pdf`"]


def test_normalised_divides_by_the_integral() -> None:
    mu = Smooth.normalised(lambda x: 10 * parabola(x), [-1.0], [1.0])
    assert_allclose(mu.pdf(np.array([[0.0]])), 0.75, rtol=1e-12)  # the integral is settled to 1e-12
    with pytest.raises(ValueError, match="`function` must have a positive integral; got 0"):
        Smooth.normalised(lambda x: np.zeros(len(x)), [-1.0], [1.0])


# ----------------------------------------------------------------------------------------------- cells of a grid


def mixture(grid: Grid, masses, a):
    """Lambda and its gradient of a mixture of uniform laws, one for each cell."""
    half = grid.widths / 2
    cells = [Uniform(c - half, c + half) for c in grid.centres]
    logs = np.stack([cell.cgf(a) for cell in cells]) + np.log(masses.ravel())[:, None]
    top = logs.max(axis=0)
    powers = np.exp(logs - top)
    means = np.einsum("ci,cik->ik", powers, np.stack([cell.tilted_mean(a) for cell in cells]))
    return top + np.log(powers.sum(axis=0)), means / powers.sum(axis=0)[:, None]


@pytest.mark.parametrize("shape", [(11,), (4, 7)])
@pytest.mark.parametrize("size", [1.0, 100.0])
@pytest.mark.parametrize("tensor", [True, False])
def test_density_is_the_mixture_of_its_cells(shape, size: float, tensor: bool, rng: np.random.Generator) -> None:
    d = len(shape)
    grid = Grid(-np.ones(d), np.full(d, 1.5), shape)
    masses = rng.dirichlet(np.ones(np.prod(shape))).reshape(shape)
    if tensor:
        axes = [rng.uniform(-size, size, 20 if d == 1 else 5) for _ in range(d)]
        a = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)
    else:
        a = rng.uniform(-size, size, (23, d))
    cgf, means = mixture(grid, masses, a)
    mu = Density(grid, masses)
    # rounding of exponents up to 300
    assert_allclose(mu.cgf(a), cgf, rtol=1e-13, atol=1e-12)
    assert_allclose(mu.tilted_mean(a), means, rtol=0, atol=1e-12)


def test_equal_masses_are_the_uniform_law(rng: np.random.Generator) -> None:
    grid = Grid([-1.0, 0.0], [1.0, 3.0], [5, 8])
    flat, exact = Density(grid, np.full((5, 8), 1 / 40)), Uniform([-1.0, 0.0], [1.0, 3.0])
    a = rng.uniform(-1e3, 1e3, (30, 2))
    assert_allclose(flat.mean, exact.mean, rtol=1e-15, atol=1e-15)
    assert_allclose(flat.cov, exact.cov, rtol=1e-14, atol=1e-15)
    assert_allclose(flat.tilted_mean(a), exact.tilted_mean(a), rtol=1e-12)  # rounding of exponents up to 3000
    assert_allclose(flat.tilted_cov(a), exact.tilted_cov(a), rtol=0, atol=1e-11)


def test_pdf_by_cell() -> None:
    mu = Density(Grid([0.0], [4.0], 4), [0.1, 0.2, 0.3, 0.4])
    assert_allclose(mu.pdf([[0.0], [0.5], [1.5], [3.999], [4.0], [-0.1], [4.1]]), [0.1, 0.1, 0.2, 0.4, 0.4, 0, 0])


@pytest.mark.parametrize(
    ("masses", "text"),
    [
        ([0.5, 0.5], "`masses` must have the grid's shape (3,); got (2,)."),
        ([0.5, 0.6, -0.1], "`masses` must not be negative; got -0.1 at index 2."),
        ([0.5, 0.6, 0.1], "`masses` must sum to 1; they sum to 1.2."),
        ([0.5, np.nan, 0.1], "`masses` must be finite; got nan at index (1,)"),
        ([0.5, 0.5j, 0.1], "`masses` must hold real numbers; got dtype complex128."),
    ],
)
def test_what_are_no_masses(masses, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Density(Grid([0.0], [1.0], 3), masses)
    assert text in str(caught.value)


def test_what_is_no_grid() -> None:
    with pytest.raises(ValueError, match="`grid` must be a Grid; got list"):
        Density([0, 1], [1.0])
    for shape, text in [
        (0, "`shape` must be an integer of at least 1; got 0"),
        ([3], "`shape` must have 2 entries"),
        ([3, 2.5], "`shape` must be an integer"),
        (None, "`shape` must be a number of cells"),
    ]:
        with pytest.raises(ValueError) as caught:
            Grid([0.0, 0.0], [1.0, 1.0], shape)
        assert text in str(caught.value)


def test_grid_walls_and_centres() -> None:
    grid = Grid([0.0, -1.0], [1.0, 1.0], (2, 4))
    assert grid.edges(1).tolist() == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert grid.axis_centres(0).tolist() == [0.25, 0.75]
    assert grid.centres[1].tolist() == [0.25, -0.25]  # the last axis runs fastest
    assert grid.volume == 0.25
