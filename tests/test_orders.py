"""Every declared order, observed: one table, one slope for each line of it, held to within 0.15.

Below the table stands what has no order: tolerances, spectral convergence, and the number of steps.
"""

from itertools import pairwise

import numpy as np
import pytest

import cases
from meanfield import FiniteVolume, FrozenField, ParticleMethod, Riccati, SemiLagrangian, solve
from orders import (
    LINE,
    PLANE,
    SPACE,
    TURNING,
    W1,
    W2,
    Order,
    exact_motion,
    flat,
    frozen,
    hill,
    moments_apart,
    paper_box,
    rounded,
    sliced,
    slope,
    solved,
    tokens,
    uneven,
    wide,
)
from particles import RK4, Adaptive, Euler, Raw, Rescaled
from particles import solve as solve_tokens

HELD = 0.15
FORMS = {"raw": Raw, "rescaled": Rescaled}
STARTS = {"flat": flat, "uneven": uneven, "rounded": rounded}
CELLS, FEW, STEPS, TAUS = (32, 64, 128, 256), (16, 24, 32), (2.5, 5, 10, 20), (8, 16, 32, 64)


def steppers():
    for stepper in (Euler, RK4):
        p = stepper(0.1).tableau.order
        for name, form in FORMS.items():
            # the next term of the error is dt smaller: a few per cent of the slope over this range
            yield f"{stepper.__name__}, {name}", Order(p, (5, 10, 20, 40), tokens(form, stepper), floor=1e-12)
        yield f"{stepper.__name__}, mirrored pair", Order(p, (8, 16, 32), exact_motion(stepper))


def finite_volumes():
    nodes, points = ParticleMethod(n=80), ParticleMethod(n=20)
    for p in (1, 2):

        def method(N, p=p):
            return FiniteVolume(N, order=p)

        for name, form in FORMS.items():
            line, plane = form(LINE), form(TURNING)
            for kind in ("flat", "uneven"):
                # on fewer cells the next term takes a tenth off the first order; the truth's own error is 1e-9
                N = CELLS if p == 2 else (128, 256, 512)
                problem = solved(line, lambda kind=kind: STARTS[kind](1), 0.7, method, nodes)
                yield f"FiniteVolume {p}, line, {name}, {kind}", Order(p, N, problem, floor=1e-7, ends=True)
            # raw, the next term of order 1 is large, and adds: a slope of 1.29 at 24 cells, of 1.09 at 100
            N = (64, 90, 128) if (p, name) == (1, "raw") else FEW
            problem = solved(plane, lambda: hill(2), 0.7, method, points, sliced)
            yield f"FiniteVolume {p}, plane, {name}", Order(p, N, problem, floor=1e-4)
        # first order would lose half of it in W2 where its smearing meets a jump at the edge: none on the moving box
        problem = solved(Raw(LINE), lambda: uneven(1), 0.7, method, nodes, W2)
        yield f"FiniteVolume {p}, line, in W2", Order(p, CELLS[:3], problem, floor=1e-6)
        # towards one Dirac the error is a part of a cell, and the cells shrink along: this is of the scheme's order
        problem = solved(Raw(cases.line(1.0, -1.0)), wide, 3.0, method, ParticleMethod(n=200), W2)
        yield f"FiniteVolume {p}, towards a Dirac, in W2", Order(p, (20, 40, 80), problem, floor=1e-6)
    # towards two, a mass of order h^2 stands at the wrong one, some way off: h^2 in W1, h in W2; the truth's h is a
    # quarter of the finest, and its mass there a sixteenth
    fine, towards_two = SemiLagrangian(400, 0.025), Rescaled(LINE)
    problem = solved(towards_two, wide, 3.0, FiniteVolume, fine, W2)
    yield "FiniteVolume 2, towards two Diracs, in W2", Order(1, (25, 50, 100), problem)
    # a mass of order h by order 1: h in W1, in W2 the root of h, which takes over slowly from the h of the rest
    for name, apart, p in (("W1", W1, 1), ("W2", W2, 0.5)):
        problem = solved(towards_two, wide, 3.0, lambda N: FiniteVolume(N, order=1), fine, apart)
        order = Order(p, (50, 100, 200), problem, at_least=name == "W2")
        yield f"FiniteVolume 1, towards two Diracs, in {name}", order


