import io
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import cases
from particles import RK4, Adaptive, Attention, Empirical, Euler, Raw, Rescaled, solve

TIGHT = Adaptive(rtol=1e-12, atol=1e-13)
# local errors of 1e-12 over some tens of steps, and their growth by at most e^{|V|T} ~ 10
TIGHT_ERROR = 1e-10

MOTIONS = {
    "translation-1": lambda: cases.translation(1),
    "translation-3": lambda: cases.translation(3),
    "translation-rescaled-2": lambda: cases.translation(2, rescaled=True),
    "one atom-1": lambda: cases.one_atom(1),
    "one atom-4": lambda: cases.one_atom(4),
    "mirrored pair": cases.mirrored_pair,
}


@pytest.mark.parametrize("name", MOTIONS)
def test_exact_motions(name: str) -> None:
    motion = MOTIONS[name]()
    run = solve(motion.law, motion.tokens, [0.0, 0.3, 1.0, 2.0], stepper=TIGHT)
    assert run.status == "finished"
    for t, points in zip(run.times, run.points, strict=True):
        assert_allclose(points, motion.exact(float(t)), rtol=TIGHT_ERROR, atol=TIGHT_ERROR)


@pytest.mark.parametrize("stepper", [TIGHT, RK4(0.01), Euler(0.01)], ids=repr)
@pytest.mark.parametrize("times", [[0.0, 0.07, 1 / 3, 2.0], [5.0, 5.1], [-1.0, 0.0, 1e-3]])
def test_asked_times_come_back_as_they_are(stepper, times) -> None:
    run = solve(Raw(cases.line(1.0, 1.0)), [[-0.5], [1.0]], times, stepper=stepper)
    assert run.times.tolist() == times
    assert run.points.shape == (len(times), 2, 1)
    assert run.points[0].tolist() == [[-0.5], [1.0]]


def test_adaptive_output_between_steps_is_as_good_as_at_their_ends() -> None:
    law, tokens = Raw(cases.random_attention(0, 2)), np.random.default_rng(0).uniform(-1, 1, (10, 2))
    dense = solve(law, tokens, np.linspace(0, 2, 41), stepper=Adaptive(rtol=1e-9, atol=1e-10))
    for k in (3, 17, 38):
        alone = solve(law, tokens, [0.0, dense.times[k]], stepper=TIGHT)
        # tolerance 1e-9 a step, a dozen steps; dense output has order 7
        assert_allclose(dense.points[k], alone.points[-1], rtol=0, atol=1e-7)


@pytest.mark.parametrize("form", [Raw, Rescaled])
@settings(max_examples=3)  # twenty more cost half a minute
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.1, 0.9))
def test_two_runs_make_one(form, seed: int, share: float) -> None:
    law, tokens = form(cases.random_attention(seed, 2)), np.random.default_rng(seed).uniform(-1, 1, (6, 2))
    whole = solve(law, tokens, [0.0, 1.0], stepper=TIGHT)
    first = solve(law, tokens, [0.0, share], stepper=TIGHT)
    second = solve(law, first[-1], [share, 1.0], stepper=TIGHT)
    assert_allclose(second.points[-1], whole.points[-1], rtol=0, atol=TIGHT_ERROR * (1 + np.abs(whole.points).max()))


@given(seed=st.integers(0, 2**32 - 1))
def test_order_of_tokens_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    law, tokens, order = Raw(cases.random_attention(seed, 2)), rng.uniform(-1, 1, (8, 2)), rng.permutation(8)
    one, other = (solve(law, t, [0.0, 1.0], stepper=RK4(0.05)) for t in (tokens, tokens[order]))
    # only the order of summation differs: rounding, twenty steps
    assert_allclose(other.points[-1], one.points[-1][order], rtol=0, atol=1e-12 * (1 + np.abs(one.points).max()))


