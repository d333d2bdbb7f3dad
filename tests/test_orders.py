"""Observed orders against declared ones: log-log slopes of the error against the step or the number of nodes."""

from itertools import pairwise

import numpy as np
import pytest

import cases
from contracts import bump
from meanfield import Density, FiniteVolume, ParticleMethod, Smooth, Uniform, solve, wasserstein
from meanfield.projection import cell_masses
from particles import RK4, Adaptive, Attention, Euler, Raw, Rescaled
from particles import solve as solve_tokens


def slope(sizes, errors) -> float:
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


@pytest.mark.parametrize("form", [Raw, Rescaled])
@pytest.mark.parametrize(("stepper", "order"), [(Euler, 1), (RK4, 4)])
def test_fixed_steps(stepper, order: int, form, rng: np.random.Generator) -> None:
    law, tokens = form(cases.random_attention(1, 2)), rng.uniform(-1, 1, (12, 2))
    truth = solve_tokens(law, tokens, [0.0, 1.0], stepper=Adaptive(rtol=1e-13, atol=1e-14)).points[-1]
    steps = np.array([1 / 5, 1 / 10, 1 / 20, 1 / 40])
    errors = [
        np.abs(solve_tokens(law, tokens, [0.0, 1.0], stepper=stepper(dt)).points[-1] - truth).max() for dt in steps
    ]
    assert errors[-1] > 1e-12  # above the truth's own error
    assert stepper(0.1).tableau.order == order
    # the next term of the error is dt smaller: a few per cent of the slope over this range
    assert slope(steps, errors) == pytest.approx(order, abs=0.15)


def test_fixed_steps_on_an_exact_motion() -> None:
    motion = cases.mirrored_pair()
    for stepper, order in ((Euler, 1), (RK4, 4)):
        steps = np.array([1 / 8, 1 / 16, 1 / 32])
        errors = [
            np.abs(
                solve_tokens(motion.law, motion.tokens, [0.0, 1.0], stepper=stepper(dt)).points[-1] - motion.exact(1.0)
            ).max()
            for dt in steps
        ]
        assert slope(steps, errors) == pytest.approx(order, abs=0.15)


def test_adaptive_error_goes_with_its_tolerance(rng: np.random.Generator) -> None:
    law, tokens, T = Raw(cases.random_attention(2, 2)), rng.uniform(-1, 1, (12, 2)), 8.0
    truth = solve_tokens(law, tokens, [0.0, T], stepper=Adaptive(rtol=1e-13, atol=1e-14)).points[-1]
    tolerances = 10.0 ** -np.arange(4, 11)
    errors = [
        np.abs(solve_tokens(law, tokens, [0.0, T], stepper=Adaptive(rtol=t, atol=t)).points[-1] - truth).max()
        for t in tolerances
    ]
    # a dozen steps whose errors partly cancel; the local error ~ h^8 is kept at tol, the whole is ~ tol^{7/8} to tol
    assert (errors <= 10 * tolerances).all()
    assert slope(tolerances, errors) == pytest.approx(15 / 16, abs=0.1)


LINE = Raw(cases.line(1.0, 1.0))
CELLS = np.array([32, 64, 128, 256])


def flat():
    return Uniform([-1.0], [1.0])


def uneven():
    return Smooth.normalised(bump, [-1.0], [1.0])


@pytest.mark.parametrize("mu0", [flat, uneven], ids=lambda mu0: mu0.__name__)
@pytest.mark.parametrize("form", [Raw, Rescaled])
@pytest.mark.parametrize("order", [1, 2])
def test_finite_volumes_on_the_line(order: int, form, mu0) -> None:
    law, start = form(LINE.attention), mu0()
    truth = solve(law, start, [0.0, 0.7], method=ParticleMethod(n=80))[-1]
    sizes = CELLS if order == 2 else 4 * CELLS[:3]  # on fewer cells the next term takes a tenth off the first order
    errors = [
        wasserstein(solve(law, start, [0.0, 0.7], method=FiniteVolume(int(n), order=order))[-1], truth, p=1)
        for n in sizes
    ]
    assert errors[-1] > 1e-7  # above the truth's own error, 1e-9
    # the next term is one order smaller: some per cent
    assert -slope(sizes, errors) == pytest.approx(order, abs=0.15)
    assert -slope(sizes[-2:], errors[-2:]) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("form", [Raw, Rescaled])
