"""The bound that tells to which level a token tends: its ingredients along real runs, and what it must not say."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from particles import Adaptive, Attention, Raw, solve
from particles.checks import Problems
from particles.leading import leading
from particles.modes import Modes, modes
from particles.sides import sides

TIGHT = Adaptive(1e-10, 1e-10)


def split(V: np.ndarray, B: np.ndarray) -> Modes:
    spectrum = leading(Attention(Q=B.T, K=np.eye(len(B)), V=V), Problems())
    assert spectrum is not None
    return modes(V, B, spectrum)


def even(n: int) -> np.ndarray:
    return np.full(n, -np.log(n))


def good_triple(rng: np.random.Generator, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Return V with eigenvalue 1 and others of both signs down to -0.7, and B > 0."""
    basis = np.eye(d) + 0.25 * rng.uniform(-1, 1, (d, d))
    V = basis @ np.diag([1.0, *rng.uniform(-0.7, 0.7, d - 1)]) @ np.linalg.inv(basis)
    A = np.eye(d) + 0.2 * rng.uniform(-1, 1, (d, d))
    return V, A @ A.T


VALUES = {
    "real": np.array([[1.0, 0.4, 0.1], [0.0, -0.6, 0.3], [0.0, 0.0, 0.5]]),
    "complex": np.array([[1.0, 0.2, 0.0], [0.0, 0.3, -0.5], [0.0, 0.5, 0.3]]),
    "Jordan block": np.array([[1.0, 0.2, 0.0], [0.0, -0.4, 0.5], [0.0, 0.0, -0.4]]),
}


@pytest.mark.parametrize("name", VALUES)
def test_coordinates_set_the_leading_eigenvalue_apart(name: str, rng: np.random.Generator) -> None:
    V, B = VALUES[name], np.eye(3) + 0.1 * rng.uniform(-1, 1, (3, 3))
    found = split(V, B)
    assert found.coupled == (name == "Jordan block")
    assert_allclose(found.left @ V, found.value * found.left, atol=1e-13)  # rounding
    L = np.vstack([found.left, found.others])
    inverse = np.linalg.inv(L)
    N = found.others @ V @ inverse[:, 1:]
    # what the rates promise: |N u| <= nu |u|, entry by entry or in the largest entry
    assert (np.abs(N).sum(axis=1) <= found.rates * (1 + 1e-9)).all()
    assert (found.rates < 1).all()
    pairings = np.abs(inverse.T @ B @ inverse)  # the columns of the inverse are phi, phi_k
    assert_allclose(found.pairing, pairings[:1, :1], rtol=1e-12)
    assert_allclose(np.abs(found.before), pairings[:1, 1:], atol=1e-13)
    assert_allclose(np.abs(found.after), pairings[1:, :1], atol=1e-13)
    assert_allclose(found.between, pairings[1:, 1:], atol=1e-12)


@pytest.mark.parametrize("name", VALUES)
def test_coordinates_grow_no_faster_than_their_rates(name: str, rng: np.random.Generator) -> None:
    V, B = VALUES[name], np.eye(3)
    found, tokens = split(V, B), rng.uniform(-2, 2, (6, 3))
    times = np.linspace(0.0, 2.0, 5)
    run = solve(Raw(Attention(Q=B, K=B, V=V)), tokens, times, stepper=TIGHT)
    u = run.points @ found.others.T
    sizes = np.abs(u).max(axis=1)
    apart = np.abs(u[:, :, None] - u[:, None]).max(axis=(1, 2))
    if found.coupled:
        sizes, apart = (np.repeat(one.max(axis=1, keepdims=True), 2, axis=1) for one in (sizes, apart))
    growth = np.exp(np.outer(times, found.rates))
    for one in (sizes, apart):
        assert (one <= one[0] * growth * (1 + 1e-7)).all()  # errors of the run
    assert sizes[-1].max() > 0.1 * sizes[0].max()  # not because there is nothing left


