"""The time loop, written once: drive a stepper through the asked times, watch for failure, keep what was reached."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from particles.checks import Array
from particles.steppers import Stepper, Velocity

FINISHED = "finished"
STOPPED = "stopped"


@dataclass(frozen=True)
class March:
    """What the loop reached: the states at `times`, and how it ended."""

    times: Array
    states: list[Array]
    stats: dict[str, float]
    status: str
    message: str


def progress_bar(total: float, shown: bool, unit: str = "t") -> tqdm:
    """Return a bar on stderr; silent unless asked for and stderr is a terminal."""
    form = "{l_bar}{bar}| {n:.3g}/{total:.3g} " + unit + " [{elapsed}<{remaining}]"
    return tqdm(total=total, disable=not (shown and sys.stderr.isatty()), bar_format=form, leave=False)


def march(
    velocity: Velocity,
    state: Array,
    times: Array,
    stepper: Stepper,
    *,
    row: str = "token",
    progress: bool = False,
) -> March:
    """Integrate y' = velocity(t, y) from y(times[0]) = state and return y at each of `times`.

    Overflow, NaN, a step below rounding or an ArithmeticError from the velocity stop the loop: what was reached
    is returned with status "stopped" and a message that says when, in which row and why.
    """
    states = [state]
    now, steps, evaluations = float(times[0]), 0, 0
    status, message = FINISHED, f"reached t = {times[-1]:.6g}"
    began = time.perf_counter()
    with np.errstate(over="ignore", invalid="ignore"), progress_bar(times[-1] - now, progress) as bar:
        try:
            _require_finite(velocity(now, state), row, "velocity")
            for step in stepper.steps(velocity, now, state, times):
                _require_finite(step.state, row, "position")
                steps, evaluations = steps + 1, evaluations + step.evaluations
                while len(states) < len(times) and times[len(states)] <= step.time:
                    states.append(step.at(float(times[len(states)])))
                bar.update(step.time - now)
                now = step.time
        except ArithmeticError as trouble:
            status, message = STOPPED, f"stopped after t = {now:.6g}: {trouble}"
    stats: dict[str, float] = {
        "steps": steps,
        "evaluations": evaluations + 1,
        "seconds": time.perf_counter() - began,
        "reached": now,
    }
    return March(times[: len(states)], states, stats, status, message)


def _require_finite(values: Array, row: str, what: str) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ArithmeticError(f"the {what} of {row} {index[0]} is {values[index]}")
