"""The study of Theorem 2.1, smaller than its quick size, and the bounded token against more digits."""

from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from particles import Adaptive, Attention, Empirical
from particles.levels import levels
from particles.settled import settle
from recorded import summed_up
from studies.registry import STUDIES
from studies.statements import theorem_2_1 as study
from studies.statements.bounded_token import BoundedToken, bounded_token, root, shoot
from studies.statements.theorem_2_1 import held as made
from studies.statements.theorem_2_1 import random_draws, report
from studies.statements.theorem_2_1.spaced import Spaced, differences, places, state_of

CLOSE = np.array([-0.05, 0.1, 0.2, 0.2 + 1e-7])  # the last two travel together, 1e-7 apart


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    config = study.Config(draws=3, bounded=((2, 1), (2, 0)), distances=1, thresholds=1)
    return summed_up(study, config)


@pytest.fixture(scope="module")
def held() -> BoundedToken:
    return bounded_token(np.array([-1.0, 1.2]), 6.0)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Others of which one is drawn to the other side, and others all on the right."""
    return [made.numbers(np.array(others)) for others in ([-1.9, -1.8, -1.7, 0.4], [0.5, 1.5])]


def test_it_is_entered() -> None:
    assert STUDIES["theorem-2-1"].module == study.__name__


def test_every_statement_holds_wherever_it_is_decided(shown) -> None:
    statements = [record["statement"] for record in shown["verdicts"]]
    assert statements[:3] == ["Theorem 2.1", "Remark 2.2, rank", "Remark 2.2, rate"]
    assert statements[3:] == [f"Lemma 7.{k}" for k in (2, 3, 5, 6, 7, 8)]
    for record in shown["verdicts"]:
        assert record["failed"] == record["undecided"] == 0, record


def test_rates_are_those_of_the_neighbours(shown) -> None:
    for row in shown["rows"]:
        # at -log(1 - P) beyond 1e3 the offsets and the number of neighbours matter by some 1e-3
        assert np.array(row["slopes"]) == pytest.approx(np.array(row["expected"]), abs=5e-3)
    assert {value for row in shown["rows"] for value in row["expected"]} == {1.0, 2.0}


def test_the_rate_is_formed_from_exponents() -> None:
    # three tokens far out: 1 - P_{1,3} is e^{-2e6}, and 1 - P is 0 in doubles
    x, last = np.array([1000.0, 2000.0, 3000.0]), np.array([2, 2, 2])
    assert random_draws.log_rate(x, _ahead(x), last) == pytest.approx(np.log(1000 * x), rel=1e-14)
    # and where P_iL is next to nothing, early on: the exponents are 25, -5 and -10
    near = np.array([-5.0, 1.0, 2.0])
    assert random_draws.log_rate(near, _ahead(near), last)[0] == pytest.approx(-35, abs=1e-12)


def _ahead(x: np.ndarray) -> np.ndarray:
    """How far the last token is ahead of each, for every row."""
    return np.tile(x[-1] - x, (len(x), 1))


def test_the_class_of_figure_2_is_recognised() -> None:
    assert random_draws.in_class(np.array([0, 0, 3, 3]))
    assert not random_draws.in_class(np.array([0, 3, 0, 3]))  # not in order
    assert not random_draws.in_class(np.array([0, 1, 3, 3]))  # a third leader


def test_others_on_no_side_are_refused() -> None:
    with pytest.raises(ValueError, match="got 0 left and 0 right"):
        study.Config(bounded=((0, 0),))


class TestSpaced:
    law = Spaced(1.3, 0.7)
    attention = Attention(Q=[[0.7]], K=[[1.0]], V=[[1.3]])

    def test_it_is_the_same_motion(self, rng):
        x = np.sort(rng.uniform(-2, 2, 7))
        points = x[:, None]
        moved = self.attention.field(Empirical(points), points)[:, 0]
        now = state_of(x)
        # both are sums of 7 terms of order 1: some roundings
        assert self.law.velocity(0.0, now) == pytest.approx(
            np.append(moved[0], np.diff(moved) / np.diff(x)), rel=1e-13, abs=1e-14
        )
        assert self.law.matrix(now) == pytest.approx(self.attention.matrix(Empirical(points)), abs=1e-15)
        assert differences(now) == pytest.approx(x[:, None] - x, abs=1e-14)

    @pytest.mark.parametrize("shift", [0.0, 30.0, -30.0])
    def test_what_is_close_grows_as_forty_digits_say(self, shift):
        x = shift + np.array([-1.0, 0.5, 0.5 + 2.0**-30, 0.7])  # representable, so is each difference
        with mpmath.workdps(40):
            means = [_mean(mpmath.mpf(float(a)), [mpmath.mpf(float(y)) for y in x]) for a in x]
            grown = [
                float((b - a) / mpmath.mpf(float(d))) for a, b, d in zip(means[:-1], means[1:], np.diff(x), strict=True)
            ]
        # exponents reach 0.7 * 31 * 1.7 and are known to some roundings of that
        assert self.law.velocity(0.0, state_of(x))[1:] == pytest.approx(1.3 * np.array(grown), rel=1e-13)

    def test_leaders_are_those_of_settle(self):
        x = np.array([-1.0, -0.2, 0.5, 2.0])
        late = settle(self.attention, x[:, None])
        depth, state, margin = self.law.settled(state_of(x), 20.0, Adaptive(1e-12, 1e-14))
        assert margin >= 45
        assert late.leaders.tolist() == np.where(places(state) < 0, 0, 3).tolist()
        # errors of steps, some 1e-11 in all
        shrunk = places(state)[[0, -1]] * np.exp(-1.3 * depth)
        assert shrunk == pytest.approx(late.limit[[0, -1], 0], rel=1e-9)

    def test_it_gives_up_at_the_asked_depth(self):
        stepper = Adaptive(1e-10, 1e-12)
        # the middle one is at 0 until rounding, 1e-16, has grown by e^{A(t)}, A(1.3) being of order e^{2.6 * 1.3}
        assert self.law.settled(state_of(np.array([-1.0, 0.0, 1.0])), 1.3, stepper) is None

    def test_tokens_out_of_order_are_refused(self):
        for points in ([1.0], [0.0, 2.0, 2.0], [1.0, 0.0]):
            with pytest.raises(ValueError, match="two or more increasing"):
                state_of(np.array(points))


def _mean(a: Any, x: list[Any]) -> Any:
    weights = [mpmath.e ** (mpmath.mpf(0.7) * a * y) for y in x]
    return mpmath.fdot(weights, x) / mpmath.fsum(weights)


class TestByOrder:
    def test_tokens_that_travel_together(self):
        row = random_draws.numbers(CLOSE, 1.0, 1.0, until=24.0)
        assert row["decided"] and row["by"] == "order"  # `settle` leaves it undecided
        assert row["leaders"].tolist() == [3, 3, 3, 3] and row["rank"] == row["rank_direct"] == 1
        assert row["matrix_error"] == 0 and row["enclosed"] and row["rates_hold"]
        assert row["slopes"] == pytest.approx(np.ones(4), abs=1e-3)  # exponents are above e^5 * 45, and log 4 is beside
        assert row["gamma_error"] < 1e-8

    def test_both_ways_agree_where_both_tell(self):
        x, scalars = np.array([-1.0, -0.2, 0.5, 2.0]), (0.5, 3.0)
        attention = random_draws.line(*scalars)
        late = settle(attention, x[:, None])
        ordered = random_draws.by_order(x, *scalars, levels(attention, x[:, None]))
        assert ordered.leaders.tolist() == late.leaders.tolist()
        assert ordered.limit == pytest.approx(late.limit, rel=1e-10)  # errors of steps
        assert random_draws._direct(x, *scalars, ordered, Spaced(*scalars))["slopes"] == pytest.approx(
            random_draws._direct(x, *scalars, late, None)["slopes"],
            abs=1e-4,  # the times of the fits differ
        )

    def test_a_token_that_may_go_either_way_is_named(self):
        row = random_draws.numbers(np.array([-1.0, 0.0, 1.0]), 1.0, 1.0, until=10.0)
        assert not row["decided"]
        assert "1 token on a side (x_2 = " in row["why"]
        verdicts = report._of_draws([row], [])
        assert [record.undecided for record in verdicts] == [1, 1, 1]
        assert "Draw 0 (n = 3, V = 1, QK = 1) is undecided: up to t = " in verdicts[0].measured


class TestWhereOthersEnd:
    def test_others_drawn_to_one_side_leave_the_token_beyond_them(self, rows):
        assert rows[0]["ends"] == [4, 0] and rows[0]["leave"] and rows[0]["stays"]
        assert rows[0]["limit"] is None and rows[0]["start"] > 0.4
        judged = report._held([report._bounded_row(rows[0])])
        assert [(record.statement, record.held) for record in judged] == [("Lemma 7.7", 1)]
        assert "In 1 draw others started on both sides" in judged[0].measured

    def test_the_first_token_may_be_the_one_that_stays(self, rows):
        assert rows[1]["ends"] == [0, 2]
        assert report._bounded_row(rows[1])["row_error"] < 1e-3  # 1 - P_11 is of order t e^{-2t} there
        assert rows[1]["start"] < 0

    def test_what_is_not_held_decides_nothing(self, rows):
        row = report._bounded_row(rows[0])
        assert report._held([row | {"leave": False}])[0].undecided == 1
        assert report._held([row | {"change": 1e-6}])[0].undecided == 1


class TestBoundedToken:
    def test_the_end_is_forgotten(self, held):
        other = bounded_token(np.array([-1.0, 1.2]), 6.0, end=-0.4)
        assert other.start == pytest.approx(held.start, abs=1e-10)  # the tolerance of the way back
        assert other.scaled(5.0) == pytest.approx(held.scaled(5.0), abs=1e-9)

    def test_it_tends_to_the_root(self, held):
        theta = root(float(held.others(6.0)[0]), float(held.others(6.0)[1]), 1, 1)
        apart = np.array([abs(held.scaled(t) - theta) for t in (3.0, 4.0, 5.0)])
        # with one token on either side gamma_j is exact: the rest is of order e^{-2t}
        assert np.log(apart[:-1] / apart[1:]) == pytest.approx(2, abs=0.1)

    def test_the_root_is_one(self):
        low, high = -1.3, 0.7
        theta = root(low, high, 4, 2)
        assert 4 * low * np.exp(low * theta) + 2 * high * np.exp(high * theta) == pytest.approx(0, abs=1e-14)

    def test_runs_forwards_find_the_same_start_and_lose_it_where_predicted(self, held):
        grown = quad(held.rate, 0, 2.4, limit=200, epsabs=1e-4)[0]
        found = shoot(np.array([-1.0, 1.2]), held, 1e-9, 2.4)
        assert found.below == pytest.approx(held.start, abs=1e-11)  # tolerances 1e-11 on the way back, 1e-12 forwards
        # an error of one rounding, 7e-18, is of order 1 where A(t) = 39; rounding on the way is of order 1e-16
        assert grown == pytest.approx(38, abs=2)
        assert found.left == pytest.approx(2.4, abs=0.2)

    def test_a_bracket_on_one_side_is_refused(self, held):
        shifted = BoundedToken(held.others, lambda t: held.scaled(t) + 1e-3, held.depth, held.turns, held.change)
        with pytest.raises(ValueError, match="does not change sides"):
            shoot(np.array([-1.0, 1.2]), shifted, 1e-6, 2.0)

    def test_symmetric_others_hold_it_at_the_origin(self):
        middle = bounded_token(np.array([-1.5, -0.5, 0.5, 1.5]), 4.0)
        assert middle.start == pytest.approx(0, abs=1e-11)
        assert middle.row(3.0) == pytest.approx(np.full(5, 0.2), abs=1e-6)  # theta = 0: all alike

    @pytest.mark.slow
    def test_forty_digits_agree(self, held):
        """Bisection of the start where rounding plays no part, to a depth at which 1e-17 has grown to order 1."""
        with mpmath.workdps(40):
            start = _bisected([mpmath.mpf(-1), mpmath.mpf("1.2")], mpmath.mpf(held.start), mpmath.mpf("1e-10"))
            assert float(start) == pytest.approx(held.start, abs=1e-11)  # RK4's own error is h^4 = 2e-11 over 120


def _bisected(others: list[Any], middle: Any, width: Any) -> Any:
    """Return the start between middle -+ width at which the token changes sides."""
    low, high = middle - width, middle + width
    assert _stepped([*others, low])[-1] < 0 < _stepped([*others, high])[-1]
    for _ in range(8):
        guess = (low + high) / 2
        if _stepped([*others, guess])[-1] > 0:
            high = guess
        else:
            low = guess
    return (low + high) / 2


def _stepped(x: list[Any], steps: int = 1200) -> list[Any]:
    """Return the tokens at t = 2.4, by RK4."""
    h = mpmath.mpf("2.4") / steps

    def field(x: list[Any]) -> list[Any]:
        out = []
        for a in x:
            weights = [mpmath.e ** (a * b) for b in x]
            out.append(mpmath.fdot(weights, x) / mpmath.fsum(weights))
        return out

    def moved(x: list[Any], slope: list[Any], h: Any) -> list[Any]:
        return [a + h * b for a, b in zip(x, slope, strict=True)]

    for _ in range(steps):
        k1 = field(x)
        k2 = field(moved(x, k1, h / 2))
        k3 = field(moved(x, k2, h / 2))
        k4 = field(moved(x, k3, h))
        x = [a + h / 6 * (p + 2 * q + 2 * r + s) for a, p, q, r, s in zip(x, k1, k2, k3, k4, strict=True)]
    return x


def test_table_and_figure_are_complete(shown) -> None:
    text = study.table(shown)
    assert all(record["statement"] in text for record in shown["verdicts"])
    figure = study.figure(shown)
    figure.draw_without_rendering()
    assert all(axes.lines for axes in figure.axes)
