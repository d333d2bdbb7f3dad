"""The study of Theorem 4.2: its limits, its lemmas, and what fails if they are made to fail."""

from typing import Any

import numpy as np
import pytest

from particles import Attention
from particles.spectrum import good_triple
from recorded import summed_up
from studies.registry import STUDIES
from studies.statements import theorem_4_2
from studies.statements.theorem_4_2 import motion, report

EYE = np.eye(2)
V = np.array([[1.0, 0.3], [0.0, -0.2]])


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    config = theorem_4_2.Config(dims=(2,), tokens=6, screened=30)
    return summed_up(theorem_4_2, config)


def test_it_is_entered() -> None:
    assert STUDIES["theorem-4-2"].module == "studies.statements.theorem_4_2"


def test_nothing_that_is_decided_fails(shown) -> None:
    assert shown["headline"]["all_decided_hold"]
    assert all(verdict["failed"] == 0 for verdict in shown["verdicts"])
    assert shown["headline"]["decided"] >= 3  # of five draws, three of them the published matrices
    assert set(shown["headline"]["values"]) <= {"1", "2", "3"}


def test_levels_are_at_their_limits_late(shown) -> None:
    # e^-40 = 4e-18 times offsets, which are below e^6 = 400 of the spread at the latest settled depth
    assert shown["headline"]["largest_off_at_40"] < 1e-14


def test_the_lemmas_stay_within_their_bounds(shown) -> None:
    moved = [row for row in shown["rows"] if row.get("rise") is not None]
    assert len(moved) >= 5
    for row in moved:
        assert row["lemma_9_1"]
        assert row["lemma_9_3"]
        assert row["rise"] < 1e-6  # local errors of 1e-9, a thousand steps of them
        assert row["ratio"] < 1 + 1e-6


def test_an_ascending_level_is_seen() -> None:
    # tokens that move out along phi_1 faster than e^t break Lemma 9.1, and Lemma 9.3 with it
    times = np.linspace(0, 1, 5)
    tokens = np.array([[1.0, 0.0], [-1.0, 0.5]])
    running = np.exp(1.1 * times)[:, None, None] * tokens
    found = motion.lemmas(Attention(Q=EYE, K=EYE, V=V), times, running)
    assert not found["lemma_9_1"]
    assert not found["lemma_9_3"]


def drawn(seed: list[int], d: int) -> dict[str, Any]:
    return theorem_4_2.run_case({"kind": "triple", "d": d, "head": "random", "n": 10, "until": 6.0, "seed": seed})


def test_a_bound_decides_where_leaders_are_shared() -> None:
    found = drawn([0, 2, 14, 1], 2)
    assert (found["by"], found["undecided"], found["outcome"]) == ("bound", 0, True)
    spread = np.ptp(found["tracks"][0])
    assert 0 < found["width"] < 1e-4 * spread  # at most 1e-5 of the largest level, which is no larger than the spread
    low, high = found["ends"]
    # levels of the last depth of the run are at most this far from their limits: e^-6 of some boxes
    assert np.abs(found["tracks"][-1][:, None] - [low, high]).min(axis=1).max() < 0.02 * spread
    assert low < 0 < high


def test_levels_that_have_become_one_are_one_value() -> None:
    # raw tokens stay bounded here, as Q, K repel along V's other eigenvectors: all levels fall like e^{-lambda t}
    found = drawn([0, 3, 3, 1], 3)
    assert (found["by"], found["undecided"], found["outcome"]) == ("one value", 0, True)
    (end,) = found["ends"]
    spread = np.ptp(found["tracks"][0])
    assert abs(end) < found["width"] < 1e-5 * spread


def test_what_bounds_decide_is_told() -> None:
    row = {"by": "bound", "outcome": True, "width": 2e-4, "scale": 2.0, "depth": 9.0}
    told = report._by_bounds([row, {**row, "width": 4e-4}, {**row, "by": "leaders"}, {**row, "outcome": None}])
    assert told.startswith("In 2 tokens share leaders") and "within 2.0e-04 by lambda_1 t = 9" in told
    assert "come together" in report._by_bounds([{**row, "by": "one value"}])
    assert not report._by_bounds([{**row, "by": "leaders"}])


