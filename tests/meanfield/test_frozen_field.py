from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import expm

import cases
from meanfield import (
    Density,
    FiniteVolume,
    Frozen,
    FrozenField,
    Gaussian,
    Grid,
    ParticleMethod,
    PushForward,
    Riccati,
    SemiLagrangian,
    Smooth,
    Uniform,
    solve,
    wasserstein,
)
from particles import RK4, Attention, Empirical, Raw, Rescaled

TIGHT = 1e-10  # the default stepper keeps 1e-11 a step, over a few dozen steps


def hill(x: np.ndarray) -> np.ndarray:
    return np.prod(1 + 0.5 * np.sin(2 * x), axis=1)


def starts(dim: int) -> dict:
    rng, ones = np.random.default_rng(dim), np.ones(dim)
    return {
        "uniform": Uniform(-ones, 1.5 * ones),
        "smooth": Smooth.normalised(hill, -ones, ones),
        "density": Density(Grid(-ones, ones, 4), np.full((4,) * dim, 4.0**-dim)),
        "gaussian": Gaussian(0.3 * ones, 0.2 * np.eye(dim) + 0.1),
        "atoms": Empirical(rng.uniform(-1, 1, (12, dim)), rng.dirichlet(np.ones(12))),
        "image": solve(
            Raw(Attention(np.eye(dim), np.eye(dim), -np.eye(dim))),
            Uniform(-ones, ones),
            [0.0, 0.3],
            method=FrozenField(0.3, ParticleMethod(n=6)),
        )[-1],
    }


def points_of(mu) -> np.ndarray:
    return mu.nodes.points if isinstance(mu, PushForward) else mu.points


# ------------------------------------------------------------------------------------------------- exact answers


@pytest.mark.parametrize("name", ["uniform", "smooth", "density", "gaussian", "atoms", "image"])
@pytest.mark.parametrize("dim", [1, 2])
def test_without_attention_points_move_by_the_held_mean(dim: int, name: str) -> None:
    # B = 0, V = 1, tau held: x(t + tau) = x(t) + tau m(t), so the mean grows by the factor 1 + tau
    tau, steps = 0.25, 3
    law = Raw(Attention(np.zeros((dim, dim)), np.eye(dim), np.eye(dim)))
    mu0 = starts(dim)[name]
    curve = solve(law, mu0, [0.0, steps * tau], method=FrozenField(tau))
    assert curve.status == "finished"
    shift = ((1 + tau) ** steps - 1) * curve[0].mean
    assert_allclose(points_of(curve[-1]), points_of(curve[0]) + shift, rtol=0, atol=TIGHT)
    assert_allclose(curve[0].mean, mu0.mean, rtol=0, atol=1e-12)  # quadrature of polynomials, rounding


@pytest.mark.parametrize("form", [Raw, Rescaled])
def test_a_gaussian_by_nodes_is_that_of_riccati(form) -> None:
    law, mu0, times = form(cases.non_commuting(2)), cases.plane_gaussian(), [0.0, 0.4, 1.0]
    by_nodes = solve(law, mu0, times, method=FrozenField(0.2))
    exact = solve(law, mu0, times, method=FrozenField(0.2, Riccati()))
    truth = solve(law, mu0, times, method=Riccati())
    for nodes, moments in zip(by_nodes.measures, exact.measures, strict=True):
        # Gauss-Hermite nodes see the field of a Gaussian, which is linear, as far as their tilted means go: 16 a side
        assert_allclose(nodes.mean, moments.mean, rtol=0, atol=1e-7)
        assert_allclose(nodes.cov, moments.cov, rtol=0, atol=1e-7)
    assert np.abs(exact[-1].cov - truth[-1].cov).max() > 1e-4  # tau is seen


def test_a_segment_is_linear_in_the_frozen_field() -> None:
    # V B = -1 on the line, S held over tau: x' = -S x, so S(t + tau) = S e^{-2 tau S}
    curve = solve(Raw(cases.line(1.0, -1.0)), Gaussian([0.0], [[0.7]]), [0.0, 0.5, 1.0], method=FrozenField(0.5))
    first = 0.7 * np.exp(-2 * 0.5 * 0.7)
    assert_allclose(curve[1].cov, first, rtol=1e-7)  # 32 Hermite nodes
    assert_allclose(curve[2].cov, first * np.exp(-2 * 0.5 * first), rtol=1e-7)


