"""The studies by name, known without importing any of them, so that `meanfield list` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Study:
    """Where a study lives and what it shows.

    Parameters
    ----------
    name : str
        What the command line calls it, and the folder of its results.
    module : str
        Import name of the module that fulfils `studies.contract.StudyModule`.
    summary : str
        One line for `meanfield list`.
    """

    name: str
    module: str
    summary: str


_ALL = (
    Study("stability", "studies.stability", "growth of W2 between two solutions, against the bound (6.6)"),
    Study(
        "convergence",
        "studies.convergence",
        "W2 and field error from n tokens to the limit in d = 1, 2, 3, and their rates in n",
    ),
    Study(
        "agreement",
        "studies.agreement",
        "particles, grid and exact solutions against each other under refinement",
    ),
    Study("existence", "studies.existence", "the scheme of Prop. 6.5: fields held over tau, sup of W1 as tau falls"),
)

STUDIES = MappingProxyType({study.name: study for study in _ALL})

# Not a claim, and not listed: what `meanfield selftest` runs.
SELFTEST = Study("selftest", "studies.selftest_study", "tokens and linear algebra, for the test of the runner")