def test_a_watcher_moves_and_moves_no_one() -> None:
    law = Raw(cases.random_attention(1, 2))
    tokens = np.random.default_rng(1).uniform(-1, 1, (9, 2))
    weights = np.append(np.full(8, 1 / 8), 0.0)
    watched = solve(law, Empirical(tokens, weights), [0.0, 1.0], stepper=RK4(0.05))
    alone = solve(law, tokens[:8], [0.0, 1.0], stepper=RK4(0.05))
    assert_allclose(watched.points[-1, :8], alone.points[-1], rtol=0, atol=1e-13)  # the box's centre may round
    assert np.abs(watched.points[-1, 8] - tokens[8]).max() > 0.01
    assert_array_equal(watched.weights, weights)


@pytest.mark.parametrize("stepper", [Adaptive(), RK4(0.1), Euler(0.1)], ids=repr)
def test_a_single_time_is_the_start(stepper) -> None:
    run = solve(Raw(cases.line(1.0, 1.0)), [[0.5], [1.0]], [3.0], stepper=stepper)
    assert run.times.tolist() == [3.0]
    assert run.points.tolist() == [[[0.5], [1.0]]]
    assert (run.status, run.stats["steps"]) == ("finished", 0)


def test_lists_and_integers_are_tokens_too() -> None:
    run = solve(Raw(cases.line(1.0, 1.0)), [[1], [2]], [0, 1])
    assert run.points.dtype == np.float64
    assert run.status == "finished"


def test_arguments_are_left_as_they_were() -> None:
    tokens, times = np.array([[0.5], [1.0]]), np.array([0.0, 1.0])
    run = solve(Raw(cases.line(1.0, 1.0)), tokens, times)
    assert tokens.tolist() == [[0.5], [1.0]]
    assert times.tolist() == [0.0, 1.0]
    tokens[0] = 9.0
    assert run.points[0, 0, 0] == 0.5


# ---------------------------------------------------------------------------------------- statements of the paper


def test_published_values_of_figure_6() -> None:
    attention = Attention(Q=np.eye(2), K=np.eye(2), V=cases.FIG_6_VALUES)
    law = Rescaled(attention)
    tokens = np.random.default_rng(6).uniform(-5, 5, (40, 2))
    run = solve(law, tokens, [0.0, 1.0, 5.0, 15.0])
    assert run.status == "finished"
    assert np.isfinite(run.points).all()
    for k, t in enumerate(run.times):
        P = law.attention_at(t).matrix(run[k])
        assert np.isfinite(P).all()
        assert_allclose(P.sum(axis=1), 1.0, rtol=0, atol=1e-12)  # 40 roundings are 1e-14
    # Theorem 4.2: the coordinate along the left eigenvector tends to at most three numbers
    values, left = np.linalg.eig(cases.FIG_6_VALUES.T)
    coordinate = np.sort(run.points[-1] @ left[:, np.argmax(values)])
    gaps = np.diff(coordinate) > 0.05 * np.ptp(coordinate)
    assert gaps.sum() <= 2


def test_distances_never_shrink_when_all_matrices_are_the_identity(rng: np.random.Generator) -> None:
    eye = np.eye(2)
    run = solve(Raw(Attention(eye, eye, eye)), rng.uniform(-1, 1, (25, 2)), np.linspace(0, 1.5, 16), stepper=TIGHT)
    gaps = run.points[:, :, None] - run.points[:, None, :]
    distances = np.sqrt((gaps**2).sum(axis=-1))
    # Lemma 7.2; tolerance 1e-12 a step against distances of order 1 to 10
    assert (np.diff(distances, axis=0) >= -1e-10).all()


@pytest.mark.parametrize("V", [0.5, 2.0])
def test_hull_shrinks_on_the_line(V: float, rng: np.random.Generator) -> None:
    run = solve(Rescaled(cases.line(1.0, V)), rng.uniform(-2, 2, (30, 1)), np.linspace(0, 3, 31), stepper=TIGHT)
    z = run.points[:, :, 0]
    # Proposition 8.2, and order is kept; the error of the run is far below the first changes
    assert (np.diff(z.max(axis=1)) <= 1e-10).all()
    assert (np.diff(z.min(axis=1)) >= -1e-10).all()
    order = np.argsort(z[0])
    assert (np.diff(z[:, order], axis=1) >= -1e-10).all()


