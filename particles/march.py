"""The time loop, written once: drive a stepper through the asked times, watch for failure, keep what was reached."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from particles.checkpoint import NOWHERE, Checkpoint, Saved
from particles.checks import Array
from particles.course import Course
from particles.failures import Growth
from particles.steppers import Memory, Step, Stepper, Velocity

FINISHED = "finished"
STOPPED = "stopped"
UNRESOLVED = "unresolved"  # finished, without the accuracy that was asked for

_MEMORY = "memory."


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
    checkpoint: Checkpoint = NOWHERE,
    since: tuple[float, float] | None = None,
) -> March:
    """Integrate y' = velocity(t, y) from y(times[0]) = state and return y at each of `times`.

    Overflow, NaN, a step below rounding or an ArithmeticError from the velocity stop the loop: what was reached
    is returned with status "stopped" and a message that says when, in which row and why.

    A run goes on from what the checkpoint holds, to the last bit; the checkpoint is renewed when due and at the end.
    If this is a part of a longer run, `since` is the depth and the size |x| at the start of the whole: why a run fails
    is read from how it has grown.
    """
    saved = checkpoint.load()
    run = _Run.begun(float(times[0]), state, since) if saved is None else _Run.resumed(saved)
    if not run.message:
        _advance(run, velocity, times, stepper, row, progress, checkpoint)
        checkpoint.save(*run.saved())
    return March(times[: len(run.states)], run.states, run.stats(), run.status, run.message)


def _advance(
    run: _Run, velocity: Velocity, times: Array, stepper: Stepper, row: str, progress: bool, checkpoint: Checkpoint
) -> None:
    """Bring the run to its end, be that the last of the times or a failure."""

    def watched(t: float, points: Array) -> Array:
        answer = velocity(t, points)
        _require_finite(answer, row, "velocity", f" at t = {t:.6g}" if t > times[0] else "")
        return answer

    with np.errstate(over="ignore", invalid="ignore"), progress_bar(times[-1] - times[0], progress) as bar:
        bar.update(run.now - times[0])
        try:
            if run.memory is None:
                watched(run.now, run.state)  # NaN at the start is told here: no stepper need look for it
                going_on = {}
            else:
                going_on = {"memory": run.memory}
            for step in stepper.steps(watched, run.now, run.state, times, **going_on):
                _require_finite(step.state, row, "position")
                bar.update(step.time - run.now)
                run.take(step, times)
                if checkpoint.due():
                    checkpoint.save(*run.saved())
        except ArithmeticError as trouble:
            run.end(STOPPED, f"stopped after t = {run.now:.6g}: {run.growth.explain(trouble)}")
        else:
            run.end(FINISHED, f"reached t = {times[-1]:.6g}")


@dataclass
class _Run(Course):
    """Everything a run is after a step: what it needs to go on, and what it has to show."""

    now: float
    state: Array
    states: list[Array]
    growth: Growth
    memory: Memory | None = None
    steps: int = 0
    evaluations: int = 1

    @classmethod
    def begun(cls, t: float, state: Array, since: tuple[float, float] | None) -> _Run:
        return cls(t, state, [state], Growth.of(t, state, since))

    @classmethod
    def resumed(cls, saved: Saved) -> _Run:
        arrays, record = saved
        memory = {name.removeprefix(_MEMORY): value for name, value in arrays.items() if name.startswith(_MEMORY)}
        growth = Growth(*arrays["growth"].tolist())
        return cls(float(arrays["now"]), arrays["state"], list(arrays["states"]), growth, memory or None, **record)

    def saved(self) -> Saved:
        arrays = {
            "now": np.array(self.now),
            "state": self.state,
            "states": np.stack(self.states),
            "growth": np.array(self.growth.sizes),
        }
        arrays |= {_MEMORY + name: np.asarray(value) for name, value in (self.memory or {}).items()}
        names = ("steps", "evaluations", "status", "message")
        return arrays, {name: getattr(self, name) for name in names} | {"seconds": self.elapsed}

    def take(self, step: Step, times: Array) -> None:
        while len(self.states) < len(times) and times[len(self.states)] <= step.time:
            self.states.append(step.at(float(times[len(self.states)])))
        self.growth.note(step.time, step.state)
        self.now, self.state, self.memory = float(step.time), step.state, step.memory
        self.steps, self.evaluations = self.steps + 1, self.evaluations + step.evaluations

    def stats(self) -> dict[str, float]:
        return {
            "steps": self.steps,
            "evaluations": self.evaluations,
            "seconds": self.elapsed,
            "reached": self.now,
        }


def _require_finite(values: Array, row: str, what: str, when: str = "") -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise FloatingPointError(f"the {what} of {row} {index[0]} is {values[index]}{when}")
