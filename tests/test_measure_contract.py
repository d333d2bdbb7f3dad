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
