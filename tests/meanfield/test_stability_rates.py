"""What the ladder of bounds on W2 is made of: the field taken apart, its rates, and modes of the displacement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import expm

import cases
from meanfield.coupling import Coupling, moved_coupling, optimal_coupling
from meanfield.stability_modes import Modes
from meanfield.stability_rates import Lift, growth_rate, lifted, measure_rate, rates_of, spatial_rate
from particles import Empirical, Raw, Rescaled


def a_coupling(rng: np.random.Generator, dim: int, n: int = 9) -> Coupling:
    x = rng.uniform(-1, 1, (n, dim))
    return Coupling(x, x + 0.4 * rng.standard_normal((n, dim)), rng.dirichlet(np.ones(n)))


@pytest.mark.parametrize("frame", [Raw, Rescaled])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_the_field_taken_apart_is_its_derivative(frame, dim: int, rng: np.random.Generator) -> None:
    # for a small displacement A delta is the change of the field, with both measure and point moved, to second order
    law, start = frame(cases.random_attention(8, dim, 2)), a_coupling(rng, dim)
    missed = []
    for h in (1e-2, 1e-3):
        pairs = start.moved_to(start.y + h * (start.x - start.y), start.y)
        lift = lifted(law, 0.3, pairs)
        root = np.sqrt(pairs.weights)[:, None]
        by_matrix = (lift.matrix @ (root * lift.delta).ravel()).reshape(lift.delta.shape) / root
        change = law.velocity(0.3, pairs.x, pairs.mu) - law.velocity(0.3, pairs.y, pairs.nu)
        assert_allclose(by_matrix + lift.missed, change, atol=1e-14)  # rounding
        missed.append(np.abs(lift.missed).max())
    # four Gauss nodes along a segment err by its length to the ninth power
    assert missed[0] < 1e-12
    assert missed[1] < 1e-13
    assert np.abs(lifted(law, 0.3, start).missed).max() < 1e-2  # segments as long as the cloud is wide


@given(st.integers(0, 10_000), st.integers(1, 3), st.sampled_from([Raw, Rescaled]))
def test_rates_come_in_their_order_for_any_pairs(seed: int, dim: int, frame) -> None:
    rng = np.random.default_rng(seed)
    law, pairs = frame(cases.random_attention(seed, dim)), a_coupling(rng, dim, int(rng.integers(1, 12)))
    rates = rates_of(law, 0.4, pairs, lifted(law, 0.4, pairs))
    slack = 1e-9 * (1 + abs(rates.basic))  # rounding; |T| from its Gram matrix
    assert rates.exact <= rates.log_norm + slack
    assert rates.exact <= rates.averaged + slack
    assert rates.log_norm <= rates.split + slack
    assert rates.averaged <= rates.split + slack
    assert rates.split <= rates.basic + slack


def test_the_exact_rate_is_that_of_the_moved_coupling(rng: np.random.Generator) -> None:
    law, start, h = Raw(cases.random_attention(5, 2)), a_coupling(rng, 2), 1e-3
    before, here, after = moved_coupling(law, start, np.array([0.0, h, 2 * h]), 1e-12)
    rate = np.log(after.distance / before.distance) / (2 * h)
    assert rates_of(law, h, here, lifted(law, h, here)).exact == pytest.approx(
        rate, abs=1e-5
    )  # h^2 times a third slope


def test_modes_of_a_coupling(rng: np.random.Generator) -> None:
    start = a_coupling(rng, 2, 12)
    modes = Modes.of(start)
    assert modes.fine is not None
    assert_allclose(modes.fine.T @ modes.fine, np.eye(24), atol=1e-12)  # rounding, twice orthogonalised
    assert [block.stop - block.start for block in modes.blocks][:3] == [2, 3, 4]
    assert np.linalg.norm(modes.shares) == pytest.approx(start.distance, rel=1e-12)
    assert_allclose(modes.bounds(0.0), np.log(start.distance), rtol=1e-9)  # norms from Gram matrices
    shift = Modes.of(start.moved_to(start.y + np.array([0.3, 0.1]), start.y))
    assert shift.shares[0] == pytest.approx(np.hypot(0.3, 0.1), rel=1e-12)
    assert_allclose(shift.shares[1:], 0, atol=1e-12)


def test_modes_bound_the_moved_coupling(rng: np.random.Generator) -> None:
    # delta itself solves the linear equation: it is Phi delta_0 to the error of Magnus' method, which falls by 2^4
    law, start = Raw(cases.random_attention(6, 2)), a_coupling(rng, 2)
    apart = []
    for parts in (4, 8):
        modes, along = modes_along(law, start, parts)
        end = modes.fine @ modes.parts
        root = np.sqrt(start.weights)[:, None]
        apart.append(np.linalg.norm(end - (root * (along[-1].x - along[-1].y)).ravel()) / along[-1].distance)
        assert all(np.log(along[-1].distance) <= bound for bound in modes.bounds(0.0))
    assert apart[0] < 1e-5
    assert apart[1] < apart[0] / 8 or apart[1] < 1e-7  # what the segments' rule misses remains


def modes_along(law, start: Coupling, parts: int) -> tuple[Modes, list[Coupling]]:
    along = moved_coupling(law, start, np.linspace(0, 0.5, 4 * parts + 1), 1e-11)
    lifts = [lifted(law, 0.5 * k / (4 * parts), here) for k, here in enumerate(along)]
    modes = Modes.of(start)
    for k in range(parts):
        modes = modes.moved(lifts[4 * k : 4 * k + 5], 0.5 / parts)
    return modes, along


def test_the_carried_bound_holds_for_any_displacement(rng: np.random.Generator) -> None:
    # for the linear equation alone, Phi being known: the triangle inequality, whatever the displacement is
    modes, _ = modes_along(Raw(cases.random_attention(6, 2)), a_coupling(rng, 2, 30), 4)
    assert 0 < modes.smooth < len(modes.parts)
    for _ in range(20):
        other = replace(modes, parts=rng.normal(size=len(modes.parts)))
        carried = np.exp(other.bounds(0.0)[1])
        assert np.linalg.norm(modes.fine @ other.parts) <= carried
        smooth = replace(other, parts=np.where(np.arange(len(modes.parts)) < modes.smooth, other.parts, 0.0))
        # nothing but what Magnus' method may miss is added to a displacement that is smooth
        assert np.exp(smooth.bounds(0.0)[1]) == pytest.approx(np.linalg.norm(modes.fine @ smooth.parts), rel=1e-4)
        rough = other.parts - smooth.parts
        assert np.exp(replace(other, parts=rough).bounds(0.0)[1]) >= np.linalg.norm(modes.fine @ rough)


@pytest.mark.parametrize("n", [12, 30])  # of 24 and of 60 directions 14 are smooth, and 10 and 46 are left
def test_the_carried_bound_knows_eight_directions_of_the_rest(n: int, rng: np.random.Generator) -> None:
    modes, _ = modes_along(Raw(cases.random_attention(6, 2)), a_coupling(rng, 2, n), 4)
    modes = replace(modes, parts=rng.normal(size=2 * n), coarse=modes.fine)  # no error of Magnus' method beside it
    smooth, rest = modes.parts[: modes.smooth], modes.parts[modes.smooth :]
    moved = np.einsum("iab,ibk->iak", modes.local, modes.basis[:, modes.smooth :].reshape(n, 2, -1)).reshape(2 * n, -1)
    left, sizes, right = np.linalg.svd(modes.fine[:, modes.smooth :] - moved)
    images = modes.fine[:, : modes.smooth] @ smooth + moved @ rest
    images = images + left[:, :8] @ (sizes[:8] * (right[:8] @ rest))
    bound = np.linalg.norm(images) + sizes[8] * np.linalg.norm(right[8:] @ rest)
    assert np.exp(modes.bounds(0.0)[1]) == pytest.approx(bound, rel=1e-7)  # singular values from a Gram matrix
    assert np.linalg.norm(modes.fine @ modes.parts) < bound


def test_the_carried_bound_is_exact_where_pairs_do_not_meet(rng: np.random.Generator) -> None:
    # T = 0: every displacement is moved by its own place alone
    start = a_coupling(rng, 2, 30)
    local, zero = rng.normal(size=(30, 2, 2)), np.zeros((30, 2))
    lift = Lift(local, np.zeros((60, 60)), start.x - start.y, zero, zero)
    modes = Modes.of(start).moved([lift] * 5, 0.3)
    ends = np.einsum("iab,ib->ia", expm(0.3 * local), start.x - start.y)
    assert np.exp(modes.bounds(0.0)[1]) == pytest.approx(np.sqrt(start.weights @ (ends**2).sum(axis=1)), rel=1e-6)


def test_rates_of_two_equal_measures() -> None:
    # x = y: kappa_0(a)^2 = E[(1 + |a||Y - m|)^2 e^{<a,Y> - Lambda}] needs no segment; one atom gives 1
    atom = Empirical([[0.3, -0.2]])
    pairs = optimal_coupling(atom, atom)
    attention = cases.random_attention(4, 2)
    assert measure_rate(attention, pairs) == pytest.approx(np.linalg.norm(attention.V, 2), rel=1e-12)
    assert spatial_rate(Raw(attention), 0.0, pairs) == 0.0  # one atom: the tilted covariance is zero
    assert growth_rate(Raw(attention), 0.0, pairs) == pytest.approx(np.linalg.norm(attention.V, 2), rel=1e-12)
