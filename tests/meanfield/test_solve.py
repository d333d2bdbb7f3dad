import numpy as np
import pytest

import cases
from meanfield import ParticleMethod, Riccati, Uniform, solve
from particles import Raw, Rescaled

LAW = Raw(cases.line(1.0, 1.0))
MU0 = Uniform([0.0], [1.0])


def complaint(*arguments, **options) -> str:
    with pytest.raises(ValueError) as caught:
        solve(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("law", "mu0", "times", "method", "text"),
    [
        (
            cases.line(1.0, 1.0),
            MU0,
            [0, 1],
            Riccati(),
            "`dynamics` must be a law of motion such as Raw(attention); got Attention.",
        ),
        (
            Rescaled(cases.line(1.0, 1.0), dt=0.1),
            MU0,
            [0, 1],
            ParticleMethod(n=4),
            "`dynamics` must be continuous in t; the discrete law, dt given, moves tokens only.",
        ),
        (
            LAW,
            np.zeros((3, 1)),
            [0, 1],
            ParticleMethod(n=4),
            "`mu0` must be a measure such as Uniform(lower, upper); got ndarray.",
        ),
        (
            LAW,
            Uniform([0, 0], [1, 1]),
            [0, 1],
            ParticleMethod(n=4),
            "`mu0` must live in dimension 1, as the law does; got 2.",
        ),
        (LAW, MU0, [1, 0], ParticleMethod(n=4), "`times` must increase strictly; got 1.0 followed by 0.0 at index 1."),
        (LAW, MU0, [0, np.nan], ParticleMethod(n=4), "`times` must be finite; got nan at index (1,)"),
        (LAW, MU0, [], ParticleMethod(n=4), "`times` must have shape (m,) with m >= 1; got (0,)."),
        (LAW, MU0, [0, 1], "particles", "`method` must be a method such as ParticleMethod(n=16); got 'particles'."),
        (LAW, MU0, [0, 1], Riccati, "`method` must be a method such as ParticleMethod(n=16)"),
        (LAW, MU0, [0, 1], Riccati(), "`mu0` must be a Gaussian for Riccati; got Uniform."),
    ],
)
def test_bad_arguments(law, mu0, times, method, text: str) -> None:
    assert text in complaint(law, mu0, times, method=method)


def test_all_problems_at_once() -> None:
    lines = complaint("law", np.zeros(3), [1, 0], method=None).splitlines()
    assert [line.split()[0] for line in lines] == ["`dynamics`", "`times`", "`mu0`", "`method`"]


def test_method_is_asked_for() -> None:
    with pytest.raises(TypeError, match="method"):
        solve(LAW, MU0, [0, 1])


def test_what_the_method_refuses_comes_with_the_rest() -> None:
    lines = complaint(LAW, MU0, [1, 0], method=Riccati()).splitlines()
    assert {line.split()[0] for line in lines} == {"`times`", "`mu0`"}
