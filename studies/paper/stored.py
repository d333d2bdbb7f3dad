"""What a study has stored: its document, and the command that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies import contract
from studies.files import read_json
from studies.registry import STUDIES


@dataclass(frozen=True)
class Stored:
    """A study's document, as `studies.runner` writes it."""

    name: str
    document: Mapping[str, Any]

    @property
    def summary(self) -> dict[str, Any]:
        """The study's numbers."""
        return self.document["summary"]

    @property
    def size(self) -> str:
        """The size it was run in: "quick", "full", "quick and full" if they are one, or "changed" by a file."""
        model, seed = contract.load(STUDIES[self.name]).Config, self.document["seed"]
        sizes = {"quick": model.quick(seed), "full": model.full(seed)}
        same = [name for name, config in sizes.items() if config.model_dump(mode="json") == self.document["config"]]
        return " and ".join(same) or "changed"

    @property
    def command(self) -> str:
        """The command that computes it."""
        return command(self.name, self.size, self.document["seed"])


def command(name: str, size: str = "full", seed: int = 0) -> str:
    """Return the command of a study in a size."""
    option = {"full": " --full", "changed": " --config FILE.toml"}.get(size, "")
    return f"meanfield run {name}{option} --seed {seed}"


def read(results: Path, name: str) -> Stored | None:
    """Return what a study has stored in the folder `results`; None if there is nothing.

    Raises
    ------
    ValueError
        If its document is damaged, or of another study.
    """
    path = results / name / f"{name}.json"
    try:
        document = read_json(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is not what a run writes: {error}") from error
    if document.get("study") != name or "summary" not in document:
        raise ValueError(f"{path} is not what a run writes: it is no document of the study {name!r}")
    return Stored(name, document)
