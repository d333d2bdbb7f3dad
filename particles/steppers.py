"""Time steppers: a method is data.

A fixed-step method is a Butcher tableau and a step; the adaptive method is SciPy's DOP853 (Dormand-Prince
order 8 with dense output of order 7) and two tolerances. The time loop is written once, in `march`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from particles import checks
from particles.checks import Array

Velocity = Callable[[float, Array], Array]

_ROUNDING = 1e-9  # of a step: a time this close to a whole number of steps counts as reached


@dataclass(frozen=True)
class Step:
    """One accepted step: its end, the state there, and the states at the asked times inside it."""

    time: float
    state: Array
    at: Callable[[float], Array]
    evaluations: int


class Stepper(Protocol):
    """What the time loop asks of a method."""

    def steps(self, velocity: Velocity, start: float, state: Array, times: Array) -> Iterator[Step]:
        """Yield accepted steps from `start` until the last of `times`.

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

    def steps(self, velocity: Velocity, start: float, state: Array, times: Array) -> Iterator[Step]:
        """Yield the steps; every asked time is the end of one."""
        evaluations = len(self.tableau.b)
        for end in times[times > start]:
            count = max(1, int(np.ceil((end - start) / self.dt - _ROUNDING)))
            h = (end - start) / count
            for k in range(count):
                state = self.tableau.advance(velocity, start + k * h, state, h)
                now = float(end) if k == count - 1 else start + (k + 1) * h
                yield Step(now, state, lambda _, state=state: state, evaluations)  # type: ignore[misc]
            start = float(end)


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
    """

    rtol: float = 1e-8
    atol: float = 1e-10

    def __post_init__(self) -> None:
        """Refuse tolerances that are not positive or that double precision cannot reach."""
        problems = checks.Problems()
        rtol = checks.positive("rtol", self.rtol, problems)
        checks.positive("atol", self.atol, problems)
        least = 100 * np.finfo(float).eps
        if rtol is not None and not least <= rtol < 1:
            problems.add(f"`rtol` must lie in [{least:.3g}, 1); got {self.rtol}.")
        problems.raise_if_any()

    def steps(self, velocity: Velocity, start: float, state: Array, times: Array) -> Iterator[Step]:
        """Yield DOP853's accepted steps."""
        from scipy.integrate import DOP853  # takes a quarter of a second to import

        shape = state.shape
        if not times[-1] > start:
            return

        trouble = ""

        def flat(t: float, y: Array) -> Array:
            nonlocal trouble
            try:
                return velocity(t, y.reshape(shape)).ravel()
            except FloatingPointError as error:  # a trial stage out of range asks for a smaller step, as NaN does
                trouble = str(error)
                return np.full_like(y, np.nan)

        # the time loop has seen a finite first slope: with NaN there, choosing the first step would never end
        solver = DOP853(flat, start, state.ravel(), float(times[-1]), rtol=self.rtol, atol=self.atol)
        while solver.status == "running":
            before = solver.nfev
            complaint = solver.step()
            if solver.status == "failed":
                raise ArithmeticError(trouble or complaint or "the step size fell below rounding")
            reached = times[(times > solver.t_old) & (times <= solver.t)]
            dense = solver.dense_output() if reached.size and (reached < solver.t).any() else None

            def at(t: float, y: Array = solver.y, end: float = solver.t, dense: Callable | None = dense) -> Array:
                return (y if t == end or dense is None else dense(t)).reshape(shape)

            yield Step(float(solver.t), solver.y.reshape(shape), at, solver.nfev - before)
