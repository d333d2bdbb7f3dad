"""Several heads: resting places against a longer run, and the claims of Section 12 from a few draws."""

from typing import Any

import numpy as np
import pytest

from particles import Adaptive, Attention, Euler, Raw, solve
from particles.settled import settle
from recorded import summed_up
from studies.registry import STUDIES
from studies.statements import draws, multi_head
from studies.statements.multi_head import verdicts
from studies.statements.multi_head.families import heads
from studies.statements.multi_head.late import Late, late, levels, polytope
from studies.statements.multi_head.resting import identities, rest
from studies.statements.stiff import Stiff


def drawn(seed: int, n: int, count: int, d: int = 2) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    tokens = draws.tokens(rng, n, d)
    return tokens, np.array([draws.positive_definite(rng, d) for _ in range(count)])


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    config = multi_head.Config(draws=2, continuous=1, heads=(1, 4), continuous_heads=(2,), n=14, continuous_n=6)
    return summed_up(multi_head, config)


def test_it_is_entered() -> None:
    assert STUDIES["multi-head"].module == "studies.statements.multi_head"


def test_one_head_rests_where_its_leaders_are() -> None:
    tokens, B = drawn(3, 12, 1)
    found, late = rest(B, tokens), settle(draws.attention(B[0], np.eye(2)), tokens)
    assert found.decided.all() and late.decided.all()
    np.testing.assert_array_equal(found.targets[0], late.leaders)
    # two runs to a relative 1e-12 each, and the tokens part from each other by some powers of ten on the way
    np.testing.assert_allclose(found.places, late.limit, atol=1e-7)


@pytest.mark.parametrize("discrete", [False, True])
def test_resting_places_are_those_of_a_longer_run(discrete: bool) -> None:
    tokens, B = drawn(1, 10, 3)
    found = rest(B, tokens, discrete=discrete)
    assert found.decided.all()
    end = found.depth + 4
    stepper = Euler(1.0) if discrete else Adaptive(1e-12, 1e-11)
    raw = solve(Raw(identities(B)), tokens, [0.0, found.depth, end], stepper=stepper).points
    growth = 2.0 if discrete else np.e
    before = np.abs(raw[1] / growth**found.depth - found.places).max()
    after = np.abs(raw[2] / growth**end - found.places).max()
    # what is left falls like (1 + s E) / u: by (1 + 4 E) / u at least, E of size 1; and 1e-7 for the run's errors
    assert after < before * 5 / growth**4 + 1e-7


def test_a_pair_of_tokens_leads_together() -> None:
    # heads 1 and 2 disagree about the two tokens on the right, which differ across the way they are seen
    one, two = np.array([[1.0, 0.6], [0.6, 1.0]]), np.array([[1.0, -0.6], [-0.6, 1.0]])
    tokens = np.array([[5.0, 0.5], [5.0, -0.5], [-6.0, 0.0]])
    found = rest(np.array([one, two]), tokens)
    assert found.decided.all()
    assert sorted(found.companies) == [1, 2]
    np.testing.assert_array_equal(found.targets[:, 0], [0, 1])
    # by symmetry, to the errors of the run
    assert abs(found.places[0, 1]) < 1e-9
    np.testing.assert_array_equal(found.places[0], found.places[1])


def test_what_is_not_decided_is_said() -> None:
    # by symmetry the token in the middle attends to both ends alike, for ever
    found = rest(np.eye(2)[None], np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 0.0]]))
    assert found.decided.tolist() == [True, True, False]


def test_levels_are_judged_only_at_rest() -> None:
    still = np.zeros((4, 1))
    at = np.array([[2.0], [-1.0], [0.0], [2.0]])
    off = at + np.array([[0], [0], [1.0], [0]])
    assert levels(Late(9.0, at, still)) == (3, 0.0, True)
    assert levels(Late(9.0, at, still + 0.1))[2] is None
    assert levels(Late(9.0, off, still))[2] is False
    assert levels(Late(9.0, at, still, other=Late(9.0, off, still)))[2] is None  # two runs that say different things
    assert levels(Late(9.0, at, still, other=Late(9.0, -at, still)))[2] is True
    inside = np.array([[1.0, 0], [0, 1.0], [-1.0, 0], [0, -1.0], [0.3, 0.2]])
    assert polytope(Late(9.0, inside, np.zeros((5, 2))))[3] is False
    assert polytope(Late(9.0, inside[:4] * 2, np.zeros((4, 2))))[3] is True


