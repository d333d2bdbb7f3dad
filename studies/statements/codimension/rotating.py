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
a run with a hundredfold tolerance agrees. A leading eigenvalue that is real and simple is the same with b = nu = 0 and
y on the line. Without a swing a turn does not move clusters, so that a stretch need not be longer than `_LONGEST` / a.

**What parts.** Tokens of a cluster keep their differences D in raw space while they follow the same one; meanwhile the
direction of sight turns, and in each half turn the cluster's leader changes once at least. With s = <B^T x_A, D>, D =
x_B - x_A, both lead themselves while -<B^T D, D> < s < 0, and then s and <B^T D, D> grow alike, up to the swing:
without one they may stay between for ever and have two limits. So a cluster is known to be one only after its tokens
have kept their differences, to `_CHANGED` of its width, for half a turn. If that alone is lacking, there are as many
limits as clusters *at least*. With a swing, limits other than 0 are seen from 0 at least 2 arcsin rho apart, as said:
if L z has two coordinates and every token a limit, those of a cluster that is seen under a smaller angle have the same.

Leaders may be known for ever or not: a token that turns about its leader until it leads itself stops just there, on the
divide, with a gap of exponents that does not grow, and the divide is still moved by the slower parts, like e^{(mu-a)t}.
Clusters are *certain*, beyond being at rest, where they stay apart on the motion of one token X_c of each, which is
that of all to within their widths:

    x_c(t + s) = e^{sV} X_c,    g_cc'(s) = <B^T E X_c, E (X_c - X_c')>,    E(s) = e^{s(V - a)},