@pytest.mark.parametrize("seed", range(12))
def test_what_is_said_once_stays_true(seed: int) -> None:
    """Tokens stay on the side they are given, and their levels end between its bounds, at whatever depth it is said."""
    rng = np.random.default_rng(seed)
    V, B = good_triple(rng, 2 + seed % 2)
    tokens = rng.uniform(-5, 5, (8, len(V)))
    found = split(V, B)
    times = np.arange(0.0, 10.0)
    run = solve(Raw(Attention(Q=B.T, K=np.eye(len(B)), V=V)), tokens, times, stepper=TIGHT)
    assert run.status == "finished"
    last = np.exp(-times[-1]) * (run.points[-1] @ found.left[0])
    told = 0
    for t, points in zip(times, run.points, strict=True):
        judged = sides(found, points, even(len(points)))
        told += int((judged.side != 0).sum())
        assert (np.sign(last)[judged.side != 0] == judged.side[judged.side != 0]).all()
        for k, sign in enumerate((-1, 1)):
            members = judged.side == sign
            assert members.any() == np.isfinite(judged.ends[k]).all()
            if members.any():
                low, high = np.exp(-t) * judged.ends[k]
                top = (sign * last)[members].max() * sign
                assert low - 1e-6 <= top <= high + 1e-6  # the run's error, 1e-10 times its steps and size
    assert told >= 8  # something was said


def test_a_token_that_changes_sides_is_not_told_to_stay() -> None:
    # its level is above 0, but its second coordinate listens to the lowest one, which drags it below
    V, B = np.diag([1.0, 0.2]), np.eye(2)
    tokens = np.array([[7.0, 0.0], [-6.0, 9.0], [0.3, 4.0]])
    found = split(V, B)
    assert sides(found, tokens, even(3)).side[2] == 0
    late = solve(Raw(Attention(Q=B, K=B, V=V)), tokens, [0.0, 6.0], stepper=TIGHT).points[-1]
    assert late[2, 0] < 0
    assert sides(found, late, even(3)).side.tolist() == [1, -1, -1]


def test_the_first_and_last_numbers_by_hand() -> None:
    # V = diag(1, 0), B = I, alpha = M / 2 = 50: kappa = 50, R = (1), W = (1), b_1l = b_k1 = 0, b_kl = 1
    found = split(np.diag([1.0, 0.0]), np.eye(2))
    judged = sides(found, np.array([[100.0, 1.0], [100.0, 0.0]]), even(2))
    # first D = (45.5 / 2 + 1 / 2) / 50 = 0.465, eta = 46 / 50; then alpha = 100 - D - eta
    alpha = 100 - (45.5 / 2 + 0.5) / 50 - 46 / 50
    assert_allclose(judged.ends[1], [100 - (45.5 / 2 + 0.5) / alpha, 100.0], rtol=1e-13)
    assert np.isnan(judged.ends[0]).all()
    assert judged.side.tolist() == [1, 1]


def test_without_a_positive_pairing_nothing_is_said() -> None:
    found = split(np.diag([1.0, 0.0]), -np.eye(2))
    assert (sides(found, np.array([[100.0, 1.0], [-100.0, 0.0]]), even(2)).side == 0).all()


def test_tokens_without_weight_do_not_lead() -> None:
    found = split(np.diag([1.0, 0.0]), np.eye(2))
    with np.errstate(divide="ignore"):
        log_weights = np.log([0.0, 0.5, 0.5])
    judged = sides(found, np.array([[200.0, 1.0], [100.0, 0.0], [90.0, 0.0]]), log_weights)
    assert judged.side.tolist() == [1, 1, 1]
    assert judged.ends[1, 1] == pytest.approx(100.0, rel=1e-13)
    alone = sides(found, np.array([[200.0, 1.0], [-100.0, 0.0]]), np.array([-np.inf, 0.0]))
    assert alone.side[0] == 0  # nobody above whom it could attend to
