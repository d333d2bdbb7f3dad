"""The examples in the docstrings run, with the public names of both packages and `np` at hand."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import meanfield
import particles

PUBLIC = {"np": np, "particles": particles, "meanfield": meanfield}
PUBLIC |= {name: getattr(package, name) for package in (particles, meanfield) for name in package.__all__}
MODULES = [
    module.name
    for package in (particles, meanfield)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    # names of the module itself win: `solve` means another function in each package
    failed, _ = doctest.testmod(module, extraglobs={k: v for k, v in PUBLIC.items() if not hasattr(module, k)})
    assert failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(examples) >= 3
