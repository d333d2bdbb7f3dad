"""Every test runs with floating-point faults raised; randomised tests are the same at every run."""

import re
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, database=None, max_examples=25, print_blob=False
)
settings.load_profile("repeatable")

# Tests send these, and what nohup or a shell's & starts ignores them.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (getattr(signal, "SIGHUP", None), signal.SIG_DFL)):
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With -n, the tests of a file that has a fixture for all of them run in one process, so that it is made once.

    Marks of xdist_group would have to be on every such test, and do nothing where pytest 9.2 meets pytest-xdist 3.8.
    """
    if config.option.dist != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class OneProcessForAFixture(LoadScopeScheduling):
        """Work is given out by files if they have such a fixture, else test by test; large files come first."""

        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            return file if _has_shared_fixture(config.rootpath / file) else nodeid

    return OneProcessForAFixture(config, log)


@cache
def _has_shared_fixture(file: Path) -> bool:
    return re.search(r'fixture\(.*scope="(module|session)"', file.read_text(encoding="utf-8")) is not None


@pytest.fixture(autouse=True)
def floating_point_faults_are_errors() -> Iterator[None]:
    # underflow is left alone: a weight that becomes 0 is how a softmax works
    before = np.seterr(all="raise", under="ignore")
    yield
    np.seterr(**before)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20230509)
