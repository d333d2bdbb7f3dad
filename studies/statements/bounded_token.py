"""A token on the line that stays bounded (Lemmas 7.7 and 7.8), held to any depth.

V = Q = K = 1 (other V, QK > 0 change the units of t and x). The others, z_j = e^{-t} x_j, leave; the bounded token
tends to 0, and is followed as y = e^t x. With s = e^{-2t} y, its place beside the z_j,

    z_i' = sum_j P_ij z_j + P_i0 s - z_i,    exponents  e^{2t} z_i z_j  and  z_i y,
    y'   = (1 + w_0) y + e^{2t} sum_j w_j z_j,    exponents  y z_j  and  y s  (its own).

A neighbouring x leaves at the rate w_0 + e^{2t} var_w(z, s): a start that is off by delta is off by delta e^{A(t)} at
depth t, A being the integral of that rate, of the order of e^{2t}. In doubles no start holds longer than
A(t) = log 2^53. But what is unstable forwards is stable backwards. So y is given a value at the end and found from the
end to the beginning, the others from the beginning to the end, in turns; the value at the end is forgotten within
e^{-2t}, and the turns converge because one token has little say in where the others go.

By Lemma 7.8 y tends to the root theta of sum_j gamma_j e^{gamma_j theta} = 0. As each gamma_j is gamma_1 (p times) or
gamma_n (q times), theta = log(-p gamma_1 / (q gamma_n)) / (gamma_n - gamma_1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from particles.checks import Array
from particles.march import march
from particles.steppers import Adaptive

_MOST_TURNS = 40
_SAME = 1e-11  # a change of y(0) that ends the turns: ten times the tolerance of the way back
_SHOTS = 16
_LINGERS = 1.0  # depth after which the token has left from every start in doubles
_AWAY = 0.5  # a token has left when it is this far from the one that is held


@dataclass(frozen=True, eq=False)
class BoundedToken:
    """The bounded token and the others.

    Attributes
    ----------
    others : callable
        t -> (m,) array, the other tokens z_j in their order.
    scaled : callable
        t -> y = e^t x of the bounded token.
    depth : float
        The last t.
    turns : int
        How often the two ways were gone.
    change : float
        Change of y(0) at the last turn.
    """

    others: Callable[[float], Array]
    scaled: Callable[[float], float]
    depth: float
    turns: int
    change: float

    @property
    def start(self) -> float:
        """Where the token starts, x(0)."""
        return self.scaled(0.0)

    def row(self, t: float) -> Array:
        """The bounded token's row of P: its weights on the others in their order, and last on itself."""
        return _weights(self.scaled(t), self.others(t), t)

    def raw(self, t: float) -> Array:
        """x at depth t: the others in their order, and last the bounded token."""
        return np.append(np.exp(t) * self.others(t), np.exp(-t) * self.scaled(t))

    def rate(self, t: float) -> float:
        """The rate w_0 + e^{2t} var_w at which neighbouring x leave, in units 1/t."""
        y, z = self.scaled(t), self.others(t)
        weights, places = _weights(y, z, t), np.append(z, y * np.exp(-2 * t))
        return float(weights[-1] + np.exp(2 * t) * (weights @ (places - weights @ places) ** 2))


def bounded_token(others: Array, depth: float, end: float = 0.0) -> BoundedToken:
    """Return the motion of the given tokens x_j(0), with one more among them that stays bounded.

    Parameters
    ----------
    others : (m,) array
        Starts of the tokens that leave.
    depth : float
        The depth up to which they are followed.
    end : float
        y at that depth, which hardly matters.
    """
    scaled: Callable[[float], float] = _Constant(end)
    start, before, turns = np.asarray(others, dtype=float), np.inf, 0
    while True:
        turns += 1
        forwards = solve_ivp(
            lambda t, z, y: _others_velocity(t, z, y(t)),
            (0.0, depth),
            start,
            method="DOP853",
            args=(scaled,),
            dense_output=True,
            rtol=1e-12,
            atol=1e-13,
        )
        places = forwards.sol
        backwards = solve_ivp(
            lambda t, y, z: [_velocity(t, y[0], z(t))],
            (depth, 0.0),
            [end],
            method="LSODA",
            args=(places,),
            dense_output=True,
            rtol=1e-11,
            atol=1e-13,
        )
        scaled = _First(backwards.sol)
        now = float(backwards.y[0, -1])
        change, before = abs(now - before), now
        if change < _SAME or turns == _MOST_TURNS:
            return BoundedToken(places, scaled, depth, turns, change)


