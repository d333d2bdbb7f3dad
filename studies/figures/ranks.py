"""The rank of P as a computer counts it.

numpy's rule, which the published titles use, counts the singular values above s_1 n eps, with eps = 2.2e-16. On the
line the kernel e^{xy} is strictly totally positive: for distinct tokens P(t) has rank n at every finite depth, and any
smaller count says how many singular values are above rounding, not what P is. Only the limit P* has rank 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from particles.checks import Array


def counted(matrix: Array) -> dict[str, Any]:
    """Return the rank of an (n, n) matrix by numpy's rule, and the singular values around its threshold.

    "least" is the smallest singular value that is counted and "next" the largest that is not (0 if all count), both
    over the threshold; "singular" are all of them, over s_1.
    """
    values = np.linalg.svd(matrix, compute_uv=False)
    threshold = float(values[0]) * len(matrix) * float(np.finfo(float).eps)
    rank = int((values > threshold).sum())
    return {
        "rank": rank,
        "threshold": threshold,
        "least": float(values[rank - 1]) / threshold,
        "next": float(values[rank]) / threshold if rank < len(values) else 0.0,
        "singular": (values / values[0]).tolist(),
    }


def leaders(matrix: Array) -> list[int]:
    """Return the columns that hold more than half of some row: who is followed."""
    top = matrix.argmax(axis=1)
    return np.unique(top[matrix.max(axis=1) > 0.5]).tolist()


def boolean(matrix: Array) -> float:
    """Return how far the matrix is from one of zeros and ones: the largest distance of an entry."""
    return float(np.minimum(np.abs(matrix), np.abs(1 - matrix)).max())
