from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose

from particles import RK4, Adaptive, Euler
from particles.steppers import CLASSICAL_RK4, EULER, NoFurtherStep, Tableau

ROUNDING = 1e-15  # of sums of a few fractions


def matrix(tableau: Tableau) -> np.ndarray:
    A = np.zeros((len(tableau.b), len(tableau.b)))
    for i, row in enumerate(tableau.a):
        A[i, : len(row)] = row
    return A


def order_conditions(tableau: Tableau) -> dict[int, list[tuple[float, float]]]:
    """Pairs (sum, value it must have), one for each rooted tree with as many vertices as the order."""
    A, b, c = matrix(tableau), np.array(tableau.b), np.array(tableau.c)
    return {
        1: [(b.sum(), 1)],
        2: [(b @ c, 1 / 2)],
        3: [(b @ c**2, 1 / 3), (b @ A @ c, 1 / 6)],
        4: [(b @ c**3, 1 / 4), (b @ (c * (A @ c)), 1 / 8), (b @ A @ c**2, 1 / 12), (b @ A @ A @ c, 1 / 24)],
        5: [(b @ c**4, 1 / 5)],
    }


@pytest.mark.parametrize("tableau", [EULER, CLASSICAL_RK4], ids=["Euler", "RK4"])
def test_tableau_has_its_order_and_no_more(tableau: Tableau) -> None:
    conditions = order_conditions(tableau)
    for order in range(1, tableau.order + 1):
        for total, value in conditions[order]:
            assert abs(total - value) < ROUNDING
    assert any(abs(total - value) > 1e-3 for total, value in conditions[tableau.order + 1])


@pytest.mark.parametrize("tableau", [EULER, CLASSICAL_RK4], ids=["Euler", "RK4"])
def test_stages_stand_where_their_rows_add_up(tableau: Tableau) -> None:
    assert_allclose(matrix(tableau).sum(axis=1), tableau.c, atol=ROUNDING)
    assert [len(row) for row in tableau.a] == list(range(len(tableau.b)))  # explicit


def test_rk4_is_exact_for_cubics_in_depth() -> None:
    y = CLASSICAL_RK4.advance(lambda t, y: np.array([4 * t**3]), 1.0, np.array([1.0]), 0.5)
    assert_allclose(y, 1.5**4, rtol=4 * np.finfo(float).eps)


def growth(t: float, y: np.ndarray) -> np.ndarray:
    return y * np.cos(t)


@pytest.mark.parametrize("stepper", [Euler(0.1), RK4(0.1), Adaptive()], ids=repr)
@pytest.mark.parametrize("times", [[0.0, 0.05, 0.1], [0.0, 0.33, 1.0], [-1.0, 2.0], [0.0, 1e-9]])
def test_steps_follow_each_other_and_end_at_the_last_time(stepper, times) -> None:
    steps = list(stepper.steps(growth, times[0], np.ones((2, 1)), np.array(times)))
    ends = [times[0], *(step.time for step in steps)]
    assert all(a < b for a, b in pairwise(ends))
    assert ends[-1] == times[-1]
    for step in steps:
        assert step.evaluations >= 1
        assert step.state.shape == step.at(step.time).shape == (2, 1)
        assert (step.at(step.time) == step.state).all()


@pytest.mark.parametrize("stepper", [Euler, RK4])
def test_fixed_steps_end_at_every_asked_time(stepper) -> None:
    times = np.array([0.0, 0.25, 0.3, 1.0])
    ends = [step.time for step in stepper(0.1).steps(growth, 0.0, np.ones((1, 1)), times)]
    assert set(times[1:]) <= set(ends)
    lengths = np.diff([0.0, *ends])
    assert (lengths <= 0.1 * (1 + 1e-9)).all()
    assert len(ends) == 3 + 1 + 7


def test_no_asked_time_is_lost_to_rounding(rng: np.random.Generator) -> None:
    for end in rng.uniform(0, 0.1, 50):  # -1 + k (end + 1)/k is not always end
        steps = Euler(0.1).steps(growth, -1.0, np.ones((1, 1)), np.array([-1.0, end]))
        assert [step.time for step in steps][-1] == end


