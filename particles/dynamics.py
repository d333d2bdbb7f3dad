"""Laws of motion: x' = velocity(t, x, mu), the moving point and the measure that moves it kept apart.

The finite-n ODE passes the atoms' own measure, a grid method its density and the cell walls, a frozen-field
scheme yesterday's measure and today's points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from particles import checks
from particles.attention import Attention
from particles.checks import Array
from particles.frame import Exponential
from particles.measure import Measure
from particles.replicas import Replicas

_LARGEST_TILT = 1e300  # beyond it B overflows as soon as it meets a point
_STEP_ROUNDING = 1e-9  # of a step: a depth this close to a whole number of steps is one


class Dynamics(Protocol):
    """What a law of motion answers; t is depth."""

    @property
    def dim(self) -> int:
        """Dimension d of the tokens."""
        ...

    @property
    def step(self) -> float | None:
        """The step a discrete law prescribes; None for a differential equation."""
        ...

    def velocity(self, t: float, x: Any, mu: Measure | Replicas) -> Array:
        """Velocity at depth t of points x (m, d) in the field of mu; shape (m, d). With R replicas, (R, m, d)."""
        ...

    def jacobian(self, t: float, x: Any, mu: Measure) -> Array:
        """Derivative of the velocity in x; shape (m, d, d)."""
        ...

    def attention_at(self, t: float) -> Attention:
        """The attention whose field moves the points at depth t, up to a term linear in x."""
        ...

    def frame(self, t: float) -> Array:
        """F(t) of shape (d, d), with x = F(t) z between raw tokens x and those of this law, z."""
        ...


@dataclass(frozen=True, eq=False)
class Raw:
    """The plain law x' = X[mu](x): the finite-n ODE (1.1) and the continuity equation (6.1).

    With `stepper=Euler(dt)` it is the discrete-time system (1.3).

    Parameters
    ----------
    attention : Attention
        The attention whose field moves the tokens.
    """

    attention: Attention

    def __post_init__(self) -> None:
        """Refuse anything that is not an attention."""
        _check_attention(self.attention)

    @property
    def dim(self) -> int:
        """Dimension d of the tokens."""
        return self.attention.dim

    @property
    def step(self) -> float | None:
        """None: the law is a differential equation."""
        return None

    def velocity(self, t: float, x: Any, mu: Measure | Replicas) -> Array:
        """X[mu](x), shape (m, d)."""
        return self.attention.field(mu, x)

    def jacobian(self, t: float, x: Any, mu: Measure) -> Array:
        """DX[mu](x), shape (m, d, d)."""
        return self.attention.jacobian(mu, x)

    def attention_at(self, t: float) -> Attention:
        """The attention itself, at every depth."""
        return self.attention

    def frame(self, t: float) -> Array:
        """The identity: this is the law in the tokens' own frame."""
        return np.eye(self.dim)


@dataclass(frozen=True, eq=False)
class Rescaled:
    """The law seen in the frame z = F(t)^{-1} x that grows with the values, U = sum_h V_h.

    Continuous (3.1), F(t) = e^{tU}:

        z' = sum_h V_h(t) (grad Lambda_nu(B_h(t)^T z) - z),  V_h(t) = F^{-1} V_h F,  B_h(t) = F^T B_h F

    Discrete (Remark 3.3), with dt given, F(k dt) = R^k, R = I + dt U: the same with R^{-1} V_h(t) for V_h(t),
    stepped by `Euler(dt)`.

    Parameters
    ----------
    attention : Attention
        The attention of the raw law.
    dt : float, optional
        Step of the discrete form; leave out for the differential equation.

    Raises
    ------
    ValueError
        If dt is not positive or R = I + dt U is singular.
    """

    attention: Attention
    dt: float | None = None

    def __post_init__(self) -> None:
        """Refuse a step for which the frame cannot be inverted."""
        _check_attention(self.attention)
        if self.dt is None:
            return
        problems = checks.Problems()
        dt = checks.positive("dt", self.dt, problems)
        if dt is not None and np.linalg.cond(_step_matrix(self.attention, dt)) > 1.0 / np.finfo(float).eps:
            problems.add(f"R = I + dt V must be invertible; with dt = {dt} it is singular. Choose a smaller `dt`.")
        problems.raise_if_any()

    @property
    def dim(self) -> int:
        """Dimension d of the tokens."""
        return self.attention.dim

    @property
    def step(self) -> float | None:
        """The step dt of the discrete form; None for the differential equation."""
        return self.dt

    def frame(self, t: float) -> Array:
        """F(t) of shape (d, d), with x = F(t) z: e^{tU}, or R^k at t = k dt.

        Raises
        ------
        FloatingPointError
            If an entry of F(t) leaves the range of double precision.
        """
        return _frame(self.attention, self.dt, float(t))

    def raw_points(self, t: float, z: Any) -> Array:
        """x = F(t) z for rescaled points z of shape (m, d)."""
        return checks.directions("z", z, self.dim) @ self.frame(t).T

    def rescaled_points(self, t: float, x: Any) -> Array:
        """z = F(t)^{-1} x for raw points x of shape (m, d)."""
        return checks.directions("x", x, self.dim) @ _inverse_frame(self.attention, self.dt, float(t)).T

    def attention_at(self, t: float) -> Attention:
        """The attention of the rescaled law at depth t: Q F, K F, and V_h(t), or R^{-1} V_h(t) if discrete."""
        return _seen(self.attention, self.dt, float(t))

    def velocity(self, t: float, z: Any, nu: Measure | Replicas) -> Array:
        """sum_h V_h(t) (grad Lambda_nu(B_h(t)^T z) - z), shape (m, d)."""
        seen = self.attention_at(t)
        return seen.field(nu, z) - np.asarray(z) @ seen.U.T

    def jacobian(self, t: float, z: Any, nu: Measure) -> Array:
        """Derivative of the velocity in z, shape (m, d, d)."""
        seen = self.attention_at(t)
        return seen.jacobian(nu, z) - seen.U


