"""The study `agreement` in its quick size: what it claims, asserted from its own numbers."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from studies import agreement

ROOT = Path(__file__).parents[2]


def summarised(study: ModuleType) -> dict[str, Any]:
    config = study.Config.quick(seed=0)
    results = [study.run_case(case) for case in study.cases(config)]
    return study.summary(config, json.loads(json.dumps(results)))


def complete(study: ModuleType, summary: dict[str, Any]) -> bool:
    """Whether the table has a line for each row, and the figure can be drawn from numbers that went through JSON."""
    again = json.loads(json.dumps(summary))
    figure = study.figure(again)
    figure.draw_without_rendering()
    return len(study.table(again).splitlines()) > len(again["rows"]) and all(axes.lines for axes in figure.axes)


@pytest.fixture(scope="module")
def agreeing() -> dict[str, Any]:
    return summarised(agreement)


def of(summary: dict[str, Any], problem: str, method: str) -> dict[str, Any]:
    return next(row for row in summary["rows"] if (row["problem"], row["method"]) == (problem, method))


class TestAgreement:
    def test_is_complete(self, agreeing):
        assert complete(agreement, agreeing)

    @pytest.mark.parametrize("problem", ["plane", "free", "gaussian", "line"])
    def test_grids_fall_at_their_orders(self, agreeing, problem):
        # the last pair of sizes, where the next order's term is below a fifth of the error; in the plane, with
        # 32 cells at most, below a half
        second = 1.75 if problem == "plane" else 1.9
        for method, order in (("grid1", 0.9), ("grid2", second), ("remap2", second)):
            assert of(agreeing, problem, method)["orders"]["W1"][-1] >= order

    def test_w2_of_grid_and_particles_falls(self, agreeing):
        for order, least in ((1, 0.9), (2, 1.9)):
            assert min(of(agreeing, "line", f"grid{order}")["orders"]["W2"]) >= least
        # cell masses that differ by a share h of themselves are h^(1/2) cells apart in W2: order 1 keeps its rate
        assert of(agreeing, "plane", "grid1")["orders"]["W2"][-1] >= 0.9

    def test_particles_are_spectral(self, agreeing):
        for problem in ("plane", "line", "gaussian"):
            row = of(agreeing, problem, "particles")
            above = [order for order, error in zip(row["orders"]["W1"], row["W1"][1:], strict=True) if error > 1e-11]
            assert above[-1] > 10  # no power law of a fixed method

    def test_exact_solutions_are_met(self, agreeing):
        # the ODE's tolerance 1e-11; for the Gaussian the mass cut off beyond 8 deviations
        assert of(agreeing, "free", "particles")["W2"][-1] < 1e-11
        assert of(agreeing, "gaussian", "particles")["W1"][-1] < 1e-10
        assert of(agreeing, "gaussian", "particles")["W2"][-1] < 1e-7

    def test_every_two_methods_agree_to_within_the_errors_they_state(self, agreeing):
        assert agreeing["headline"]["disagreements"] == 0
        assert agreeing["headline"]["pairs"] == len(agreeing["pairs"]) == 171  # all pairs of the methods of 11 problems
        for key in ("largest ratio of W2 to its bar", "largest ratio from below"):
            # first order errors are stated twice their size, so that 1/2 is met: the bars are no empty promise
            assert 0.4 < agreeing["headline"][key] <= 1

    def test_where_something_exact_is_known_the_others_meet_it(self, agreeing):
        for problem in ("free, d = 1", "one atom", "mirrored pair"):
            met = [pair for pair in agreeing["pairs"] if pair["problem"] == problem and pair["A"] == "exact"]
            assert {pair["B"] for pair in met} >= {"particles", "frozen field"}
            # the tolerance of the steps is 1e-11 here, over a depth of 1
            assert next(pair for pair in met if pair["B"] == "particles")["W2"] < 1e-10

    def test_the_page_in_the_documentation_is_of_these_pairs(self, agreeing):
        page = (ROOT / "docs" / "agreement.md").read_text(encoding="utf-8").splitlines()
        written = [tuple(map(str.strip, line.strip("| ").split("|"))) for line in page if line.startswith("| ")]
        there = [(*cells[:3], cells[-1]) for cells in written if cells[-1] in ("agree", "DISAGREE")]
        # numbers differ from machine to machine in their last digits; what is compared and the verdicts do not
        assert there == [(*(pair[key] for key in ("problem", "A", "B")), "agree") for pair in agreeing["pairs"]]

    def test_mass_is_kept_and_positive(self, agreeing):
        assert agreeing["headline"]["largest_mass_error"] <= 1e-13
        assert agreeing["headline"]["least_cell_mass"] >= 0
