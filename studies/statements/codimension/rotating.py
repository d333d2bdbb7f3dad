"""Limits of tokens whose leaders change for ever, as they do if a complex pair of eigenvalues a +- ib leads, a > 0.

Let phi, psi be right and left eigenvectors of a + ib, psi phi = 1, and y_i = e^{-(a + ib)t} psi x_i in the complex
plane. Late, token i follows one token at a time, L, and with all parts that grow slower left out

    y_i' = (a + ib) (y_L - y_i),    e^{-2at} <B^T x_i, x_j> = 2 Re(kappa conj(y_i) y_j + nu e^{2ibt} y_i y_j),
    kappa = phi^H B phi,    nu = phi^T B phi.

For B > 0 it is kappa > |nu|. The token seen is the one farthest in a direction that swings to and fro about y_i by
arcsin rho, rho = |nu| / kappa, twice a turn. V that is normal with B = I has rho = 0.

**How many limits there can be.** A token at rest at y_i, not 0, never follows one of another limit for a fixed part of
the turns, or it would be moved by a fixed amount in each. So the direction never leaves the normal cone of the vertex
y_i, the cones do not overlap, and each is at least 2 arcsin rho wide: beside 0 there are at most pi / arcsin rho limits
in the plane. That are three at most if rho > sin(pi / 4), and any number if rho = 0.

**What is one limit.** If tokens attend within their cluster alone, and its width in raw space stays below W, then from
depth t on each z_i moves along an eigenvector of eigenvalue mu, Re mu > 0, by |mu| W e^{-t Re mu} / Re mu at most, and
two differ by W e^{-t Re mu}: all of them have one limit. Widths change only while leaders within the cluster are
exchanged; while its tokens follow the same one, differences are constant. An exchange takes until the direction of
sight, e^{at} long, has turned past an edge of the cluster, a time like e^{-at}, and there are as many in each turn:
their sum is finite, if no edge shrinks. That it does not is measured, not proved.

**What is at rest.** Positions y of the last stretch, a half turn or 1/a if that is longer, and those of the one before
it, differ from their last ones by m and m': moving on like this adds m q / (1 - q), q = m / m'. Parts that grow more
slowly fade like e^{(mu - a)t} and can hold a token for long where it cannot stay: a token for which another cluster,
without them, has an exponent 2 e^{2at} g above that of its own has to move by about g / (kappa |y|). Tokens are decided
if neither of these is more than `_STILL` of the distance of clusters, clusters are narrow, raw widths do not grow, and
a run with a hundredfold tolerance agrees. If half a turn is longer than `_LONGEST` / a and there is a swing, clusters
have to be certain too. A leading eigenvalue that is real and simple is the same with b = nu = 0 and y on the line.

Leaders may be known for ever or not: a token that turns about its leader until it leads itself stops just there, on the
divide, with a gap of exponents that does not grow, and the divide is still moved by the slower parts, like e^{(mu-a)t}.
Clusters are *certain*, beyond being at rest, where they stay apart on the motion of one token X_c of each, which is
that of all to within their widths:

    x_c(t + s) = e^{sV} X_c,    g_cc'(s) = <B^T E X_c, E (X_c - X_c')>,    E(s) = e^{s(V - a)},

and g is e^{-2as} times the gap of exponents between one cluster and another (`particles.following`). E does not grow or
decay along the pair but turns. The gaps are looked at over `_SPAN` / a and at least two whole turns; on the last all
but the pair has died out of E and g is periodic: what holds there with a margin, twice what two turns differ by and the
largest step between two looks, holds for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.linalg import eig, expm

from particles import Attention, geometry
from particles.checks import Array
from particles.following import GAP, Following
from particles.spectrum import growing
from studies.statements.stiff import Stiff

_TRUST = 10.0
_TOLERANCES = (1e-9, 1e-7)
_EVERY = 0.5  # of 1/a: how often tokens are looked at
_NARROW = 0.1  # of the least distance between clusters, more than which none may be wide
_STILL = 0.1  # of that distance, more than which nothing may be left to move, nor two runs be apart
_SLOWING = 0.8  # of what was moved in one stretch, more than which may not be moved in the next
_WIDER = 0.5  # of the least rate at which widths grow in raw space if limits are apart, at most which they may grow
_LONGEST = 3.0  # of 1/a: a stretch
_NO_SWING = 1e-6  # the sine of an angle that cannot part tokens whose distance is known to 1e-2
_TURN = 96  # looks in a turn
_SPAN = 40.0
_MOST = 8192  # looks: a pair that turns too slowly for it stays uncertain

_Complex = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class Turning:
    """What is known of the limits.

    Attributes
    ----------
    depth : float
        The depth at which it was known, or the last one reached.
    tokens : (n, d) array
        Raw tokens there.
    clusters : (n,) array of int
        One token of each token's cluster; of use if `decided`.
    left : float
        What is left to move, over the distance of clusters, or over the size of y if there is one only.
    swing : float
        rho, the sine of the angle by which the direction of sight swings; 0 if the leading eigenvalue is real.
    decided : bool
        Whether tokens are at rest, to the measure of `left`, in clusters of one limit each.
    certain : bool
        Whether it is also shown that every token stays in its cluster at all later depths.
    """

    depth: float
    tokens: Array
    clusters: NDArray[np.intp]
    left: float
    swing: float
    decided: bool
    certain: bool

    @property
    def told(self) -> dict[str, Any]:
        """What to write down of it; `most` is pi / arcsin rho, None without swing."""
        most = np.pi / np.arcsin(self.swing) if self.swing > _NO_SWING else None
        left = self.left if np.isfinite(self.left) else None
        return {"left": left, "swing": self.swing, "most": most, "certain": self.certain}


def settle_turning(attention: Attention, tokens: Array, until: float) -> Turning:
    """Move tokens by (1.1) until each has its limit, at most to depth `until`."""
    B, V = attention.heads[0]
    values, lefts, rights = eig(V, left=True)
    chosen = int(np.argmax(values.real + 1e-9 * values.imag))  # the one of the pair with b > 0
    pair, psi, phi = complex(values[chosen]), lefts[:, chosen].conj(), rights[:, chosen]
    a, law, turns = pair.real, Stiff(attention, pair.real), abs(pair.imag) > 0
    runs, depth, step = [tokens] * len(_TOLERANCES), 0.0, _EVERY / a
    form = complex(phi.conj() @ B @ phi), float(abs(phi @ B @ phi)) if turns else 0.0
    swing, half = form[1] / abs(form[0]), np.pi / abs(pair.imag) if turns else 0.0
    stretch = int(np.ceil(min(max(half * a, 1.0), _LONGEST) / _EVERY))
    whole = stretch * step >= half or swing <= _NO_SWING
    parts = growing(V)[1]
    slowest = float(np.linalg.eigvals(parts @ V @ parts.T).real.min())
    wider = float(np.exp(_WIDER * slowest * stretch * step))
    seen: list[_Complex] = [tokens @ psi]
    raw: list[Array] = [tokens @ parts.T]
    clusters, left = np.arange(len(tokens)), float("inf")
    while depth + step <= until * (1 + 1e-9):
        moved = [law.moved(u, depth, depth + step, tol) for u, tol in zip(runs, _TOLERANCES, strict=True)]
        if any(u is None for u in moved):
            break
        runs, depth = [u for u in moved if u is not None], depth + step
        fine, coarse = (np.exp(-1j * pair.imag * depth) * (u @ psi) for u in runs)
        seen.append(fine)
        raw.append(np.exp(a * depth) * runs[0] @ parts.T)
        if len(seen) <= 2 * stretch:
            continue
        clusters, left, narrow = _judged(seen[-2 * stretch - 1 :], form, float(np.abs(fine - coarse).max()))
        same = clusters[:, None] == clusters
        now, before = (np.linalg.norm(x[:, None] - x, axis=2)[same].max() for x in (raw[-1], raw[-1 - stretch]))
        if narrow and now <= wider * before and left <= _STILL:
            x, other = (np.exp(a * depth) * u for u in runs)
            errors = np.linalg.norm(x - other, axis=1) + np.finfo(float).eps * np.linalg.norm(x, axis=1)
            following = Following(B, x, clusters, np.zeros(len(x)))
            certain = turns and _within(B, following, errors) and _lasts(following, V, pair)
            if certain or whole:
                return Turning(depth, x, clusters, left, swing, True, certain)
    return Turning(depth, np.exp(a * depth) * runs[0], clusters, left, swing, False, False)


def _judged(seen: list[_Complex], form: tuple[complex, float], error: float) -> tuple[NDArray[np.intp], float, bool]:
    """Return each token's cluster, what is left to move over their distance, and whether clusters are narrow.

    `seen` are the positions y over two stretches, `form` is kappa and |nu|.
    """
    stretch = len(seen) // 2
    now, before = seen[-1], seen[stretch]
    last = max(float(np.abs(y - now).max()) for y in seen[stretch:])
    first = max(float(np.abs(y - before).max()) for y in seen[: stretch + 1])
    slowing = last / first if first > 0 else 0.0
    rest = last * slowing / (1 - slowing) if slowing <= _SLOWING else float("inf")
    rest, size = max(rest, error), float(np.abs(now).max())
    clusters = _clusters(now, min(rest, size))
    same, far = clusters[:, None] == clusters, np.abs(now[:, None] - now)
    apart = min(float(far[~same].min()), size) if (~same).any() else size
    rest = max(rest, _drawn(now, form, ~same))
    return clusters, rest / apart, bool(far[same].max() <= _NARROW * apart)


def _drawn(y: _Complex, form: tuple[complex, float], other: NDArray[np.bool_]) -> float:
    """Return how far tokens have to move, at most, until none is drawn to another cluster at any turn."""
    gap = y[:, None] - y
    short = form[1] * np.abs(y)[:, None] * np.abs(gap) - (form[0] * y.conj()[:, None] * gap).real
    needed = short / (abs(form[0]) * np.maximum(np.abs(y), np.finfo(float).tiny))[:, None]
    return float(np.max(needed, where=other, initial=0.0))


def _clusters(y: _Complex, rest: float) -> NDArray[np.intp]:
    """Return the first token of each one's cluster: y is cut where the distances that join it leap the most."""
    plane = np.stack([y.real, y.imag], axis=1)
    size = float(np.abs(y).max())
    joins = np.maximum(linkage(plane)[:, 2], np.finfo(float).eps * size)
    steps = np.concatenate([[min(rest, joins[0])], joins, [max(size, joins[-1])]])
    leap = int(np.argmax(steps[1:] / steps[:-1]))
    labels = geometry.clusters(plane, float(np.sqrt(steps[leap] * steps[leap + 1])))
    return np.array([int(np.argmax(labels == label)) for label in labels], dtype=np.intp)


