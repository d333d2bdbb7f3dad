"""The finite-n ODE: tokens in, trajectory out."""

from __future__ import annotations

from typing import Any

from particles import checks
from particles.checks import Array
from particles.dynamics import Dynamics, is_law, off_step
from particles.march import march
from particles.measure import Empirical
from particles.steppers import Adaptive, Euler, Stepper
from particles.trajectory import Trajectory, stacked


def solve(
    dynamics: Dynamics,
    tokens: Any,
    times: Any,
    *,
    stepper: Stepper = Adaptive(),  # noqa: B008  (a frozen dataclass: a method is data)
    progress: bool = False,
) -> Trajectory:
    """Move n tokens by x_i' = velocity(t, x_i, mu), mu = sum_j w_j delta_{x_j}: (1.1), (3.1), (1.3).

    Parameters
    ----------
    dynamics : Dynamics
        The law of motion, `Raw(attention)` or `Rescaled(attention)`.
    tokens : (n, d) array or Empirical
        The tokens at depth times[0].
    times : (m,) array
        Depths t at which the tokens are wanted, increasing.
    stepper : Stepper
        `Adaptive()`, `RK4(dt)` or `Euler(dt)`.
    progress : bool
        Show a bar on stderr, if that is a terminal.

    Returns
    -------
    Trajectory
        With `status` "stopped" and the times reached, if the run could not be finished.

    Raises
    ------
    ValueError
        If an argument is not as described; every problem on a line.

    Examples
    --------
    >>> attention = Attention(Q=[[1.0]], K=[[1.0]], V=[[1.0]])
    >>> path = solve(Raw(attention), [[-0.5], [0.5]], [0.0, 1.0])
    >>> path.points.shape
    (2, 2, 1)
    """
    mu, depths = checked_start(dynamics, tokens, times, stepper)

    def velocity(t: float, points: Array) -> Array:
        return dynamics.velocity(t, points, mu.moved_to(points))

    run = march(velocity, mu.points, depths, stepper, progress=progress)
    return Trajectory(run.times, stacked(run.states), mu.weights, run.stats, run.status, run.message)


def checked_start(dynamics: Dynamics, tokens: Any, times: Any, stepper: Stepper) -> tuple[Empirical, Array]:
    """Return tokens and times as `solve` needs them, or raise a ValueError naming every problem."""
    problems = checks.Problems()
    lawful = is_law(dynamics, problems)
    dim, step = (dynamics.dim, dynamics.step) if lawful else (None, None)
    if isinstance(tokens, Empirical):
        points: Array | None = tokens.points
        if dim not in (None, tokens.dim):
            problems.add(f"`tokens` must live in dimension {dim}, as the law does; got {tokens.dim}.")
    else:
        points = checks.points("tokens", tokens, problems, dim=dim)
    depths = checks.times(times, problems)
    if isinstance(stepper, type) or not hasattr(stepper, "steps"):
        problems.add(f"`stepper` must be Adaptive(), RK4(dt) or Euler(dt); got {stepper!r}.")
    elif depths is not None and step is not None:
        _check_discrete(step, depths, stepper, problems)
    problems.raise_if_any()
    assert points is not None and depths is not None
    return tokens if isinstance(tokens, Empirical) else Empirical(points), depths


def _check_discrete(dt: float, times: Array, stepper: Stepper, problems: checks.Problems) -> None:
    if not (isinstance(stepper, Euler) and stepper.dt == dt):
        problems.add(f"a discrete law with dt = {dt} must be stepped by stepper=Euler({dt}); got {stepper!r}.")
    off = off_step(times, dt)
    if off.any():
        problems.add(f"`times` of a discrete law must be multiples of dt = {dt}, from 0 on; got {times[off][0]}.")
