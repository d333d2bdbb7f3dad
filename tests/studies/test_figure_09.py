"""Fig. 9, computed: its numbers, its table, its picture and its film."""

from typing import Any

import numpy as np
import pytest

from particles.geometry import Hull, limit_points
from recorded import summed_up
from studies.figures import figure_09
from studies.registry import STUDIES

CONFIG = figure_09.Config(starts=(147, 153), depths=9, grid=61)


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    return summed_up(figure_09, CONFIG)


def test_it_is_entered() -> None:
    assert STUDIES["figure-09"].module == "studies.figures.figure_09"


def test_what_is_shown(shown) -> None:
    found = shown["headline"]
    assert (found["vertices"], found["inside_sides"], found["origin"]) == (5, 5, 1)
    assert found["vertices_in_S"]
    assert found["components"] == 11  # as many as S has points
    assert 2 < found["all_in_S_delta_from"] < 4
    assert shown["delta"] < shown["delta_0"]
    assert shown["inside"][-1] == 1


def test_how_the_start_was_chosen_depends_on_which_were_run() -> None:
    result = figure_09.run_case(figure_09.cases(CONFIG)[0])
    for seed, starts, among in ((0, (52, 147), 160), (1, (147, 153), 2), (0, (147, 3), 2), (0, (3,), 1)):
        config = CONFIG.model_copy(update={"seed": seed, "starts": starts})
        assert figure_09.summary(config, [result] * len(starts))["chosen_among"] == among


def test_S_is_what_its_definition_says(shown) -> None:
    S, corners = np.array(shown["S"]), np.array(shown["corners"])
    assert np.abs(figure_09.excess(S, corners)).max() < 1e-13  # of squares of size 30
    assert Hull(corners).boundary_distance(S)[:-1].max() < 1e-14
    assert limit_points(corners, np.eye(2)).kinds.count("face") == 5


def test_claim_2_holds_with_a_positive_gamma_for_every_delta(shown) -> None:
    assert shown["headline"]["least_gamma"] > 0.5
    # f / delta tends to a slope, and to nothing else, as delta falls
    assert shown["gamma"][-1] == pytest.approx(shown["gamma"][-2], rel=0.3)


def test_components_are_as_far_apart_as_the_proof_asks(shown) -> None:
    S = np.array(shown["S"])
    apart = np.linalg.norm(S[:, None] - S, axis=2)[np.triu_indices(len(S), 1)]
    assert apart.min() - 2 * shown["delta"] >= shown["delta_0"]


def test_table_figure_and_film(shown) -> None:
    text = figure_09.table(shown)
    assert text.count("in S, inside a side") == 5
    assert "11 components" in text
    figure = figure_09.figure(shown)
    figure.draw_without_rendering()
    for said in (text, figure.get_supxlabel()):
        assert "chosen among 160 random starts" in said
    assert len(figure.axes) == 3
    film = figure_09.film(CONFIG)
    assert film.frames == CONFIG.depths
    for k in (0, film.frames - 1):
        film.draw(k).draw_without_rendering()