def test_growth_counts_if_it_lasts() -> None:
    at, moving = np.array([[2.0], [-1.0]]), np.array([[0.4], [-0.2]])
    assert levels(Late(9.0, at, moving, 0.2 * np.arange(9.0)))[2] is False
    assert levels(Late(9.0, at, moving, np.minimum(0.2 * np.arange(9.0), 1.0)))[2] is None
    assert levels(Late(9.0, at, moving, -0.2 * np.arange(9.0)))[2] is None


def test_heads_that_follow_different_tokens_outgrow_their_sum() -> None:
    # head 1 follows the farther side, with V_1 = -2, head 2 the own side, with V_2 = 3: U = 1, but tokens +-x see
    # -2 (-x) + 3 x = 5 x; with dt = 1 the size is multiplied by 6, and by 3 in U's frame
    attention = Attention(Q=[[[-1.0]], [[1.0]]], K=[[[1.0]], [[1.0]]], V=[[[-2.0]], [[3.0]]])
    found = late(attention, np.array([[2.0], [-2.0]]), np.eye(1), discrete=True)
    assert found.diverges
    assert found.pace == pytest.approx(np.log(3), abs=1e-12)  # rounding of sums of logarithms up to 66
    assert levels(found)[2] is False


def test_a_balanced_head_lets_all_levels_fall_to_0() -> None:
    # head 1 sees -x, with V_1 = 0.2, head 2 x, with V_2 = 0.8: U = 1, but tokens +-x see 0.6 x, and z falls like 0.8^k
    attention = Attention(Q=[[[-1.0]], [[1.0]]], K=[[[1.0]], [[1.0]]], V=[[[0.2]], [[0.8]]])
    found = late(attention, np.array([[2.0], [-2.0]]), np.eye(1), discrete=True)
    assert (found.shaped, found.falls, found.diverges) == (True, True, False)
    assert found.rate == pytest.approx(np.log(0.8), abs=1e-12)  # rounding of a product of two numbers
    assert levels(found) == (1, 0.0, True)
    timed = late(attention, np.array([[2.0], [-2.0]]), np.eye(1), discrete=False)
    assert timed.falls
    assert timed.rate == pytest.approx(-0.4, abs=1e-5)  # e^-0.4 in a unit of depth, with a tolerance of 1e-9 a step


def test_a_fall_counts_if_it_is_steady_and_the_shape_at_rest() -> None:
    at, moving, down = np.array([[1.0], [0.4], [-1.0]]), np.full((3, 1), 0.5), -0.2 * np.arange(9.0)
    assert levels(Late(9.0, at, moving, down, -0.2, 1e-4)) == (1, 0.0, True)
    assert levels(Late(9.0, at, moving, down, -0.2, 1e-2))[2] is None
    assert levels(Late(9.0, at, moving, np.maximum(down, -1.2), -0.2, 1e-4))[2] is None
    assert levels(Late(9.0, at, moving, down, -0.2, 9e-3, True))[2] is True  # closing
    faster = Late(9.0, at, moving, -down, 0.2, 1e-4)
    assert (faster.diverges, levels(faster)[2]) == (True, False)
    other = Late(9.0, at, moving, down, -0.2, 1e-2)
    assert levels(Late(9.0, at, moving, down, -0.2, 1e-4, other=other))[2] is None  # a second run has to agree


def test_stiff_steps_agree_with_explicit_ones() -> None:
    tokens, B = drawn(1, 6, 2)
    V = np.array([draws.good_triple_values(np.random.default_rng(k), 2) for k in range(2)])
    attention = Attention(Q=np.swapaxes(B, 1, 2), K=np.broadcast_to(np.eye(2), B.shape), V=V)
    raw = solve(Raw(attention), tokens, [0.0, 1.0], stepper=Adaptive(1e-11, 1e-11)).points[-1]
    u = Stiff(attention, 1.0).moved(tokens, 0.0, 1.0, 1e-9)
    # its tolerance is for a step; some hundred of them, and tokens part by a power of ten
    np.testing.assert_allclose(np.e * u, raw, rtol=0, atol=1e-6 * np.abs(raw).max())


