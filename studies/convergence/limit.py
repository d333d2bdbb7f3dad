"""The limit mu_t and what tokens are compared with: its quantiles or atoms, and its field on its support.

mu_0 is uniform on [-1, 1]^d and Q = K = V = I, so that Lambda is a sum over the axes, each axis moves by itself, and
mu_t is the product of d copies of the solution on the line. That is known to rounding, in every dimension. (The
measure of n tokens is no product.)

On the line W2 is exact. With a_i and v_i the mean and the variance of mu_t between the levels (i-1)/n and i/n,

    W2(mu^n, mu_t)^2 = (1/n) sum_i (x_(i) - a_i)^2 + (1/n) sum_i v_i.

In d >= 2 mu_t is put into m^d atoms, the means of the products of m such pieces, at a distance q, q^2 = (d/m) sum v.
A piece goes to its mean and on; the product of the two steps has mean zero, so that

    W2(mu^n, mu_t)^2 <= W2(mu^n, atoms)^2 + q^2.

From the other side W2(mu^n, atoms)^2 <= W2(mu^n, mu_t)^2 + q^2 to leading order in the pieces' width: with T the
optimal map from mu_t, (T(y), atom of y) is a coupling for the atoms, and E<T(y) - y, y - atom of y> vanishes as far as
T is the identity on the average over neighbouring pieces. The numbers reported are distances to the atoms; what the
slope becomes at either end stands beside them. As they are a multiple of n, their share is much the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

import meanfield
from meanfield import Curve, PushForward
from meanfield.grid import tensor_points
from meanfield.quadrature import gauss_legendre
from particles import Adaptive, Attention, Empirical, Raw
from particles.checks import Array

TIGHT = Adaptive(rtol=1e-13, atol=1e-14)
_NODES = 64
_CELL_NODES = 8  # Gauss nodes between two levels, which are at most 1/8 apart
POINTS = {1: 257, 2: 33, 3: 13}  # along an axis, where the supremum of the field error is taken


def law(dim: int) -> Raw:
    """Return (1.1) with Q = K = V = I."""
    eye = np.eye(dim)
    return Raw(Attention(Q=eye, K=eye, V=eye))


def initial(dim: int) -> meanfield.Uniform:
    """Return mu_0, the uniform law on [-1, 1]^d."""
    return meanfield.Uniform(-np.ones(dim), np.ones(dim))


@lru_cache(maxsize=8)
def limit(times: tuple[float, ...]) -> tuple[PushForward, ...]:
    """Return mu_t on the line at each depth, once in each process.

    Raises
    ------
    ArithmeticError
        If the nodes do not resolve the flow, so that there is no limit to compare with.
    """
    method = meanfield.ParticleMethod(n=_NODES, stepper=TIGHT)
    curve = meanfield.solve(law(1), initial(1), times, method=method)
    images = tuple(image for image in curve.measures if isinstance(image, PushForward) and image.resolved)
    if len(images) < len(times):
        raise ArithmeticError(f"{_NODES} nodes resolve the flow at {len(images)} of the depths {times} only")
    return images


def flow(image: PushForward, y: Array) -> Array:
    """Return where points y (m, d) of the box have come to, each coordinate by itself."""
    return image.flow(y.reshape(-1, 1)).reshape(y.shape)


@lru_cache(maxsize=8)
def levels(n: int, times: tuple[float, ...]) -> tuple[Array, Array]:
    """Return means a_i (depths, n) of mu_t between n levels, and the mean of the variances v_i (depths,)."""
    nodes, weights, _ = gauss_legendre(_CELL_NODES)
    places = 2 * ((np.arange(n)[:, None] + 0.5 * (1 + nodes)) / n) - 1
    images = np.array([flow(image, places) for image in limit(times)])
    means = images @ (0.5 * weights)
    return means, (((images - means[..., None]) ** 2) @ (0.5 * weights)).mean(axis=1)


@lru_cache(maxsize=8)
def atoms(dim: int, pieces: int, times: tuple[float, ...]) -> tuple[Curve, Array]:
    """Return mu_t as pieces^d atoms at each depth, and their distances q to it (depths,)."""
    means, variances = levels(pieces, times)
    measures = tuple(Empirical(tensor_points([axis] * dim)) for axis in means)
    return Curve(np.array(times), measures, {}, "finished", ""), np.sqrt(dim * variances)


@dataclass(frozen=True, eq=False)
class Support:
    """Points of the support of mu_t, its edge among them, and the limit's field there."""

    points: Array
    field: Array

    def error(self, t: float, tokens: Empirical) -> float:
        """Return the largest |X[mu^n](x) - X[mu_t](x)| at these points."""
        found = law(tokens.dim).velocity(t, self.points, tokens)
        return float(np.linalg.norm(found - self.field, axis=1).max())


@lru_cache(maxsize=16)
def supports(dim: int, times: tuple[float, ...], finer: int = 1) -> tuple[Support, ...]:
    """Return the images of equally spaced points of the box, `finer` times as many along each axis, at each depth."""
    axis = np.linspace(-1.0, 1.0, finer * (POINTS[dim] - 1) + 1)[:, None]
    found = []
    for t, image in zip(times, limit(times), strict=True):
        places = image.flow(axis)
        field = law(1).velocity(t, places, image)
        found.append(Support(tensor_points([places[:, 0]] * dim), tensor_points([field[:, 0]] * dim)))
    return tuple(found)
