"""The observed order of the frozen-field scheme: 1 in tau, whatever carries the measure along a segment."""

import numpy as np
import pytest

import cases
from contracts import bump
from meanfield import FiniteVolume, FrozenField, ParticleMethod, Riccati, Smooth, Uniform, solve, wasserstein
from particles import RK4, Raw, Rescaled

TAU = np.array([1 / 8, 1 / 16, 1 / 32, 1 / 64])
DEPTHS = np.linspace(0, 1, 5)
STARTS = {
    "uniform": lambda dim: Uniform(-np.ones(dim), np.ones(dim)),
    "uneven": lambda dim: Smooth.normalised(bump, -np.ones(dim), np.ones(dim)),
}


def slope(sizes, errors) -> float:
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("form", [Raw, Rescaled])
@pytest.mark.parametrize("dim", [1, 2])
def test_frozen_fields_are_of_first_order(dim: int, form, start: str) -> None:
    attention = cases.line(1.0, 1.0) if dim == 1 else cases.random_attention(2, 2)
    law, mu0, particles = form(attention), STARTS[start](dim), ParticleMethod(n=24 // dim, stepper=RK4(1 / 64))
    truth = solve(law, mu0, DEPTHS, method=particles)
    errors = []
    for tau in TAU:
        curve = solve(law, mu0, DEPTHS, method=FrozenField(tau, particles))
        # the same nodes in both: no error but that of holding the field, and W1 is at most this
        apart = [mu.nodes.points - nu.nodes.points for mu, nu in zip(curve.measures, truth.measures, strict=True)]
        errors.append(max(mu.nodes.weights @ np.linalg.norm(x, axis=1) for mu, x in zip(curve, apart, strict=True)))
    # the next term is tau times smaller: some per cent of the slope
    assert slope(TAU, errors) == pytest.approx(1, abs=0.15)
    assert errors[-1] > 1e-5  # far above the step's own error, below 1e-8


def test_frozen_fields_of_gaussians_are_of_first_order() -> None:
    law, mu0 = Raw(cases.non_commuting(2)), cases.plane_gaussian()
    truth = solve(law, mu0, [0.0, 1.0], method=Riccati())[-1]
    errors = [
        wasserstein(solve(law, mu0, [0.0, 1.0], method=FrozenField(tau, Riccati()))[-1], truth, p=2) for tau in TAU
    ]
    assert slope(TAU, errors) == pytest.approx(1, abs=0.15)


def test_frozen_fields_on_a_grid_are_of_first_order() -> None:
    law, mu0 = Raw(cases.line(1.0, 1.0)), STARTS["uneven"](1)
    truth = solve(law, mu0, [0.0, 1.0], method=ParticleMethod(n=40))[-1]
    errors = [
        wasserstein(solve(law, mu0, [0.0, 1.0], method=FrozenField(tau, FiniteVolume(128)))[-1], truth, p=1)
        for tau in TAU[:3]
    ]
    assert errors[-1] > 1e-3  # the grid's own error is 1e-4
    assert slope(TAU[:3], errors) == pytest.approx(1, abs=0.15)
