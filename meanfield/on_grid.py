"""What the grid methods share: the way from data, or from a checkpoint, to a curve. How a run steps is theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from meanfield import initial
from meanfield.checkpoint import Checkpoint
from meanfield.curve import Curve
from meanfield.cut_gaussian import judged
from meanfield.riccati import before_blow_up
from particles.checks import Array
from particles.dynamics import Dynamics


def solved_on_grid(
    method: Any,
    law: Dynamics,
    mu0: Any,
    times: Array,
    checkpoint: Checkpoint,
    *,
    runs: Any,
    advance: Callable[[Any, Array], None],
    room: Mapping[int, int],
) -> Curve:
    """Return the cell masses at each depth.

    Parameters
    ----------
    method : FiniteVolume or SemiLagrangian
        Its `cells`, `width` and name are read.
    runs : type
        The method's own kind of `particles.course.Course`: `begun` from initial data or `resumed` from what was
        `saved`, with the measures `reached` and its `stats()`.
    advance : callable
        Brings a run to the last of the depths, or to its failure.
    room : mapping from int to int
        Bytes for each cell at the peak of a step, by dimension.

    Raises
    ------
    MemoryError
        If the run would need more memory than is free.
    """

    def curve(till: Array) -> Curve:
        initial.require_memory(method.cells, mu0.dim, room[mu0.dim] + 8 * len(till), type(method).__name__)
        start = initial.initial(mu0, method.cells, method.width)
        saved = checkpoint.load()
        run = runs.begun(float(till[0]), start) if saved is None else runs.resumed(saved)
        if not run.message:
            advance(run, till)
            checkpoint.save(*run.saved())
        message = f"{run.message}; {start.note}" if start.note else run.message
        stats = {**run.stats(), **start.stats}
        return judged(law, mu0, Curve(till[: len(run.reached)], tuple(run.reached), stats, run.status, message))

    return before_blow_up(law, mu0, times, curve)