def test_a_step_that_divides_the_depth_is_taken_as_it_is() -> None:
    ends = [step.time for step in Euler(0.1).steps(growth, 0.0, np.ones((1, 1)), np.array([0.0, 0.3, 3.0]))]
    assert len(ends) == 30  # 0.3/0.1 and 2.7/0.1 round to just above 3 and 27


@pytest.mark.parametrize("stepper", [Euler(0.1), RK4(0.1), Adaptive()], ids=repr)
def test_a_single_time_needs_no_step(stepper) -> None:
    assert list(stepper.steps(growth, 2.0, np.ones((1, 1)), np.array([2.0]))) == []


def test_adaptive_gives_up_at_a_blow_up() -> None:
    with pytest.raises(ArithmeticError, match="step size"), np.errstate(all="ignore"):
        list(Adaptive().steps(lambda t, y: y**2, 0.0, np.ones((1, 1)), np.array([0.0, 2.0])))  # 1/(1 - t)


def test_a_blow_up_ends_as_a_step_that_does_not_exist() -> None:
    with pytest.raises(NoFurtherStep, match="fell below rounding"), np.errstate(all="ignore"):
        list(Adaptive().steps(lambda t, y: y**2, 0.0, np.ones((1, 1)), np.array([0.0, 2.0])))


def test_adaptive_gives_up_after_its_last_step() -> None:
    def stiff(t: float, y: np.ndarray) -> np.ndarray:
        return -1e6 * (y - np.cos(t))

    taken = 0
    with pytest.raises(NoFurtherStep, match="50 steps did not reach the end, and the step is"):
        for _ in Adaptive(most_steps=50).steps(stiff, 0.0, np.ones((1, 1)), np.array([0.0, 1.0])):
            taken += 1
    assert taken == 50
    with pytest.raises(ValueError, match="`most_steps` must be an integer of at least 1; got 0"):
        Adaptive(most_steps=0)
    enough = list(Adaptive().steps(growth, 0.0, np.ones((1, 1)), np.array([0.0, 1.0])))
    exactly = Adaptive(most_steps=len(enough)).steps(growth, 0.0, np.ones((1, 1)), np.array([0.0, 1.0]))
    assert len(list(exactly)) == len(enough)


@pytest.mark.parametrize("stepper", [Euler(0.1), RK4(0.07), Adaptive()], ids=repr)
def test_steps_go_on_from_their_memory_as_if_there_had_been_no_break(stepper) -> None:
    times = np.array([-1.0, 0.05, 0.3, 2.0])
    calls: list[float] = []

    def counted(t: float, y: np.ndarray) -> np.ndarray:
        calls.append(t)
        return growth(t, y)

    whole = list(stepper.steps(growth, -1.0, np.ones((2, 1)), times))
    for k, step in enumerate(whole):
        calls.clear()
        rest = list(stepper.steps(counted, step.time, step.state, times, step.memory))
        assert [s.time for s in rest] == [s.time for s in whole[k + 1 :]]
        assert [s.state.tobytes() for s in rest] == [s.state.tobytes() for s in whole[k + 1 :]]
        assert len(calls) == sum(s.evaluations for s in whole[k + 1 :])  # nothing is asked for again


@pytest.mark.parametrize("stepper", [Euler, RK4])
@pytest.mark.parametrize("dt", [0, -0.1, np.nan, np.inf, None, "0.1", 1j])
def test_fixed_step_must_be_positive(stepper, dt) -> None:
    with pytest.raises(ValueError, match="`dt` must"):
        stepper(dt)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"rtol": 0}, "`rtol`"),
        ({"rtol": 1e-15}, "`rtol` must lie in"),
        ({"rtol": 1.0}, "`rtol` must lie in"),
        ({"rtol": np.nan}, "`rtol`"),
        ({"atol": 0}, "`atol`"),
        ({"atol": -1}, "`atol`"),
    ],
)
def test_tolerances_must_be_reachable(arguments, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Adaptive(**arguments)


def test_both_tolerances_are_complained_of() -> None:
    with pytest.raises(ValueError, match=r"`rtol`.*\n`atol`|`atol`.*\n`rtol`"):
        Adaptive(rtol=-1, atol=-1)
