"""The study of Prop. 6.5's scheme, smaller than its quick size: what it claims, from its own numbers."""

import json
from typing import Any

import pytest

from studies import existence
from studies.registry import STUDIES


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    config = existence.Config(times=3, halvings=5, nodes=(20, 8))
    results = [existence.run_case(case) for case in existence.cases(config)]
    return json.loads(json.dumps(existence.summary(config, json.loads(json.dumps(results)))))


def test_it_is_entered() -> None:
    assert STUDIES["existence"].module == "studies.existence"


def test_the_distance_falls_with_every_halving_at_order_one(shown) -> None:
    assert shown["headline"]["every_halving_helps"]
    for row in shown["rows"]:
        # the next term is tau times smaller: 5 to 10 per cent of the last four
        assert row["slope"] == pytest.approx(1, abs=0.15)
        assert row["orders"][-1] == pytest.approx(1, abs=0.08)
        assert row["W1"][-1] < 0.05 * row["W1"][0] * (2 if row["law"] == "raw" else 1)


def test_every_problem_in_both_forms(shown) -> None:
    assert [(row["problem"], row["law"]) for row in shown["rows"]] == [
        (problem, law) for problem in existence.TITLES for law in existence.LAWS
    ]


def test_distances_lie_between_their_bounds(shown) -> None:
    for row in shown["rows"]:
        # on the line the bounds are sums over 20 nodes, of which |x - y| at its kinks costs a per cent; in the plane
        # a linear program to rounding
        slack = 0.02 if row["problem"].startswith("line") else 1e-9
        for below, distance, above in zip(row["below"], row["W1"], row["above"], strict=True):
            assert below <= distance * (1 + slack)
            assert distance <= above * (1 + slack)


def test_table_and_figure_are_complete(shown) -> None:
    lines = existence.table(shown).splitlines()
    assert sum("T/" in line for line in lines) == sum(len(row["tau"]) for row in shown["rows"])
    figure = existence.figure(shown)
    figure.draw_without_rendering()
    assert [len(axes.lines) for axes in figure.axes] == [4, 4, 4, 4]
