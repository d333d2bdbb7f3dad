"""Figs. 2, 3, 4, 10 and 11: ranks, leaders and forms of P, from fewer tokens and draws than are drawn."""

from typing import Any

import numpy as np
import pytest

from particles import Empirical, Rescaled, solve
from recorded import summed_up
from studies.figures import figure_02, figure_03, figure_04, figure_10, figure_11, line, ranks
from studies.registry import STUDIES

CONFIGS = {
    figure_02: figure_02.Config(n=9, seed=1),
    figure_03: figure_03.Config(draws=3),
    figure_04: figure_04.Config(n=12),
    figure_10: figure_10.Config(n=50, draws=2),
    figure_11: figure_11.Config(n=12, tol=1e-7),
}
PANELS = {2: 5, 3: 9, 4: 3, 10: 9, 11: 13}  # with colour bars


@pytest.fixture(scope="module")
def shown() -> dict[int, dict[str, Any]]:
    return {module.NUMBER: summed_up(module, config) for module, config in CONFIGS.items()}


@pytest.mark.parametrize("module", CONFIGS, ids=lambda module: f"figure-{module.NUMBER:02}")
def test_entered_tabulated_and_drawn(module, shown) -> None:
    assert STUDIES[f"figure-{module.NUMBER:02}"].module == module.__name__
    numbers = shown[module.NUMBER]
    assert "seed" in module.table(numbers)
    figure = module.figure(numbers)
    figure.draw_without_rendering()
    assert len(figure.axes) == PANELS[module.NUMBER]


@pytest.mark.parametrize("module", CONFIGS, ids=lambda module: f"figure-{module.NUMBER:02}")
def test_sizes_and_depths_are_the_published_ones(module) -> None:
    first = module.cases(module.Config.quick())[0]
    assert first["n"] == {2: 13, 3: 40, 4: 20, 10: 100, 11: 40}[module.NUMBER]  # Fig. 2 has no n
    assert (
        first.get("times")
        == {
            2: None,
            3: [0, 3, 5, 10],
            4: [0, 2, 9],
            10: [0, 3, 5, 10],
            11: [0, 0.5, 1, 10],
        }[module.NUMBER]
    )


@pytest.mark.parametrize("module", [figure_02, figure_03], ids=["bounded", "line"])
def test_films_draw_frames(module) -> None:
    film = module.film(CONFIGS[module])
    assert 40 <= film.frames <= 80
    for k in (0, film.frames - 1):
        film.draw(k).draw_without_rendering()


def test_limits_are_of_the_form_of_the_theorem(shown) -> None:
    headline = shown[2]["headline"]
    assert headline["in_form"]
    assert headline["ranks"] == [2, 3] and headline["other_rows"] == [0, 1]
    # at t = 5 the row is within e^{-2t} = 5e-5 of its limit, in units of its entries
    assert headline["difference"] < 1e-4
    bounded = shown[2]["rows"][1]
    tokens, row = np.array(bounded["tokens"]), np.array(bounded["limit"][bounded["bounded"]])
    assert row.sum() == pytest.approx(1, abs=1e-14) and (row > 0).all()
    # Lemma 7.8: the mean of gamma over the row is 0, the bounded token's own being 0
    leaders = np.array(bounded["limit"])[:-1].argmax(axis=1)
    path = solve(Rescaled(line.ONE), tokens[:-1, None], [0.0, 8.0])
    gamma = path.points[-1][leaders, 0]
    # the bounded token pulls on the others early on: a tenth of gamma, at most, for ten tokens
    assert abs(row[:-1] @ gamma) < 0.1 * np.abs(gamma).max()


def test_the_row_of_a_bounded_token() -> None:
    theta, row = figure_02.bounded_row(np.array([-3.0, -3.0, 3.0, 3.0]))
    assert theta == 0 and np.allclose(row, 0.2, rtol=0, atol=1e-15)
    gamma = np.array([-1.0, 4.0, 4.0, -1.0, 4.0])
    theta, row = figure_02.bounded_row(gamma)
    assert theta < 0  # more of them, and further out, to the right
    assert row[:-1] @ gamma == pytest.approx(0, abs=1e-15)
    assert row[:-1] / row[-1] == pytest.approx(np.exp(theta * gamma), rel=1e-14)