def _within(B: Array, following: Following, errors: Array) -> bool:
    """Return whether every token attends within its cluster alone, whatever the errors."""
    x, same = following.points, following.same
    exponents = x @ B @ x.T
    inside = np.where(same, exponents, -np.inf).max(axis=1)[:, None]
    doubt = np.linalg.norm(B, 2) * (errors[:, None] + errors) * 2 * np.linalg.norm(x, axis=1).max()
    return bool((inside - exponents >= GAP + _TRUST * doubt)[~same].all())


def _lasts(following: Following, V: Array, pair: complex) -> bool:
    """Return whether the gaps between clusters stay where they have to be at all later depths."""
    other = ~following.same
    if not other.any():
        return True
    a, turn = pair.real, 2 * np.pi / abs(pair.imag)
    turns = max(2, int(np.ceil(_SPAN / a / turn)))
    if turns * _TURN > _MOST:
        return False
    once, E = expm(turn / _TURN * (V - a * np.eye(len(V)))), np.eye(len(V))
    last: list[Array] = []
    for k in range(1, turns * _TURN + 1):
        E = E @ once
        q = float(np.exp(-a * k * turn / _TURN))
        gaps = following.gaps(E, q)[other]
        if not (gaps >= GAP * q * q).all():
            return False
        if k > (turns - 2) * _TURN:
            last.append(gaps)
    before, after = np.array(last[:_TURN]), np.array(last[_TURN:])
    between = np.abs(np.diff(after, axis=0, prepend=before[-1:])).max(axis=0)
    change = np.abs(after - before).max(axis=0)
    return bool((after.min(axis=0) > 2 * change + between).all())
