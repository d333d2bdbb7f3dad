"""Hyperplanes of Theorem 4.2 for a figure's tokens: levels, distances, and what the wrong normal would say.

The limits are level sets {z : <phi_1^*, z> = c} of the *left* eigenvector of V, scaled to <phi_1^*, phi_1> = 1,
|phi_1| = 1. They are perpendicular to phi_1^*, not to the right eigenvector phi_1 along which tokens grow, unless V
is normal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from particles.checks import Array
from particles.geometry import clusters
from particles.spectrum import good_triple
from studies.figures.clouds import setting


def numbers(case: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Return levels of the limiting hyperplanes, and the tokens' distances from them panel by panel.

    "distance" is the largest distance of a token from the hyperplane of its leader; "perpendicular" the same for
    planes perpendicular to phi_1 through the leaders' resting places.
    """
    attention, _ = setting(case)
    triple = good_triple(attention)
    left, right = triple.left, triple.right
    decided = np.asarray(result["decided"], dtype=bool)
    limit, tokens = np.asarray(result["limit"])[decided], np.asarray(result["tokens"])[:, decided]
    at = limit @ left
    labels = clusters(at[:, None], 1e-6 * float(np.abs(at).max()))
    levels = np.sort(np.array([at[labels == k].mean() for k in range(int(labels.max()) + 1)]))
    unit = left / np.linalg.norm(left)
    return {
        "left": left.tolist(),
        "right": right.tolist(),
        "angle": float(np.degrees(np.arccos(min(1.0, abs(float(unit @ right)))))),
        "levels": levels.tolist(),
        "distance": _farthest(tokens, limit, unit),
        "perpendicular": _farthest(tokens, limit, right),
        "good_triple": triple.holds,
        "problems": list(triple.problems),
    }


def _farthest(tokens: Array, limit: Array, normal: Array) -> list[float]:
    return np.abs((tokens - limit) @ normal).max(axis=1).tolist()


def lines(summary: dict[str, Any]) -> list[str]:
    """Return what is said of the hyperplanes below a table."""
    levels = ", ".join(f"{level:.4f}" for level in summary["levels"])
    right, left = ("(" + ", ".join(f"{x:.3f}" for x in summary[key]) + ")" for key in ("right", "left"))
    return [
        f"Hyperplanes <phi_1^*, z> = c, {len(summary['levels'])}: c = {levels};",
        f"phi_1 = {right}, phi_1^* = {left}: {summary['angle']:.1f} degrees apart.",
    ]


def columns(summary: dict[str, Any]) -> dict[str, list[str]]:
    """Return the distances as columns of a table."""
    return {
        "from planes": [f"{x:.2e}" for x in summary["distance"]],
        "from planes perpendicular to phi_1": [f"{x:.2e}" for x in summary["perpendicular"]],
    }
