"""Time steppers: a method is data.

A fixed-step method is a Butcher tableau and a step; the adaptive method is SciPy's DOP853 (Dormand-Prince
order 8 with dense output of order 7) and two tolerances. The time loop is written once, in `march`.

A step carries a memory: what the stepper needs, beside depth and state, to go on from its end to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from particles import checks
from particles.checks import Array

Velocity = Callable[[float, Array], Array]

_ROUNDING = 1e-9  # of a step: a time this close to a whole number of steps counts as reached


Memory = dict[str, Any]  # arrays and floats


class NoFurtherStep(ArithmeticError):
    """No step is small enough, or none of a useful size: the solution blows up, or the equation is stiff."""


@dataclass(frozen=True)
class Step:
    """One accepted step: its end, the state there, the states at the asked times inside it, and what to remember."""

    time: float
    state: Array
    at: Callable[[float], Array]
    evaluations: int
    memory: Memory


class Stepper(Protocol):
    """What the time loop asks of a method."""

    def steps(
        self, velocity: Velocity, start: float, state: Array, times: Array, memory: Memory | None = None
    ) -> Iterator[Step]:
        """Yield accepted steps from `start` until the last of `times`.

        With the memory of an earlier step, whose end and state are then given, go on as if there had been no break.

        Raises
        ------
        ArithmeticError
            With the reason, when the method cannot go on.
        """
        ...


@dataclass(frozen=True)
class Tableau:
    """An explicit Runge-Kutta method: k_i = f(t + c_i h, y + h sum_j a_ij k_j), y+ = y + h sum_i b_i k_i."""

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    c: tuple[float, ...]
    order: int

    def advance(self, velocity: Velocity, t: float, y: Array, h: float) -> Array:
        """Return the state one step of size h later."""
        slopes: list[Array] = []
        for row, c in zip(self.a, self.c, strict=True):
            stage = y
            for weight, slope in zip(row, slopes, strict=True):
                if weight:
                    stage = stage + (h * weight) * slope
            slopes.append(velocity(t + c * h, stage))
        for weight, slope in zip(self.b, slopes, strict=True):
            y = y + (h * weight) * slope
        return y


EULER = Tableau(a=((),), b=(1.0,), c=(0.0,), order=1)
CLASSICAL_RK4 = Tableau(
    a=((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)),
    b=(1 / 6, 1 / 3, 1 / 3, 1 / 6),
    c=(0.0, 0.5, 0.5, 1.0),
    order=4,
)


@dataclass(frozen=True)
class FixedStep:
    """Equal steps of a tableau: each stretch between asked times is cut into equal steps of at most dt."""

    dt: float

    tableau = EULER

    def __post_init__(self) -> None:
        """Refuse a step that is not positive."""
        problems = checks.Problems()
        checks.positive("dt", self.dt, problems)
        problems.raise_if_any()

    def steps(
        self, velocity: Velocity, start: float, state: Array, times: Array, memory: Memory | None = None
    ) -> Iterator[Step]:
        """Yield the steps; every asked time is the end of one."""
        evaluations = len(self.tableau.b)
        first = 0
        if memory is not None:  # the stretch that was being cut, and how many of its steps are done
            start, first = float(memory["stretch"]), int(memory["done"])
        for end in times[times > start]:
            count = max(1, int(np.ceil((end - start) / self.dt - _ROUNDING)))
            h = (end - start) / count
            for k in range(first, count):
                state = self.tableau.advance(velocity, start + k * h, state, h)
                now = float(end) if k == count - 1 else start + (k + 1) * h
                place: Memory = {"stretch": start, "done": k + 1}
                yield Step(now, state, lambda _, state=state: state, evaluations, place)  # type: ignore[misc]
            start, first = float(end), 0


@dataclass(frozen=True)
class Euler(FixedStep):
    """Forward Euler with step dt, order 1: the Transformer's own discretisation (1.3)."""

    tableau = EULER