def test_growth_along_the_hyperplane_is_the_negative_eigenvalue(shown) -> None:
    seen = [row for row in shown["rows"] if row.get("growth") is not None]
    assert {row.get("figure") for row in seen} >= {6, 13}
    for row in seen:
        assert row["growth"] == pytest.approx(row["growth_expected"], rel=0.02)


def test_one_side_has_one_limit_and_the_middle_stays_by_symmetry(shown) -> None:
    one = next(row for row in shown["rows"] if row["kind"] == "one side")
    assert one["outcome"] is None or len(one["ends"]) == 1
    middle = next(row for row in shown["rows"] if row["kind"] == "symmetric")
    assert middle["middle"] < 1e-13  # sums that cancel to rounding
    assert middle["undecided"] >= 1


def test_refused_triples_say_which_condition_fails(shown) -> None:
    tokens = np.array([[1.0, 0.0], [0.0, 1.0]])
    refused = motion.numbers(Attention(Q=EYE, K=-EYE, V=V), tokens, 4.0)
    assert refused["failed"] == ["pairing"]
    screened = [row for row in shown["rows"] if row["kind"] == "screen"]
    for row in screened:
        assert row["good"] + sum(row["failed"].values()) >= row["count"]
        assert 0 < row["good"] < row["count"] or row["d"] == 10


def test_the_angle_is_that_between_the_eigenvectors() -> None:
    triple = good_triple(Attention(Q=EYE, K=EYE, V=V))
    # phi_1 = (1, 0), phi_1^* = (1, 0.3 / 1.2): tan of the angle is 1/4
    assert motion.angle(triple) == pytest.approx(np.degrees(np.arctan(0.25)), rel=1e-12)


def test_table_and_figure_are_complete(shown) -> None:
    text = theorem_4_2.table(shown)
    assert all(f"Fig. {number}" in text for number in theorem_4_2.FIGURES)
    assert all(f"{name}: " in text for name in theorem_4_2.ASTRAY)
    figure = theorem_4_2.figure(shown)
    figure.draw_without_rendering()
    assert len(figure.axes) == 5


def test_boundedness_needs_no_leaders() -> None:
    # of these ten tokens double precision does not tell whom nine follow; no |z| passes the bound of Lemma 9.1
    case = {"kind": "nonnegative", "d": 2, "seed": [0, 100, 4], "n": 10, "until": 6.0}
    found = theorem_4_2.run_case(case)
    assert found["undecided"] > 0
    assert found["outcome"] is True
    assert found["start"] <= found["largest"] <= found["bound"]


def test_tokens_that_leave_are_not_called_bounded() -> None:
    # -0.4 is not in [0, inf): z grows as e^(0.4 t), past any bound by initial levels
    attention = Attention(Q=EYE, K=EYE, V=np.diag([1.0, -0.4]))
    tokens = np.random.default_rng(2).uniform(-5, 5, (6, 2))
    assert motion.bounded(attention, tokens, 6.0)["outcome"] is False


def test_a_jordan_block_that_hardly_falls_has_no_pair() -> None:
    # rounding splits the double eigenvalue -0.007 by 3e-9 i, of which no period is waited for
    case = {"kind": "jordan", "d": 3, "seed": [0, 100, 4], "n": 8, "until": 6.0}
    found = theorem_4_2.run_case(case)
    # t e^(-lambda t) over twice the depth 60 / lambda: log 2 / 60 of the exponent
    assert found["growth"] == pytest.approx(found["growth_expected"], rel=0.02)


def test_levels_are_named_by_their_place() -> None:
    from studies.statements.theorem_4_2.drawing import _named

    assert _named({"kind": "triple", "ends": [-2.0, 0.0, 3.0]}) == [("a", -2.0), ("b", 3.0), ("0", 0.0)]
    assert _named({"kind": "triple", "ends": [2.0]}) == [("b", 2.0)]
    assert _named({"kind": "symmetric", "ends": [-1.0, 1.0]})[-1] == ("0", 0.0)
