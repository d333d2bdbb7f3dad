"""What a study module must define.

A study is a module `studies/NAME.py`, entered in `studies/registry.py`. It says what is to be computed as a
list of independent cases, how one case is computed, and how the results become numbers, a table and a figure.
Processes, files, resuming and progress are the runner's business:

    Config       a StudyConfig with the classmethods quick(seed) and full(seed)
    cases        config -> list of JSON-able mappings, each with all it needs, its own seed included
    run_case     case -> mapping of results; pure; runs in a worker process
    summary      config, results in the order of the cases -> JSON-able mapping with the key "headline"
    table        summary -> plain text for the terminal
    figure       summary -> matplotlib Figure, made without pyplot, hence without global state

A value of a result may be a numpy array of numbers or truth values: it goes to the case's .npz and comes back as the
same array, with its dtype and shape. Everything else (numbers, strings, None, lists and mappings of these) goes to
the case's JSON manifest and comes back as it went, except that a tuple, or an array inside a list or a mapping, comes
back as a list. Every result takes this way before `summary` sees it, so that a run that was resumed gives the same
numbers as one that was not. All of `cases`, `run_case`, `summary`, `table` and `figure` must give the same bits at
every call with the same arguments.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from pydantic import BaseModel, ConfigDict, Field

from studies.registry import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class StudyConfig(BaseModel):
    """Everything that decides a study's numbers: sizes, tolerances and the seed.

    Limits on a value stand in the model, as in `replicas: int = Field(32, ge=2)`, so that `meanfield run --config`
    can refuse what is outside them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0)

    @classmethod
    def quick(cls, seed: int = 0) -> Self:
        """Return the size that takes a minute."""
        return cls(seed=seed)

    @classmethod
    def full(cls, seed: int = 0) -> Self:
        """Return the size a paper would print."""
        return cls(seed=seed)


class StudyModule(Protocol):
    """The names a study module defines."""

    Config: type[StudyConfig]

    def cases(self, config: Any) -> list[dict[str, Any]]:
        """Return the independent pieces of work."""
        ...

    def run_case(self, case: dict[str, Any]) -> dict[str, Any]:
        """Return one piece's numbers and arrays."""
        ...

    def summary(self, config: Any, results: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the study's numbers from all results, in the order of the cases."""
        ...

    def table(self, summary: dict[str, Any]) -> str:
        """Return the numbers as plain text."""
        ...

    def figure(self, summary: dict[str, Any]) -> Figure:
        """Return the numbers as a picture."""
        ...


def load(study: Study) -> StudyModule:
    """Import a study's module."""
    return cast(StudyModule, importlib.import_module(study.module))
