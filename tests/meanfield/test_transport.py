"""The plan between atoms and its certificate: near and far clouds, large powers, and a solver that fails."""

import math
import re

import numpy as np
import pytest
from scipy import sparse

from meanfield import arcs
from meanfield.costs import gap_on_root
from meanfield.wasserstein import transport, wasserstein
from particles.measure import Empirical

ROUNDING = 1e-13  # a few thousand operations on numbers of order one
LADDER = [1.0, 1.5, 2.0, 3.0, 4.0]


def cloud(n=30, d=2, seed=0, weighted=False):
    rng = np.random.default_rng(seed)
    return Empirical(rng.normal(size=(n, d)), rng.dirichlet(np.ones(n)) if weighted else None)


def lattice(n=200, seed=1):
    """Points whose coordinates have 20 bits, so that moving them loses nothing; no two of them coincide."""
    rng = np.random.default_rng(seed)
    return rng.permutation(2**20)[: 2 * n].reshape(n, 2) * 2.0**-20


@pytest.mark.parametrize("p", LADDER)
@pytest.mark.parametrize("exponent", [-40, -20, 0, 27])
def test_separations_from_1e_12_to_1e8(p, exponent):
    points = lattice()
    step = 2.0**exponent
    moved = points[::-1] + np.array([3 * step, 4 * step])
    plan = transport(Empirical(points), Empirical(moved), p)
    assert plan.distance == pytest.approx(5 * step, rel=1e-13)  # exact coordinates: rounding of the sum only


@pytest.mark.parametrize("p", LADDER)
def test_far_from_the_origin(p):
    points = np.round(lattice() * 2.0**16) + 1e8
    assert wasserstein(Empirical(points), Empirical(points[::-1] + np.array([3, 4])), p) == pytest.approx(5, rel=1e-13)


@pytest.mark.parametrize("n", [200, 700])  # all arcs at once, and few of them
@pytest.mark.parametrize(
    ("centre", "separation"), [(0, 1e-12), (0, 1e-8), (0, 1e-4), (1e8, 1e-6), (1e8, 1.0), (-1e4, 1e-10)]
)
def test_nearly_coupled_clouds(n, centre, separation):
    """Every atom moves by far less than what is between them, so that the identity is optimal."""
    points = centre + lattice(n) * (2.0**16 if centre > 1e6 else 1.0)
    moved = points + separation * np.random.default_rng(2).normal(size=points.shape)
    exact = math.sqrt(((moved - points) ** 2).sum(axis=1).mean())
    order = np.random.default_rng(3).permutation(n)
    plan = transport(Empirical(points), Empirical(moved[order]))
    assert plan.distance == pytest.approx(exact, rel=1e-13)  # rounding of the sum only
    assert plan.marginal_error <= 1e-16 * n


@pytest.mark.parametrize("n", [40, 400])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_certificate(n, p):
    mu, nu = cloud(n, 2, 6, True), cloud(n + 5, 2, 7)
    plan = transport(mu, nu, p)
    # an optimal basis leaves the rounding of its costs, the largest of which is about 8^p
    assert 0 <= plan.gap <= 1e-14 * 8**p / plan.distance ** (p - 1)
    np.testing.assert_allclose(plan.coupling.sum(axis=1), mu.weights, rtol=0, atol=1e-15 * n)
    np.testing.assert_allclose(plan.coupling.sum(axis=0), nu.weights, rtol=0, atol=1e-15 * n)
    i, j = plan.coupling.coords
    cost = plan.coupling.data @ np.linalg.norm(mu.points[i] - nu.points[j], axis=1) ** p
    assert cost ** (1 / p) == pytest.approx(plan.distance, rel=ROUNDING)


def test_a_bad_plan_is_exposed_by_its_gap(monkeypatch):
    def independent(program, every, u, v, far):
        return sparse.coo_array(np.multiply.outer(program.a, program.b)), u, v

    mu, nu = cloud(20, 2, 8), cloud(21, 2, 9)
    best = wasserstein(mu, nu)
    monkeypatch.setattr(arcs, "_on_arcs", independent)
    with pytest.raises(RuntimeError, match="the transport of 20 to 21 atoms, p = 2, was not solved") as trouble:
        transport(mu, nu)
    found, least = (float(number) for number in re.findall(r"(?:gives|small as) (\d+(?:\.\d+)?)", str(trouble.value)))
    assert least <= best < 0.9 * found


