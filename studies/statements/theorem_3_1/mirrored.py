"""Starts of the null set: tokens on the mirrors of a set that is symmetric under the change of any coordinate's sign.

With V = I and B diagonal the motion keeps such a set symmetric, so a token with x_k = 0 keeps it. It can be drawn to
two or more leaders alike, and tends to a point of S that is no vertex: the foot of a facet or edge, or 0. This is
unstable, and rounding would end it: a token at distance e from the mirror leaves it like exp(c e^{2t}) e. So the
velocities are those of one representative of each orbit, with 0 where its coordinate is 0, and their exact mirror
images (`Mirrored`): then all of the set is symmetric to the last bit, at every depth. Even so a token on a mirror may
become a leader, and its limit a vertex: see `overtaking.py`.

Beside the mirror, at a distance `aside`, the token ends at the vertex on its own side, and `settle` certifies it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from particles import Adaptive, Attention, Empirical, Raw, settle, solve
from particles.checks import Array
from particles.geometry import Hull, limit_points
from studies.statements.theorem_3_1 import overtaking

DEPTH = 12.0  # e^{2t} |x|² = 1e12: weights of what is not a leader are far below rounding
_EARLIER = 10.0
_ATTENDED = 1e-12  # a weight that counts
_LONELY = {2: [(0, 1), (1, 0), (0, 0)], 3: [*product((0, 1), repeat=3)][:-1]}  # 0: the token lies on that mirror


@dataclass(frozen=True, eq=False)
class Mirrored(Raw):
    """The raw law on a symmetric set of tokens, (n, d): velocities of representatives and their mirror images."""

    signs: Array
    of: NDArray[np.intp]

    def velocity(self, t: float, x: Any, mu: Any) -> Array:
        """Return the velocity of each token's representative, mirrored."""
        representatives = np.unique(self.of)
        found = np.zeros_like(self.signs)
        found[representatives] = self.attention.field(mu, np.asarray(x)[representatives])
        return self.signs * found[self.of]


def orbits(representatives: Array) -> tuple[Array, Array, NDArray[np.intp]]:
    """Return all mirror images of points >= 0 (m, d), their signs, both (n, d), and each one's representative."""
    points: list[Array] = []
    signs: list[tuple[float, ...]] = []
    of: list[int] = []
    for point in representatives:
        first = len(points)
        for flips in product(*[(1.0, -1.0) if c > 0 else (0.0,) for c in point]):
            points.append(np.array(flips) * point)
            signs.append(flips)
            of.append(first)
    return np.array(points), np.array(signs), np.array(of)


def start(rng: np.random.Generator, d: int, count: int) -> Array:
    """Return `count` tokens uniform on [1, 5]^d, and one on every intersection of mirrors: representatives, (m, d).

    Two images at (a, ...) and (-a, ...) that lead alike separate as a' = a tanh(a²), which takes t = 1/(2 a²): so those
    that may lead keep away from the mirrors.
    """
    lonely = np.array(_LONELY[d], dtype=float)
    return np.vstack([rng.uniform(1, 5, (count, d)), lonely * rng.uniform(0.5, 3, lonely.shape)])


def drawn(case: dict[str, Any]) -> tuple[Mirrored, Array]:
    """Return the law and the tokens of one symmetric start, B a random diagonal."""
    d, rng = case["d"], np.random.default_rng(case["seed"])
    B = np.diag(rng.uniform(0.5, 2.0, d))
    tokens, signs, of = orbits(start(rng, d, case["count"]))
    return Mirrored(Attention(Q=B, K=np.eye(d), V=np.eye(d)), signs=signs, of=of), tokens


def run(case: dict[str, Any]) -> dict[str, Any]:
    """Return to which points of S the tokens of one symmetric start tend."""
    law, tokens = drawn(case)
    attention, signs, of = law.attention, law.signs, law.of
    times = np.append(np.linspace(0.0, 4.0, case["depths"]), [_EARLIER, DEPTH])
    run = solve(law, tokens, times, stepper=Adaptive(1e-11, 1e-11))
    if run.status != "finished":
        return {"decided": False, "message": run.message}
    path = run.points * np.exp(-times)[:, None, None]
    P = attention.matrix(Empirical(run.points[-1]))
    leads, central, lonely = np.diag(P) > 1 - _ATTENDED, (signs == 0).all(axis=1), (signs == 0).any(axis=1)
    led = P[:, leads].sum(axis=1) > 1 - _ATTENDED
    in_two = P @ P[:, leads]
    following = lonely & ~central & ~led & (in_two.sum(axis=1) > 1 - _ATTENDED)
    if not (leads.any() and (central | led | following).all()):
        return {"decided": False, "message": f"leaders are not known at t = {DEPTH:g}"}
    target = np.where(central[:, None], 0.0, in_two @ path[-1][leads])
    earlier, late = (np.exp(t) * (z - target) for t, z in zip(times[-2:], path[-2:], strict=True))
    pull = np.where(following[:, None], P @ late, 0.0)
    waits = overtaking.waits(following, late, pull, np.exp(DEPTH) * target, attention.B)
    if waits is None:
        return {"decided": False, "message": "which tokens on mirrors overtake is not decided"}
    overtaken = {i: DEPTH + wait for i, wait in waits.items() if np.isfinite(wait)}
    S = limit_points(path[-1][leads], attention.B)
    which, apart = S.nearest(target)
    where, size = np.array(S.kinds)[which], float(np.abs(path[-1]).max())
    where[list(overtaken)] = "vertex"
    return {
        "decided": True,
        "symmetric": bool((path[-1] == signs * np.abs(path[-1])[of]).all()),
        "n": len(tokens),
        "target_from_S": float(apart.max()) / size,
        "from_S": float(S.nearest(path[-1])[1].max()),
        # where the motion is explicit the offset w = e^t (z - target) obeys w' = P w, and P w is constant
        "offset_drift": float(np.abs(late - earlier - (DEPTH - _EARLIER) * pull).max() / np.abs(late).max()),
        "overtakes": sorted(overtaken.values()),
        "to": {kind: int((where == kind).sum()) for kind in ("vertex", "face", "origin")},
        "attended": sorted({int(k) for k in (P[where != "vertex"] > _ATTENDED).sum(axis=1)}),
        "path": path,
        "times": times,
        "S": S.points,
        "S_kinds": list(S.kinds),
        "corners": [int(j) for j in np.flatnonzero(leads)[Hull(path[-1][leads]).vertices]],
        "lonely": lonely,
        "kind": where.tolist(),
    }


RECTANGLE = np.array([[4.0, 3.0]])
ASIDE = np.array([[0.0, 2.0]])
CORNERS_MOVE = 1e-6  # how far the corners, which all but lead from the start on, come in at most


def beside(aside: float) -> dict[str, Any]:
    """Return what becomes of a token at (aside, 2) or (-aside, 2) among the corners (+-4, +-3), B = I."""
    corners = orbits(RECTANGLE)[0]
    ends, depths = [], []
    for side in (aside, -aside):
        attention = Attention(Q=np.eye(2), K=np.eye(2), V=np.eye(2))
        late = settle(attention, np.vstack([corners, ASIDE + np.array([side, 0.0])]))
        ends.append(late.limit[-1].tolist() if late.decided[-1] else None)
        depths.append(late.depth)
    decided = None not in ends
    return {"aside": aside, "decided": decided, "ends": ends, "depth": max(depths)}
