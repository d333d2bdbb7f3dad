"""Where tokens come to rest when all values are multiples of the identity: V_h = I/H with any B_h > 0, exactly.

In the frame z = e^{-t} x, or z = 2^{-k} x in discrete time with dt = 1, the heads pull towards the mean of the tokens
they attend to. With one head a vertex of the limit polytope is a token that leads. With several it may be a company:
head h of each of its tokens attends to the same L_h, which need not be the same for all h, the company's centre
v = (1/H) sum_h z_{L_h} stands still, and its tokens keep their distances in raw space. Suppose that from depth t* on
head h of token i gives all its weight to L_h(i), and that these all belong to companies. With

    T_i = (1/H) sum_h v_{L_h(i)},   D_i = z_i - T_i,   E_i = (1/H) sum_h D_{L_h(i)}   (0 for a company's own tokens),
    z_i = T_i + (D_i + s E_i) / u,  u = e^s, s = t - t*,   or u = 2^s, s = k - k* in discrete time,

so that all gaps of exponents between L = L_h(i) and any token j at a later depth are explicit,

    g u^2 <B_h^T z_i, (T_L - T_j) + (D_L - D_j - s E_j) / u>,    g = e^{2 t*} or 4^{k*}.

Where they stay above `GAP` nothing changes any more, and T_i is the limit of z_i. They are looked at in steps of s, up
to where the leading power decides, after their errors are taken off: those of a second run with hundred times the
tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from particles import Adaptive, Attention, Euler, Raw, Rescaled, Trajectory, solve
from particles.checks import Array
from particles.following import GAP

_FINE, _COARSE = 1e-12, 1e-10  # relative tolerances of the two runs, and absolute ones of a token of size 1
_TRUST = 10.0  # by how much a number has to exceed its own error
_LAST = 14  # depth to which gaps are looked at, at whole numbers: e^{2 14} = 1e12 leaves four digits of one
_WHOLE = np.arange(0.0, 60.0)
_STEPS = np.concatenate(
    [np.arange(0.0, 3, 0.1), np.arange(3.0, 8, 0.25), np.arange(8.0, 41, 1.0)]
)  # of s; e^-40 = 4e-18
_DISCRETE = 24  # 4^24 = 3e14 leaves a digit


@dataclass(frozen=True)
class Resting:
    """Tokens whose resting places are known.

    Attributes
    ----------
    depth : float
        t*, from which on every head of every decided token attends to one token.
    places : (n, d) array
        T_i, the limits of the rescaled tokens.
    targets : (H, n) array of int
        L_h(i).
    decided : (n,) array of bool
        Whether T_i is certain.
    """

    depth: float
    places: Array
    targets: NDArray[np.intp]
    decided: NDArray[np.bool_]

    @property
    def vertices(self) -> Array:
        """The centres v of the companies that decided tokens attend to; shape (m, d)."""
        chosen = np.unique(self.targets[:, self.decided])
        return np.unique(self.places[chosen], axis=0)

    @property
    def companies(self) -> list[int]:
        """How many tokens are attended to at each of the vertices."""
        chosen = np.unique(self.targets[:, self.decided])
        return np.unique(self.places[chosen], axis=0, return_counts=True)[1].tolist()


def identities(B: Array) -> Attention:
    """Return the attention of heads V_h = I/H with the given B_h, shape (H, d, d)."""
    heads, d, _ = B.shape
    eye = np.broadcast_to(np.eye(d), B.shape)
    return Attention(Q=np.swapaxes(B, 1, 2), K=eye, V=eye / heads)


def rest(B: Array, tokens: Array, *, discrete: bool = False) -> Resting:
    """Move tokens under heads V_h = I/H until each has a resting place for good.

    Parameters
    ----------
    B : (H, d, d) array
        Q_h^T K_h.
    tokens : (n, d) array
        Tokens at depth 0.
    discrete : bool
        Whether to take steps dt = 1 (Remark 3.3) instead of the differential equation.

    Returns
    -------
    Resting
        At the first depth at which all tokens are decided, or the first at which as many are as ever.
    """
    attention = identities(B)
    depths = np.arange(0.0, (_DISCRETE if discrete else _LAST) + 1.0)
    fine = coarse = np.array(tokens)
    best = _look(B, fine, coarse, 0.0, discrete)
    for before, depth in pairwise(depths):
        if best.decided.all():
            break
        try:
            if discrete:
                fine = coarse = _stepped(attention, fine, before)
            else:
                fine, coarse = (
                    _moved(attention, z, before, depth, tol) for z, tol in ((fine, _FINE), (coarse, _COARSE))
                )
        except ArithmeticError:  # what has been decided stays so
            break
        found = _look(B, fine, coarse, depth, discrete)
        if found.decided.sum() > best.decided.sum():
            best = found
    return best


def _stepped(attention: Attention, z: Array, k: float) -> Array:
    """Return the rescaled tokens one step dt = 1 later."""
    return _end(solve(Rescaled(attention, dt=1.0), z, [k, k + 1], stepper=Euler(1.0)))


def _moved(attention: Attention, z: Array, before: float, depth: float, tol: float) -> Array:
    """Return the rescaled tokens at the second depth from those at the first; raw ones move at half the cost."""
    start = float(np.exp(before))
    stepper = Adaptive(tol, tol * start * float(np.abs(z).max()))
    return _end(solve(Raw(attention), start * z, [before, depth], stepper=stepper)) / np.exp(depth)


def _end(run: Trajectory) -> Array:
    if run.status != "finished":
        raise ArithmeticError(run.message)
    return run.points[-1]


def _look(B: Array, z: Array, coarse: Array, depth: float, discrete: bool) -> Resting:
    """Judge the tokens at one depth."""
    targets, others = (np.argmax(y @ B @ y.T, axis=2) for y in (z, coarse))
    size = float(np.linalg.norm(z, axis=1).max())
    # a step of the discrete form rounds each number once or twice
    error = float(np.linalg.norm(z - coarse, axis=1).max()) + (4 + depth) * np.finfo(float).eps * size
    certain = (targets == others).all(axis=0)
    while True:
        # a token belongs to a company if those it attends to attend to the very same tokens
        member = certain & certain[targets].all(axis=0) & (targets[:, targets] == targets[:, None, :]).all(axis=(0, 1))
        places = np.where(member[:, None], z[targets].mean(axis=0), z)
        centres = places[targets]
        alone = (centres == centres[0]).all(axis=(0, 2))
        places = np.where(member[:, None], places, np.where(alone[:, None], centres[0], centres.mean(axis=0)))
        still = certain & member[targets].all(axis=0)
        still &= _lasting(B, z, np.where(still[:, None], places, z), targets, still & ~member, error, depth, discrete)
        if np.array_equal(still, certain):
            return Resting(float(depth), places, targets, certain)
        certain = still


def _lasting(
    B: Array,
    z: Array,
    places: Array,
    targets: NDArray[np.intp],
    carried: NDArray[np.bool_],
    error: float,
    depth: float,
    discrete: bool,
) -> NDArray[np.bool_]:
    """Return whether each token's gaps stay large enough, with those tokens `carried` for which E is not zero."""
    base = 2.0 if discrete else float(np.exp(1.0))
    offsets = z - places
    drifts = np.where(carried[:, None], offsets[targets].mean(axis=0), 0.0)
    size = float(np.linalg.norm(z, axis=1).max())
    kept = np.ones(len(z), dtype=bool)
    for head, chosen in zip(B, targets, strict=True):
        doubt = _TRUST * 8 * float(np.linalg.norm(head, 2)) * size * error  # products of two numbers up to 2 size
        T, D, E = places @ head, offsets @ head, drifts @ head
        apart = places[chosen][:, None, :] - places
        steps = offsets[chosen][:, None, :] - offsets
        there = (apart == 0).all(axis=2)
        fine = (chosen[:, None] == np.arange(len(z))) | there
        rows = [np.einsum("id,ijd->ij", *pair) for pair in ((T, apart), (D, apart), (E, apart))]
        near = [np.einsum("id,ijd->ij", *pair) for pair in ((T, steps), (D, steps), (E, steps))]
        a = rows[0] - np.where(there, 0.0, doubt)
        b, b_drift = rows[1] + near[0], rows[2] - T @ drifts.T
        c, c_drift, c_square = near[1], near[2] - D @ drifts.T, -E @ drifts.T
        fine |= a > 0
        own = chosen[:, None] == np.arange(len(z))
        for s in _WHOLE if discrete else _STEPS:
            u = base**s
            gaps = a + (b + s * b_drift - doubt * (1 + s)) / u
            gaps += (c + s * c_drift + s * s * c_square - doubt * (1 + s) ** 2) / u**2
            fine &= own | (gaps >= GAP * base ** (-2 * (depth + s)))
        kept &= fine.all(axis=1)
    return kept
