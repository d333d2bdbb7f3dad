"""Bad input: which argument, what came, what is allowed; every problem on a line, before any work."""

import operator
from functools import reduce

import numpy as np
import pytest

import cases
from particles import Adaptive, Attention, Empirical, Euler, Raw, Rescaled, solve

EYE = np.eye(2)
NAN, INF = np.nan, np.inf


def with_nan(shape: tuple[int, ...], index: tuple[int, ...], value: float = NAN) -> np.ndarray:
    array = np.zeros(shape)
    array[index] = value
    return array


def complaint(call) -> str:
    with pytest.raises(ValueError) as caught:
        call()
    return str(caught.value)


TOKENS = [
    (with_nan((3, 2), (1, 0)), "must be finite; got nan at index (1, 0) (1 such in all)"),
    (with_nan((3, 2), (2, 1), -INF), "must be finite; got -inf at index (2, 1)"),
    (np.full((2, 2), INF), "must be finite; got inf at index (0, 0) (4 such in all)"),
    (np.zeros(5), "must have shape (n, d); got (5,). For tokens on the line use"),
    (np.zeros((0, 2)), "must have shape (n, d) with at least one row and column; got (0, 2)"),
    (np.zeros((2, 0)), "must have shape (n, d) with at least one row and column; got (2, 0)"),
    ([], "must have shape (n, d) with at least one row and column; got (0,)"),
    (np.zeros((2, 2, 2)), "must have shape (n, d) with at least one row and column; got (2, 2, 2)"),
    (3.0, "must have shape (n, d)"),
    (np.zeros((2, 2), dtype=complex), "must hold real numbers; got dtype complex128"),
    (np.zeros((2, 2), dtype=object), "must hold real numbers; got dtype object"),
    (np.zeros((2, 2), dtype=bool), "must hold real numbers; got dtype bool"),
    ([["a", "b"]], "must hold real numbers; got dtype <U1"),
    (None, "must hold real numbers; got dtype object"),
    ([[1.0, 2.0], [3.0]], "must be a rectangular array of real numbers; got rows of unequal length"),
]


@pytest.mark.parametrize(("value", "text"), TOKENS)
def test_points_of_a_measure(value, text: str) -> None:
    assert f"`points` {text}" in complaint(lambda: Empirical(value))


@pytest.mark.parametrize(("value", "text"), TOKENS)
def test_tokens_of_a_run(value, text: str) -> None:
    assert f"`tokens` {text}" in complaint(lambda: solve(Raw(cases.random_attention(0, 2)), value, [0.0, 1.0]))


def test_tokens_of_another_dimension() -> None:
    law = Raw(cases.random_attention(0, 2))
    assert complaint(lambda: solve(law, np.zeros((5, 3)), [0, 1])) == "`tokens` must have shape (n, 2); got (5, 3)."
    text = complaint(lambda: solve(law, np.zeros((2, 5)), [0, 1]))
    assert "Its transpose would fit: pass tokens.T." in text
    text = complaint(lambda: solve(law, Empirical(np.zeros((5, 3))), [0, 1]))
    assert "`tokens` must live in dimension 2, as the law does; got 3." in text


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ([0.5, 0.6], "`weights` must sum to 1; they sum to 1.1. Divide them by their sum."),
        ([1.5, -0.5], "`weights` must not be negative; got -0.5 at index 1."),
        ([0.0, 0.0], "`weights` must sum to 1; they sum to 0."),
        ([1.0], "`weights` must have shape (2,), one per point; got (1,)."),
        ([[0.5, 0.5]], "`weights` must have shape (2,), one per point; got (1, 2)."),
        ([NAN, 1.0], "`weights` must be finite; got nan at index (0,)"),
        ([0.5j, 0.5], "`weights` must hold real numbers; got dtype complex128."),
        ([], "`weights` must have shape (2,), one per point; got (0,)."),
    ],
)
def test_weights(weights, text: str) -> None:
    assert text in complaint(lambda: Empirical([[0.0], [1.0]], weights))


def test_weights_within_rounding_of_one_are_taken() -> None:
    tenths = [0.1] * 10
    assert reduce(operator.add, tenths) != 1.0  # sum() itself compensates in newer Pythons
    mu = Empirical(np.arange(10.0)[:, None], tenths)
    # a sum of ten tenths is off by 1e-16, and every moment with it
    assert mu.mean[0] == pytest.approx(4.5, rel=1e-15)


@pytest.mark.parametrize("off", [9e-10, -9e-10])
def test_weights_nearly_normalised_make_a_probability_measure(off: float) -> None:
    mu = Empirical([[1000.0], [3000.0]], [0.5, 0.5 + off])
    zero = np.zeros((1, 1))
    # accepted, so every answer must belong to one and the same probability measure
    assert mu.mean[0] == pytest.approx(mu.tilted_mean(zero)[0, 0], rel=1e-14)
    assert mu.cgf(zero)[0] == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize(
    ("times", "text"),
    [
        ([0.0, 2.0, 1.0], "`times` must increase strictly; got 2.0 followed by 1.0 at index 2."),
        ([0.0, 1.0, 1.0], "`times` must increase strictly; got 1.0 followed by 1.0 at index 2."),
        ([0.0, NAN], "`times` must be finite; got nan at index (1,)"),
        ([0.0, INF], "`times` must be finite; got inf at index (1,)"),
        ([], "`times` must have shape (m,) with m >= 1; got (0,)."),
        (1.0, "`times` must have shape (m,) with m >= 1; got ()."),
        ([[0.0, 1.0]], "`times` must have shape (m,) with m >= 1; got (1, 2)."),
        (["0", "1"], "`times` must hold real numbers"),
    ],
)
def test_times(times, text: str) -> None:
    assert text in complaint(lambda: solve(Raw(cases.line(1.0, 1.0)), [[0.0]], times))