def test_repulsion_gathers_all_tokens_at_the_origin(rng: np.random.Generator) -> None:
    eye, n = np.eye(2), 10
    tokens = rng.uniform(-2, 2, (n, 2))
    run = solve(Raw(Attention(eye, eye, -eye)), tokens, [0.0, 1.0, 3.0, 300.0])
    exponents = run.points @ np.swapaxes(run.points, 1, 2)
    assert (np.diff(np.exp(exponents).sum(axis=(1, 2))) <= 0).all()  # Lemma 8.7
    start = np.linalg.norm(tokens, axis=1)
    assert (np.linalg.norm(run.points, axis=2) <= np.maximum(start, np.sqrt(2 * n)) + 1e-9).all()  # Lemma 8.9
    assert np.abs(run.points[-1]).max() < 0.1  # Theorem 8.5: like t^{-1/2}, from 2 at t = 0


# ------------------------------------------------------------------------------------------------- runs that stop


class Exploding:
    """x' = x^2: 1/(1/x_0 - t), infinite at t = 1/x_0."""

    dim, step = 1, None

    def velocity(self, t, x, mu):
        return x**2


class NotANumber:
    """A velocity that is NaN for one token after t = 1/2."""

    dim, step = 1, None

    def __init__(self, since: float) -> None:
        self.since = since

    def velocity(self, t, x, mu):
        v = np.ones_like(x)
        if t > self.since:
            v[2] = np.nan
        return v


@pytest.mark.parametrize("stepper", [Adaptive(), RK4(0.01), Euler(0.01)], ids=repr)
def test_blow_up_stops_and_keeps_what_was_reached(stepper) -> None:
    run = solve(Exploding(), [[0.5], [1.0]], [0.0, 0.5, 0.9, 3.0, 4.0], stepper=stepper)
    assert run.status == "stopped"
    assert run.times.tolist() == [0.0, 0.5, 0.9]
    assert run.points.shape == (3, 2, 1)
    assert np.isfinite(run.points).all()
    assert run.message.startswith("stopped after t = ")
    assert 0.9 <= run.stats["reached"] < 2.0


@pytest.mark.parametrize("stepper", [RK4(0.1), Euler(0.1)], ids=repr)
def test_message_names_the_token(stepper) -> None:
    run = solve(NotANumber(0.5), np.zeros((4, 1)), [0.0, 0.3, 1.0], stepper=stepper)
    assert run.status == "stopped"
    assert "the velocity of token 2 is nan at t = 0." in run.message
    assert run.times.tolist() == [0.0, 0.3]


def test_adaptive_stops_when_the_velocity_turns_nan() -> None:
    run = solve(NotANumber(0.5), np.zeros((4, 1)), [0.0, 0.3, 1.0])
    assert run.status == "stopped"
    assert run.times.tolist()[0] == 0.0
    assert run.stats["reached"] <= 0.5


@pytest.mark.parametrize("stepper", [Adaptive(), RK4(0.1), Euler(0.1)], ids=repr)
def test_a_velocity_that_is_nan_from_the_start_returns(stepper) -> None:
    run = solve(NotANumber(-1.0), np.zeros((4, 1)), [0.0, 1.0], stepper=stepper)
    assert run.status == "stopped"
    assert run.message == "stopped after t = 0: the velocity of token 2 is nan"
    assert run.times.tolist() == [0.0]


# ------------------------------------------------------------------------------------------------------- progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bar_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        solve(Raw(cases.line(1.0, 1.0)), [[0.5], [1.0]], [0.0, 1.0], stepper=RK4(0.1), progress=True)
        assert bool(stream.getvalue()) == shown


def test_no_bar_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    solve(Raw(cases.line(1.0, 1.0)), [[0.5], [1.0]], [0.0, 1.0])
    assert stream.getvalue() == ""
