"""The result of a mean-field run: a measure at each asked depth, and how the run went."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meanfield import storage
from particles import files
from particles.checks import Array
from particles.measure import Measure

_KIND = "meanfield.Curve"


@dataclass(frozen=True, eq=False)
class Curve:
    """t -> mu_t at finitely many depths.

    Attributes
    ----------
    times : (m,) array
        The depths reached, a beginning of the times asked for; all of them unless `status` is "stopped".
    measures : tuple of m measures
        What the method represents its solution by.
    stats : dict
        Steps, evaluations, seconds and what else the method counts.
    status : str
        "finished"; "unresolved" if the asked tolerance was not reached; "stopped" if the run broke off.
    message : str
        When, where and why, if not finished.
    """

    times: Array
    measures: tuple[Measure, ...]
    stats: dict[str, float]
    status: str
    message: str

    def __len__(self) -> int:
        """Return the number of depths reached."""
        return len(self.times)

    def __getitem__(self, k: int) -> Measure:
        """Return the measure at times[k]."""
        return self.measures[k]

    def save(self, path: str | Path) -> None:
        """Write everything to one .npz file: beside `path` first, then renamed, so that a kill loses nothing."""
        kinds, arrays = zip(*(storage.pack(measure) for measure in self.measures), strict=True)
        flat = {f"{k}.{name}": array for k, parts in enumerate(arrays) for name, array in parts.items()}
        record = {"kinds": kinds, "stats": self.stats, "status": self.status, "message": self.message}
        files.write_npz(Path(path), _KIND, {"times": self.times, **flat}, record)

    @classmethod
    def load(cls, path: str | Path) -> Curve:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            If the file is not a curve, or is damaged.
        """
        return files.read_npz(Path(path), _KIND, cls._from_file)

    @classmethod
    def _from_file(cls, arrays: dict[str, Array], record: dict[str, Any]) -> Curve:
        times = arrays.pop("times")
        parts: list[dict[str, Array]] = [{} for _ in times]
        for key, array in arrays.items():
            k, name = key.split(".", 1)
            parts[int(k)][name] = array
        measures = tuple(storage.unpack(kind, part) for kind, part in zip(record.pop("kinds"), parts, strict=True))
        return cls(times, measures, **record)
