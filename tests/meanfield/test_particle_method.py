import re

import numpy as np
import pytest
from numpy.testing import assert_allclose

import cases
from contracts import bump
from meanfield import (
    Density,
    Gaussian,
    Grid,
    ParticleMethod,
    PushForward,
    Riccati,
    Smooth,
    Uniform,
    solve,
    wasserstein,
)
from particles import Attention, Empirical, Raw, Rescaled
from particles import solve as solve_tokens

LINE = Raw(cases.line(1.0, 1.0))


@pytest.mark.parametrize("heads", [None, 2])
@pytest.mark.parametrize("form", [Raw, Rescaled])
def test_gauss_hermite_particles_follow_riccati(form, heads: int | None) -> None:
    attention = cases.non_commuting(heads)
    B, V = attention.heads[0]
    assert np.abs(V @ B - B @ V).max() > 0.1
    law, mu0, times = form(attention), cases.plane_gaussian(), [0.0, 0.5, 1.0]
    particles = solve(law, mu0, times, method=ParticleMethod(n=20))
    exact = solve(law, mu0, times, method=Riccati())
    assert particles.status == exact.status == "finished"
    assert np.abs(exact[-1].cov - mu0.cov).max() > 0.05  # it does move
    for one, other in zip(particles.measures, exact.measures, strict=True):
        assert_allclose(one.mean, other.mean, rtol=0, atol=1e-8)  # quadrature and ODE are at 1e-10
        assert_allclose(one.cov, other.cov, rtol=0, atol=1e-8)


def test_a_tolerance_for_gaussian_data() -> None:
    law, mu0 = Raw(cases.non_commuting()), cases.plane_gaussian()
    curve = solve(law, mu0, [0.0, 1.0], method=ParticleMethod(tol=1e-7))
    exact = solve(law, mu0, [0.0, 1.0], method=Riccati())
    assert curve.status == "finished"
    assert np.abs(curve[-1].mean - exact[-1].mean).max() <= 1e-7
    assert np.abs(curve[-1].cov - exact[-1].cov).max() <= 1e-7


def test_twelve_nodes_for_a_smooth_density() -> None:
    mu0 = Smooth.normalised(lambda x: 1 + 0.5 * np.sin(2 * x[:, 0]), [-1.0], [1.0])
    few, many = (solve(LINE, mu0, [0.0, 1.0], method=ParticleMethod(n=n))[-1] for n in (12, 200))
    a = np.linspace(-3, 3, 61)[:, None]
    assert_allclose(few.tilted_mean(a), many.tilted_mean(a), rtol=0, atol=1e-10)


DATA = {
    "Uniform-1": lambda: Uniform([-1.0], [1.5]),
    "Uniform-2": lambda: Uniform([-1.0, -0.5], [1.0, 1.0]),
    "Smooth-1": lambda: Smooth.normalised(bump, [-1.0], [1.5]),
    "Density-1": lambda: Density(
        Grid([-1.0], [1.0], 20), bump(np.linspace(-1, 1, 20)[:, None]) / bump(np.linspace(-1, 1, 20)[:, None]).sum()
    ),
}


@pytest.mark.parametrize("tol", [1e-3, 1e-6, 1e-8])
@pytest.mark.parametrize("name", DATA)
def test_error_is_below_the_tolerance(name: str, tol: float) -> None:
    mu0 = DATA[name]()
    law = Raw(cases.line(1.0, 1.0)) if mu0.dim == 1 else Raw(cases.random_attention(2, 2))
    curve = solve(law, mu0, [0.0, 0.5, 1.0], method=ParticleMethod(tol=tol))
    truth = solve(law, mu0, [0.0, 0.5, 1.0], method=ParticleMethod(n=40 if mu0.dim == 2 else 160))
    assert curve.status == "finished"
    probes = np.random.default_rng(0).uniform(mu0.lower, mu0.upper, (300, mu0.dim))
    for one, other in zip(curve.measures, truth.measures, strict=True):
        assert np.abs(one.flow(probes) - other.flow(probes)).max() <= tol
        assert np.abs(one.mean - other.mean).max() <= tol


def test_estimate_is_reported_and_honest() -> None:
    curve = solve(LINE, Uniform([-1.0], [1.0]), [0.0, 1.0], method=ParticleMethod(tol=1e-6))
    assert 0 < curve.stats["estimate"] <= 1e-6
    assert curve.stats["particles"] == len(curve[-1].nodes.points)


SWEEP = {
    "separating": lambda: (Rescaled(cases.line(1.0, 1.0)), uneven_and_wide(), ParticleMethod(tol=1e-11)),
    "gathering": lambda: (Raw(cases.line(1.0, -1.0)), Uniform([-3.0], [2.0]), ParticleMethod(n=200)),
    "plane": lambda: (Raw(cases.random_attention(2, 2)), Uniform([-1, -1], [1, 1]), ParticleMethod(n=32)),
    "two heads": lambda: (Rescaled(cases.non_commuting(2)), Uniform([-1, -2], [1, 1]), ParticleMethod(n=40)),
}


