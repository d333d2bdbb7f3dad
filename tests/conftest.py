"""Every test runs with floating-point faults raised; randomised tests are the same at every run."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, database=None, max_examples=25, print_blob=False
)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def floating_point_faults_are_errors() -> Iterator[None]:
    # underflow is left alone: a weight that becomes 0 is how a softmax works
    before = np.seterr(all="raise", under="ignore")
    yield
    np.seterr(**before)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20230509)
