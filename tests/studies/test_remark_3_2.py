"""Remark 3.2, smaller than the study's quick size."""

from typing import Any

import numpy as np
import pytest

from recorded import summed_up
from studies.registry import STUDIES
from studies.statements import remark_3_2
from studies.statements.remark_3_2 import judged, runs
from studies.statements.verdict import Verdict


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    config = remark_3_2.Config(n=16, radii=(1.0, 5.0), tokens=(10,), replicas=3, settled=3)
    return summed_up(remark_3_2, config)


def test_it_is_entered() -> None:
    assert STUDIES["remark-3-2"].module == "studies.statements.remark_3_2"


def test_the_rate_is_the_leading_eigenvalue(shown) -> None:
    assert [row["family"] for row in shown["rates"]] == list(runs.FAMILIES)
    for row in shown["rates"]:
        assert row["settled"]
        # steps to 1e-6 of the tokens' size, and distances down to e^-5 of what they were at t*
        assert row["exponent"] == pytest.approx(1, abs=1e-3)
        assert row["delay"] > -1e-3  # nobody arrives sooner than e^{-lambda t}


def test_a_larger_modulus_is_a_later_start(shown) -> None:
    for row in shown["few"]:
        assert row["shift"] < 1e-6  # two runs with relative steps of 1e-8
    small, large = shown["few"]
    assert large["at"][1] < small["at"][1]


def test_leaders_are_certain_earlier_for_larger_tokens(shown) -> None:
    late = shown["late"]
    assert late["decided"] == late["draws"]
    assert all(count >= 1 for count in late["leaders"])
    # slopes between -1 and -3 in log r whatever the draw; t* is looked at every 0.5
    assert np.diff(late["depth"])[0] < -np.log(5) + 0.5


def test_draws_that_are_not_decided_have_no_leaders_to_count() -> None:
    case = {"radii": [0.25, 1.0]}
    nan = float("nan")
    results = [{"depth": [nan, 2.0], "leaders": [0, 3]}, {"depth": [5.0, 3.0], "leaders": [1, 4]}]
    late = judged._late_rows([(case, result) for result in results])
    assert late["leaders"] == [1.0, 3.5] and late["decided"] == 1
    assert judged._late_rows([(case, results[0])])["leaders"] == [None, 3.0]
    said = judged._on_depth(late | {"slope": -2.0, "error": 0.1})
    assert "1.0 at r = 0.25, 3.5 at r = 1." in said.measured
    assert said.says.startswith("Not said")


def test_verdicts_can_fail_and_stay_undecided(shown) -> None:
    row = shown["rates"][0]
    assert judged._on_rate([row, row | {"exponent": 0.9}, row | {"settled": False}]) == Verdict(
        **(judged._on_rate([row, row | {"exponent": 0.9}]).record() | {"undecided": 1})
    )
    assert judged._on_rate([row | {"exponent": 0.9}]).failed == 1
    few = shown["few"][0]
    assert judged._on_shift([few | {"shift": 1e-3}]).failed == 1
    assert judged._on_few([few | {"after few": 0.4}]).failed == 1
    assert judged._on_depth(shown["late"] | {"slope": -1.0, "error": 0.05}).failed == 1
    assert judged._on_depth(shown["late"] | {"error": None}).undecided == 1


def test_a_share_is_reached_for_good() -> None:
    times = np.arange(4.0)
    assert judged._reached(times, np.array([0.0, 0.6, 0.4, 0.8]), 0.5) == pytest.approx(2.25)
    assert judged._reached(times, np.array([0.6, 0.6, 0.6, 0.8]), 0.5) == 0.0
    assert judged._reached(times, np.array([0.0, 0.1, 0.2, 0.3]), 0.5) is None


def test_table_and_figure_are_complete(shown) -> None:
    text = remark_3_2.table(shown)
    assert all(family in text for family in runs.FAMILIES)
    figure = remark_3_2.figure(shown)
    figure.draw_without_rendering()
    assert [len(axes.lines) > 2 for axes in figure.axes] == [True, False, True]
