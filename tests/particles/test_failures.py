"""What a run's growth says about why it ended."""

import numpy as np
import pytest

from particles.failures import Growth
from particles.steppers import NoFurtherStep

SMALL = NoFurtherStep("the step size fell below rounding, 1e-15")
LOST = FloatingPointError("the velocity of token 0 is inf at t = 1")


def grown(times, sizes) -> Growth:
    growth = Growth.of(times[0], np.array([[sizes[0]]]))
    for t, size in zip(times[1:], sizes[1:], strict=True):
        growth.note(float(t), np.array([[size]]))
    return growth


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("trouble", [SMALL, LOST])
def test_ever_faster_growth_is_a_blow_up(power: float, trouble) -> None:
    left = 0.5 ** np.arange(50)
    text = grown(1 - left, left**-power).explain(trouble)
    assert text.startswith("blow-up: |x| grew from 1 to ")
    assert "becomes infinite at about t = 1: the " in text


@pytest.mark.parametrize("rate", [0.1, 50.0])
def test_steady_growth_is_none(rate: float) -> None:
    times = np.linspace(0, 700 / rate, 200)
    assert grown(times, np.exp(rate * times)).explain(LOST).startswith("overflow: |x| grew from 1 to ")


def test_no_growth_and_no_step_is_stiff() -> None:
    text = grown([0.0, 0.1, 0.2], [5.0, 4.0, 3.0]).explain(SMALL)
    assert text.startswith("stiff: the step size fell below rounding, 1e-15 while |x| stays below 5:")


def test_what_has_another_reason_is_told_as_it_is() -> None:
    assert grown([0.0, 0.1], [1.0, 2.0]).explain(LOST) == str(LOST)
    assert Growth.of(0.0, np.zeros((2, 1))).explain(LOST) == str(LOST)


def test_growth_is_that_of_the_whole_run_in_a_part_of_it() -> None:
    part = Growth.of(2.0, np.array([[1e4]]), since=(0.0, 1.0))
    part.note(2.001, np.array([[2e4]]))
    assert part.explain(SMALL).startswith("blow-up: |x| grew from 1 to 2e+04")
    assert Growth(*part.sizes) == part
