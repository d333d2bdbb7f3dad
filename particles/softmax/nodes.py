"""Sums over a tensor grid at Chebyshev's nodes of a lattice of directions, and from there at all its points.

Along the lattice's axes a = origin + sum_k x_k m_k, |x_k| <= 1, and e^{<a,y>} is a product of exponentials e^{x_k u_k},
|u_k| <= P_k. Its interpolant at p_k nodes along each axis is right to delta(P_k, p_k) relative to each factor (`axis`),
so the sums, whose weights are not negative, are right to (1 + delta)^d - 1 whatever the weights. The sums at the nodes
are wrong by some roundings, each for itself. Of such errors the root mean square that comes through is at most 2^{d/2},
since the squares of Lagrange's polynomials at Chebyshev's nodes add up to at most 2 (Fejer), times the quotient of the
largest and the least sum. This is measured after e^{<a, mean>} has been taken out of the sums, which by Jensen's
inequality are at least 1 then: it is small where the weights are spread out as well as where they are concentrated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from particles.checks import Array
from particles.softmax._rows import share_rows
from particles.softmax.axis import along, chebyshev, terms_for
from particles.softmax.kernels import opened
from particles.softmax.lattice import Frame
from particles.softmax.products import SPEED

_TRUNCATION = 5e-16  # of each interpolant
_SAFETY = 3.0  # of errors over their root mean square
_MOST_EXPONENT = 20.0  # beyond, there are always too many nodes


@dataclass(frozen=True, eq=False)
class NodeSums:
    """Sums at the nodes of a box of directions, divided by e^{<a, tilt> + log_size}.

    Parameters
    ----------
    box : Frame
        The directions with |x_k| <= 1.
    terms : tuple of d ints
        Nodes along each axis.
    panels : array
        The sums, and those weighted with y - centre, as the kernel takes them.
    tilt, centre : (d,) arrays
        What has been taken out of the sums, and of the coordinates.
    log_size : float
        The rest of the logarithm.
    error : float
        Relative error of the interpolated sums.
    """

    box: Frame
    terms: tuple[int, ...]
    panels: Array
    tilt: Array
    centre: Array
    log_size: float
    error: float

    @classmethod
    def of(cls, box: Frame, terms: tuple[int, ...], logs: Array, means: Array, tilt: Array, error: float) -> NodeSums:
        """Return what belongs to log sums (m,) and means (m, d) at the nodes, right to `error`; `tilt` is the mean."""
        d, tile = len(terms), opened("_nodes").TILE
        logs, means = logs.reshape(terms), means.reshape(*terms, d)
        logs = logs - (nodes(box, terms).points() @ tilt).reshape(terms)
        least, largest = float(logs.min()), float(logs.max())
        centre = 0.5 * (means.reshape(-1, d).min(axis=0) + means.reshape(-1, d).max(axis=0))
        sums = np.exp(logs - largest)
        channels = np.stack([sums, *(sums * (means[..., k] - centre[k]) for k in reversed(range(d)))])
        panels = -(-terms[-1] // tile)
        wide = np.zeros((*channels.shape[:-1], panels * tile))
        wide[..., : terms[-1]] = channels
        wide = wide.reshape(d + 1, terms[0], -1, panels, tile).transpose(0, 3, 2, 1, 4)
        amplified = _SAFETY * 2.0 ** (0.5 * d) * float(np.exp(largest - least)) * error
        return cls(box, terms, np.ascontiguousarray(wide), tilt, centre, largest, d * _TRUNCATION + amplified)

    def steps(self, frame: Frame) -> list[Array] | None:
        """Return the coordinates x of a frame's points, axis by axis; None if they are not parallel or beyond 1."""
        steps = frame.seen_from(self.box)
        return steps if steps is not None and max(np.abs(x).max() for x in steps) <= 1 else None

    def turned(self, matrix: Array) -> NodeSums:
        """Return these sums with `matrix` times the coordinates in the place of the coordinates."""
        panels = self.panels.copy()
        for k, row in enumerate(matrix):
            panels[-1 - k] = sum(x * channel for x, channel in zip(row, self.panels[:0:-1], strict=True))
        return replace(self, panels=panels, centre=matrix @ self.centre)

    def log_sum_and_mean(self, frame: Frame, with_logs: bool) -> tuple[Array, Array]:
        """Return log sums (M_1, ..., M_d), if they are wanted, and means (M_1, ..., M_d, d) at a frame's points."""
        steps = self.steps(frame)
        assert steps is not None
        totals, means = self._at(steps, with_logs)
        return (self._logs(totals, frame) if with_logs else totals), means

    def _at(self, steps: list[Array], with_totals: bool) -> tuple[Array, Array]:
        """Return the totals (M_1, ..., M_d), if they are wanted, and the means (M_1, ..., M_d, d)."""
        kernel = opened("_nodes")
        d, shape, tile = len(steps), tuple(len(x) for x in steps), kernel.TILE
        front, *middles = (interpolation(x, p) for x, p in zip(steps[:-1], self.terms[:-1], strict=True))
        middle = middles[0] if middles else np.ones((kernel.ROWS, 1))
        columns = interpolation_panels(steps[-1], self.terms[-1])
        ends = np.full(shape[-1] + kernel.LANES, self.centre[-1])
        size = int(np.prod(shape))
        totals, means = np.empty(size if with_totals else 0), np.empty(size * d)
        _, panels, between, _, _ = self.panels.shape

        def work(first: int, last: int) -> None:
            near = np.empty((d + 1) * panels * kernel.ROWS * between * tile)
            lines = np.empty((d + 1) * len(middle) * panels * tile)
            scratch = near, lines, np.empty((d + 1) * kernel.ROWS * kernel.WIDTH), np.empty(d * kernel.LANES)
            offsets = tuple(self.centre[:-1])
            kernel.interpolate(
                first, last, self.panels, front, middle, columns, offsets, ends, *scratch, totals, means
            )  # fmt: skip

        pieces = -(-shape[0] // kernel.ROWS)
        share_rows(work, pieces, (d + 1) * (size // pieces) * self.terms[-1] // SPEED)
        return totals.reshape(shape) if with_totals else totals, means.reshape(*shape, d)

    def _logs(self, totals: Array, frame: Frame) -> Array:
        """Return log sums from the totals at the points of a frame, in place."""
        d = len(frame.steps)
        logs = np.log(totals, out=totals)
        logs += self.log_size + frame.start @ self.tilt
        for k, (t, m) in enumerate(zip(frame.steps, frame.directions, strict=True)):
            logs += (t * (m @ self.tilt)).reshape(along(k, d))
        return logs


def nodes(box: Frame, terms: tuple[int, ...]) -> Frame:
    """Return Chebyshev's nodes in a box."""
    return Frame(box.start, box.directions, [chebyshev(p)[1] for p in terms])


def terms_of(box: Frame, reach: Array) -> tuple[int, ...] | None:
    """Return how many nodes the axes of a box need, None if too many; `reach` is the largest |y_k - tilt_k|, (d,)."""
    exponents = np.abs(box.directions) @ reach
    if not exponents.max() <= _MOST_EXPONENT:
        return None
    found = [terms_for(float(P), _TRUNCATION) for P in exponents]
    terms = [p for p in found if p is not None]
    return tuple(terms) if len(terms) == len(found) else None


def from_nodes(terms: tuple[int, ...], shape: tuple[int, ...]) -> float:
    """Return the multiply-adds of interpolating one kind of sums to so many points along each axis."""
    return sum(float(np.prod(shape[: k + 1])) * float(np.prod(terms[k:])) for k in range(len(shape)))


def interpolation(x: Array, terms: int) -> Array:
    """Return the matrix from values at the nodes to the interpolant at x; those of the last few axes are remembered."""
    return _interpolation(x.tobytes(), terms)


def interpolation_panels(x: Array, terms: int) -> Array:
    """Return the transpose of `interpolation` in panels of columns, (panels, terms, TILE)."""
    return _interpolation_panels(x.tobytes(), terms)


@lru_cache(maxsize=16)
def _interpolation(x_bytes: bytes, terms: int) -> Array:
    polynomials = np.polynomial.chebyshev.chebvander(np.frombuffer(x_bytes), terms - 1)
    return np.einsum("in,nr->ir", polynomials, chebyshev(terms)[0])


@lru_cache(maxsize=8)
def _interpolation_panels(x_bytes: bytes, terms: int) -> Array:
    matrix, tile = _interpolation(x_bytes, terms), opened("_nodes").TILE
    wide = np.zeros((-(-len(matrix) // tile) * tile, terms))
    wide[: len(matrix)] = matrix
    return np.ascontiguousarray(wide.reshape(-1, tile, terms).transpose(0, 2, 1))
