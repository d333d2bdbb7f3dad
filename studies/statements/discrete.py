"""The discrete system (1.3) to any number of steps: the late motion in closed form.

    x_i^{k+1} = x_i^k + dt sum_j P_ij V x_j^k,    R = I + dt V

If from step k* on token i gives all its attention to a leader L(i), who gives it to himself, then

    x_L^k = R^{k - k*} x_L^{k*},    x_i^k = x_L^k + D_i,    D_i constant:

that of the differential equation whose value matrix is log(R)/dt, at the depths k dt. So `settle`, asked about that
equation at the tokens x^{k*}, certifies the discrete system as well. Where R has a negative eigenvalue its logarithm
is not real, that of R^2 is, and steps are looked at in pairs: tokens at k* and at k* + 1, each moved by R^2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import logm

from particles.attention import Attention
from particles.checks import Array
from particles.following import GAP
from particles.settled import settle

_NOW = 1e-9  # a depth at which `settle` looks at the tokens as they are, and does not move them
_NUDGE = 1e-13  # relative change of the start after which the leaders have to be the same
_LOOK = 0.5  # depth between two looks


@dataclass(frozen=True, eq=False)
class SettledSteps:
    """Leaders of the discrete system.

    Attributes
    ----------
    steps : int
        k*.
    leaders : (n,) array of int
        L(i).
    decided : bool
        Whether every leader is certain, here and from a start that is changed by a relative 1e-13.
    limit : (n, d) array
        R^{-k*} x_{L(i)}: where z_{L(i)}^k = R^{-k} x_{L(i)}^k stands still. If V = lambda I it is the limit of z_i.
    """

    steps: int
    leaders: NDArray[np.intp]
    decided: bool
    limit: Array


def settle_steps(attention: Attention, tokens: Array, dt: float, until: float = 60.0) -> SettledSteps:
    """Move tokens by (1.3) until each has its leader for good.

    Parameters
    ----------
    attention : Attention
        One head, with R = I + dt V invertible.
    tokens : (n, d) array
        The tokens at step 0.
    dt : float
        The step.
    until : float
        The depth k dt at which to stop if a token is undecided.
    """
    rng = np.random.default_rng(0)
    nudged = tokens * (1 + _NUDGE * rng.choice([-1.0, 1.0], tokens.shape))
    found, again = (_run(attention, start, dt, until) for start in (tokens, nudged))
    same = found.decided and again.decided and bool((found.leaders == again.leaders).all())
    return SettledSteps(found.steps, found.leaders, same, found.limit)


def stepped(attention: Attention, x: Array, dt: float) -> Array:
    """Return the tokens one step of (1.3) later."""
    exponents = x @ attention.B @ x.T
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return x + dt * ((weights @ x) / weights.sum(axis=1, keepdims=True)) @ attention.V.T


def _run(attention: Attention, x: Array, dt: float, until: float) -> SettledSteps:
    R = np.eye(attention.dim) + dt * attention.V
    logarithm = logm(R @ R)
    if np.iscomplexobj(logarithm):
        if np.abs(logarithm.imag).max() > 1e-9 * np.abs(logarithm).max():
            raise ValueError(f"(I + dt V)^2 must have a real logarithm; with dt = {dt} it has not.")
        logarithm = logarithm.real
    late = Attention(attention.Q, attention.K, logarithm / (2 * dt))
    every = max(1, round(_LOOK / dt))
    steps = 0
    while True:
        leaders = _leaders(attention, x)
        sure = leaders is not None and _lasting(late, x, leaders) and _lasting(late, stepped(attention, x, dt), leaders)
        if sure or steps * dt >= until:
            if leaders is None:
                leaders = np.arange(len(x))
            limit = (x @ np.linalg.matrix_power(np.linalg.inv(R), steps).T)[leaders]
            return SettledSteps(steps, leaders, sure, limit)
        for _ in range(every):
            x = stepped(attention, x, dt)
        steps += every


def _leaders(attention: Attention, x: Array) -> NDArray[np.intp] | None:
    """Return whom each token follows if all have a leader now, which is quickly seen; None if one has not."""
    exponents = x @ attention.B @ x.T
    leaders: NDArray[np.intp] = exponents.argmax(axis=1)
    rows = np.arange(len(x))
    gaps = exponents[rows, leaders][:, None] - exponents
    gaps[rows, leaders] = np.inf
    return leaders if gaps.min() >= GAP and (leaders[leaders] == leaders).all() else None


def _lasting(late: Attention, x: Array, leaders: NDArray[np.intp]) -> bool:
    found = settle(late, x, until=_NOW)
    return bool(found.decided.all() and (found.leaders == leaders).all())