def semi_lagrangian():
    T, nodes, points = 0.8, ParticleMethod(n=80), ParticleMethod(n=20)
    for name, form in FORMS.items():
        line, plane, space = form(LINE), form(PLANE), form(SPACE)
        for kind, start in STARTS.items():
            where = f"line, {name}, {kind}"

            def mu0(start=start):
                return start(1)

            problem = solved(line, mu0, T, lambda N: SemiLagrangian(N, 6.4 / N), nodes)
            yield f"SemiLagrangian, cells and dt, {where}", Order(2, CELLS, problem, floor=1e-7)
            # the same step in both, so that what is left is the cells'; the truth's are 16 times smaller: 0.4 %
            problem = solved(line, mu0, T, lambda N: SemiLagrangian(N, 0.05), SemiLagrangian(2048, 0.05))
            yield f"SemiLagrangian, cells, {where}", Order(2, CELLS[:3], problem)
            # the truth errs by (1/4)^2 of the finest step's error, which raises that slope by 0.09
            problem = solved(line, mu0, T, lambda N: SemiLagrangian(400, 1 / N), SemiLagrangian(400, 0.0125))
            yield f"SemiLagrangian, dt, {where}", Order(2, STEPS, problem)
        problem = solved(plane, lambda: rounded(2), T, lambda N: SemiLagrangian(N, 4.8 / N), points, sliced)
        yield f"SemiLagrangian, cells and dt, plane, {name}", Order(2, (12, 24, 48), problem, floor=1e-4)
        problem = solved(
            plane, lambda: rounded(2), T, lambda N: SemiLagrangian(32, 1 / N), SemiLagrangian(32, 0.0125), moments_apart
        )
        yield f"SemiLagrangian, dt, plane, {name}", Order(2, STEPS, problem)
        # an edge that jumps, spread over a width w, costs w^2: with the same few steps w is a few cells
        problem = solved(plane, lambda: uneven(2), T, lambda N: SemiLagrangian(N, 0.2), points, sliced)
        yield f"SemiLagrangian, edges, plane, {name}", Order(1.5, (12, 24, 48), problem, floor=1e-4, at_least=True)
        problem = solved(
            space, lambda: rounded(3), T, lambda N: SemiLagrangian(N, 3.2 / N), ParticleMethod(n=10), moments_apart
        )
        yield f"SemiLagrangian, cells and dt, space, {name}", Order(2, (8, 16, 32), problem)
    # the paper's box: as above, h^2 in W1 and h in W2; the truth has half the finest cells
    for kind, apart, p in (("W1", W1, 1.8), ("W2", W2, 0.9)):
        problem = solved(
            Rescaled(LINE), paper_box, 1.5, lambda N: SemiLagrangian(N, 10 / N), SemiLagrangian(800, 0.0125), apart
        )
        yield f"SemiLagrangian, towards two Diracs, in {kind}", Order(p, (100, 200, 400), problem, at_least=True)


def frozen_fields():
    for name, form in FORMS.items():
        for kind in ("flat", "uneven"):
            for dim, attention in ((1, LINE), (2, cases.random_attention(2, 2))):
                problem = frozen(form(attention), lambda kind=kind, dim=dim: STARTS[kind](dim), 24 // dim)
                # the next term is tau times smaller; the step's own error is below 1e-8
                yield f"FrozenField, d = {dim}, {name}, {kind}", Order(1, TAUS, problem, floor=1e-5)
    problem = solved(
        Raw(cases.non_commuting(2)), cases.plane_gaussian, 1.0, lambda N: FrozenField(1 / N, Riccati()), Riccati(), W2
    )
    yield "FrozenField, Gaussian", Order(1, TAUS, problem)
    problem = solved(
        Raw(LINE), lambda: uneven(1), 1.0, lambda N: FrozenField(1 / N, FiniteVolume(128)), ParticleMethod(n=40)
    )
    yield "FrozenField, on a grid", Order(1, TAUS[:3], problem, floor=1e-3)  # the grid's own error is 1e-4


TABLE = dict(line for part in (steppers, finite_volumes, semi_lagrangian, frozen_fields) for line in part())


@pytest.mark.parametrize("name", TABLE)
def test_declared_order(name: str) -> None:
    order = TABLE[name]
    slopes, least = order.observed()
    assert least > order.floor and all(order.holds(found, HELD) for found in slopes), f"{slopes}, down to {least:.2g}"


# -------------------------------------------------------------------------------------------- what has no order


def test_adaptive_error_goes_with_its_tolerance(rng: np.random.Generator) -> None:
    law, start, T = Raw(cases.random_attention(2, 2)), rng.uniform(-1, 1, (12, 2)), 8.0
    truth = solve_tokens(law, start, [0.0, T], stepper=Adaptive(rtol=1e-13, atol=1e-14)).points[-1]
    tolerances = 10.0 ** -np.arange(4, 11)
    errors = [
        np.abs(solve_tokens(law, start, [0.0, T], stepper=Adaptive(rtol=t, atol=t)).points[-1] - truth).max()
        for t in tolerances
    ]
    # a dozen steps whose errors partly cancel; the local error ~ h^8 is kept at tol, the whole is ~ tol^{7/8} to tol
    assert (errors <= 10 * tolerances).all()
    assert slope(tolerances, errors) == pytest.approx(15 / 16, abs=0.1)


@pytest.mark.parametrize("form", [Raw, Rescaled])
def test_quadrature_particles_are_spectral(form) -> None:
    law, start = form(LINE), flat(1)
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
    law, start = Raw(cases.random_attention(2, 2)), flat(2)
    truth, *found = (solve(law, start, [0.0, 1.0], method=ParticleMethod(n=n))[-1] for n in (24, 2, 4, 8))
    errors = [moments_apart(mu, truth) for mu in found]
    assert errors[0] / errors[1] > 2**4
    assert errors[1] / errors[2] > 4 * errors[0] / errors[1]


def test_semi_lagrangian_steps_are_few_where_waves_cross_many_cells() -> None:
    law, start, cells = Rescaled(PLANE), flat(2), 24
    particles = solve(law, start, [0.0, 0.8], method=ParticleMethod(n=20))[-1]
    atoms, _ = particles.quantised(300)
    long, short = (
        solve(law, start, [0.0, 0.8], method=method) for method in (SemiLagrangian(cells, 0.2), FiniteVolume(cells))
    )
    errors = [sliced(curve[-1], atoms) for curve in (long, short)]
    assert long.stats["steps"] == 4
    assert short.stats["steps"] > 5 * 4  # as its CFL number asks
    assert errors[0] < 0.7 * errors[1]  # an edge is spread by every step
