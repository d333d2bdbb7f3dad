"""Tokens on a mirror that follow one which itself falls back to its corner: they catch up, and lead at last.

Once P is constant to rounding, w = x - e^t target obeys w' = P w: it is 0 for a leader, constant for a token whose
leader leads itself. In the direction u = B target_i of a token i on a mirror some j of the second kind may be ahead of
its corner by a = <u, w_j> > 0, and is followed in its place. Then <u, w_i> grows by a each unit of depth, and passes a
itself after

    (a - <u, w_i>) / a.

From there on i leads itself: its limit is a vertex of K, beyond the side by a e^{-t} / |u|, t the depth at which it
overtakes. A token that has overtaken has w growing like e^t. Between four corners, it may so become what another one
on the same face follows, which then stays behind it for ever.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from particles.checks import Array

_KNOWN = 1e-5  # of the largest w: what is ahead by less may be the solver's error
_ON_FACE = 1e-9  # of <u, e^t target>


def waits(following: NDArray[np.bool_], w: Array, drawn: Array, target: Array, B: Array) -> dict[int, float] | None:
    """Return after what further depth each token overtakes, inf for never; None where that is not decided.

    Parameters
    ----------
    following : (n,) bools
        Tokens on a mirror whose leaders follow leaders.
    w, drawn, target : (n, d) arrays
        x - e^t target, P w and e^t target.
    B : (d, d) array
        The form Q^T K.
    """
    tokens = np.flatnonzero(following)
    u = target @ B
    u /= np.maximum(np.linalg.norm(u, axis=1, keepdims=True), np.finfo(float).tiny)
    ahead = (u * drawn).sum(axis=1)
    if (ahead[tokens] <= _KNOWN * np.linalg.norm(w, axis=1).max()).any():
        return None
    found = {int(i): float((ahead[i] - u[i] @ w[i]) / ahead[i]) for i in tokens}
    alone = dict(found)
    for i in found:
        on_face = u[i] @ (target[tokens] - target[i]).T >= -_ON_FACE * (u[i] @ target[i])
        for j in (int(j) for j in tokens[on_face] if j != i):
            soon = min(alone[i], alone[j])
            then = u[i] @ (w[j] + soon * drawn[j])
            if then >= ahead[i]:  # i would follow a token that is itself catching up
                return None
            if then > 0 and np.log(ahead[i] / then) <= alone[i] - alone[j]:  # <u, w_j> passes a before i does
                found[i] = np.inf
    return found