@dataclass(frozen=True)
class _Constant:
    value: float

    def __call__(self, t: float) -> float:
        return self.value


@dataclass(frozen=True)
class _First:
    way: Callable[[float], Array]

    def __call__(self, t: float) -> float:
        return float(self.way(t)[0])


def root(low: float, high: float, below: int, above: int) -> float:
    """Return theta for `below` tokens at gamma_1 = low < 0 and `above` ones at gamma_n = high > 0."""
    return float(np.log(-below * low / (above * high)) / (high - low))


@dataclass(frozen=True)
class Shot:
    """The start of the bounded token, as runs forwards in double precision find it.

    Attributes
    ----------
    below, above : float
        Starts from which the token leaves to the left and to the right, and between which it is the last rounding, of
        the start or on the way, that decides.
    left : float
        Depth at which the token has left from both starts.
    """

    below: float
    above: float
    left: float


def shoot(others: Array, held: BoundedToken, width: float, depth: float) -> Shot:
    """Cut a bracket of starts around that of the held token as far as double precision orders what comes of them.

    Parameters
    ----------
    others : (m,) array
        Starts of the tokens that leave.
    held : BoundedToken
        The token among them, as it was found from the end.
    width : float
        Half the width of the first bracket.
    depth : float
        Where an error of one rounding has grown to order 1: a start is judged there, by the side of the held token on
        which it is.

    Raises
    ------
    ValueError
        If the tokens from both ends of the bracket leave to the same side.
    """
    middle = held.raw(depth)[-1]
    below, above, first = held.start - width, held.start + width, True
    while True:
        starts = np.unique(np.linspace(below, above, _SHOTS))
        right = _forwards(others, starts, np.array([0.0, depth]))[-1] > middle
        k = int(np.argmax(right))
        unordered = right[0] or not right[k:].all()
        if unordered and first:
            raise ValueError(f"the token does not change sides between the starts {below} and {above}")
        if not unordered:
            below, above, first = float(starts[k - 1]), float(starts[k]), False
        if unordered or len(starts) == 2:
            break
    times = np.linspace(0.0, depth + _LINGERS, 201)
    places = np.array([held.raw(t)[-1] for t in times])
    away = np.abs(_forwards(others, np.array([below, above]), times) - places[:, None]) > _AWAY
    return Shot(below, above, float(max(times[np.argmax(at)] if at.any() else times[-1] for at in away.T)))


def _forwards(others: Array, starts: Array, times: Array) -> Array:
    """Return the way of the token for each of its starts; shape (times, starts)."""
    tokens = np.hstack([np.tile(others, (len(starts), 1)), starts[:, None]])
    run = march(lambda _, x: _field(x), tokens, times, Adaptive(rtol=1e-12, atol=1e-13), row="start")
    return np.array(run.states)[:, :, -1]


def _weights(y: float, z: Array, t: float) -> Array:
    exponents = np.append(y * z, y * y * np.exp(-2 * t))
    weights = np.exp(exponents - exponents.max())
    return weights / weights.sum()


def _velocity(t: float, y: float, z: Array) -> float:
    weights = _weights(y, z, t)
    return float((1 + weights[-1]) * y + np.exp(2 * t) * (weights[:-1] @ z))


def _others_velocity(t: float, z: Array, y: float) -> Array:
    exponents = np.hstack([np.exp(2 * t) * np.outer(z, z), (z * y)[:, None]])
    weights = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    return weights @ np.append(z, y * np.exp(-2 * t)) / weights.sum(axis=1) - z


def _field(x: Array) -> Array:
    """x' for independent systems, one a row."""
    weights = x[:, :, None] * x[:, None, :]
    weights -= weights.max(axis=2, keepdims=True)
    np.exp(weights, out=weights)
    return (weights @ x[:, :, None])[:, :, 0] / weights.sum(axis=2)