@pytest.mark.parametrize(
    ("Q", "K", "V", "text"),
    [
        (with_nan((2, 2), (0, 1)), EYE, EYE, "`Q` must be finite; got nan at index (0, 1)"),
        (EYE, with_nan((2, 2), (1, 1), INF), EYE, "`K` must be finite; got inf at index (1, 1)"),
        (EYE, EYE, EYE + 0j, "`V` must hold real numbers; got dtype complex128."),
        (EYE, EYE, np.zeros((2, 3)), "`V` must be square, (d, d) or (h, d, d); got (2, 3)."),
        (np.zeros((1, 2)), np.zeros((3, 2)), EYE, "`Q` and `K` must have the same number of rows; got 1 and 3."),
        (np.zeros((2, 3)), np.zeros((2, 2)), EYE, "`Q` must have 2 columns, as V has; got shape (2, 3)."),
        (
            np.zeros((2, 5)),
            np.zeros((5, 2)),
            EYE,
            "`Q` must have 2 columns, as V has; got shape (2, 5). Its transpose would fit: pass Q.T.",
        ),
        (np.zeros((5, 2)), np.zeros((2, 5)), EYE, "Its transpose would fit: pass K.T."),
        (np.zeros(2), EYE, EYE, "`Q` must have shape (k, d) or (h, k, d); got (2,)."),
        (EYE, EYE, 1.0, "`V` must have shape (d, d) or (h, d, d); got ()."),
        (np.zeros((0, 2)), np.zeros((0, 2)), EYE, "`Q` must have shape (k, d) or (h, k, d); got (0, 2)."),
        (
            np.zeros((3, 2, 2)),
            np.zeros((3, 2, 2)),
            EYE,
            "must have the same number of heads (leading axis); got shapes (3, 2, 2), (3, 2, 2), (2, 2).",
        ),
        (np.zeros((3, 2, 2)), np.zeros((2, 2, 2)), np.zeros((3, 2, 2)), "must have the same number of heads"),
    ],
)
def test_matrices(Q, K, V, text: str) -> None:
    assert text in complaint(lambda: Attention(Q, K, V))


def test_all_problems_of_the_matrices_at_once() -> None:
    lines = complaint(lambda: Attention(with_nan((2, 2), (0, 0)), EYE + 0j, [[1.0], [1.0, 2.0]])).splitlines()
    assert [line[:3] for line in lines] == ["`Q`", "`K`", "`V`"]
    lines = complaint(lambda: Attention(np.zeros((1, 3)), np.zeros((2, 4)), EYE)).splitlines()
    assert len(lines) == 3


def test_all_problems_of_a_measure_at_once() -> None:
    lines = complaint(lambda: Empirical([[NAN]], [1.5])).splitlines()
    assert [line.split()[0] for line in lines] == ["`points`", "`weights`"]


def test_all_problems_of_a_run_at_once() -> None:
    law = Raw(cases.random_attention(0, 2))
    lines = complaint(lambda: solve(law, [[NAN, 1.0]], [1.0, 0.0], stepper="RK4")).splitlines()
    assert [line.split()[0] for line in lines] == ["`tokens`", "`times`", "`stepper`"]


def test_what_is_no_law_and_what_is_no_stepper() -> None:
    assert "`dynamics` must be a law of motion such as Raw(attention); got Attention." in complaint(
        lambda: solve(cases.line(1.0, 1.0), [[0.0]], [0.0])
    )
    assert "`stepper` must be Adaptive(), RK4(dt) or Euler(dt); got 0.1." in complaint(
        lambda: solve(Raw(cases.line(1.0, 1.0)), [[0.0]], [0.0], stepper=0.1)
    )


def test_a_stepper_without_its_brackets() -> None:
    assert "`stepper`" in complaint(lambda: solve(Raw(cases.line(1.0, 1.0)), [[0.0]], [0.0, 1.0], stepper=Adaptive))


DISCRETE = Rescaled(cases.line(1.0, 1.0), dt=0.1)


@pytest.mark.parametrize("stepper", [Adaptive(), Euler(0.2)], ids=repr)
def test_a_discrete_law_wants_its_own_step(stepper) -> None:
    text = complaint(lambda: solve(DISCRETE, [[0.0]], [0.0, 1.0], stepper=stepper))
    assert "a discrete law with dt = 0.1 must be stepped by stepper=Euler(0.1); got " in text


@pytest.mark.parametrize("times", [[0.0, 0.25], [-0.1, 0.0]])
def test_a_discrete_law_wants_whole_steps(times) -> None:
    text = complaint(lambda: solve(DISCRETE, [[0.0]], times, stepper=Euler(0.1)))
    assert "`times` of a discrete law must be multiples of dt = 0.1, from 0 on; got " in text


def test_good_input_is_not_changed_and_not_kept() -> None:
    points, weights = np.array([[1, 2], [3, 4]]), np.array([0.25, 0.75])
    mu = Empirical(points, weights)
    assert mu.points.dtype == np.float64
    points[0, 0], weights[0] = 9, 0.5
    assert mu.points[0, 0] == 1.0
    assert mu.weights[0] == 0.25
    with pytest.raises(ValueError, match="read-only"):
        mu.points[0, 0] = 1.0


def test_moved_atoms_keep_their_weights_and_number() -> None:
    mu = Empirical([[1.0], [2.0]], [0.25, 0.75])
    assert mu.moved_to(np.array([[5.0], [9.0]])).mean[0] == pytest.approx(8.0)
    assert complaint(lambda: mu.moved_to(np.zeros((3, 1)))) == "`points` must have shape (2, 1); got (3, 1)."
