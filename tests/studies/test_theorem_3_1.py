"""The study of Theorem 3.1, smaller than its quick size: what it claims, from its own numbers."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from particles import Adaptive, Attention, Empirical, solve
from particles.geometry import Hull, limit_points
from recorded import summed_up
from studies.registry import STUDIES
from studies.statements import theorem_3_1
from studies.statements.theorem_3_1 import mirrored, overtaking, polytope, random_draws
from studies.statements.verdict import verdicts


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    config = theorem_3_1.Config(sizes=(10, 24), depths=5, mirrored=1, asides=(3, 16))
    return summed_up(theorem_3_1, config)


def by_name(shown: dict[str, Any]) -> dict[str, Any]:
    return {found.statement: found for found in verdicts(shown)}


def test_it_is_entered_and_full_has_a_hundred_draws() -> None:
    assert STUDIES["theorem-3-1"].module == "studies.statements.theorem_3_1"
    full = theorem_3_1.cases(theorem_3_1.Config.full())
    assert sum(case["part"] == "random" for case in full) >= 100
    assert len({tuple(case["seed"]) for case in full if "seed" in case}) == sum("seed" in case for case in full)


def test_what_the_paper_states_holds_in_every_start(shown) -> None:
    found = by_name(shown)
    for name in ("Proposition 8.2, Corollary 8.3", "Theorem 3.1, Theorem 8.1", "Claim 1", "Section 3, null set"):
        assert found[name].failed == found[name].undecided == 0, found[name]
    assert found["Claim 1"].held == shown["headline"]["random_starts"] == 8


def test_hulls_shrink_to_rounding_and_really_move(shown) -> None:
    assert shown["headline"]["outside"] < 1e-10  # steps are right to 1e-11, and errors outwards are pulled back
    for row in shown["rows"]:
        if row["part"] == "random":
            assert row["shrunk"] > 0.01


def test_random_starts_end_at_vertices_and_symmetric_ones_do_not(shown) -> None:
    assert shown["headline"]["at_vertices_only"]
    assert shown["headline"]["mirrored_to"]["face"] >= 4
    assert shown["headline"]["mirrored_to"]["origin"] == 2  # one start in the plane, one in space
    assert shown["headline"]["most_vertices"] < 12


def test_beside_the_mirror_double_precision_says_when_it_does_not_tell(shown) -> None:
    far, near = (row for row in shown["rows"] if row["part"] == "beside")
    assert far["decided"]
    assert far["ends"][0] == pytest.approx([4, 3], abs=1e-6)
    assert far["ends"][1] == pytest.approx([-4, 3], abs=1e-6)
    assert not near["decided"]
    assert not mirrored.beside(0.0)["decided"]
    verdict = by_name(shown)["Section 3, beside the null set"]
    assert (verdict.held, verdict.failed, verdict.undecided) == (1, 0, 1)


def test_a_hull_that_grows_is_seen() -> None:
    square = np.array([[1.0, 1], [-1, 1], [-1, -1], [1, -1]])
    assert random_draws.outside(np.array([square, 0.9 * square, 0.8 * square])) == 0
    assert random_draws.outside(np.array([square, 0.9 * square, 0.91 * square])) == pytest.approx(0.01 * np.sqrt(2))


def test_a_vertex_that_another_beats_is_seen() -> None:
    corners = np.array([[4.0, 0.0], [1.0, 0.1], [1.0, -0.1]])
    assert polytope.vertex_lead(corners, np.eye(2)) == pytest.approx((1.01 - 4) / 16)
    assert not limit_points(corners, np.eye(2)).vertex_holds.all()
    row = {"decided": True, "d": 2, "lead": 0.1, "vertices_hold": True, "S_from_boundary": 0.0, "size": 1.0, "euler": 0}
    assert theorem_3_1._claim_1(row) is True
    assert theorem_3_1._claim_1(row | {"lead": 1e-12}) is None
    for wrong in ({"lead": -0.1, "vertices_hold": False}, {"euler": 1}, {"S_from_boundary": 0.1}):
        assert theorem_3_1._claim_1(row | wrong) is False


def test_euler_number_needs_the_origin_inside() -> None:
    square = np.array([[1.0, 1], [-1, 1], [-1, -1], [1, -1]])
    assert random_draws.euler(limit_points(square, np.eye(2)), Hull(square)) == 0
    assert random_draws.euler(limit_points(square + 2, np.eye(2)), Hull(square + 2)) is None


def test_orbits_are_complete_and_exact(rng) -> None:
    points, signs, of = mirrored.orbits(np.array([[1.0, 2.0], [0.0, 3.0], [0.0, 0.0]]))
    assert_array_equal(points, [[1, 2], [1, -2], [-1, 2], [-1, -2], [0, 3], [0, -3], [0, 0]])
    assert_array_equal(of, [0, 0, 0, 0, 4, 4, 6])
    assert_array_equal(signs * np.abs(points)[of], points)


@pytest.mark.parametrize("d", [2, 3])
def test_the_mirrored_law_is_the_law_on_symmetric_sets(d: int, rng) -> None:
    points, signs, of = mirrored.orbits(mirrored.start(rng, d, 2))
    attention = Attention(Q=np.diag(rng.uniform(0.5, 2, d)), K=np.eye(d), V=np.eye(d))
    law = mirrored.Mirrored(attention, signs=signs, of=of)
    mu = Empirical(points)
    assert_allclose(
        law.velocity(0.0, points, mu), attention.field(mu, points), atol=1e-13
    )  # rounding of sums of size 5


def test_a_token_on_a_mirror_overtakes_when_it_is_said_to() -> None:
    case = {"d": 3, "count": 3, "depths": 3, "seed": [0, 183]}
    found = mirrored.run(case)
    first = found["overtakes"][0]
    law, tokens = mirrored.drawn(case)
    path = solve(law, tokens, [0.0, first - 1e-3, first + 1e-3], stepper=Adaptive(1e-13, 1e-13))
    assert path.status == "finished"
    before, after = (np.diag(law.attention.matrix(Empirical(x))) for x in path.points[1:])
    # exponents are 7e5 apart for each unit of depth
    assert ((before < 1e-100) & (after == 1)).sum() == 2  # the token and its mirror image
    assert found["to"]["vertex"] == 24 + 4  # tokens on no mirror; these two, and two that overtake only at t = 44


def test_who_overtakes_whom() -> None:
    # in space with B = I: a on the side x = 4, y = 0 between two corners, b on the face x = 4 between four
    target = np.array([[4.0, 0.0, 4.0], [4.0, 0.0, 0.0], [0.0, 3.0, 0.0]])
    following = np.array([True, True, False])

    def waits(w, drawn):
        return overtaking.waits(
            following, np.vstack([w, [9.0, 0, 0]]), np.vstack([drawn, [0.0] * 3]), target, np.eye(3)
        )

    # u = (1, 0, 1) / 2^(1/2) and (1, 0, 0): ahead by 2^(1/2) and 1, followed from 3 2^(1/2) and 1 behind the corner
    alone = waits([[-3.0, 0, -3.0], [-1.0, 0, 0]], [[1.0, 0, 1.0], [1.0, 0, 0]])
    assert alone == pytest.approx({0: 4.0, 1: 2.0}, rel=1e-14)
    # a leads after 7/6, at (1/3, 0, 7/6), and from there on grows like e^t: past 1 after a further log 3
    assert waits([[-0.25, 0, 0], [-9.0, 0, 0]], [[0.5, 0, 1.0], [1.0, 0, 0]]) == pytest.approx({0: 7 / 6, 1: np.inf})
    assert waits([[-0.25, 0, 0], [-1.2, 0, 0]], [[0.5, 0, 1.0], [1.0, 0, 0]]) == pytest.approx({0: 7 / 6, 1: 2.2})
    # b would follow a while a follows another
    assert waits([[0.9, 0, -9.0], [-9.0, 0, 0]], [[1.0, 0, 1.0], [1.0, 0, 0]]) is None
    # ahead by no more than errors
    assert waits([[-3.0, 0, -3.0], [-1.0, 0, 0]], [[1.0, 0, 1.0], [1e-9, 0, 0]]) is None


def test_table_and_figure_are_complete(shown) -> None:
    text = theorem_3_1.table(shown)
    assert all(found.statement in text for found in verdicts(shown))
    assert sum(line.startswith("d = ") for line in text.splitlines()) == 8
    figure = theorem_3_1.figure(shown)
    figure.draw_without_rendering()
    assert len(figure.axes) == 6
