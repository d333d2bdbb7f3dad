import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import expm

import cases
from contracts import bump
from meanfield import Curve, Density, Grid, ParticleMethod, PushForward, Smooth, Uniform, solve
from meanfield.box import corners
from meanfield.line_distance import distance
from meanfield.push_forward import nodes_of, panels_of
from meanfield.quantiles import quantile
from particles import Attention, Empirical, Raw, Rescaled

SOURCES = {
    "Uniform-1": lambda: Uniform([-1.0], [2.0]),
    "Uniform-2": lambda: Uniform([-1.0, 0.0], [1.0, 2.0]),
    "Smooth-1": lambda: Smooth(lambda x: 0.75 * (1 - x[:, 0] ** 2), [-1.0], [1.0]),
    "Density-1": lambda: Density(Grid([-1.0], [1.0], 4), [0.1, 0.2, 0.3, 0.4]),
    "Density-2": lambda: Density(Grid([-1.0, 0.0], [1.0, 1.0], (2, 3)), np.arange(1.0, 7).reshape(2, 3) / 21),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("rescaled", [False, True])
def test_flow_without_attention_is_a_translation(name: str, rescaled: bool, rng: np.random.Generator) -> None:
    mu0 = SOURCES[name]()
    d, T = mu0.dim, 1.0
    attention = Attention(Q=np.zeros((d, d)), K=np.eye(d), V=cases.random_attention(1, d).V)
    law = Rescaled(attention) if rescaled else Raw(attention)
    moved = solve(law, mu0, [0.0, T], method=ParticleMethod(n=12))[-1]
    assert isinstance(moved, PushForward)
    y = rng.uniform(mu0.lower, mu0.upper, (50, d))
    image = y + (expm(T * attention.V) - np.eye(d)) @ mu0.mean
    if rescaled:
        image = image @ expm(-T * attention.V).T
    # the ODE's tolerance is 1e-11; the mean of mu0 is settled to 1e-12; interpolation of a line magnifies by < 10
    assert_allclose(moved.flow(y), image, rtol=0, atol=1e-9)
    assert_allclose(moved.mean, image_of(mu0.mean, mu0, attention, T, rescaled), rtol=0, atol=1e-9)


def image_of(y, mu0, attention, T: float, rescaled: bool):
    raw = y + (expm(T * attention.V) - np.eye(mu0.dim)) @ mu0.mean
    return expm(-T * attention.V) @ raw if rescaled else raw


@pytest.mark.parametrize("name", SOURCES)
def test_nodes_have_the_moments_of_the_source(name: str) -> None:
    mu0 = SOURCES[name]()
    panels = panels_of(mu0, 24)
    atoms = nodes_of(mu0, panels)
    # Gauss rules integrate these densities times x^2 exactly, panel by panel
    assert_allclose(atoms.mean, mu0.mean, rtol=0, atol=1e-12)
    assert_allclose(atoms.cov, mu0.cov, rtol=0, atol=1e-12)
    identity = PushForward(mu0, panels, atoms)
    probes = np.random.default_rng(0).uniform(mu0.lower, mu0.upper, (20, mu0.dim))
    assert_allclose(identity.flow(probes), probes, rtol=0, atol=1e-13)


def moved(n: int = 24) -> PushForward:
    return solve(Raw(cases.line(1.0, 1.0)), Uniform([-1.0], [1.5]), [0.0, 1.0], method=ParticleMethod(n=n))[-1]


def test_flow_follows_a_watcher_through_the_field() -> None:
    mu0, law = Uniform([-1.0], [1.5]), Raw(cases.line(1.0, 1.0))
    atoms = nodes_of(mu0, panels_of(mu0, 60))
    y = np.array([[-1.0], [0.3], [1.5]])
    watched = Empirical(np.vstack([atoms.points, y]), np.append(atoms.weights, np.zeros(3)))
    reached = solve(law, watched, [0.0, 1.0], method=ParticleMethod())[-1].points[-3:]
    assert_allclose(moved(60).flow(y), reached, rtol=0, atol=1e-8)  # 60 nodes resolve the flow to 1e-9


@pytest.mark.parametrize("cells", [4, 16, 64])
def test_distance_to_the_quantised_measure(cells: int) -> None:
    mu = moved()
    atoms, claimed = mu.quantised(cells)
    assert len(atoms.points) == cells
    measured = distance(quantile(mu), quantile(atoms), 2.0)
    # on the line the claim is the distance itself up to the next order in the cell width
    assert measured == pytest.approx(claimed, rel=2.0 / cells)


def test_distance_to_the_quantised_measure_falls_with_the_cells() -> None:
    mu = solve(Raw(cases.random_attention(1, 2)), Uniform([-1, -1], [1, 1]), [0.0, 1.0], method=ParticleMethod(n=12))[
        -1
    ]
    assert isinstance(mu, PushForward)
    claimed = [mu.quantised(cells)[1] for cells in (8, 16, 32)]
    assert_allclose(claimed[0] / claimed[1], 2.0, rtol=0.02)  # first order; the next term is h^2
    assert_allclose(claimed[1] / claimed[2], 2.0, rtol=0.01)
    atoms = mu.quantised(32)[0]
    assert_allclose(atoms.mean, mu.mean, rtol=0, atol=claimed[-1])


def test_box_holds_nodes_corners_and_samples(rng: np.random.Generator) -> None:
    mu = moved()
    lower, upper = mu.box
    draws = mu.sample(1000, rng)
    assert (draws >= lower - 1e-12).all()
    assert (draws <= upper + 1e-12).all()
    assert_allclose([lower, upper], mu.flow([[-1.0], [1.5]]), atol=1e-12)  # on the line the corners lead


def test_corners() -> None:
    assert corners(np.array([0.0, 1.0]), np.array([2.0, 3.0])).tolist() == [[0, 1], [0, 3], [2, 1], [2, 3]]


def test_flow_refuses_points_of_another_dimension() -> None:
    with pytest.raises(ValueError, match=r"`y` must have shape \(m, 1\); got \(2, 2\)"):
        moved().flow(np.zeros((2, 2)))


TO_TOLERANCE = {
    "line": lambda: (Rescaled(cases.line(1.0, 1.0)), Smooth.normalised(bump, [-5.0], [5.0])),
    "plane": lambda: (Raw(cases.random_attention(2, 2)), Uniform([-1, -1], [1, 1])),
}


@pytest.mark.parametrize("name", TO_TOLERANCE)
def test_density_is_carried_along_the_flow(name: str, rng: np.random.Generator) -> None:
    """By the integral of the divergence, against the volume that the flow's derivative gives."""
    law, mu0 = TO_TOLERANCE[name]()
    mu = solve(law, mu0, [0.0, 1.0], method=ParticleMethod(tol=1e-8))[-1]
    assert isinstance(mu, PushForward)
    assert mu.growth is not None
    plain = PushForward(mu0, mu.panels, mu.nodes)
    # the derivative of an interpolant loses the square of the nodes against the positions, known to 1e-8 of a panel's
    # image; a panel of little mass may be known to 1e-4 only
    heavy = mu.nodes.weights > 1e-6
    assert_allclose(mu.log_growth[heavy], plain.log_growth[heavy], rtol=0, atol=1e-4)
    x = mu.nodes.points[heavy][:: max(1, heavy.sum() // 50)]
    assert_allclose(mu.pdf(x), mu.heights[heavy][:: max(1, heavy.sum() // 50)], rtol=1e-6)
    far = mu.box[1] + 1.0
    assert mu.pdf([far]) == 0.0
    # - int rho log rho by its own definition, over draws: 1/sqrt(n) of a spread of order 1
    draws = mu.sample(4000, rng)
    heights = mu.pdf(draws)
    assert (heights > 0).mean() > 0.999
    assert -np.log(heights[heights > 0]).mean() == pytest.approx(mu.entropy, abs=0.1)


def test_entropy_grows_with_the_volume() -> None:
    mu0, V = Uniform([-1.0, 0.0], [1.0, 3.0]), np.array([[0.3, 0.1], [0.0, -0.5]])
    B0 = Rescaled(Attention(Q=np.zeros((2, 2)), K=np.eye(2), V=V))
    mu = solve(B0, mu0, [0.0, 1.0], method=ParticleMethod(tol=1e-8))[-1]
    # z' = V (m - z): every volume changes by e^{-t tr V}; log 6 at the start
    assert mu.entropy == pytest.approx(np.log(6.0) + 0.2, abs=1e-7)
    assert_allclose(mu.heights, np.exp(-0.2) / 6, rtol=1e-7)


def test_a_density_that_was_carried_along_is_saved(tmp_path) -> None:
    curve = solve(Raw(cases.line(1.0, 1.0)), Uniform([-1.0], [1.5]), [0.0, 1.0], method=ParticleMethod(tol=1e-6))
    curve.save(tmp_path / "curve.npz")
    again = Curve.load(tmp_path / "curve.npz")
    assert again[-1].heights.tobytes() == curve[-1].heights.tobytes()
    assert again[-1].entropy == curve[-1].entropy