def test_the_rescaled_law_keeps_its_own_depth() -> None:
    # one head and B = 0: z' = V (m - z) with m held; z(tau) = m + e^{-tau V} (z - m)
    V = np.array([[0.3, -0.5], [0.4, 0.1]])
    law, tokens = Rescaled(Attention(np.zeros((2, 2)), np.eye(2), V)), np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    curve = solve(law, Empirical(tokens), [0.0, 0.4], method=FrozenField(0.4))
    m = tokens.mean(axis=0)
    assert_allclose(curve[-1].points, m + (tokens - m) @ expm(-0.4 * V).T, rtol=0, atol=TIGHT)
    # with B = 1, V = 1 on the line a = e^{2t} z grows within the segment: a watcher at z follows x' of the raw form
    line = Rescaled(cases.line(1.0, 1.0))
    mu = Empirical([[-1.0], [1.0], [0.1]], [0.5, 0.5, 0.0])
    moved = solve(line, mu, [0.0, 1.0], method=FrozenField(1.0))[-1].points[2, 0]
    t = np.linspace(0, 1, 20001)
    z = 0.1
    for a, b in pairwise(t):
        slope = np.tanh(np.exp(2 * a) * z) - z
        z += 0.5 * (b - a) * (slope + np.tanh(np.exp(2 * b) * (z + (b - a) * slope)) - (z + (b - a) * slope))
    assert moved == pytest.approx(z, abs=1e-8)  # Heun's method, 20000 steps: (5e-5)^2


# ---------------------------------------------------------------------------------------------- segments and depths


@pytest.mark.parametrize("tau", [0.1, 0.3, 0.7, 5.0])
def test_depths_between_segments_do_not_matter(tau: float) -> None:
    law, mu0 = Raw(cases.line(1.0, 1.0)), Uniform([-1], [1])
    few = solve(law, mu0, [0.0, 1.0], method=FrozenField(tau))
    many = solve(law, mu0, [0.0, 0.05, 0.3, 0.30001, 0.9, 1.0], method=FrozenField(tau))
    assert many.times.tolist() == [0.0, 0.05, 0.3, 0.30001, 0.9, 1.0]
    assert many.stats["segments"] == few.stats["segments"] == np.ceil(1 / tau - 1e-9)
    assert_allclose(points_of(many[-1]), points_of(few[-1]), rtol=0, atol=TIGHT)


def test_a_sum_that_rounds_adds_no_segment() -> None:
    law, mu0 = Raw(cases.line(1.0, 1.0)), Uniform([-1], [1])
    curve = solve(law, mu0, [0.0, 0.3, 0.6, 0.9], method=FrozenField(0.3))  # 3 * 0.3 > 0.9
    assert curve.stats["segments"] == 3
    assert curve.times.tolist() == [0.0, 0.3, 0.6, 0.9]


@pytest.mark.parametrize("inner", [None, FiniteVolume(16), Riccati()], ids=repr)
def test_a_single_depth_is_the_start(inner) -> None:
    mu0 = Gaussian([0.0], [[1.0]]) if isinstance(inner, Riccati) else Uniform([-1], [1])
    curve = solve(Raw(cases.line(1.0, 1.0)), mu0, [2.0], method=FrozenField(0.1, inner))
    assert (curve.status, len(curve)) == ("finished", 1)
    assert_allclose(curve[0].mean, mu0.mean, atol=1e-14)


def test_one_segment_after_another() -> None:
    law, mu0 = Rescaled(cases.random_attention(1, 2)), Uniform([-1, -1], [1, 1])
    whole = solve(law, mu0, [0.0, 0.4, 0.8], method=FrozenField(0.2, ParticleMethod(n=6)))
    second = solve(law, whole[1], [0.4, 0.8], method=FrozenField(0.2, ParticleMethod(n=6)))
    assert_allclose(points_of(second[-1]), points_of(whole[-1]), rtol=0, atol=TIGHT)


# ---------------------------------------------------------------------------------------------------- inner methods


@pytest.mark.parametrize(
    "inner", [FiniteVolume(128), SemiLagrangian(128, 0.05)], ids=lambda inner: type(inner).__name__
)
@pytest.mark.parametrize("form", [Raw, Rescaled])
def test_grids_carry_a_segment_as_particles_do(form, inner) -> None:
    law, mu0, times = form(cases.line(1.0, 1.0)), Smooth.normalised(hill, [-1], [1]), [0.0, 0.35, 0.7]
    particles = solve(law, mu0, times, method=FrozenField(0.1, ParticleMethod(n=40)))
    grid = solve(law, mu0, times, method=FrozenField(0.1, inner))
    unfrozen = solve(law, mu0, times, method=ParticleMethod(n=40))
    assert grid.status == "finished"
    for mu, nu in zip(grid.measures, particles.measures, strict=True):
        assert isinstance(mu, Density)
        assert wasserstein(mu, nu, p=1) < 1e-3  # second order in cells 1/64 wide
    assert wasserstein(particles[-1], unfrozen[-1], p=1) > 3e-3  # what holding the field costs is more


