"""Ranges and plurals in sentences."""

import pytest

from studies.statements.wording import counted, ends, ranging


@pytest.mark.parametrize(
    ("values", "form", "alone", "named"),
    [
        ([45.6, 15.4], ".1f", "15.4 to 45.6", "t from 15.4 to 45.6"),
        ([23.04, 22.96], ".1f", "23.0", "t = 23.0"),
        ([2, 2], "d", "2", "t = 2"),
        ([3.2, 2.9], ".0e", "3e+00", "t = 3e+00"),
    ],
)
def test_a_range_whose_ends_print_alike_is_one_number(values: list[float], form: str, alone: str, named: str) -> None:
    assert ends(values, form) == alone
    assert ranging("t", iter(values), form) == named


def test_one_is_no_plural() -> None:
    assert [counted(k, "run ends", "runs end") for k in (0, 1, 2)] == ["0 runs end", "1 run ends", "2 runs end"]
