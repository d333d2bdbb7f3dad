"""The one entry point of the continuity equation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from meanfield.checkpoint import Checkpoint, checkpoint_at
from meanfield.curve import Curve
from particles import checks
from particles.checks import Array
from particles.dynamics import Dynamics, is_law
from particles.measure import Measure


class Method(Protocol):
    """A way of solving the continuity equation."""

    def check(self, dynamics: Dynamics, mu0: Any) -> None:
        """Raise a ValueError if this method cannot solve the problem."""
        ...

    def run(self, dynamics: Dynamics, mu0: Any, times: Array, progress: bool, checkpoint: Checkpoint) -> Curve:
        """Solve it, going on from the checkpoint if that holds a state."""
        ...


def solve(
    dynamics: Dynamics,
    mu0: Measure,
    times: Any,
    *,
    method: Method,
    progress: bool = False,
    checkpoint: str | Path | None = None,
) -> Curve:
    """Solve d_t mu + div(velocity(t, ., mu) mu) = 0, mu(times[0]) = mu0: (6.1), or its rescaled form.

    Parameters
    ----------
    dynamics : Dynamics
        The law of motion, `Raw(attention)` or `Rescaled(attention)`.
    mu0 : measure
        The initial measure.
    times : (m,) array
        Depths t at which the measure is wanted, increasing.
    method : Method
        `ParticleMethod(...)`, `FiniteVolume(...)`, `SemiLagrangian(...)`, `FrozenField(...)` or `Riccati()`.
    progress : bool
        Show a bar on stderr, if that is a terminal.
    checkpoint : path, optional
        A file that keeps the state of the run, renewed every few seconds. Called again with the same arguments after
        a kill, `solve` goes on from there and ends bit for bit as if nothing had happened; after the end it returns
        the same curve at once. A file that belongs to another problem is refused.

    Returns
    -------
    Curve
        With `status` "stopped" and the depths reached, if the run could not be finished.

    Raises
    ------
    ValueError
        If an argument is not as described, or the method cannot solve the problem; every problem on a line.

    Examples
    --------
    >>> from particles import Attention, Raw
    >>> law = Raw(Attention(Q=[[1.0]], K=[[1.0]], V=[[-1.0]]))
    >>> curve = solve(law, Uniform([-1], [1]), [0.0, 1.0], method=ParticleMethod(n=12))
    >>> curve.status
    'finished'
    """
    problems = checks.Problems()
    lawful = is_law(dynamics, problems)
    if lawful and dynamics.step is not None:
        problems.add("`dynamics` must be continuous in t; the discrete law, dt given, moves tokens only.")
    depths = checks.times(times, problems)
    check_start("mu0", mu0, dynamics if lawful else None, problems)
    if is_method(method, problems):
        check_solvable(method, dynamics, "mu0", mu0, problems)
    problems.raise_if_any()
    assert depths is not None
    problem = {"dynamics": dynamics, "mu0": mu0, "times": depths, "method": method}
    keep = checkpoint_at(checkpoint, problem, problems)
    problems.raise_if_any()
    return method.run(dynamics, mu0, depths, progress, keep)


def check_start(name: str, start: Any, dynamics: Dynamics | None, problems: checks.Problems) -> None:
    """Complain unless `start`, the argument `name`, is a measure where the law lives; None if there is no law."""
    if not isinstance(start, Measure):
        problems.add(f"`{name}` must be a measure such as Uniform(lower, upper); got {type(start).__name__}.")
    elif dynamics is not None and start.dim != dynamics.dim:
        problems.add(f"`{name}` must live in dimension {dynamics.dim}, as the law does; got {start.dim}.")


def is_method(method: Any, problems: checks.Problems) -> bool:
    """Whether `method` is one; complain if not."""
    if hasattr(method, "run") and not isinstance(method, type):
        return True
    problems.add(f"`method` must be a method such as ParticleMethod(n=16); got {method!r}.")
    return False


def check_solvable(method: Method, dynamics: Any, name: str, start: Any, problems: checks.Problems) -> None:
    """Complain if `start`, the argument `name`, is a measure from which the method cannot solve the problem."""
    if isinstance(start, Measure):
        try:
            method.check(dynamics, start)
        except ValueError as complaint:
            problems.add(str(complaint).replace("`mu0`", f"`{name}`"))