def uneven_and_wide():
    return Smooth.normalised(lambda x: 1 + 0.5 * np.sin(x[:, 0]) * np.exp(-0.1 * x[:, 0]), [-5.0], [5.0])


def test_true_errors_stay_below_the_tolerance_and_the_estimate() -> None:
    """Eight decades of tolerances: the error of tilted means and moments over all depths."""
    ratios, estimates = [], []
    for build in SWEEP.values():
        law, mu0, exact = build()
        times = [0.0, 0.4, 1.2]
        truth = solve(law, mu0, times, method=exact)
        probes = np.random.default_rng(0).uniform(mu0.lower, mu0.upper, (200, mu0.dim))
        for tol in 10.0 ** -np.arange(3, 11):
            curve = solve(law, mu0, times, method=ParticleMethod(tol=tol))
            assert curve.status == "finished"
            error = 0.0
            for t, mu, nu in zip(times, curve.measures, truth.measures, strict=True):
                unit = max(1.0, np.abs(nu.nodes.points).max())
                a = np.concatenate([probes @ B for B, _ in law.attention_at(t).heads])
                for gap in (mu.tilted_mean(a) - nu.tilted_mean(a), mu.mean - nu.mean, (mu.cov - nu.cov) / unit):
                    error = max(error, np.abs(gap).max() / unit)
            ratios.append(error / tol)
            estimates.append(error / curve.stats["estimate"])
    assert max(ratios) < 10
    assert np.mean(np.array(ratios) < 3) >= 0.9
    assert np.mean(np.array(estimates) <= 1) >= 0.9
    assert max(estimates) < 3


def test_the_wide_box_in_a_second() -> None:
    """Where a global rule of 300 nodes errs by 1e-3: the median of a law whose two halves follow different leaders."""
    law, mu0 = Rescaled(cases.line(1.0, 1.0)), uneven_and_wide()
    curve = solve(law, mu0, [0.0, 1.0, 3.0], method=ParticleMethod(tol=1e-9))
    truth = solve(law, mu0, [0.0, 1.0, 3.0], method=ParticleMethod(tol=1e-11))
    probes = np.linspace(-5, 5, 301)[:, None]
    for t, mu, nu in zip(curve.times, curve.measures, truth.measures, strict=True):
        a = probes @ law.attention_at(t).B
        assert np.abs(mu.tilted_mean(a) - nu.tilted_mean(a)).max() <= 1e-8
        assert np.abs(mu.mean - nu.mean).max() <= 1e-8
        assert np.abs(mu.cov - nu.cov).max() <= 1e-8
        assert wasserstein(mu, nu, p=1) <= 1e-8
    assert truth.stats["estimate"] < 1e-10


@pytest.mark.slow
def test_a_separatrix_across_the_axes() -> None:
    """Fig. 6 on the paper's box: the panels on the divide are left rough, and the estimate knows."""
    law = Rescaled(Attention(Q=np.eye(2), K=np.eye(2), V=cases.FIG_6_VALUES))
    mu0 = Uniform([-5, -5], [5, 5])
    rough, fine = (solve(law, mu0, [0.0, 0.5], method=ParticleMethod(tol=tol)) for tol in (1e-2, 3e-3))
    assert (rough.status, fine.status) == ("finished", "finished")
    assert 0 < fine.stats["rough"] < rough.stats["rough"] < 0.05
    probes = 5 * np.array([[1, 0], [0, 1], [0.6, -0.8], [-1, 0.3], [0, 0]])
    a = probes @ law.attention_at(0.5).B
    assert_allclose(rough[1].nodes.weights.sum(), 1, rtol=0, atol=1e-13)
    assert_allclose(
        rough[1].tilted_mean(a), fine[1].tilted_mean(a), rtol=0, atol=rough.stats["estimate"] + fine.stats["estimate"]
    )


def test_three_dimensions() -> None:
    law, mu0 = Raw(cases.random_attention(2, 3)), Uniform([-1, -1, -1], [1, 1, 1])
    curve = solve(law, mu0, [0.0, 1.0], method=ParticleMethod(tol=1e-7))
    truth = solve(law, mu0, [0.0, 1.0], method=ParticleMethod(n=15))  # spectral: 15 nodes are at 1e-11 here
    probes = np.random.default_rng(0).uniform(-1, 1, (200, 3))
    assert curve.status == "finished"
    assert np.abs(curve[-1].tilted_mean(probes) - truth[-1].tilted_mean(probes)).max() <= 1e-7


def test_what_a_cut_gaussian_leaves_out_is_said() -> None:
    law, mu0 = Raw(cases.line(1.0, -1.0)), Gaussian([0.5], [[0.25]])
    for tol in (1e-4, 1e-8):
        curve = solve(law, mu0, [0.0, 0.5, 1.0], method=ParticleMethod(tol=tol))
        exact = solve(law, mu0, [0.0, 0.5, 1.0], method=Riccati())
        assert curve.status == "finished"
        assert 0 < curve.stats["discarded"] <= 1e-3 * tol
        for mu, nu in zip(curve.measures, exact.measures, strict=True):
            assert np.abs(mu.mean - nu.mean).max() <= tol
            assert np.abs(mu.cov - nu.cov).max() <= tol
            x = nu.mean + np.linspace(-2, 2, 9)[:, None] * np.sqrt(nu.cov[0, 0])
            # the density is the source's over the volume's growth: its relative error is that of the field's slope
            assert_allclose(mu.pdf(x), nu.pdf(x), rtol=100 * tol)


