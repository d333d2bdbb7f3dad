"""The stability estimate (6.6): constants against formulas, and bounds in their order."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import expm

import cases
from meanfield import (
    FiniteVolume,
    Gaussian,
    ParticleMethod,
    Riccati,
    Smooth,
    StabilityReport,
    Uniform,
    stability_report,
    wasserstein,
)
from meanfield.coupling import Coupling, moved_coupling, optimal_coupling
from meanfield.stability import ORDER, growth_report
from meanfield.stability_bounds import a_priori_exponent
from meanfield.stability_rates import lifted, rates_of
from particles import Attention, Empirical, Raw, Rescaled

TIMES = [0.0, 0.25, 0.5]
FREE = Raw(Attention(np.zeros((2, 2)), np.zeros((2, 2)), np.eye(2)))


def in_order(report: StabilityReport) -> None:
    assert report.in_order.shape == (4, len(report.times))
    assert report.in_order.all()
    # atoms are an exact pair of solutions: a linear program between a few hundred of them, to rounding
    assert (report.atoms <= report.coupled * (1 + 1e-9)).all()
    # the errors that the order may use are small beside what they are errors of
    for name in ORDER[1:-1]:
        assert (report.errors[name] <= 0.02 * (1 + np.abs(report.exponents[name]))).all()
    # the same rates at the same depths, integrated by the same rule: in order without any tolerance
    for lower, upper in (
        ("log_norm", "split"),
        ("averaged", "split"),
        ("split", "a_posteriori"),
        ("exact", "log_norm"),
    ):
        assert (report.exponents[lower] <= report.exponents[upper] + 1e-12).all()  # rounding of an eigenvalue


@pytest.mark.parametrize("frame", [Raw, Rescaled])
@pytest.mark.parametrize("heads", [None, 2])
def test_bounds_come_in_their_order(frame, heads) -> None:
    law = frame(cases.random_attention(3, 2, heads))
    half = np.full(2, 0.5)
    report = stability_report(
        law,
        Uniform(-half, half),
        Uniform(-half + [0.2, 0.0], half),
        TIMES,
        method=ParticleMethod(n=8),
        pairs=36,
        atoms=64,
    )
    in_order(report)
    # 64 atoms in a unit square stand for it to 6^{-1/2} / 8 = 0.051, twice that is 0.89 of the distance 0.1155
    assert report.between[1, 0] - report.between[0, 0] < 0.89
    assert (report.between[0] <= report.measured).all()
    assert (report.measured <= report.between[1]).all()


@pytest.mark.parametrize("V", [1.0, -1.0])
def test_on_the_line(V: float) -> None:
    law = Raw(cases.line(1.0, V))
    other = Smooth(lambda x: 0.75 * (1 - x[:, 0] ** 2), [-1.0], [1.0])
    particles, grid = (
        stability_report(law, Uniform([-1.0], [1.0]), other, TIMES, method=method, pairs=96)
        for method in (ParticleMethod(n=32), FiniteVolume(256))
    )
    in_order(particles)
    assert_allclose(grid.measured, particles.measured, rtol=5e-4)  # 256 cells, order 2
    # quantiles have a root at the ends of a parabola's support: the panels there are right to 1e-4 with 16 nodes
    assert_allclose(particles.measured, particles.coupled, rtol=1e-4)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_atoms_need_no_quadrature(dim: int, rng: np.random.Generator) -> None:
    # measured and coupled are both of the same atoms, so that nothing but the integration over depth is estimated
    law = Raw(cases.random_attention(dim, dim))
    left, right = (Empirical(rng.uniform(-1, 1, (12, dim))) for _ in range(2))
    report = stability_report(law, left, right, TIMES, method=ParticleMethod(n=1))
    in_order(report)
    assert_allclose(report.measured, report.atoms, rtol=1e-8)  # two linear programs
    assert_allclose(report.between, np.stack([report.measured] * 2), rtol=1e-8)
    assert report.coupled[0] == pytest.approx(1, rel=1e-9)


def test_without_attention_everything_is_a_translation() -> None:
    # B = 0: x' = V m, so a shift by s grows like e^{Vt} s; L1 = 0 and kappa = 1, so L2 = |V|: every bound is attained
    start, moved = Uniform([-1.0, -1.0], [1.0, 1.0]), Uniform([-0.5, -1.0], [1.5, 1.0])
    report = stability_report(FREE, start, moved, TIMES, method=ParticleMethod(n=4), pairs=16, atoms=64)
    for name in ("measured", "coupled", "sharp", "a_posteriori"):
        assert_allclose(getattr(report, name), np.exp(TIMES), rtol=1e-8)
    assert_allclose(report.exponents["log_norm"], TIMES, atol=1e-8)
    assert_allclose(report.a_priori, np.exp(TIMES), rtol=1e-8)  # M = 0: C = |V|


def test_gaussians_have_no_a_priori_bound() -> None:
    report = stability_report(
        Raw(cases.line(1.0, -1.0)),
        Gaussian([0.0], [[0.2]]),
        Gaussian([0.1], [[0.3]]),
        TIMES,
        method=Riccati(),
        pairs=48,
    )
    assert np.isinf(report.a_priori[1:]).all()
    in_order(report)


def test_contraction_is_seen() -> None:
    # V = -1 draws all to one point: the sharp bound falls, where a norm cannot be negative
    law, half = Raw(cases.line(1.0, -1.0)), np.ones(1)
    report = stability_report(
        law, Uniform(-half, half), Uniform(-half + 0.2, half + 0.2), TIMES, method=ParticleMethod(n=24), pairs=24
    )
    in_order(report)
    assert report.exponents["log_norm"][-1] < -0.1 < 1 < report.a_posteriori[-1]
    # on the line a shift is the only mode of its degree, and a shift remains one but for its share in the others
    assert report.sharp[-1] == pytest.approx(report.coupled[-1], rel=1e-2)


def test_one_atom_moves_with_its_own_value_matrix() -> None:
    # two single atoms: x' = V x, y' = V y, so A = V and the sharpest rate is the largest eigenvalue of (V + V^T)/2
    attention = cases.random_attention(4, 2)
    pairs = Coupling(np.array([[0.3, -0.2]]), np.array([[0.1, 0.5]]), np.ones(1))
    rates = rates_of(Raw(attention), 0.0, pairs, lifted(Raw(attention), 0.0, pairs))
    V = attention.V
    assert rates.log_norm == pytest.approx(np.linalg.eigvalsh(0.5 * (V + V.T))[-1], rel=1e-12)
    assert rates.basic == pytest.approx(np.linalg.norm(V, 2), rel=1e-12)
    report = stability_report(Raw(attention), Empirical(pairs.x), Empirical(pairs.y), TIMES, method=ParticleMethod(n=1))
    step = (pairs.x - pairs.y)[0]
    exact = [np.linalg.norm(expm(t * V) @ step) / np.linalg.norm(step) for t in TIMES]
    assert_allclose(report.measured, exact, rtol=1e-8)  # steps to 1e-9
    # all shifts are one mode, whose bound is |e^{tV}|; a shift is smooth, and carried along as it is
    assert_allclose(np.exp(report.exponents["modes"]), [np.linalg.norm(expm(t * V), 2) for t in TIMES], rtol=1e-6)
    assert_allclose(report.sharp, exact, rtol=1e-6)


def test_a_priori_constant_by_hand() -> None:
    # d = 1, Q = K = 1, V = v: C(s) = v R^2 e^{2vs} + v e^{2M}(1 + 2M), M = R^2 e^{2vs}; its integral over a short time
    v, R, t = 0.5, 0.8, 1e-4
    constant = v * R**2 + v * np.exp(2 * R**2) * (1 + 2 * R**2)
    exponent = a_priori_exponent(Raw(cases.line(1.0, v)), R, np.array([0.0, t]))
    assert exponent[0] == 0.0
    assert exponent[1] == pytest.approx(constant * t, rel=1e-3)  # C changes by about 6 v t = 3e-4 of itself


@pytest.mark.parametrize(
    ("mu", "nu"),
    [
        (Uniform([0.0, 0.0], [1.0, 2.0]), Uniform([0.5, -1.0], [1.0, 4.0])),
        (Gaussian([0.0, 1.0], [[0.5, 0.2], [0.2, 0.4]]), Gaussian([1.0, 0.0], [[0.3, -0.1], [-0.1, 0.9]])),
        (Uniform([0.0], [1.0]), Smooth(lambda x: 0.75 * (1 - x[:, 0] ** 2), [-1.0], [1.0])),
        (Empirical([[0.0], [1.0], [5.0]]), Empirical([[0.5], [0.1]], [0.25, 0.75])),
    ],
)
def test_couplings_are_optimal(mu, nu) -> None:
    pairs = optimal_coupling(mu, nu)
    if mu.dim == 1 or isinstance(mu, Gaussian):
        # quantiles have a root at the ends of a parabola's support: the panels there are right to 1e-6
        assert pairs.distance == pytest.approx(wasserstein(mu, nu), rel=1e-5)
    else:
        # boxes: the sum over axes of ((shift of centres)^2 + (difference of half sides)^2 / 3)
        shift = 0.5 * (mu.lower + mu.upper - nu.lower - nu.upper)
        stretch = 0.5 * (mu.upper - mu.lower - nu.upper + nu.lower)
        assert pairs.distance == pytest.approx(np.sqrt((shift**2 + stretch**2 / 3).sum()), rel=1e-12)
    assert_allclose(pairs.mu.mean, mu.mean, atol=1e-8)
    assert_allclose(pairs.nu.mean, nu.mean, atol=1e-5)


def test_a_priori_constant_in_the_rescaled_frame() -> None:
    # d = 1, Q = K = 1, V = v: F = e^{vt}, the radius stays, B becomes e^{2vt}; the linear term adds |v|
    v, R, t = 0.5, 0.8, 1e-4
    constant = v * R**2 + v * np.exp(2 * R**2) * (1 + 2 * R**2) + v
    exponent = a_priori_exponent(Rescaled(cases.line(1.0, v)), R, np.array([0.0, t]))
    assert exponent[1] == pytest.approx(constant * t, rel=1e-3)


def test_refuses_what_has_no_distance(rng: np.random.Generator) -> None:
    law, mu = Raw(cases.line(1.0, 1.0)), Uniform([0.0], [1.0])
    with pytest.raises(ValueError, match="positive distance"):
        stability_report(law, mu, mu, TIMES, method=ParticleMethod(n=8))
    space, cube = Raw(cases.random_attention(1, 3)), Uniform(-np.ones(3), np.ones(3))
    x = rng.normal(size=(6, 3))
    # Gelbrich's bound of equal measures is rounding, no distance
    for left, right in ((cube, cube), (Empirical(x), Empirical(x[::-1]))):
        with pytest.raises(ValueError, match="positive distance"):
            stability_report(space, left, right, TIMES, method=ParticleMethod(n=3), atoms=64)
    with pytest.raises(ValueError, match="their coupling has none"):
        nu = Uniform([0.0], [2.0])
        stability_report(
            law, mu, nu, TIMES, method=ParticleMethod(n=8), coupling=lambda count: optimal_coupling(mu, mu, count)
        )
    with pytest.raises(ValueError, match=r"`times` must begin at 0; got 0\.5"):
        stability_report(law, mu, Uniform([0.0], [2.0]), [0.5, 1.0], method=ParticleMethod(n=8))
    with pytest.raises(ValueError, match="one dimension; got 1 and 2"):
        optimal_coupling(mu, Uniform([0.0, 0.0], [1.0, 1.0]))


BAD = {
    "pairs 0": ({"pairs": 0}, "`pairs` must be an integer of at least 1; got 0"),
    "pairs -1": ({"pairs": -1}, "`pairs` must be an integer of at least 1; got -1"),
    "pairs NaN": ({"pairs": np.nan}, "`pairs` must be an integer of at least 1; got nan"),
    "pairs x": ({"pairs": "x"}, "`pairs` must be an integer of at least 1; got 'x'"),
    "coupling": ({"coupling": 3}, "`coupling` must be a function of the number of pairs; got 3"),
    "nu0": ({"nu0": 3}, "`nu0` must be a measure such as.*got int"),
    "all": (
        {"times": [1.0, 0.5], "nu0": Uniform([0.0, 0.0], [1.0, 1.0]), "pairs": -1, "atoms": 0, "method": None},
        "(?s)`times`.*`method`.*`nu0` must live in dimension 1.*got 2.*`pairs`.*-1.*`atoms`.*0",
    ),
    "refused by the method": ({"method": Riccati()}, "(?s)`mu0` must be.*`nu0` must be"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case: str) -> None:
    changed, message = BAD[case]
    given = {"nu0": Uniform([0.0], [2.0]), "times": TIMES, "method": ParticleMethod(n=8), **changed}
    with pytest.raises(ValueError, match=message):
        stability_report(Raw(cases.line(1.0, 1.0)), Uniform([0.0], [1.0]), **given)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("separation", [1e-9, 1e-5])
def test_near_clouds_on_the_line_come_in_their_order(seed: int, separation: float) -> None:
    # rounding and the steps leave in a distance parts of the coordinates, not of the distance
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (6, 1))
    report = stability_report(
        Raw(cases.line(1.0, 2.0)),
        Empirical(x),
        Empirical(x + separation * rng.normal(size=x.shape)),
        TIMES,
        method=ParticleMethod(n=1),
    )
    assert report.in_order.all()
    # 64 roundings of coordinates up to 1, both ways, at depth 0; later also steps at 1e-11, of coordinates up to 3
    assert report.between[1, 0] - report.between[0, 0] < 130 * np.finfo(float).eps / separation * 1.5 + 1e-9
    assert (report.between[1] - report.between[0] < 8e-11 * 3 / separation * 1.5 + 1e-9).all()


@pytest.mark.parametrize(
    "density", [Uniform([-1.0], [1.0]), Smooth(lambda x: 0.75 * (1 - x[:, 0] ** 2), [-1.0], [1.0])]
)
@pytest.mark.parametrize("count", [1, 5, 32])
def test_atoms_are_coupled_with_a_density_by_quantiles(count: int, density, rng: np.random.Generator) -> None:
    atoms = Empirical(rng.uniform(-1, 1, (count, 1)), rng.dirichlet(np.ones(count)))
    for mu, nu in ((atoms, density), (density, atoms)):
        pairs = optimal_coupling(mu, nu, 128)
        # exact where quantiles are linear; a parabola's have a root at the ends of its support
        exact = isinstance(density, Uniform)
        assert pairs.distance == pytest.approx(wasserstein(mu, nu), rel=1e-12 if exact else 1e-4)
        side, other = (pairs.x, pairs.y) if mu is atoms else (pairs.y, pairs.x)
        held = [pairs.weights[side[:, 0] == place].sum() for place in atoms.points[:, 0]]
        assert_allclose(held, atoms.weights, atol=1e-14)  # levels are right to rounding
        assert (np.diff(other[np.lexsort((other[:, 0], side[:, 0])), 0]) >= 0).all()


@pytest.mark.parametrize(("dim", "pairs"), [(1, 12), (1, 17), (3, 2), (3, 8)])
def test_few_pairs_say_how_much_they_miss(dim: int, pairs: int) -> None:
    """Of these no fewer are taken: the same nodes would say that they miss nothing."""
    law, times = Raw(cases.line(1.0, 1.0) if dim == 1 else cases.random_attention(2, 3)), np.linspace(0, 0.5, 3)
    box = np.ones(dim)
    nu = Uniform(-0.7 * box, 1.2 * box) if dim > 1 else Smooth(lambda x: 0.5 + 0.4 * x[:, 0], [-1.0], [1.0])

    def couple(count: int) -> Coupling:
        return optimal_coupling(Uniform(-box, box), nu, count)

    few = growth_report(law, couple, times, pairs, radius=2.0)
    true = np.log([here.distance for here in moved_coupling(law, couple(300), times, 1e-10)])
    missed = np.abs(few.exponents["coupled"] - true)
    assert missed.max() > 1e-8  # ten times what an empty estimate would say
    assert (missed <= few.errors["coupled"]).all()


@pytest.mark.parametrize("radius", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("pair", ["shift", "mirror", "cosine"])
def test_the_error_of_the_quadrature_covers_it(pair: str, radius: float) -> None:
    """The flow parts the pairs at a divide, sharply on large boxes: there few pairs err by up to 0.03, irregularly."""
    box = Uniform([-radius], [radius])
    law, times = Raw(cases.line(1.0, 1.0)), np.linspace(0, 1, 6)
    slopes = [
        Smooth(lambda x, s=s: (1 + s * x[:, 0] / radius) / (2 * radius), box.lower, box.upper) for s in (0.6, -0.6)
    ]
    wave = Smooth(lambda x: (1 + 0.5 * np.cos(np.pi * x[:, 0] / radius)) / (2 * radius), box.lower, box.upper)
    mu, nu = {
        "shift": (box, Uniform(0.2 * radius + box.lower, 0.2 * radius + box.upper)),
        "mirror": slopes,
        "cosine": (box, wave),
    }[pair]

    def couple(count: int) -> Coupling:
        return optimal_coupling(mu, nu, count)

    def logs(count: int) -> np.ndarray:
        return np.log([here.distance for here in moved_coupling(law, couple(count), times, 1e-10)])

    few = growth_report(law, couple, times, 72, radius=radius)
    true, nearly = logs(1200), logs(600)
    assert (np.abs(few.exponents["coupled"] - true) <= few.errors["coupled"] + np.abs(true - nearly)).all()
    if radius == 1:  # far from a divide Gauss' rule converges at once: the estimate says so
        assert (few.errors["coupled"] < 2e-5).all()
