"""Observed orders of the grid methods in W1: log-log slopes of the error against the cells and the step."""

import numpy as np
import pytest

import cases
from contracts import bump
from meanfield import Density, FiniteVolume, Grid, ParticleMethod, SemiLagrangian, Smooth, Uniform, solve, wasserstein
from particles import Attention, Raw, Rescaled

T = 0.8


def slope(sizes, errors) -> float:
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


def flat(dim: int) -> Uniform:
    return Uniform(-np.ones(dim), np.ones(dim))


def uneven(dim: int) -> Smooth:
    """A density that jumps at the edge of its box."""
    return Smooth.normalised(bump, -np.ones(dim), np.ones(dim))


def rounded(dim: int) -> Smooth:
    """A density that meets 0 with two derivatives at the edge of its box: smooth on all of R^d."""
    lower, upper = -np.ones(dim), np.linspace(1.0, 1.5, dim)

    def height(x):
        s = (x - lower) / (upper - lower)
        return np.prod(s * (1 - s), axis=1) ** 3 * (1.5 + np.sin(2 * x[:, 0] + x[:, -1]))

    return Smooth.normalised(height, lower, upper)


def plane(form):
    """Non-symmetric Q^T K and V in the plane."""
    return form(Attention(Q=[[1.0, 0.5], [-0.3, 0.8]], K=[[0.7, 0.0], [0.6, 1.0]], V=[[0.5, -0.4], [0.6, 0.3]]))


def space(form):
    """Non-symmetric Q^T K and V in space."""
    Q, K = [[1.0, 0.5, 0.0], [-0.3, 0.8, 0.2], [0.1, 0.0, 0.9]], [[0.7, 0.0, 0.1], [0.6, 1.0, 0.0], [0.0, -0.2, 0.8]]
    return form(Attention(Q=Q, K=K, V=[[0.5, -0.4, 0.1], [0.6, 0.3, 0.0], [-0.2, 0.1, 0.4]]))


def solved(law, mu0, cells: int, dt: float) -> Density:
    return solve(law, mu0, [0.0, T], method=SemiLagrangian(cells, dt))[-1]


def moments_apart(mu, nu) -> float:
    return max(np.abs(mu.mean - nu.mean).max(), np.abs(mu.cov - nu.cov).max())


