"""Figs. 6, 7, 12 and 13: tokens in parallel hyperplanes, from fewer of them; and tokens at late depths."""

import json
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from particles import Adaptive, Rescaled, solve
from particles.settled import settle
from studies.figures import clouds, depths, figure_06, figure_07, figure_12, figure_13, published
from studies.registry import STUDIES

MODULES = [figure_06, figure_07, figure_12, figure_13]
PANELS = {6: 4, 7: 4, 12: 3, 13: 6}
PUBLISHED = {
    6: (40, [0, 1, 5, 15]),
    7: (40, [0, 5, 10, 15]),
    12: (25, [0, 5, 40]),
    13: (25, [0, 5, 10, 30, 35, 40]),
}


CONFIGS = {module: module.Config(n=16) for module in MODULES}


@pytest.fixture(scope="module")
def results() -> dict[int, dict[str, Any]]:
    return {module.NUMBER: module.run_case(module.cases(config)[0]) for module, config in CONFIGS.items()}


@pytest.fixture(scope="module")
def shown(results) -> dict[int, dict[str, Any]]:
    return {module.NUMBER: summed(module, results[module.NUMBER]) for module in MODULES}


def summed(module: ModuleType, result: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(module.summary(CONFIGS[module], [result]), allow_nan=False))


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


def test_tokens_and_depths_are_the_published_ones(shown) -> None:
    for module in MODULES:
        case, numbers = module.cases(module.Config.quick())[0], shown[module.NUMBER]
        assert (case["n"], numbers["times"]) == PUBLISHED[module.NUMBER]
        expected = np.random.default_rng([0, module.NUMBER]).uniform(-5, 5, (16, len(numbers["V"])))
        assert np.array_equal(numbers["tokens"][0], expected)


def test_two_lines_along_the_kernel_of_the_left_eigenvector(shown) -> None:
    numbers = shown[6]
    assert numbers["headline"]["good_triple"] and numbers["headline"]["lines"] == 2
    assert numbers["angle"] == pytest.approx(8.3161, abs=1e-4)  # of the published V, to its digits
    left, right, V = (np.array(numbers[key]) for key in ("left", "right", "V"))
    assert np.allclose(left @ V, numbers["spectrum"][0][0] * left, rtol=0, atol=1e-13)
    assert np.allclose(V @ right, numbers["spectrum"][0][0] * right, rtol=0, atol=1e-13)
    # e^{-1.348 * 15} = 2e-9 of the box, while perpendiculars of the right eigenvector miss by tenths
    assert numbers["distance"][-1] < 1e-6 < 1e-1 < numbers["perpendicular"][-1]
    at = np.array(numbers["tokens"][-1]) @ left
    assert all(np.abs(numbers["levels"] - value).min() < 1e-6 for value in at)


def test_two_positive_eigenvalues_leave_lines(shown) -> None:
    numbers = shown[7]
    assert numbers["headline"]["codimension"] == 2
    assert 1 <= numbers["headline"]["flats"] <= 3
    assert numbers["angle"] < 1e-6  # V is symmetric; arccos near 1 has half the digits
    # the slow direction falls as e^{-0.2529 t}, once settled
    falls = np.log(np.array(numbers["flat_distance"])[2:] / np.array(numbers["flat_distance"])[1:-1])
    assert falls == pytest.approx([-0.252872 * 5] * 2, rel=1e-3)
    grows = np.log(numbers["extent"][3] / numbers["extent"][2])
    assert grows == pytest.approx(0.222104 * 5, rel=0.1)  # the other directions are still a few per cent
    across = np.array(numbers["across"][0])
    assert np.allclose(np.array(numbers["V"]) @ across, numbers["spectrum"][2][0] * across, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("number", "codimension"), [(12, 3), (13, 1)])
def test_a_complex_pair(shown, number, codimension) -> None:
    numbers = shown[number]
    assert numbers["headline"]["good_triple"] and numbers["headline"]["codimension"] == codimension
    assert 1 <= numbers["headline"]["hyperplanes"] <= 3
    assert numbers["headline"]["flats"] == numbers["headline"]["hyperplanes"]
    assert numbers["angle"] == pytest.approx({12: 11.734, 13: 29.383}[number], abs=1e-3)
    # what is left at t = 40 of the box in the leading direction is e^{-40}, below rounding of the tokens
    assert numbers["distance"][-1] < 1e-12
    real, imaginary = numbers["spectrum"][1]
    assert (real > 0) == (number == 12) and imaginary > 0
    if number == 12:
        assert max(numbers["extent"]) > numbers["extent"][-1]
        assert numbers["flat_distance"][-1] < 0.1 * numbers["flat_distance"][0]
    else:
        assert numbers["extent"][-1] > 2 * numbers["extent"][0]


def test_explicit_tokens_are_those_of_the_solver_where_both_are_right() -> None:
    case = clouds.case(13, figure_13.Config(n=12), published.FIG_13, [0.0, 8.0])
    attention, start = clouds.setting(case)
    found = depths.follow(attention, start, np.array(case["times"]))
    assert found.explicit.tolist() == [False, True]
    direct = solve(Rescaled(attention), start, case["times"], stepper=Adaptive(1e-12, 1e-12))
    # of tokens of size 10: two solutions with tolerances 1e-12, over a stretch in which errors grow a thousandfold
    assert np.abs(found.points[1] - direct.points[1]).max() < 1e-6
    assert 0 <= found.difference < 1e-5


def test_beyond_the_trusted_depth_nothing_is_solved() -> None:
    attention, start = clouds.setting(clouds.case(13, figure_13.Config(n=12), published.FIG_13, []))
    trusted = depths.trusted_depth(attention, start)
    assert 10 < trusted < 20  # e^{2t} 50 eps = 1
    late = settle(attention, start)
    found = depths.follow(attention, start, np.array([0.0, 400.0]))
    assert np.array_equal(found.points[1], late.rescaled(400.0))
    assert found.difference == -1.0


@pytest.mark.parametrize("module", [figure_06, figure_12], ids=["plane", "space"])
def test_undecided_tokens_are_counted_and_left_out(module, results, shown) -> None:
    result = results[module.NUMBER]
    followers = np.flatnonzero(result["leaders"] != np.arange(16))[:3]
    decided, tokens = result["decided"].copy(), result["tokens"].copy()
    decided[followers], tokens[1:, followers] = False, 1e3
    numbers = summed(module, {**result, "decided": decided, "tokens": tokens})
    assert numbers["undecided"] == 3
    assert "does not decide whom 3 tokens follow" in module.table(numbers)
    assert numbers["levels"] == pytest.approx(shown[module.NUMBER]["levels"], abs=1e-12)
    assert numbers["distance"][-1] <= shown[module.NUMBER]["distance"][-1] < 1e-3
    assert [clouds.known(numbers, k).sum() for k in (0, -1)] == [16, 13]
    module.figure(numbers).draw_without_rendering()
