"""Near which vertex tokens end where they share leaders: symmetry, numbers by hand, long runs, and what is not said."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from particles import Adaptive, Attention, Empirical, Raw, settle, solve
from particles.checks import Problems
from particles.corners import corners
from particles.geometry import Hull
from particles.groups import Parted, groups, widths
from particles.leading import leading
from particles.levels import levels
from particles.modes import modes

SQUARE = np.array([[6.0, 6.0], [-6.0, 6.0], [-6.0, -6.0], [6.0, -6.0]])


def attention(V: Any, B: Any = None) -> Attention:
    eye = np.eye(len(V))
    return Attention(Q=eye if B is None else np.transpose(B), K=eye, V=V)


def parted(law: Attention, points: Any) -> Parted:
    spectrum = leading(law, Problems())
    assert spectrum is not None
    B, V = law.heads[0]
    return Parted(modes(V, B, spectrum), np.array(points, dtype=float), np.full(len(points), -np.log(len(points))))


def oblique(rng: np.random.Generator, d: int, p: int) -> Attention:
    """Return a random B > 0, and V that is 1 on a p-dimensional F, down to -0.7 beside it."""
    basis = np.eye(d) + 0.25 * rng.uniform(-1, 1, (d, d))
    V = basis @ np.diag([1.0] * p + list(rng.uniform(-0.7, 0.7, d - p))) @ np.linalg.inv(basis)
    A = np.eye(d) + 0.2 * rng.uniform(-1, 1, (d, d))
    return attention(V, A @ A.T)


def test_corners_of_which_each_has_two_leaders_for_ever() -> None:
    # mirror images in the third coordinate share the lead of each corner of a square
    law = attention(np.diag([1.0, 1.0, -0.8]))
    twice = [[*corner, side] for corner in SQUARE for side in (2.0, -2.0)]
    tokens = np.array([*twice, [3.0, 2.0, 0.1], [-2.0, -2.0, 0.3]])
    assert settle(law, tokens, until=5.0).status == "undecided"
    late = corners(law, tokens)
    assert late.status == "settled"
    assert late.group.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 0, 2]
    assert late.width <= 1e-5
    assert late.widths.shape == (4,)
    # at depth 0 other tokens have weight e^-30 = 1e-13 at most for a leader; the follower's last distance is the width
    assert (np.linalg.norm(late.centres @ late.left[:, :2] - SQUARE, axis=1) <= late.widths).all()


@pytest.mark.parametrize("block", [[[-0.4, 0.5], [0.0, -0.4]], [[0.3, -0.5], [0.5, 0.3]]])
def test_coordinates_set_a_plane_apart(block: list[list[float]], rng: np.random.Generator) -> None:
    basis = np.eye(4) + 0.25 * rng.uniform(-1, 1, (4, 4))
    D = np.eye(4)
    D[2:, 2:] = block
    V, B = basis @ D @ np.linalg.inv(basis), rng.uniform(-1, 1, (4, 4))
    found = parted(attention(V, B), np.ones((1, 4))).modes
    assert found.coupled == (block[1][0] == 0)  # eigenvectors are missing
    L = np.vstack([found.left, found.others])
    inverse = np.linalg.inv(L)
    # rounding, times the condition number of the triangular coordinates
    assert_allclose(found.left @ V, found.left, atol=1e-12)
    assert_allclose(inverse[:, :2].T @ inverse[:, :2], np.eye(2), atol=1e-12)
    assert (np.abs(found.others @ V @ inverse[:, 2:]).sum(axis=1) <= found.rates * (1 + 1e-9)).all()
    assert (found.rates < 1).all()
    b = inverse.T @ B @ inverse
    for one, part in ((found.pairing, b[:2, :2]), (found.before, b[:2, 2:]), (found.after, b[2:, :2])):
        assert_allclose(one, part, atol=1e-12)
    assert_allclose(found.between, np.abs(b[2:, 2:]), atol=1e-11)


def test_the_bound_by_hand() -> None:
    # V = diag(1, 1, 1/2), B = I but <Q e_1, K e_3> = 1, two groups: for x = (a, u) at (0, 0, 5) the exponents are 0
    B = np.eye(3)
    B[0, 2] = 1.0
    law = attention(np.diag([1.0, 1.0, 0.5]), B)
    # in C, by hand: M = min <x, y - y'> = 10 * 20, beta = 10, W = 3 + 2, R = 3, Delta = 0, |b_33| = 1
    points = np.array([[10.0, 0.0, 3.0], [10.0, 0.0, 0.0], [-10.0, 0.0, -2.0]])
    needed = 45.0 + 10 * 5 + 3 * 5  # in the other group W = 5 as well, R = 2
    group = np.array([0, 0, 1])
    for scale, holds in ((np.sqrt((needed + 1) / 200), True), (np.sqrt((needed - 1) / 200), False)):
        # a scaled by c and beta W by 1 / c keep all of it but M, which is c² as large
        now = points * [scale, scale, 1.0]
        changed = np.array(B)
        changed[0, 2] = 1 / scale
        assert parted(attention(law.V, changed), now).hold(group) == holds


def test_without_G_only_the_gap_counts() -> None:
    law = attention(np.eye(2))
    # <x, x - y> = 2 r² for opposite tokens: 45 at r = 4.743
    for r, found in ((4.75, [0, 1]), (4.73, None)):
        got = groups(parted(law, [[r, 0.0], [-r, 0.0]]))
        assert (None if got is None else got.tolist()) == found


def test_a_faster_eigenvalue_beside_it_is_not_bounded() -> None:
    # -1.2 outgrows 1 in modulus
    assert groups(parted(attention(np.diag([1.0, 1.0, -1.2])), [[50.0, 0, 0], [-50.0, 0, 0]])) is None


@pytest.mark.parametrize("seed", range(8))
def test_what_is_said_once_stays_true(seed: int) -> None:
    """Tokens end in the hull of their group at whatever depth it is found."""
    rng = np.random.default_rng(seed)
    law = oblique(rng, 3, 2)
    tokens, times = rng.uniform(-5, 5, (10, 3)), np.arange(0.0, 11.0)
    run = solve(Raw(law), tokens, times, stepper=Adaptive(1e-10, 1e-10))
    assert run.status == "finished"
    last = np.exp(-times[-1]) * parted(law, run.points[-1]).places
    angles = np.linspace(0.0, 2 * np.pi, 64, endpoint=False)
    around, told = np.array([np.cos(angles), np.sin(angles)]), 0
    for t, points in zip(times, run.points, strict=True):
        now = parted(law, points)
        found = groups(now)
        if found is None:
            continue
        told += 1
        places = np.exp(-t) * now.places
        for one in np.unique(found):
            own = found == one
            # as far as the hull in each direction, to the run's error, 1e-10 times its steps and size
            assert ((last[own] @ around).max(axis=0) <= (places[own] @ around).max(axis=0) + 1e-6).all()
    assert told >= 1


@pytest.mark.parametrize("seed", range(3))
def test_where_leaders_are_known_each_group_has_a_vertex(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    law = attention(np.eye(2)) if seed == 0 else oblique(rng, 3, 2)
    tokens = rng.uniform(-5, 5, (10, law.dim))
    by_leaders, late = settle(law, tokens), corners(law, tokens)
    assert by_leaders.status == late.status == "settled"
    limits = by_leaders.limit @ late.left.T
    vertices = Hull(limits).vertices
    assert set(late.group) == set(late.group[vertices])
    slack = 10 * by_leaders.error * np.linalg.norm(late.left, 2)
    for k, wide in enumerate(late.widths):
        own = limits[late.group == k]
        assert np.linalg.norm(own - late.centres[k], axis=1).max() <= wide + slack


def test_two_levels_are_two_groups() -> None:
    rng = np.random.default_rng(2)
    law = oblique(rng, 2, 1)
    tokens = rng.uniform(-5, 5, (8, 2))
    by_levels, late = levels(law, tokens), corners(law, tokens)
    assert by_levels.status == late.status == "settled"
    assert_array_equal(by_levels.side[:, None] == by_levels.side, late.group[:, None] == late.group)
    assert_array_equal(late.left[0], by_levels.left)


def test_one_group_if_all_look_one_way() -> None:
    late = corners(attention(np.eye(2)), [[9.0, 1.0], [8.0, 1.2], [7.0, 0.8]])
    assert late.status == "settled"
    assert late.group.tolist() == [0, 0, 0]
    assert_allclose(late.centres[0], np.array([9.0, 1.0]) @ late.left.T, atol=1e-4)  # 9 beats the others by e^-8


@pytest.mark.parametrize("extra", [[0.0, 0.0], [4.0, 0.0]])
def test_a_token_at_0_or_on_a_divide_leaves_all_undecided(extra: list[float]) -> None:
    late = corners(attention(np.eye(2)), [*SQUARE, extra], until=12.0)
    assert late.status == "undecided" and "5 tokens" in late.message
    assert (late.group == -1).all() and not late.decided.any()
    assert late.widths.size == late.centres.size == 0
    assert np.isnan(late.width) and np.isnan(late.error)


def test_a_depth_too_small_decides_nothing() -> None:
    late = corners(attention(np.eye(2)), 0.1 * SQUARE, until=1.0)
    assert late.depth <= 1.0 and late.status == "undecided"


def test_weights_at_one_place_are_summed_and_tokens_without_do_not_lead() -> None:
    law = attention(np.diag([1.0, 1.0, -0.5]))
    places = np.array([[5.0, 1.0, 1.0], [-4.0, 4.0, 0.0], [-4.0, -5.0, -1.0], [2.0, 0.3, 0.4]])
    apart = corners(law, np.vstack([places, places[:1]]), until=9.0)
    summed = corners(law, Empirical(places, [0.4, 0.2, 0.2, 0.2]), until=9.0)
    assert_array_equal(apart.group, [0, 1, 2, 0, 0])
    assert_array_equal(summed.group, [0, 1, 2, 0])
    assert_allclose(apart.centres[1:], summed.centres[1:], atol=3e-3)  # widths are 10 e^-9
    light = corners(law, Empirical(np.vstack([places, [[9.0, 1.5, 0.0]]]), [0.25, 0.25, 0.25, 0.25, 0.0]), until=9.0)
    assert_array_equal(light.group, [0, 1, 2, 0, 0])


def test_widths_and_tokens_all_at_0() -> None:
    assert_array_equal(widths(np.array([[0.0, 0.0], [3.0, 4.0], [9.0, 9.0]]), np.array([0, 0, 1])), [5.0, 0.0])
    assert corners(attention(np.eye(2)), np.zeros((3, 2)), until=1.0).status == "undecided"
    alone = corners(attention(np.eye(2)), [[1.0, 2.0]])
    assert (alone.group.tolist(), alone.status) == ([0], "settled")


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError) as raised:
        corners(attention(-np.eye(2)), [[1.0, 0.0, 2.0]], until=-1)
    assert all(name in str(raised.value) for name in ("`attention.V`", "`tokens`", "`until`"))