@pytest.mark.parametrize(("n", "p"), [(5, 30), (5, 200), (5, 10_000), (60, 15), (300, 8), (300, 12)])
def test_large_powers(n, p):
    # a shift is optimal for every p; the diameter is some 12 times as long, and 12^p passes 1e16 from p = 15 on
    points = np.random.default_rng(n).normal(size=(n, 2))
    plan = transport(Empirical(points), Empirical(points + 0.3), p)
    assert plan.distance == pytest.approx(0.3 * math.sqrt(2), rel=1e-14)  # coordinates round
    assert plan.gap <= 1e-8 * plan.distance  # what is asked for before it is solved again


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_clusters_that_are_far_apart(p):
    # within each, the cost is 1e16 times smaller, p = 2, than that of the way between
    rng = np.random.default_rng(2)
    left, right = rng.normal(size=(2, 150, 2))
    away = np.array([2.0**27, 0.0])
    near = wasserstein(Empirical(left), Empirical(right), p)
    plan = transport(Empirical([*left, *(right + away)]), Empirical([*right, *(left + away)]), p)
    assert plan.distance == pytest.approx(near, rel=1e-7)  # coordinates near 2^27 round by 1.5e-8
    assert plan.gap <= 1e-6 * plan.distance  # as they do beside the diameter


@pytest.mark.parametrize("separation", [1e-4, 1e-7, 1e-10])
def test_near_clouds_are_certified_up_to_the_rounding_of_coordinates(separation):
    points = lattice(50)
    steps = separation * np.array([[1.0, -1.0]] * 25 + [[1.0, 1.0]] * 25)
    plan = transport(Empirical(points), Empirical(points + steps))
    assert plan.distance == pytest.approx(math.sqrt(2) * separation, rel=1e-15 / separation)
    assert plan.gap <= 1e-8 * plan.distance + 1e-14


def test_weights_that_differ_by_rounding_are_no_failure():
    # all that moves is a speck of 1e-17 across half the square: no program tells that from nothing, and the gap says so
    points = lattice(30)
    weights = np.full(30, 1 / 30)
    weights[0] *= 1 + 4e-16
    plan = transport(Empirical(points), Empirical(points, weights))
    assert 0 <= plan.distance <= 1e-8
    assert plan.gap == plan.distance


def test_the_gap_of_a_share_near_one_is_all():
    # 1 - share is what rounding leaves of p log(scale / length): its 50th root would be a half
    for p in (2.0, 50.0, 400.0):
        slack = (0.7 / 3.0) ** p
        assert gap_on_root(0.7, slack, 3.0, p) == 0.7
        assert gap_on_root(0.7, 1e-9 * slack, 3.0, p) == pytest.approx(0.7e-9 / p, rel=1e-6)


def test_a_distance_below_the_certificate_says_so():
    points = 0.5 + 0.5 * lattice(50)
    plan = transport(Empirical(points), Empirical(points + 2.0**-52))
    assert plan.distance == pytest.approx(math.sqrt(2) * 2.0**-52, rel=ROUNDING)
    assert plan.gap == plan.distance


def test_too_large_a_program_is_refused():
    many = Empirical(np.zeros((10**6, 2)))
    with pytest.raises(ValueError, match=r"at most 2e\+10 pairs of atoms; got 1000000 by 1000000.*wasserstein_bounds"):
        transport(many, many)


def test_an_unfinished_program_is_an_error(monkeypatch):
    import ot

    solver = ot.emd
    monkeypatch.setattr(ot, "emd", lambda a, b, M, **options: solver(a, b, M, **(options | {"numItermax": 3})))
    with pytest.raises(RuntimeError, match="numItermax"):
        wasserstein(cloud(50), cloud(60, seed=1))


def test_a_plan_that_misses_the_weights_is_an_error(monkeypatch):
    import ot

    solver = ot.emd

    def leaky(*args, **options):
        plan, log = solver(*args, **options)
        return 0.9 * plan, log

    monkeypatch.setattr(ot, "emd", leaky)
    with pytest.raises(RuntimeError, match="misses the weights"):
        wasserstein(cloud(40), cloud(50, seed=1))


def test_lengths_whose_squares_overflow():
    x = np.random.default_rng(21).normal(size=(300, 2))
    near = transport(Empirical(x), Empirical(x[::-1] + np.array([3.0, 4.0])))
    far = transport(Empirical(1e200 * x), Empirical(1e200 * x[::-1] + np.array([3e200, 4e200])))
    assert far.distance == pytest.approx(1e200 * near.distance, rel=1e-13)
    assert 0 <= far.gap <= 1e-10 * far.distance
