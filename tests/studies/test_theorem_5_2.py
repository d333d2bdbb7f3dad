"""The study of Theorem 5.2, smaller than its quick size: what it claims, from its own numbers."""

from typing import Any

import numpy as np
import pytest

from particles.geometry import limit_points
from particles.spectrum import good_triple_with_multiplicity
from recorded import summed_up
from studies.registry import STUDIES
from studies.statements import draws, theorem_5_2
from studies.statements.verdict import verdicts


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    config = theorem_5_2.Config(n=16, depths=5)
    return summed_up(theorem_5_2, config)


def test_it_is_entered_and_full_has_a_hundred_draws() -> None:
    assert STUDIES["theorem-5-2"].module == "studies.statements.theorem_5_2"
    assert len(theorem_5_2.cases(theorem_5_2.Config.full())) >= 100


def test_every_start_satisfies_the_theorem(shown) -> None:
    found = {verdict.statement: verdict for verdict in verdicts(shown)}
    for name in ("Definition 5.1", "Theorem 5.2", "Section 10, hull", "Section 10, S with <Aw, Av>"):
        assert (found[name].held, found[name].draws) == (6, 6), found[name]
    assert shown["headline"]["in_S"] == 6
    assert found["Figure 8, Remark 9.4"].failed == 0


def test_dimensions_of_F_and_G(shown) -> None:
    assert [row["dims"] for row in shown["rows"]] == [[2, 1], [2, 1], [2, 1], [1, 2], [2, 2], [3, 1]]
    for row in shown["rows"]:
        assert row["off_F"] < 1e-13  # rounding
        assert row["radius"] < row["value"]
        assert (row["oblique"] > 1 + 1e-3) == (not row["setting"].startswith("Fig. 8"))


def test_tokens_diverge_along_G_as_figure_8_has_it(shown) -> None:
    assert shown["headline"]["Fig. 8's rate"] == pytest.approx(0.5, rel=1e-6)


def test_a_vertex_may_fail_in_the_printed_form_alone() -> None:
    # F is the plane, G the line orthogonal to it, but the projector does not commute with A: A² on F is diag(2, 1/2),
    # and what is printed, (pi_F A)² = A² - (A_FG)² on F, has less in the first direction
    B = np.array([[2.0, 0.0, 1.2], [0.0, 0.5, 0.0], [1.2, 0.0, 1.0]])
    triple = good_triple_with_multiplicity(draws.attention(B, np.diag([1.0, 1.0, -0.5])))
    assert triple.holds
    F = triple.basis
    printed, used = F @ theorem_5_2._printed_form(B, triple) @ F.T, F @ F.T @ B @ F @ F.T
    assert np.diag(used)[:2] == pytest.approx([2.0, 0.5], abs=1e-14)
    assert 1.5 < printed[0, 0] < 1.8
    corners = np.array([[1.0, 1.0], [0.75, 1.9], [-1.5, -1.0], [1.0, -2.0]])  # the second beats the first if < 1.8
    assert limit_points(corners, used[:2, :2]).vertex_holds[0]
    assert not limit_points(corners, printed[:2, :2]).vertex_holds[0]


def test_the_forms_agree_where_the_projector_commutes(rng) -> None:
    B = np.zeros((3, 3))
    B[:2, :2], B[2, 2] = draws.positive_definite(rng, 2), 0.7
    triple = good_triple_with_multiplicity(draws.attention(B, np.diag([1.0, 1.0, -0.5])))
    printed = theorem_5_2._printed_form(B, triple)
    assert np.abs(printed - triple.basis.T @ B @ triple.basis).max() < 1e-13


@pytest.mark.parametrize("dim", [1, 2])
def test_shared_leaders_are_decided_by_a_bound(dim: int, monkeypatch) -> None:
    # two tokens that are mirror images in the last coordinate share the lead for ever, at an end of a line or a corner
    ends = np.array([[6.0], [-5.0]] if dim == 1 else [[6.0, 6.0], [-6.0, 6.0], [0.0, -7.0]])
    tokens = np.vstack([np.hstack([np.repeat(ends, 2, axis=0), [[2.0], [-2.0]] * len(ends)]), np.full(dim + 1, 0.1)])
    attention = draws.attention(np.eye(dim + 1), np.diag([1.0] * dim + [-0.8]))
    monkeypatch.setattr(theorem_5_2, "start", lambda _: (attention, tokens))
    config = theorem_5_2.Config(n=len(tokens), depths=5)
    result = theorem_5_2.run_case(theorem_5_2.cases(config)[0])
    assert result["holds"] and not result["decided"]
    assert (result["dim_F"], result["ends"]) == (dim, len(ends))
    assert result["width"] < 1e-5
    assert result["outside"] <= result["outside_bound"]
    found = theorem_5_2.summary(config, [result] * 6)
    by_name = {verdict.statement: verdict for verdict in verdicts(found)}
    assert (by_name["Theorem 5.2"].held, by_name["Section 10, S with <Aw, Av>"].undecided) == (6, 6)
    said = "F is a line" if dim == 1 else "in 3 groups"
    assert "In 6 more draws tokens share leaders" in by_name["Theorem 5.2"].measured
    assert said in by_name["Theorem 5.2"].measured
    assert "enclosed" in theorem_5_2.table(found)


def test_a_triple_that_is_none_is_said_to_be(monkeypatch) -> None:
    case = theorem_5_2.cases(theorem_5_2.Config(n=4))[0]
    jordan = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -0.5]])
    monkeypatch.setattr(theorem_5_2, "start", lambda _: (draws.attention(np.eye(3), jordan), np.zeros((4, 3))))
    result = theorem_5_2.run_case(case)
    assert not result["holds"]
    assert "Jordan block" in result["problems"][0]
    config = theorem_5_2.Config(n=4)
    found = theorem_5_2.summary(config, [result] * len(theorem_5_2.cases(config)))
    assert found["verdicts"][0]["failed"] == 6
    assert found["verdicts"][1]["undecided"] == 6
    assert "Jordan block" in theorem_5_2.table(found)


def test_table_and_figure_are_complete(shown) -> None:
    text = theorem_5_2.table(shown)
    assert all(setting in text for setting in theorem_5_2.SETTINGS)
    figure = theorem_5_2.figure(shown)
    figure.draw_without_rendering()
    assert len(figure.axes) == 1 + len(shown["drawn"])
