"""The result of a finite-n run: tokens at the asked times, and how the run went."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from particles import files
from particles.checks import Array
from particles.measure import Empirical

if TYPE_CHECKING:
    import xarray

_KIND = "particles.Trajectory"


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Tokens over depth.

    Attributes
    ----------
    times : (m,) array
        The depths reached, a beginning of the times asked for; all of them if `status` is "finished".
    points : (m, n, d) array
        The tokens at those depths.
    weights : (n,) array
        Their weights.
    stats : dict
        Steps, evaluations of the field, seconds, last depth reached.
    status : str
        "finished" or "stopped".
    message : str
        When, which token and why, if the run stopped.
    """

    times: Array
    points: Array
    weights: Array
    stats: dict[str, float]
    status: str
    message: str

    def __len__(self) -> int:
        """Return the number of depths reached."""
        return len(self.times)

    def __getitem__(self, k: int) -> Empirical:
        """Return the empirical measure at times[k]."""
        return Empirical(self.points[k], self.weights)

    def save(self, path: str | Path) -> None:
        """Write everything to one .npz file: beside `path` first, then renamed, so that a kill loses nothing."""
        arrays = {"times": self.times, "points": self.points, "weights": self.weights}
        files.write_npz(Path(path), _KIND, arrays, self._record())

    @classmethod
    def load(cls, path: str | Path) -> Trajectory:
        """Read what `save` wrote.

        Raises
        ------
        ValueError
            If the file is not a trajectory, or is damaged.
        """

        def build(arrays: dict[str, Array], record: dict[str, Any]) -> Trajectory:
            return cls(arrays["times"], arrays["points"], arrays["weights"], **record)

        return files.read_npz(Path(path), _KIND, build)

    def to_xarray(self) -> xarray.DataArray:
        """Return the tokens as a labelled array with dimensions depth, token, coordinate (needs xarray)."""
        import xarray

        return xarray.DataArray(
            self.points,
            dims=("depth", "token", "coordinate"),
            coords={"depth": self.times, "weight": ("token", self.weights)},
            name="tokens",
            attrs={"status": self.status, "message": self.message, **self.stats},
        )

    def _record(self) -> dict[str, Any]:
        return {"stats": self.stats, "status": self.status, "message": self.message}


def stacked(states: list[Array]) -> Array:
    """Return equal-shaped states as one read-only array."""
    points = np.stack(states)
    points.setflags(write=False)
    return points
