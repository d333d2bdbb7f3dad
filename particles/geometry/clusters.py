"""Which points lie together, and the rank of a matrix in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from particles import checks

_FAR = 1e9  # of the largest coordinate: all points are closer


def clusters(points: Any, tol: float) -> NDArray[np.intp]:
    """Return the label of each point's cluster, numbered from 0 in the order of their first points; shape (n,).

    Two points are of one cluster if a chain of points joins them whose steps are at most `tol` long. So points of two
    clusters are further apart than `tol`, and a cluster may be wider than it.

    Parameters
    ----------
    points : (n, d) array
        Points.
    tol : float
        Longest step of a chain, in the points' units.

    Raises
    ------
    ValueError
        If the points are not finite or `tol` is negative.

    Examples
    --------
    >>> clusters([[0.0], [5.0], [0.1], [0.2]], 0.15)
    array([0, 1, 0, 0])
    """
    problems = checks.Problems()
    array = checks.points("points", points, problems)
    step = checks.real_array("tol", tol, problems)
    if step is not None and (step.ndim or step < 0):
        problems.add(f"`tol` must be a number of at least 0; got {tol!r}.")
    problems.raise_if_any()
    assert array is not None and step is not None
    return linked(array, float(step))


def distinct(points: Any, tol: float) -> checks.Array:
    """Return the first point of each cluster, in their order; shape (k, d).

    Parameters
    ----------
    points : (n, d) array
        Points.
    tol : float
        Longest step of a chain, in the points' units.

    Raises
    ------
    ValueError
        If the points are not finite or `tol` is negative.

    Examples
    --------
    >>> distinct([[0.0], [5.0], [0.1]], 0.15).tolist()
    [[0.0], [5.0]]
    """
    first = np.unique(clusters(points, tol), return_index=True)[1]
    return np.asarray(points, dtype=np.float64)[first]


def linked(points: checks.Array, tol: float) -> NDArray[np.intp]:
    """`clusters` without its checks."""
    from scipy.sparse import coo_array  # a quarter of a second to import, as scipy.spatial
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    n, largest = len(points), float(np.abs(points).max())
    unit = 2.0 ** np.frexp(largest)[1] if largest > 0 else 1.0  # squares of what is 1e160 or 1e-170 are no numbers
    pairs = cKDTree(points / unit).query_pairs(min(tol / unit, _FAR), output_type="ndarray")
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    labels = connected_components(graph, directed=False)[1]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order: NDArray[np.intp] = np.argsort(np.argsort(first))
    return order[inverse]


def numerical_rank(P: Any, tol: float | None = None) -> int:
    """Return how many singular values of P (m, n) exceed `tol`.

    Parameters
    ----------
    P : (m, n) array
        A matrix.
    tol : float, optional
        The threshold itself, not relative to P. Left out, it is numpy's, with which the paper's ranks were counted:
        s_1 max(m, n) 2^-52, where s_1 is the largest singular value.

    Raises
    ------
    ValueError
        If P is not a finite matrix.
    """
    problems = checks.Problems()
    matrix = checks.real_array("P", P, problems)
    if matrix is not None and (matrix.ndim != 2 or 0 in matrix.shape):
        problems.add(f"`P` must be a matrix with at least one row and column; got shape {matrix.shape}.")
    problems.raise_if_any()
    assert matrix is not None
    return int(np.linalg.matrix_rank(matrix, tol=tol))