@dataclass(frozen=True)
class RK4(FixedStep):
    """The classical Runge-Kutta method with step dt, order 4."""

    tableau = CLASSICAL_RK4


@dataclass(frozen=True)
class Adaptive:
    """SciPy's DOP853 with dense output at the asked times.

    The local error of a step, as a root mean square over tokens and coordinates, is kept below
    atol + rtol |x|.

    Parameters
    ----------
    rtol, atol : float
        Relative and absolute tolerance.
    most_steps : int
        A run that needs more than these is stopped: it is stiff, or the tolerances are out of reach.
    """

    rtol: float = 1e-8
    atol: float = 1e-10
    most_steps: int = 1_000_000

    def __post_init__(self) -> None:
        """Refuse tolerances that are not positive or that double precision cannot reach."""
        problems = checks.Problems()
        rtol = checks.positive("rtol", self.rtol, problems)
        checks.positive("atol", self.atol, problems)
        checks.count("most_steps", self.most_steps, problems)
        least = 100 * np.finfo(float).eps
        if rtol is not None and not least <= rtol < 1:
            problems.add(f"`rtol` must lie in [{least:.3g}, 1); got {self.rtol}.")
        problems.raise_if_any()

    def steps(
        self, velocity: Velocity, start: float, state: Array, times: Array, memory: Memory | None = None
    ) -> Iterator[Step]:
        """Yield DOP853's accepted steps."""
        from scipy.integrate import DOP853  # takes a quarter of a second to import

        if not times[-1] > start:
            return
        end, shape = float(times[-1]), state.shape
        flat = _Flat(velocity, shape)
        if memory is None:
            # the time loop has seen a finite first slope: with NaN, choosing the first step would never end
            solver = DOP853(flat, start, state.ravel(), end, rtol=self.rtol, atol=self.atol)
        else:
            flat.known = memory["slope"]
            h = min(float(memory["h"]), end - start)
            solver = DOP853(flat, start, state.ravel(), end, rtol=self.rtol, atol=self.atol, first_step=h)
            solver.h_abs = float(memory["h"])
        taken = 0 if memory is None else int(memory["taken"])
        while solver.status == "running":
            if taken == self.most_steps:
                raise NoFurtherStep(f"{taken} steps did not reach the end, and the step is {solver.h_abs:.2g}")
            before = solver.nfev
            solver.step()
            if solver.status == "failed":
                least = np.spacing(abs(solver.t))
                raise flat.trouble or NoFurtherStep(f"the step size fell below rounding, {10 * least:.2g}")
            taken += 1
            reached = times[(times > solver.t_old) & (times <= solver.t)]
            inside = [solver.dense_output()] if reached.size and (reached < solver.t).any() else []

            def at(t: float, y: Array = solver.y, end: float = solver.t, inside: list[Any] = inside) -> Array:
                if t == end:
                    return y.reshape(shape)
                if not inside:  # the solver still stands at this step
                    inside.append(solver.dense_output())
                return inside[0](t).reshape(shape)

            place: Memory = {"slope": solver.f, "h": float(solver.h_abs), "taken": taken}
            yield Step(float(solver.t), solver.y.reshape(shape), at, solver.nfev - before, place)


class _Flat:
    """A velocity on flattened states that answers NaN, as for a step that is too long, where it cannot be had."""

    def __init__(self, velocity: Velocity, shape: tuple[int, ...]) -> None:
        self.velocity, self.shape = velocity, shape
        self.trouble: ArithmeticError | None = None  # of the last stage at a finite state, if the velocity knew
        self.known: Array | None = None  # the slope at the start, from an earlier run

    def __call__(self, t: float, y: Array) -> Array:
        if self.known is not None:
            slope, self.known = self.known, None
            return slope
        if not np.isfinite(y).all():
            return np.full_like(y, np.nan)
        try:
            slope = self.velocity(t, y.reshape(self.shape)).ravel()
        except FloatingPointError as error:
            self.trouble = error
            return np.full_like(y, np.nan)
        self.trouble = None
        return slope