@pytest.mark.parametrize("order", [1, 2])
def test_finite_volumes_in_the_plane(order: int, form) -> None:
    attention = Attention(Q=np.eye(2), K=[[1.0, 0.4], [-0.3, 0.8]], V=[[0.3, -0.5], [0.2, 0.1]])
    law, start = form(attention), Smooth(lambda x: np.prod(0.75 * (1 - x**2), axis=1), [-1.0, -1.0], [1.0, 1.0])
    truth = solve(law, start, [0.0, 0.7], method=ParticleMethod(n=20))[-1]
    # on fewer cells the limiter at the hill's top and edges takes a sixth off the second order
    sizes, errors = np.array([14, 20, 28] if order == 1 else [20, 28, 36]), []
    for n in sizes:
        end = solve(law, start, [0.0, 0.7], method=FiniteVolume(int(n), order=order))[-1]
        masses = cell_masses(truth, end.grid)
        # between masses of the same cells: a linear program between densities would see their atoms
        errors.append(wasserstein(end.atoms, Density(end.grid, masses / masses.sum()).atoms, p=1))
    assert errors[-1] > 1e-4  # above the truth's own error
    assert -slope(sizes, errors) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("order", [1, 2])
def test_finite_volumes_converge_in_w2_towards_the_particles(order: int) -> None:
    start = uneven()
    truth = solve(LINE, start, [0.0, 0.7], method=ParticleMethod(n=80))[-1]
    cells = CELLS[:3]
    errors = [
        wasserstein(solve(LINE, start, [0.0, 0.7], method=FiniteVolume(int(n), order=order))[-1], truth) for n in cells
    ]
    # first order loses half an order in W2 where its smearing meets a jump at the edge; it has none on the moving box
    assert -slope(cells, errors) >= order - 0.2


@pytest.mark.parametrize("form", [Raw, Rescaled])
def test_quadrature_particles_are_spectral(form) -> None:
    law, start = form(cases.line(1.0, 1.0)), Uniform([-1.0], [1.0])
    a = np.linspace(-3, 3, 31)[:, None]
    truth = solve(law, start, [0.0, 0.7], method=ParticleMethod(n=100))[-1].tilted_mean(a)
    nodes = (2, 4, 8)  # the truth's own error is 1e-14
    errors = [
        np.abs(solve(law, start, [0.0, 0.7], method=ParticleMethod(n=n))[-1].tilted_mean(a) - truth).max()
        for n in nodes
    ]
    gains = [before / after for before, after in pairwise(errors)]
    # a power law of order 6 gains 64 at every doubling; of any order, never more than at the first
    assert gains[0] > 2**6
    assert gains[1] > 10 * gains[0]


def test_quadrature_particles_are_spectral_in_the_plane() -> None:
    law, start = Raw(cases.random_attention(2, 2)), Uniform([-1.0, -1.0], [1.0, 1.0])
    truth = solve(law, start, [0.0, 1.0], method=ParticleMethod(n=24))[-1].mean
    truth_cov = solve(law, start, [0.0, 1.0], method=ParticleMethod(n=24))[-1].cov
    errors = []
    for n in (2, 4, 8):
        mu = solve(law, start, [0.0, 1.0], method=ParticleMethod(n=n))[-1]
        errors.append(max(np.abs(mu.mean - truth).max(), np.abs(mu.cov - truth_cov).max()))
    assert errors[0] / errors[1] > 2**4
    assert errors[1] / errors[2] > 4 * errors[0] / errors[1]
