"""Figs. 1, 5 and 8: tokens at the vertices of polytopes, from fewer of them; and how panels in space are drawn."""

from typing import Any

import numpy as np
import pytest

from particles.geometry import Hull
from recorded import summed_up
from studies.figures import figure_01, figure_05, figure_08, space, style
from studies.registry import STUDIES

MODULES = [figure_01, figure_05, figure_08]
PANELS = {1: 1, 5: 4, 8: 4}
PUBLISHED = {1: (40, [0, 1, 2, 5]), 5: (40, [0, 1, 2, 5]), 8: (40, [0, 5, 10, 15])}


@pytest.fixture(scope="module")
def shown() -> dict[int, dict[str, Any]]:
    return {module.NUMBER: summed_up(module, module.Config(n=16)) for module in MODULES}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: f"figure-{module.NUMBER:02}")
def test_entered_tabulated_and_drawn(module, shown) -> None:
    assert STUDIES[f"figure-{module.NUMBER:02}"].module == module.__name__
    numbers = shown[module.NUMBER]
    text = module.table(numbers)
    assert str(numbers["seed"]) in text
    assert all(f"\n{t:g} " in text for t in numbers["times"])
    figure = module.figure(numbers)
    figure.draw_without_rendering()
    assert len(figure.axes) == PANELS[module.NUMBER]
    assert str(numbers["seed"]) in figure._supxlabel.get_text()


def test_films_draw_frames_of_one_size() -> None:
    film = figure_05.film(figure_05.Config(n=8))
    assert 40 <= film.frames <= 80
    first, last = film.draw(0), film.draw(film.frames - 1)
    for figure in (first, last):
        figure.draw_without_rendering()
    assert first.get_size_inches().tolist() == last.get_size_inches().tolist()


def test_tokens_and_depths_are_the_published_ones(shown) -> None:
    for module in MODULES:
        case, numbers = module.cases(module.Config.quick())[0], shown[module.NUMBER]
        assert (case["n"], numbers["times"]) == PUBLISHED[module.NUMBER]
        expected = np.random.default_rng([0, module.NUMBER]).uniform(-5, 5, (16, len(numbers["V"])))
        assert np.array_equal(numbers["tokens"][0], expected)


@pytest.mark.parametrize("number", [1, 5])
def test_tokens_gather_at_the_vertices_of_a_polytope(shown, number) -> None:
    numbers = shown[number]
    headline = numbers["headline"]
    assert headline["all_at_vertices"] and headline["limit_points"] >= 3
    assert headline["hull_shrinks"]
    # after settling a token's distance falls as e^{-t}, here over a time of 1 at least, from at most the box's diagonal
    assert headline["last_distance"] < 0.1 * numbers["to_leader"][0]
    # the hull of the tokens contains the limit, and vertices of it are tokens
    assert numbers["volumes"][-1] <= numbers["volumes"][0]
    corners = numbers["hulls"][0]["vertices"]
    points = np.array(numbers["tokens"][0])
    for axis in range(3):
        assert int(points[:, axis].argmax()) in corners and int(points[:, axis].argmin()) in corners


def test_a_polygon_times_a_line(shown) -> None:
    numbers = shown[8]
    headline = numbers["headline"]
    assert headline["good_triple_with_multiplicity"] and headline["multiplicity"] == 2
    assert headline["all_at_vertices"] and headline["polygon_vertices"] >= 3
    # e^{-15} = 3e-7 of the box across, e^{7.5} = 1800 along
    assert headline["last_distance"] < 1e-4
    assert numbers["along"][3] / numbers["along"][2] == pytest.approx(np.exp(2.5), rel=0.05)


def test_edges_of_a_polytope_are_drawn_once() -> None:
    cube = np.array([[x, y, z] for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
    for points, faces, edges in ((cube, 6, 12), (cube[cube[:, 2] == 0], 0, 4)):  # and a flat one
        drawing = style.frame("")
        axes = space.panel(drawing, (1, 1, 1), "", (np.zeros(3), np.ones(3)))
        space.polytope(axes, points, Hull(points).facets)
        drawing.draw_without_rendering()
        *faces_drawn, edges_drawn = axes.collections
        assert sum(len(made._faces) for made in faces_drawn) == faces
        assert len(edges_drawn._segments3d) == edges


def test_planes_and_lines_are_cut_at_the_box() -> None:
    box = np.array([-1.0, -2.0, 0.0]), np.array([1.0, 2.0, 4.0])
    corners = space.cut(np.array([0.0, 0.0, 1.0]), 1.0, box)
    assert sorted(map(tuple, corners)) == [(-1, -2, 1), (-1, 2, 1), (1, -2, 1), (1, 2, 1)]
    normal, level = np.array([0.3, -0.5, 0.8]), 1.3
    corners = space.cut(normal, level, box)
    assert len(corners) >= 3 and np.allclose(corners @ normal, level, rtol=0, atol=1e-10)
    assert (corners >= box[0] - 1e-10).all() and (corners <= box[1] + 1e-10).all()
    steps = np.roll(corners, -1, axis=0) - corners
    turns = np.cross(steps, np.roll(steps, -1, axis=0)) @ normal
    assert (turns > 0).all() or (turns < 0).all()  # convex, in order
    assert len(space.cut(normal, 100.0, box)) == 0
    ends = space.clip(np.zeros(3), np.array([1.0, 0.0, 0.0]), box)
    assert ends is not None and ends[:, 0].tolist() == [-1, 1]
    assert space.clip(np.array([0.0, 0.0, 9.0]), np.array([1.0, 0.0, 0.0]), box) is None
