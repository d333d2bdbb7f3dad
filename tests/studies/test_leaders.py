"""Who leads: the exact statements, the four tokens of which the inner one leads, and the scores of predictions."""

from typing import Any

import numpy as np
import pytest

from particles import Attention, Rescaled, solve
from particles.geometry import Hull
from recorded import summed_up
from studies.registry import STUDIES
from studies.statements import leaders, leaders_report


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    config = leaders.Config(draws=2, triples=1, dims=(1, 2, 10), sizes=(8,), triple_dims=(1, 2), triple_sizes=(6,))
    return summed_up(leaders, config)


def said(shown: dict[str, Any], statement: str) -> dict[str, Any]:
    return next(record for record in shown["verdicts"] if record["statement"] == statement)


def test_it_is_entered() -> None:
    assert STUDIES["leaders"].module == "studies.statements.leaders"


@pytest.mark.parametrize("statement", ["Leaders on the line", "Theorem 3.1, leaders"])
def test_exact_statements_hold_in_every_draw(shown, statement) -> None:
    record = said(shown, statement)
    assert record["held"] > 0
    assert record["failed"] == record["undecided"] == 0


def test_a_token_within_the_hull_leads_in_the_end(shown) -> None:
    tokens = np.array(leaders.HIDDEN)
    assert Hull(tokens[:3]).distance(tokens[3:]) == 0
    assert 3 not in Hull(tokens).vertices
    assert shown["headline"]["hidden_leads"]
    assert said(shown, "Leaders and the initial hull")["failed"] >= 1
    # the same by a plain run: it stands still, away from the three others
    eye = np.eye(2)
    run = solve(Rescaled(Attention(Q=eye, K=eye, V=eye)), tokens, [0.0, 2.0, 4.0])
    # the run's tolerance, 1e-8 of 40, with room
    np.testing.assert_allclose(run.points[2, 3], run.points[1, 3], atol=1e-5)
    assert np.linalg.norm(run.points[2, 3] - run.points[2, :3], axis=1).min() > 10


def test_the_largest_norm_can_be_outweighed(shown) -> None:
    row = next(row for row in shown["rows"] if row["kind"] == "outweighed")
    assert row["first"] == 0
    assert row["leaders"] == [1]
    assert said(shown, "Leaders carry the most information")["failed"] >= 1


def test_in_ten_dimensions_most_tokens_lead(shown) -> None:
    group = next(group for group in shown["groups"] if group["d"] == 10)
    assert group["leaders"] > 0.5 * group["n"]


def test_scores_are_means_with_intervals() -> None:
    rows = [
        {"undecided": 0, "leaders": [0, 1], "predicted": {"hull": [0, 1, 2, 3]}},
        {"undecided": 0, "leaders": [0, 1], "predicted": {"hull": [0]}},
        {"undecided": 2, "leaders": [0], "predicted": {"hull": [5]}},  # not decided: left out
    ]
    scores = leaders_report._scores(rows, "hull")
    assert scores["precision"] == pytest.approx((0.5 + 1) / 2)
    assert scores["recall"] == pytest.approx((1 + 0.5) / 2)
    # 1.96 standard errors of two values 0.5 apart
    assert scores["recall_half"] == pytest.approx(1.96 * 0.25)


def test_followers_add_up(shown) -> None:
    for row in shown["rows"]:
        assert sum(row["followers"]) == row["n"] - row["undecided"]
        assert len(row["followers"]) == len(row["leaders"])


def test_table_and_figure_are_complete(shown) -> None:
    text = leaders.table(shown)
    for group in shown["groups"]:
        assert f"{group['kind']}, d = {group['d']}, n = {group['n']}" in text
    figure = leaders.figure(shown)
    figure.draw_without_rendering()
    assert len(figure.axes) == 4
