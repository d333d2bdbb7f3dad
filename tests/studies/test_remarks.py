"""The studies of Remarks 7.9 and 3.3, smaller than their quick sizes, and their methods against exact answers."""

from typing import Any

import numpy as np
import pytest

from particles import Attention, Euler, Raw, Rescaled, solve
from particles.settled import settle
from recorded import summed_up
from studies.registry import STUDIES
from studies.statements import discrete, remark_3_3, remark_7_9


def verdict_of(summary: dict[str, Any], statement: str) -> dict[str, Any]:
    return next(record for record in summary["verdicts"] if record["statement"] == statement)


@pytest.fixture(scope="module")
def two_tokens() -> dict[str, Any]:
    return summed_up(remark_7_9, remark_7_9.Config(draws=3, offsets=(0.5, 0.15)))


@pytest.fixture(scope="module")
def steps() -> dict[str, Any]:
    return summed_up(remark_3_3, remark_3_3.Config(polytopes=2, triples=1, falls=1, dts=(1.0, 0.1, 0.01)))


def test_they_are_entered() -> None:
    assert STUDIES["remark-7-9"].module == remark_7_9.__name__
    assert STUDIES["remark-3-3"].module == remark_3_3.__name__


class TestRemark79:
    def test_the_tokens_do_not_meet(self, two_tokens):
        record = verdict_of(two_tokens, "Remark 7.9, the tokens")
        assert (record["held"], record["failed"]) == (0, 2)
        for row in two_tokens["rows"]:
            # the tolerance 1e-11 of log b, times what 1/(2 eps^2) = 22 adds up to
            assert row["w_error"] < 1e-9
            # the next term of log w is eps^2/6
            assert row["w_leading_error"] == pytest.approx(row["eps"] ** 2 / 6, rel=0.02)

    def test_the_matrix_tends_to_the_identity(self, two_tokens):
        assert verdict_of(two_tokens, "Remark 7.9, the matrix")["held"] == 2

    def test_a_run_in_doubles_is_misled_where_it_takes_off_late(self, two_tokens):
        early, late = two_tokens["rows"]
        assert early["lost_at"] is None  # takes off at 2
        assert 14 < late["lost_at"] < 1 / (2 * late["eps"] ** 2)  # e^{2t} passes 1e16 / 4 b^2 at 18; takes off at 22

    def test_three_tokens_have_more_clusters_than_rank(self, two_tokens):
        assert [(row["clusters"], row["rank"]) for row in two_tokens["three"]] == [(3, 2)] * 3
        for row in two_tokens["three"]:
            assert np.array(row["matrix"]) == pytest.approx(np.array([[1, 0, 0], [0, 1, 0], [0.5, 0.5, 0]]), abs=1e-12)
            assert row["limit"][2][0] == pytest.approx(row["limit"][0][0], rel=1e-4)  # up to D e^{-12}
            assert row["error"] < remark_7_9._PAIR_ERROR

    def test_pairs_and_random_tokens_have_as_many_clusters_as_rank(self, two_tokens):
        for statement in ("Remark 7.9, two tokens", "Remark 7.9, at random"):
            assert verdict_of(two_tokens, statement)["held"] == 3

    def test_table_and_figure_are_complete(self, two_tokens):
        text = remark_7_9.table(two_tokens)
        assert all(record["statement"] in text for record in two_tokens["verdicts"])
        figure = remark_7_9.figure(two_tokens)
        figure.draw_without_rendering()
        assert all(axes.lines for axes in figure.axes)


class TestDiscrete:
    def test_a_step_is_the_package_s_own(self, rng):
        V = np.array([[0.8, -0.5], [0.6, 0.4]])
        attention, x = Attention(Q=[[1.0, 0.3], [0.0, 1.0]], K=np.eye(2), V=V), rng.uniform(-2, 2, (7, 2))
        path = solve(Raw(attention), x, [0.0, 0.25], stepper=Euler(0.25))
        assert discrete.stepped(attention, x, 0.25) == pytest.approx(path.points[-1], rel=1e-12)  # the softmax's error

    @pytest.mark.parametrize("dt", [1.0, 0.2])
    def test_the_closed_form_is_where_the_steps_go(self, rng, dt):
        # lambda = 1.2 and -1.1: at dt = 1 one eigenvalue of R is negative, and its logarithm not real
        turn = np.array([[1.0, 0.3], [-0.2, 1.0]])
        V = turn @ np.diag([1.2, -1.1]) @ np.linalg.inv(turn)
        attention, x = Attention(Q=np.eye(2), K=np.eye(2), V=V), rng.uniform(-3, 3, (8, 2))
        found = discrete.settle_steps(attention, x, dt)
        assert found.decided
        assert (found.leaders[found.leaders] == found.leaders).all()
        late = solve(Rescaled(attention, dt), x, [0.0, (found.steps + 4) * dt], stepper=Euler(dt)).points[-1]
        leading = np.unique(found.leaders)
        # leaders stand still in the rescaled frame: rounding, times the condition number of R^k
        assert late[leading] == pytest.approx(found.limit[leading], rel=1e-7, abs=1e-7)

    def test_it_tends_to_the_differential_equation(self, rng):
        eye = np.eye(2)
        attention, x = Attention(eye, eye, eye), rng.uniform(-3, 3, (6, 2))
        exact = settle(attention, x)
        errors = [np.abs(discrete.settle_steps(attention, x, dt).limit - exact.limit).max() for dt in (0.02, 0.01)]
        assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)  # order 1, the next term being dt times smaller

    def test_a_token_between_two_leaders_is_left_open(self):
        line = Attention([[1.0]], [[1.0]], [[1.0]])
        assert not discrete.settle_steps(line, np.array([[-1.0], [0.0], [1.0]]), 0.5, until=4.0).decided

    def test_without_a_real_logarithm_it_says_so(self, rng):
        V = np.array([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 0.0, 1.0]])  # R^2 turns a plane by half a turn
        with pytest.raises(ValueError, match="real logarithm"):
            discrete.settle_steps(Attention(np.eye(3), np.eye(3), V), rng.random((3, 3)), 1.0)


class TestRemark33:
    def test_every_conclusion_carries_over_at_small_steps(self, steps):
        for record in steps["verdicts"][:-1]:
            assert record["failed"] == record["undecided"] == 0, record
            assert record["held"] >= 1

    def test_the_fall_to_the_origin_does_not_carry_over_past_two(self, steps):
        record = steps["verdicts"][-1]
        assert (record["held"], record["failed"]) == (0, 1)

    def test_the_polytopes_come_together_at_order_one(self, steps):
        least, largest = steps["headline"]["order in dt of the distance of the limit polytopes"]
        assert 0.85 < least <= largest < 1.15  # between 0.1 and 0.01 the next term bends the slope by some per cent

    def test_table_and_figure_are_complete(self, steps):
        text = remark_3_3.table(steps)
        assert all(record["statement"] in text for record in steps["verdicts"])
        figure = remark_3_3.figure(steps)
        figure.draw_without_rendering()
        assert all(axes.lines for axes in figure.axes)