@pytest.mark.parametrize("family", multi_head.FAMILIES)
def test_heads_have_the_spectrum_they_are_drawn_for(family: str) -> None:
    attention = heads(family, np.random.default_rng(5), 3, 3)
    values = np.linalg.eigvals(attention.U)
    assert len(attention.heads) == 3
    largest = -1.0 if family.startswith("origin") else 1.0
    # rounding of three sums and an eigenvalue whose projector has norm below 10
    assert values.real.max() == pytest.approx(largest, abs=1e-10)
    if family == "common":
        vectors = [np.linalg.eig(V) for _, V in attention.heads]
        first = [basis[:, np.argmax(found.real)].real for found, basis in vectors]
        assert min(abs(first[0] @ other) for other in first) == pytest.approx(1, abs=1e-9)


def test_claims(shown) -> None:
    said = {record["statement"]: record for record in shown["verdicts"]}
    for name in ("Section 12, heads with one B", "Prop. 8.2 with H heads", "Theorem 3.1 with one head"):
        assert said[name]["failed"] == said[name]["undecided"] == 0
        assert said[name]["held"] > 0
    # sums of heads in another order
    assert shown["headline"]["largest_difference_to_one_head"] < verdicts.SAME
    for record in shown["verdicts"]:
        if "one leading eigenvector" in record["statement"] or "Theorem 8.5" in record["statement"]:
            assert record["failed"] == 0


def test_what_the_paper_does_not_say_of_several_heads_is_marked(shown) -> None:
    said = {record["statement"]: record["says"] for record in shown["verdicts"]}
    for statement, says in said.items():
        unsaid = statement not in ("Section 12, heads with one B", "Theorem 3.1 with one head")
        assert says.startswith("Not said by the paper:") == unsaid, statement
    assert said["Section 12, heads with one B"].startswith("(Read from Section 12.)")


def test_one_run_is_no_plural() -> None:
    gone = {"holds": False, "diverges": True, "pace": 0.09, "moving": None}
    left = {"holds": None, "diverges": False, "pace": -1.0, "moving": 3.0}
    one = verdicts._restless([gone, left])
    assert "1 run outgrows U" in one and "c = 0.09." in one
    assert "it ends early or still moves, by 3e+00 of the size" in one and "; 1 grows more slowly" in one
    many = verdicts._restless([gone, gone | {"pace": 0.2}, left, left | {"moving": 0.1}])
    assert "2 runs outgrow U" in many and "c from 0.09 to 0.20." in many
    assert "they end early or still move, by 1e-01 to 3e+00 of the size" in many and "; 2 grow more slowly" in many


def test_limits_off_the_vertices_are_counted() -> None:
    # three heads whose forms are far apart: a token between two vertices, drawn to both
    rng = np.random.default_rng(0)
    tokens = np.array([[4.0, 0.0], [0.0, 4.0], [-4.0, -4.0], [2.0, 2.0]])
    B = np.array([np.diag([2.0, 1.0]), np.diag([1.0, 2.0])])
    found = rest(B, tokens)
    assert found.decided.all()
    assert len(found.vertices) == 3
    np.testing.assert_array_equal(found.targets[:, 3], [0, 1])
    # the mean of two leaders that hardly move: e^-16 is what they give to each other at the start
    np.testing.assert_allclose(found.places[3], [2.0, 2.0], atol=1e-2)
    # and it is stable: a token started elsewhere comes back
    moved = rest(B, np.vstack([tokens[:3], tokens[3] + 0.1 * rng.standard_normal(2)]))
    np.testing.assert_allclose(moved.places[3], found.places[3], atol=1e-2)


def test_table_and_figure_are_complete(shown) -> None:
    lines = multi_head.table(shown).splitlines()
    assert sum("dt = 1  " in line or "continuous  " in line for line in lines) >= len(shown["counts"])
    figure = multi_head.figure(shown)
    figure.draw_without_rendering()
    assert len(figure.axes) == len(shown["shown"]["runs"]) + 2


def test_equal_heads_are_one() -> None:
    tokens, B = drawn(2, 8, 1)
    V = draws.good_triple_values(np.random.default_rng(1), 2)
    many = Attention(
        Q=np.repeat(B, 3, axis=0), K=np.broadcast_to(np.eye(2), (3, 2, 2)), V=np.array([V, 0.5 * V, -0.2 * V])
    )
    one = draws.attention(B[0], 1.3 * V)
    ends = [solve(Raw(law), tokens, [0.0, 0.5]).points[-1] for law in (many, one)]
    # rounding, which a depth of 1/2 enlarges by a few powers of ten; both runs take the same steps
    np.testing.assert_allclose(*ends, rtol=1e-9, atol=1e-9)