def sliced(mu: Density, points, weights, directions: int = 5) -> float:
    """Return the largest W1 between projections of mu and of atoms: a lower bound on W1, in the plane."""
    fine = [n * max(1, 240 // n) for n in mu.grid.shape]
    masses = mu.masses
    for k, (n, m) in enumerate(zip(mu.grid.shape, fine, strict=True)):
        masses = np.repeat(masses, m // n, axis=k) / (m // n)
    centres, found = Grid(mu.lower, mu.upper, fine).centres, []
    for angle in np.pi * (np.arange(directions) + 0.3) / directions:
        u = np.array([np.cos(angle), np.sin(angle)])
        x, w = np.concatenate([centres @ u, points @ u]), np.concatenate([masses.ravel(), -weights])
        order = np.argsort(x)
        found.append(np.abs(np.cumsum(w[order])[:-1]) @ np.diff(x[order]))
    return float(max(found))


CELLS = np.array([32, 64, 128, 256])
STEPS = np.array([0.4, 0.2, 0.1, 0.05])


@pytest.mark.parametrize("mu0", [flat, uneven, rounded], ids=lambda mu0: mu0.__name__)
@pytest.mark.parametrize("form", [Raw, Rescaled])
class TestSemiLagrangianOnTheLine:
    def test_in_cells_and_dt_together(self, form, mu0) -> None:
        law, start = form(cases.line(1.0, 1.0)), mu0(1)
        truth = solve(law, start, [0.0, T], method=ParticleMethod(n=80))[-1]
        errors = [wasserstein(solved(law, start, int(n), 6.4 / n), truth, p=1) for n in CELLS]
        assert errors[-1] > 1e-7  # above the truth's own error, 1e-9
        assert -slope(CELLS, errors) == pytest.approx(2, abs=0.15)

    def test_in_cells(self, form, mu0) -> None:
        law, start, dt = form(cases.line(1.0, 1.0)), mu0(1), 0.05
        cells = CELLS[:3]
        truth = solved(law, start, 2048, dt)  # the same step: what is left is the cells'
        errors = [wasserstein(solved(law, start, int(n), dt), truth, p=1) for n in cells]
        # the truth's cells are 16 times smaller than the finest: 0.4 % of its error
        assert -slope(cells, errors) == pytest.approx(2, abs=0.15)

    def test_in_dt(self, form, mu0) -> None:
        law, start, cells = form(cases.line(1.0, 1.0)), mu0(1), 400
        truth = solved(law, start, cells, 0.0125)
        errors = [wasserstein(solved(law, start, cells, dt), truth, p=1) for dt in STEPS]
        # the truth errs by (1/4)^2 of the finest step's error, which raises that slope by 0.09
        assert slope(STEPS, errors) == pytest.approx(2, abs=0.15)


def test_semi_lagrangian_towards_diracs() -> None:
    # the paper's box, rescaled: nearly all mass gathers at both ends, and what a separatrix misplaces has far to go
    law = Rescaled(cases.line(1.0, 1.0))
    start = Smooth.normalised(lambda x: 1.5 + np.sin(x[:, 0]), [-5.0], [5.0])
    cells, times = np.array([100, 200, 400]), [0.0, 1.5]
    truth = solve(law, start, times, method=SemiLagrangian(800, 0.0125))[-1]
    ends = [solve(law, start, times, method=SemiLagrangian(int(n), 10 / n))[-1] for n in cells]
    # mass of order h^2 is misplaced by a distance of order 1: h^2 in W1, h in W2; the truth has half the finest cells
    assert -slope(cells, [wasserstein(end, truth, p=1) for end in ends]) >= 1.8
    assert -slope(cells, [wasserstein(end, truth, p=2) for end in ends]) >= 0.9


@pytest.mark.parametrize("form", [Raw, Rescaled])
class TestSemiLagrangianInThePlane:
    def test_in_cells_and_dt_together(self, form) -> None:
        law, start, cells = plane(form), rounded(2), np.array([12, 24, 48])
        particles = solve(law, start, [0.0, T], method=ParticleMethod(n=20))[-1]
        atoms, _ = particles.quantised(300)
        errors = [sliced(solved(law, start, int(n), 4.8 / n), atoms.points, atoms.weights) for n in cells]
        # the atoms stand (1/300)^2 of the box off, 1e-5; the finest error is 5e-4
        assert -slope(cells, errors) == pytest.approx(2, abs=0.15)

    def test_in_dt(self, form) -> None:
        law, start, cells = plane(form), rounded(2), 32
        truth = solved(law, start, cells, 0.0125)
        errors = [moments_apart(solved(law, start, cells, dt), truth) for dt in STEPS]
        assert slope(STEPS, errors) == pytest.approx(2, abs=0.15)  # the truth's error as on the line

    def test_edges_that_jump_cost_less_than_half_an_order(self, form) -> None:
        law, start, cells = plane(form), uneven(2), np.array([12, 24, 48])
        particles = solve(law, start, [0.0, T], method=ParticleMethod(n=20))[-1]
        atoms, _ = particles.quantised(300)
        errors = [sliced(solved(law, start, int(n), 0.2), atoms.points, atoms.weights) for n in cells]
        # an edge spread over a width w costs w^2: with the same few steps w is a few cells, second order still
        assert -slope(cells, errors) >= 1.5


@pytest.mark.parametrize("form", [Raw, Rescaled])
def test_semi_lagrangian_in_space(form) -> None:
    law, start, cells = space(form), rounded(3), np.array([8, 16, 32])
    particles = solve(law, start, [0.0, T], method=ParticleMethod(n=10))[-1]
    errors = [moments_apart(solved(law, start, int(n), 3.2 / n), particles) for n in cells]
    assert -slope(cells, errors) == pytest.approx(2, abs=0.15)


def test_semi_lagrangian_steps_are_few_where_waves_cross_many_cells() -> None:
    law, start, cells = plane(Rescaled), flat(2), 24
    particles = solve(law, start, [0.0, T], method=ParticleMethod(n=20))[-1]
    atoms, _ = particles.quantised(300)
    long, short = (
        solve(law, start, [0.0, T], method=method) for method in (SemiLagrangian(cells, 0.2), FiniteVolume(cells))
    )
    errors = [sliced(curve[-1], atoms.points, atoms.weights) for curve in (long, short)]
    assert long.stats["steps"] == 4
    assert short.stats["steps"] > 5 * 4  # as its CFL number asks
    assert errors[0] < 0.7 * errors[1]  # an edge is spread by every step
