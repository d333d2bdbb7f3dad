"""The study of Theorem 8.5, smaller than its quick size, and its expansions against what is known exactly."""

from typing import Any

import numpy as np
import pytest

from particles import Adaptive, Attention, Raw, solve
from recorded import summed_up
from studies.registry import STUDIES
from studies.statements import theorem_8_5 as study


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    config = study.Config(draws=5, depth=100.0, times=21, searches=1)
    return summed_up(study, config)


def test_it_is_entered() -> None:
    assert STUDIES["theorem-8-5"].module == study.__name__


def test_every_statement_holds_in_every_draw(shown) -> None:
    assert [record["statement"] for record in shown["verdicts"]] == [
        "Theorem 8.5",
        "Remark 8.6",
        "Lemma 8.7",
        "Lemma 8.8",
        "Lemma 8.9",
    ]
    for record in shown["verdicts"]:
        assert record["failed"] == record["undecided"] == 0
        assert record["held"] == (len(study.SIZES) if record["statement"] == "Lemma 8.8" else 5)


def test_tokens_forget_how_they_began(shown) -> None:
    for row in shown["rows"][:4]:  # the fifth starts in a small box, where 1/C is not yet small beside 2t = 200
        # the first correction to 2t C = 1 is of order log(t)/t = 0.05
        assert np.array(row["scaled_spectra"][-1]) == pytest.approx(1, abs=0.06)


def test_three_tokens_in_space_do_not_span_it() -> None:
    case = {"task": "run", "kind": study.KINDS.index((3, 3, 5.0, "one-sided")), "depth": 100.0, "times": 21}
    results = [study.run_case(case | {"kind": kind, "seed": [0]}) for kind in (case["kind"], 0)]
    rows = [study._row(result) for result in results]
    assert [(row["spans"], len(row["scaled_spectra"][-1])) for row in rows] == [(False, 2), (True, 2)]
    searches = [{"n": 2, "d": 1, "size": 0.3, "least": 0.1, "starts": 1, "scaled": 1.0}]
    assert "in 1 of 2 draws that is less than R^d" in study._verdicts(rows, searches, 100.0)[0].measured


def test_the_integrated_identity_has_no_error_but_that_of_the_steps(shown) -> None:
    # the stepper's relative tolerance is 1e-10
    assert max(row["identity"] for row in shown["rows"]) < 1e-8


def test_two_opposite_tokens_have_a_solution_to_compare_with() -> None:
    # x_1 = -x_2 = x: x' = -x tanh(x^2), so that the integral of dx / (x tanh(x^2)) from x(t) to x(0) is t
    from scipy.integrate import quad

    minus = -np.eye(1)
    path = solve(Raw(Attention([[1.0]], [[1.0]], minus)), [[1.5], [-1.5]], [0.0, 5.0], stepper=Adaptive(1e-11, 1e-13))
    field, log_sums = study._field(path.points[-1])
    x = path.points[-1, 0, 0]
    assert quad(lambda y: 1 / (y * np.tanh(y * y)), x, 1.5)[0] == pytest.approx(5, abs=1e-8)  # the steps' tolerance
    assert field[0, 0] == pytest.approx(-x * np.tanh(x * x), rel=1e-13)  # rounding
    assert log_sums[0] == pytest.approx(np.log(2 * np.cosh(x * x)), rel=1e-14)


def test_the_mean_is_slaved_to_the_third_moments() -> None:
    # three tokens at a(1, 1, -2): C = 2 a^2, T = -2 a^3, so that -T:C/2 = 2 a^5
    a = 0.1
    assert study._slaved_mean(np.array([[a], [a], [-2 * a]])) == pytest.approx(np.array([2 * a**5]), rel=1e-13)


def test_a_field_that_vanishes_would_be_found() -> None:
    # what the search makes small is small where it should be: at the size 1e-3 it is of the order of size^3
    case = {"task": "search", "size": 0, "starts": 1, "seed": [0]}
    found = study.run_case(case)
    n, _, size = study.SIZES[0]
    assert found["speeds"][0] == pytest.approx(size * np.tanh(size**2), rel=1e-6)  # +-r is the best two tokens can do
    assert n == 2


def test_table_and_figure_are_complete(shown) -> None:
    text = study.table(shown)
    assert all(record["statement"] in text for record in shown["verdicts"])
    figure = study.figure(shown)
    figure.draw_without_rendering()
    assert all(axes.lines for axes in figure.axes)