and g is e^{-2as} times the gap of exponents between one cluster and another (`particles.following`). E does not grow or
decay along the pair but turns. The gaps are looked at over `_SPAN` / a and at least two whole turns; on the last all
but the pair has died out of E and g is periodic: what holds there with a margin, twice what two turns differ by and the
largest step between two looks, holds for ever. Then no rest has to be waited for: within a cluster whose raw width does
not grow, |z'| <= |mu| W e^{-t Re mu} leaves y at most |a + ib| / a times the cluster's width to move. Any clusters that
are found by joining what is nearest will do, so all are tried, the finest first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
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
_SURE = 0.25  # the same, where the bound is proved: less than half keeps limits apart
_SPARE = 0.9  # of an angle, for what is left to move
_SLOWING = 0.8  # of what was moved in one stretch, more than which may not be moved in the next
_WIDER = 0.5  # of the least rate at which widths grow in raw space if limits are apart, at most which they may grow
_LONGEST = 3.0  # of 1/a: a stretch, where nothing swings
_CHANGED = 0.2  # of a cluster's raw width: what exchanges of leaders may change of its differences in half a turn
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
    parting : bool
        Whether tokens are at rest, but some of a cluster part: there are as many limits as clusters at least.
    moving : float
        How far a token moved in the last stretch, over the size of y.
    by_angle : bool
        Whether tokens of a cluster have one limit because they are seen under a small angle.
    """

    depth: float
    tokens: Array
    clusters: NDArray[np.intp]
    left: float
    swing: float
    decided: bool
    certain: bool
    parting: bool
    moving: float
    by_angle: bool = False

    @property
    def told(self) -> dict[str, Any]:
        """What to write down of it; `most` is pi / arcsin rho, None without swing."""
        most = np.pi / np.arcsin(self.swing) if self.swing > _NO_SWING else None
        left = self.left if np.isfinite(self.left) else None
        told = {"left": left, "swing": self.swing, "most": most, "certain": self.certain}
        return told | {"parting": self.parting, "moving": self.moving, "by_angle": self.by_angle}


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
    swings = swing > _NO_SWING
    turn = int(np.ceil(max(half * a, 1.0) / _EVERY))
    stretch = turn if swings else int(np.ceil(max(min(half * a, _LONGEST), 1.0) / _EVERY))
    parts = growing(V)[1]
    slowest = float(np.linalg.eigvals(parts @ V @ parts.T).real.min())
    wider = float(np.exp(_WIDER * slowest * turn * step))
    seen: list[_Complex] = [tokens @ psi]
    raw: list[Array] = [tokens @ parts.T]
    clusters, left, parting = np.arange(len(tokens)), float("inf"), False
    angled: Turning | None = None
    while depth + step <= until * (1 + 1e-9):
        moved = [law.moved(u, depth, depth + step, tol) for u, tol in zip(runs, _TOLERANCES, strict=True)]
        if any(u is None for u in moved):
            break
        runs, depth = [u for u in moved if u is not None], depth + step
        fine, coarse = (np.exp(-1j * pair.imag * depth) * (u @ psi) for u in runs)
        error = float(np.abs(fine - coarse).max())
        seen.append(fine)
        raw.append(np.exp(a * depth) * runs[0] @ parts.T)
        x, other = (np.exp(a * depth) * u for u in runs)
        errors = np.linalg.norm(x - other, axis=1) + np.finfo(float).eps * np.linalg.norm(x, axis=1)
        if turns and len(seen) > turn:
            for found, bound in _narrow(fine, abs(pair) / a, error):
                following = Following(B, x, found, np.zeros(len(x)))
                kept = _kept(raw[-1], raw[-1 - turn], following.same, wider, turns)
                seen_as_one = angled is None and len(parts) == 2 and _within_angle(fine, following.same, swing)
                if (kept or seen_as_one) and _within(B, following, errors) and _lasts(following, V, pair):
                    sure = Turning(depth, x, found, bound, swing, True, True, False, _moving(seen, stretch), not kept)
                    if kept:
                        return sure
                    angled = sure
                    break
        if len(seen) > 2 * stretch:
            clusters, left, narrow = _judged(seen[-2 * stretch - 1 :], form, error)
            parting, same = narrow and left <= _STILL, clusters[:, None] == clusters
            if parting and len(seen) > turn and _kept(raw[-1], raw[-1 - turn], same, wider, turns):
                return Turning(depth, x, clusters, left, swing, True, False, False, _moving(seen, stretch))
    if angled is not None:
        return angled
    end: Array = np.exp(a * depth) * runs[0]
    return Turning(depth, end, clusters, left, swing, False, False, parting, _moving(seen, stretch))


def _within_angle(y: _Complex, same: NDArray[np.bool_], swing: float) -> bool:
    """Return whether clusters are seen from 0 under angles below 2 arcsin rho, in which there is but one limit."""
    turned = np.abs(np.angle(y[:, None] * y.conj()))
    return bool(turned[same].max() < 2 * _SPARE * np.arcsin(swing))


def _kept(now: Array, before: Array, same: NDArray[np.bool_], wider: float, turns: bool) -> bool:
    """Return whether clusters do not grow in raw space, and under a pair that their tokens keep their differences."""
    ends = [z[:, None] - z for z in (now, before)]
    widths = [float(np.linalg.norm(apart, axis=2)[same].max()) for apart in ends]
    changed = float(np.linalg.norm(ends[0] - ends[1], axis=2)[same].max())
    return widths[0] <= wider * widths[1] and (not turns or changed <= _CHANGED * widths[0])


def _moving(seen: list[_Complex], stretch: int) -> float:
    """Return how far a token moved in the last stretch, over the size."""
    return float(max(np.abs(y - seen[-1]).max() for y in seen[-1 - stretch :]) / np.abs(seen[-1]).max())


def _narrow(y: _Complex, turning: float, error: float) -> Iterator[tuple[NDArray[np.intp], float]]:
    """Yield the first token of each one's cluster, and what bounds its way over the distance of clusters, finest first.

    A cluster leaves its tokens `turning` times its width to move.
    """
    plane = np.stack([y.real, y.imag], axis=1)
    size, far = float(np.abs(y).max()), np.abs(y[:, None] - y)
    joins = linkage(plane)
    for count in range(len(y), 0, -1):
        labels = fcluster(joins, count, "maxclust")
        found = np.array([int(np.argmax(labels == label)) for label in labels], dtype=np.intp)
        same = found[:, None] == found
        apart = min(float(far[~same].min()), size) if (~same).any() else size
        width = float(far[same].max())
        left = max(turning * width, error) / apart if apart > 0 else float("inf")
        if width <= _NARROW * apart and left <= _SURE:
            yield found, left


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