def test_tokens_are_moved_as_they_are(rng: np.random.Generator) -> None:
    attention = cases.random_attention(3, 2)
    mu0 = Empirical(rng.uniform(-1, 1, (7, 2)), rng.dirichlet(np.ones(7)))
    curve = solve(Raw(attention), mu0, [0.0, 1.0], method=ParticleMethod())
    run = solve_tokens(Raw(attention), mu0, [0.0, 1.0])
    assert isinstance(curve[-1], Empirical)
    assert_allclose(curve[-1].points, run.points[-1], rtol=0, atol=1e-7)  # the run's tolerance is 1e-8 a step


@pytest.mark.parametrize("form", [Raw, Rescaled])
def test_two_runs_make_one(form) -> None:
    law, mu0 = form(cases.random_attention(4, 2)), Uniform([-1, -1], [1, 1])
    whole = solve(law, mu0, [0.0, 1.0], method=ParticleMethod(n=8))[-1]
    half = solve(law, mu0, [0.0, 0.4], method=ParticleMethod(n=8))[-1]
    rest = solve(law, half.nodes, [0.4, 1.0], method=ParticleMethod())[-1]
    assert_allclose(rest.points, whole.nodes.points, rtol=0, atol=1e-9)  # ODE tolerance 1e-11 a step


def test_raw_and_rescaled_solution_are_images_of_each_other() -> None:
    attention, mu0 = cases.random_attention(5, 2), Uniform([-1, -1], [1, 1])
    raw, rescaled = (
        solve(form(attention), mu0, [0.0, 1.0], method=ParticleMethod(n=8))[-1] for form in (Raw, Rescaled)
    )
    image = Rescaled(attention).raw_points(1.0, rescaled.nodes.points)
    assert_allclose(image, raw.nodes.points, rtol=0, atol=1e-9)  # ODE tolerance 1e-11 a step


class Exploding:
    """x' = x^2, infinite at t = 1/x_0."""

    dim, step = 1, None

    def velocity(self, t, x, mu):
        return x**2

    def jacobian(self, t, x, mu):
        return 2 * x[:, :, None]

    def attention_at(self, t):
        return LINE.attention


def test_a_run_that_stops_keeps_what_it_reached() -> None:
    for method in (ParticleMethod(n=8), ParticleMethod(tol=1e-4)):
        curve = solve(Exploding(), Uniform([-1.0], [1.0]), [0.0, 0.1, 5.0], method=method)
        assert curve.status == "stopped"
        assert re.match(
            r"stopped after t = 1(\.0\d*)?: blow-up", curve.message
        )  # the outermost node stands at 0.98 or beyond
        assert curve.times.tolist() == [0.0, 0.1]
        assert isinstance(curve[-1], PushForward)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"tol": 1e-6, "n": 4}, "give either `tol` or `n`, not both."),
        ({"tol": 0}, "`tol` must be a positive number; got 0."),
        ({"tol": 1e-14}, "`tol` must lie in [1e-11, 1); got 1e-14."),
        ({"tol": np.nan}, "`tol` must be finite; got nan"),
        ({"n": 0}, "`n` must be an integer of at least 1; got 0."),
        ({"n": 4.0}, "`n` must be an integer of at least 1; got 4.0."),
    ],
)
def test_bad_arguments(arguments, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        ParticleMethod(**arguments)
    assert text in str(caught.value)


def test_data_that_no_tolerance_can_be_met_for() -> None:
    law = Raw(cases.random_attention(1, 4))
    with pytest.raises(ValueError, match=r"`mu0` must live in dimension 1, 2 or 3 for a tolerance; got 4"):
        solve(law, Uniform([-1] * 4, [1] * 4), [0.0, 1.0], method=ParticleMethod(tol=1e-3))
    with pytest.raises(ValueError, match="its covariance is singular: give `n` instead"):
        solve(LINE, Gaussian([0.0], [[0.0]]), [0.0, 1.0], method=ParticleMethod(tol=1e-3))


def test_a_push_forward_is_no_initial_measure() -> None:
    moved = solve(LINE, Uniform([-1.0], [1.0]), [0.0, 1.0], method=ParticleMethod(n=8))[-1]
    with pytest.raises(ValueError, match=r"`mu0` must be a Uniform, .* for ParticleMethod; got PushForward"):
        solve(LINE, moved, [0.0, 1.0], method=ParticleMethod(n=8))


def test_point_mass_as_a_gaussian() -> None:
    point = Gaussian([0.5], [[0.0]])
    curve = solve(LINE, point, [0.0, 1.0], method=ParticleMethod(n=3))
    assert_allclose(curve[-1].mean, 0.5 * np.e, rtol=1e-10)  # e^{tV} x_0, ODE tolerance 1e-11 a step
