"""What a study module must define.

A study is a module `studies/NAME.py`, entered in `studies/registry.py`. It says what is to be computed as a
list of independent cases, how one case is computed, and how the results become numbers, a table and a figure.
Processes, files, resuming and progress are the runner's business:

    Config       a StudyConfig with the classmethods quick(seed) and full(seed)
    cases        config -> list of JSON-able mappings, each with all it needs, its own seed included
    run_case     case -> JSON-able mapping of numbers; pure; runs in a worker process
    summary      config, results in the order of the cases -> JSON-able mapping with the key "headline"
    table        summary -> plain text for the terminal
    figure       summary -> matplotlib Figure, made without pyplot, hence without global state

Every result passes through JSON before `summary` sees it: arrays arrive as lists, and a run that was resumed
gives the same numbers as one that was not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from pydantic import BaseModel, ConfigDict

from studies.registry import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class StudyConfig(BaseModel):
    """Everything that decides a study's numbers: sizes, tolerances and the seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0

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
        """Return one piece's numbers."""
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
