from collections.abc import Callable
from functools import cache

import pytest

import contracts
from contracts import Subject


@cache
def subject(name: str) -> Subject:
    return contracts.SUBJECTS[name]()


@pytest.mark.parametrize("name", contracts.SUBJECTS)
@pytest.mark.parametrize("law", contracts.LAWS, ids=lambda law: law.__name__)
def test_every_measure(law: Callable[[Subject], None], name: str) -> None:
    law(subject(name))


@pytest.mark.parametrize("name", contracts.DENSITIES)
@pytest.mark.parametrize("law", contracts.DENSITY_LAWS, ids=lambda law: law.__name__)
def test_every_density(law: Callable[[Subject], None], name: str) -> None:
    law(subject(name))


@pytest.mark.parametrize("name", contracts.LINE)
@pytest.mark.parametrize("law", contracts.LINE_LAWS, ids=lambda law: law.__name__)
def test_every_measure_on_the_line(law: Callable[[Subject], None], name: str) -> None:
    law(subject(name))


@pytest.mark.parametrize("name", [name for name in contracts.SUBJECTS if name not in contracts.LINE])
def test_no_measure_elsewhere_has_quantiles(name: str) -> None:
    contracts.quantile_is_for_the_line(subject(name))