@lru_cache(maxsize=16)
def _exponential(attention: Attention) -> Exponential:
    """Return t -> e^{tU}."""
    return Exponential(attention.U)


@lru_cache(maxsize=64)
def _frame(attention: Attention, dt: float | None, t: float) -> Array:
    """Return F(t)."""
    if dt is None:
        return _in_range(_exponential(attention).at(t), t)
    return _power(_step_matrix(attention, dt), dt, t)


@lru_cache(maxsize=64)
def _inverse_frame(attention: Attention, dt: float | None, t: float) -> Array:
    """Return F(t)^{-1}, not by inverting F, which would lose digits."""
    if dt is None:
        return _in_range(_exponential(attention).at(-t), t)
    return _power(_inverse_step_matrix(attention, dt), dt, t)


def _power(matrix: Array, dt: float, t: float) -> Array:
    with np.errstate(all="ignore"):
        return _in_range(np.linalg.matrix_power(matrix, _whole_steps(t, dt)), t)


@lru_cache(maxsize=64)
def _seen(attention: Attention, dt: float | None, t: float) -> Attention:
    """Return the attention seen in the frame: Q F, K F and F^{-1} V F, the last times R^{-1} if discrete."""
    frame = _frame(attention, dt, t)
    V = attention.V
    with np.errstate(all="ignore"):
        if len(attention.heads) > 1:  # one V commutes with its own frame
            V = _inverse_frame(attention, dt, t) @ V @ frame
        if dt is not None:
            V = _inverse_step_matrix(attention, dt) @ V
        seen = Attention.trusted(attention.Q @ frame, attention.K @ frame, V)
        _in_range(seen.B, t, _LARGEST_TILT)
    if V is not attention.V:
        _in_range(V, t)
    return seen


def _step_matrix(attention: Attention, dt: float) -> Array:
    """R = I + dt U."""
    return np.eye(attention.dim) + dt * attention.U


@lru_cache(maxsize=64)
def _inverse_step_matrix(attention: Attention, dt: float) -> Array:
    """R^{-1}."""
    with np.errstate(all="ignore"):
        return np.asarray(np.linalg.inv(_step_matrix(attention, dt)), dtype=np.float64)


def _in_range(matrix: Array, t: float, largest: float = float(np.finfo(float).max)) -> Array:
    if not np.abs(matrix).max() <= largest:  # nor if it is NaN
        raise FloatingPointError(f"e^{{tV}} leaves the range of double precision at t = {t:.6g}")
    return checks.frozen(matrix)


def _whole_steps(t: float, dt: float) -> int:
    if off_step(np.asarray(t), dt):
        raise ValueError(
            f"the discrete law is defined at t = 0, dt, 2 dt, ... with dt = {dt}; got t = {t}. "
            "Use stepper=Euler(dt) with the same dt and times that are multiples of it."
        )
    return round(t / dt)


def is_law(dynamics: Any, problems: checks.Problems) -> bool:
    """Return whether `dynamics` is a law of motion; complain if not."""
    if isinstance(dynamics, type) or not hasattr(dynamics, "velocity"):
        problems.add(f"`dynamics` must be a law of motion such as Raw(attention); got {type(dynamics).__name__}.")
        return False
    return True


def off_step(times: Array, dt: float) -> NDArray[np.bool_]:
    """Return which times are not one of 0, dt, 2 dt, ... to rounding."""
    steps = times / dt
    return (np.abs(steps - np.round(steps)) > _STEP_ROUNDING * np.maximum(1.0, np.abs(steps))) | (times < 0)


def _check_attention(attention: Any) -> None:
    if not isinstance(attention, Attention):
        raise ValueError(f"`attention` must be an Attention; got {type(attention).__name__}.")