def test_forms_are_told_apart() -> None:
    first, last = np.eye(4)[[0]], np.eye(4)[[3]]
    other = np.full((1, 4), 0.25)
    assert figure_02.form(np.vstack([first, first, other, last]))["in_form"]
    assert figure_02.form(np.vstack([first, first, last, last]))["in_form"]
    assert not figure_02.form(np.vstack([first, last, other, last]))["in_form"]
    assert not figure_02.form(np.vstack([first, other, other, last]))["in_form"]
    assert not figure_02.form(np.vstack([first, 0.9 * other, last, last]))["in_form"]


@pytest.mark.parametrize("number", [3, 10])
def test_ranks_on_the_line(shown, number) -> None:
    numbers = shown[number]
    headline = numbers["headline"]
    assert headline["limit_ranks"] == [2, 2] and headline["leaders_at_the_end"] == [2, 2]
    for row in numbers["rows"]:
        for t, z, found in zip(row["times"], row["tokens"], row["ranks"], strict=True):
            P = Rescaled(line.ONE).attention_at(t).matrix(Empirical(np.array(z)))
            # the last bits of a singular value are the machine's: a fifth of the threshold is far more
            clear = found["least"] > 1.2 and found["next"] < 0.8
            assert abs(np.linalg.matrix_rank(P) - found["rank"]) <= (0 if clear else 1)
        counts = [found["rank"] for found in row["ranks"]]
        assert counts[-1] == 2 and counts[-1] <= counts[1]
    assert numbers["rows"][0]["ranks"][0]["rank"] > 20


def test_the_published_first_ranks_are_those_of_a_smaller_box(shown) -> None:
    for number in (3, 10):
        assert shown[number]["published"][0] == 11
        assert shown[number]["headline"]["published_first_rank_is_usual"] == [False, True]
        wide, narrow = shown[number]["headline"]["usual_first_ranks"]
        assert wide[0] >= 20 and 10 <= narrow[0] <= narrow[1] <= 12


def test_lines_end_at_two_leaders(shown) -> None:
    numbers = shown[4]
    assert numbers["headline"]["ranks"][0] == 12 and numbers["headline"]["ranks"][-1] == 2
    assert numbers["headline"]["leaders_at_the_end"] == 2
    P, x, Q = (np.array(numbers[key]) for key in ("P", "tokens", "Q"))
    assert np.allclose(P.sum(axis=2), 1, rtol=0, atol=1e-14)
    exponents = x[1] @ Q.T @ x[1].T  # <Q x_i, K x_j> of the raw tokens
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    # exponents of size 1000 carry 1e-13 each
    assert np.allclose(P[1], weights / weights.sum(axis=1, keepdims=True), rtol=0, atol=1e-10)


def test_rank_two_in_many_dimensions(shown) -> None:
    headline = shown[11]["headline"]
    assert [row["d"] for row in shown[11]["rows"]] == [10, 40, 80]
    assert headline["first_ranks"] == [12, 12, 12]
    assert headline["last_ranks"] == [2, 2, 2] and headline["leaders"] == [2, 2, 2]
    for row in shown[11]["rows"]:
        assert row["margin"] > 45  # e^-45 is below rounding
        assert row["moduli"][0] == pytest.approx(row["d"] / 2, rel=0.15)  # of entries uniform on [0, 1]


def test_the_tolerance_does_not_choose_the_leaders() -> None:
    case = next(case for case in figure_11.cases(figure_11.Config(n=12)) if case["d"] == 10)
    loose, tight = (figure_11.run_case({**case, "tol": tol}) for tol in (1e-7, 1e-10))
    assert loose["followed"] == tight["followed"]
    assert [found["rank"] for found in loose["ranks"]] == [found["rank"] for found in tight["ranks"]]


def test_counted_is_numpys_rank(rng) -> None:
    matrix = rng.normal(size=(8, 3)) @ rng.normal(size=(3, 8))
    found = ranks.counted(matrix)
    assert found["rank"] == np.linalg.matrix_rank(matrix) == 3
    assert found["least"] > 1 > found["next"]
    assert ranks.counted(np.eye(4))["next"] == 0
    assert ranks.boolean(np.array([[0.25, 0.75], [1.0, 0.0]])) == 0.25
    assert ranks.leaders(np.array([[0.2, 0.8], [0.5, 0.5]])) == [1]
