"""The transport program: against all arcs at once, against exact answers, and on clouds made to be awkward."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from meanfield import arcs, transport
from meanfield.arcs import solve_on_arcs
from meanfield.assignment import assigned
from meanfield.program import Program
from meanfield.sharp import solve
from particles import Empirical

ROUNDING = 1e-15  # costs and prices are of order one


def clouds(n, m, d=2, p=2.0, seed=0, weighted=True):
    rng = np.random.default_rng(seed)
    masses = [rng.dirichlet(np.ones(k)) if weighted else np.full(k, 1 / k) for k in (n, m)]
    return Program(rng.uniform(-0.5, 0.5, (n, d)), rng.uniform(-0.5, 0.5, (m, d)), *masses, p)


def table(case):
    return np.linalg.norm(case.x[:, None] - case.y[None], axis=2) ** case.p


def turned(n, angle=0.7):
    """A cloud and its image under a positive definite linear map, which is the optimal one."""
    x = np.random.default_rng(1).uniform(-0.5, 0.5, (n, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    masses = np.full(n, 1 / n)
    return Program(x, x @ (turn @ np.diag([1.5, 0.4]) @ turn.T), masses, masses, 2.0)


def far_pairs(n):
    """Two clusters of unequal masses: most cheap arcs lead where there is no room."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(n, 2)) / 100, rng.normal(size=(n, 2)) / 100
    x[: n // 4] += 1.0
    y[: 3 * n // 4] += 1.0
    return Program(x, y, np.full(n, 1 / n), np.full(n, 1 / n), 2.0)


def lattice(side):
    """A lattice to its own shift by half a cell: every arc has many equals."""
    axes = np.arange(side) / side
    x = np.array(list(itertools.product(axes, axes)))
    return Program(x, x + 0.5 / side, np.full(len(x), 1 / len(x)), np.full(len(x), 1 / len(x)), 2.0)


def moved(n, p):
    """Atoms that keep their masses, eight of each: the plan has few arcs, and many prices that go with it."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 3)) / 4
    y = x + rng.normal(size=x.shape) / 200
    masses = np.repeat(rng.dirichlet(np.ones(n // 8)), 8) / 8
    return Program(x, y, masses, masses, p)


CASES = {
    "weights": clouds(600, 500),
    "equal masses": clouds(500, 500, weighted=False),
    "three dimensions": clouds(400, 600, d=3),
    "p = 1": clouds(400, 400, p=1.0),
    "p = 3": clouds(300, 300, p=3.0),
    "a linear map": turned(700),
    "two clusters": far_pairs(600),
    "lattice": lattice(20),
    "nearly coupled": replace(clouds(500, 500, weighted=False), y=clouds(500, 500, weighted=False).x + 1e-5),
    "one heavy atom": clouds(300, 1),
    "moved atoms": moved(1000, 1.0),
    "moved atoms, p = 2": moved(1000, 2.0),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def test_prices_are_feasible_on_all_arcs_and_as_good_as_the_plan(case):
    found = solve(case)
    assert (table(case) - found.u[:, None] - found.v).min() >= -16 * ROUNDING
    dual = case.a @ found.u + case.b @ found.v
    # no arc is left out: what is between plan and prices is their rounding
    assert 0 <= found.cost - dual + 8 * ROUNDING <= 24 * ROUNDING
    assert found.slack <= 32 * ROUNDING
    assert found.cost == pytest.approx(found.masses @ table(case)[found.rows, found.columns], rel=1e-13)


def test_marginals(case):
    found = solve(case)
    rows = np.bincount(found.rows, found.masses, len(case.a)) - case.a
    columns = np.bincount(found.columns, found.masses, len(case.b)) - case.b
    assert found.marginal_error == pytest.approx(np.abs(rows).sum() + np.abs(columns).sum(), rel=1e-12)
    assert found.marginal_error <= 1e-16 * (len(case.a) + len(case.b))  # one rounding of sums near 1 an atom
    assert (found.masses > 0).all()


def split(x, y, a, b, p):
    """W_p between atoms of masses a_i and b_j, whole numbers, by an assignment of as many atoms of mass 1 each."""
    x, y = np.repeat(x, a, axis=0), np.repeat(y, b, axis=0)
    distances = np.linalg.norm(x[:, None] - y, axis=2)
    found = distances[linear_sum_assignment(distances**p)]
    return found.max() * np.mean((found / found.max()) ** p) ** (1 / p)


CLOUDS = {
    "apart": lambda rng: [rng.uniform(-0.5, 0.5, (n, 2)) for n in (170, 160)],
    "a point and a cloud": lambda rng: [size * rng.uniform(-0.5, 0.5, (n, 2)) for n, size in ((170, 1e-3), (160, 1))],
    "two clusters": lambda rng: [rng.normal(size=(n, 2)) / 300 + np.arange(n)[:, None] % 2 for n in (170, 160)],
}


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, 6.0, 10.0, 30.0, 100.0, 300.0])
@pytest.mark.parametrize("kind", CLOUDS)
def test_costs_that_spread_over_many_digits(kind, p):
    # the solver's tolerance is absolute: costs of 1e-10 of the dearest it takes for equal
    rng = np.random.default_rng(7)
    x, y = CLOUDS[kind](rng)
    a, b = (np.bincount(np.arange(400) * len(points) // 400) for points in (x, y))
    found = transport(Empirical(x, a / 400), Empirical(y, b / 400), p)
    assert found.distance == pytest.approx(split(x, y, a, b, p), rel=1e-12, abs=0)
    assert found.gap <= 1e-10 * found.distance


def test_an_assignment_has_prices():
    for p in (1.0, 2.0, 5.0):
        case = clouds(90, 90, p=p, weighted=False)
        found, other = assigned(case), solve_on_arcs(case)
        exact = linear_sum_assignment(table(case))
        assert found.cost == pytest.approx(table(case)[exact].mean(), rel=1e-13)
        assert other.cost == pytest.approx(found.cost, rel=1e-12)
        assert (table(case) - found.u[:, None] - found.v).min() >= -16 * ROUNDING
        assert found.slack <= 32 * ROUNDING


def test_atoms_of_one_mass_are_assigned(monkeypatch):
    monkeypatch.setattr("ot.emd", None)
    solve(clouds(100, 100, weighted=False))
    solve(clouds(500, 500, p=20.0, weighted=False))
    solve(CASES["nearly coupled"])
    with pytest.raises(TypeError):
        solve(clouds(500, 500, weighted=False))


def test_all_arcs_at_once_give_the_same_cost(case, monkeypatch):
    few = solve(case)
    monkeypatch.setattr(arcs, "FEW", 1000)
    assert few.cost == pytest.approx(solve(case).cost, rel=1e-12)


def test_a_linear_map_is_found():
    case = turned(700)
    found = solve(case)
    assert (found.rows == found.columns).all()


def test_old_prices_lead_to_the_same_optimum(case):
    cold = solve(case)
    moved = replace(case, x=1.01 * case.x)
    assert solve(moved, cold.v).cost == pytest.approx(solve(moved).cost, rel=1e-12)


def test_a_gap_that_is_good_enough_is_true():
    case = clouds(900, 900)
    rough, exact = solve(case, np.zeros(900), enough=0.2), solve(case)
    assert rough.cost - rough.slack <= exact.cost <= rough.cost
    assert exact.slack < rough.slack <= 0.2 * rough.cost


def test_specks_of_mass_are_not_lost():
    case = clouds(400, 400)
    a, b = case.a.copy(), case.b.copy()
    a[:3], b[-2:] = 1e-18, 1e-20
    case = replace(case, a=a / a.sum(), b=b / b.sum())
    found = solve(case)
    np.testing.assert_allclose(np.bincount(found.rows, found.masses, 400)[:3], case.a[:3], rtol=1e-12)
    np.testing.assert_allclose(np.bincount(found.columns, found.masses, 400)[-2:], case.b[-2:], rtol=1e-12)


def test_the_cheapest_arcs():
    case = clouds(130, 300, p=3.0)
    prices = np.random.default_rng(3).normal(size=300)
    values, columns = case.cheapest(prices, 5)
    reduced = table(case) - prices
    np.testing.assert_allclose(values, np.sort(reduced, axis=1)[:, :5], rtol=0, atol=4 * ROUNDING)
    np.testing.assert_array_equal(columns, np.argsort(reduced, axis=1)[:, :5])
    assert case.cheapest(prices, 500)[0].shape == (130, 300)