def test_the_nodes_and_stepper_are_those_of_the_inner_method() -> None:
    law, mu0 = Raw(cases.line(1.0, 1.0)), Uniform([-1], [1])
    curve = solve(law, mu0, [0.0, 1.0], method=FrozenField(0.5, ParticleMethod(n=7, stepper=RK4(0.1))))
    assert curve.stats["particles"] == 7
    assert curve.stats["steps"] == 10
    assert_array_equal(points_of(curve[0]), curve[0].panels.points)


def test_a_peaked_density_gets_the_nodes_it_needs() -> None:
    def peaked(x: np.ndarray) -> np.ndarray:
        return np.exp(-200 * x[:, 0] ** 2)

    mu0 = Smooth.normalised(peaked, [-1], [1])
    curve = solve(Raw(cases.line(1.0, 1.0)), mu0, [0.0, 0.1], method=FrozenField(0.1))
    assert curve.stats["particles"] == mu0.nodes > 32


def test_a_flow_that_separates_is_told_unless_the_nodes_were_asked_for() -> None:
    law, mu0, times = Rescaled(cases.line(1.0, 1.0)), Uniform([-5], [5]), [0.0, 1.0]
    curve = solve(law, mu0, times, method=FrozenField(0.5))
    assert curve.status == "unresolved"
    assert curve.message.endswith("32 nodes do not resolve the flow: take more by inner=ParticleMethod(n=...)")
    assert solve(law, mu0, times, method=FrozenField(0.5, ParticleMethod(n=32))).status == "finished"


def test_a_frozen_law_asks_no_measure() -> None:
    law, held, x = Rescaled(cases.random_attention(3, 2)), Uniform([-1, 0], [1, 1]), np.array([[0.2, -0.4]])
    frozen, other = Frozen(law, held), Gaussian([5.0, 5.0], np.eye(2))
    assert_array_equal(frozen.velocity(0.3, x, other), law.velocity(0.3, x, held))
    assert_array_equal(frozen.jacobian(0.3, x, other), law.jacobian(0.3, x, held))
    assert_array_equal(frozen.frame(0.3), law.frame(0.3))
    assert frozen.attention_at(0.3) is law.attention_at(0.3)
    assert (frozen.dim, frozen.step) == (2, None)


# ------------------------------------------------------------------------------------------------------ bad arguments


@pytest.mark.parametrize("tau", [0, -1, np.nan, np.inf, "1", None])
def test_tau_must_be_positive(tau) -> None:
    with pytest.raises(ValueError, match="`tau` must"):
        FrozenField(tau)


def test_tau_must_be_seen_beside_the_depth() -> None:
    with pytest.raises(ValueError, match=r"`tau` must be at least 1\.\de-08, to be seen at these depths; got 1e-09"):
        solve(Raw(cases.line(1.0, 1.0)), Uniform([0], [1]), [999_999.0, 1_000_000.0], method=FrozenField(1e-9))


@pytest.mark.parametrize("inner", ["particles", Riccati, ParticleMethod(tol=1e-3), ParticleMethod()])
def test_inner_must_be_able_to_carry_on(inner) -> None:
    with pytest.raises(ValueError, match="`inner` must"):
        FrozenField(0.1, inner)


def test_what_the_inner_method_refuses_is_refused() -> None:
    law = Raw(cases.line(1.0, 1.0))
    with pytest.raises(ValueError, match="`mu0` must be a Gaussian for Riccati"):
        solve(law, Uniform([0], [1]), [0, 1], method=FrozenField(0.1, Riccati()))
    with pytest.raises(ValueError, match="or PushForward for FrozenField; got Line"):
        solve(law, Line(), [0, 1], method=FrozenField(0.1))


class Line:
    """A measure of the user's own."""

    dim, mean, cov = 1, np.zeros(1), np.eye(1)

    def cgf(self, a): ...
    def tilted_mean(self, a): ...
    def tilted_cov(self, a): ...
    def sample(self, n, rng): ...
