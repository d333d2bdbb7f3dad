"""Particles to a tolerance: two refined runs, the second ten times finer, and the finer one's particles from the start.

The finer run tells which panels are needed. Their nodes, moved from the start, make the result: no interpolation has
touched them, they are the same particles at all depths, and the volume's growth is integrated along their paths. The
coarser run differs in everything (panels, nodes, steps, what is left rough), so the distance between the two measures
the coarser one's error, and bounds the finer one's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from meanfield.curve import Curve
from meanfield.density import Density
from meanfield.growth import Growing
from meanfield.panels import Panels
from meanfield.push_forward import PushForward, Source, nodes_of
from meanfield.refinement import FIELD_SHARE, LEAST_RTOL, Refinement, answering
from meanfield.trail import Apart, Trail
from particles import checks
from particles.checkpoint import Checkpoint, Saved
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.march import FINISHED, UNRESOLVED, march
from particles.measure import Empirical
from particles.steppers import Adaptive

_COARSER = 10.0  # tolerance of the first run, in units of what is asked: true errors are far below a run's tolerance
_FINER = 0.1  # the next run's tolerance in units of the one before
_ROUGH = 1 / 8  # of the tolerance, for what a rough panel of the first run may be wrong by; many make up for each other
_ROUGH_FINER = {1: 1 / 16, 2: 1 / 4, 3: 1 / 8}  # of that, in the next run: half as wide, or less where there is but one
_ROUNDS = 3  # runs finer than the first
_LEAST_TOL = 1e-12
_CHECKS = 8  # depths, beside the first, at which two runs are compared
_STEP_SHARE = 1 / 200  # of the finer tolerance, for the local error of a step: a tenth of what a trail is allowed
_FLOOR = 1e-12  # what an estimate cannot see: the error of the field and of rounding, which two runs share
_NODES = {1: (6, 16), 2: (6, 14), 3: (5, 12)}  # along an axis of a panel: fewest, most
_GROWING = 1 << 14  # particles up to which divergences are integrated; they cost more than the motion
_CELL_PARTICLES = 1 << 14  # on the cells of a `Density` before any is split


@dataclass(frozen=True, eq=False)
class ToTolerance:
    """A problem and how well it is to be solved."""

    law: Dynamics
    source: Source
    times: Array
    tol: float
    progress: bool
    checkpoint: Checkpoint

    def curve(self) -> Curve:
        """Return the finest solution that was needed, with the estimate of its error."""
        shelf = _Shelf(self.checkpoint)
        tol, rough = _COARSER * self.tol, _ROUGH * self.tol
        coarse = self._trail(tol, rough, shelf)
        for left in reversed(range(_ROUNDS)):
            tol, rough = max(_FINER * tol, _LEAST_TOL), _ROUGH_FINER[self.source.dim] * rough
            fine = self._trail(tol, rough, shelf)
            final = not left or fine.last.crowded or fine.trouble or tol == _LEAST_TOL
            close = final or self._estimate(self._apart(coarse, self._images(fine))) <= self.tol
            if close and shelf.take() is None:
                curve = self._moved(fine.last.cloud.panels, tol, shelf.part())
                apart = self._apart(coarse, self._checked(curve))
                if final or self._estimate(apart) <= self.tol:
                    break
                shelf.put({}, {})
            coarse = fine
        return self._judged(curve, apart, coarse, fine)

    def _trail(self, tol: float, rough: float, shelf: _Shelf) -> Trail:
        box = self.source.lower, self.source.upper
        refinement = Refinement(self.law, self.source.pdf, *box, tol, rough)
        kept = shelf.take()
        if kept is not None:
            return Trail.unpacked(*kept, refinement, self._panels.orders)
        trail = Trail.follow(refinement, self._panels, self._depths, shelf.part(), self.progress)
        shelf.put(*trail.packed())
        return trail

    def _moved(self, panels: Panels, tol: float, checkpoint: Checkpoint) -> Curve:
        """Return the solution with the nodes of these panels."""
        start = nodes_of(self.source, panels)
        moving = Empirical(start.points, start.weights, softmax=answering(FIELD_SHARE * tol))
        d = start.dim

        def velocity(t: float, state: Array) -> Array:
            points = np.ascontiguousarray(state[:, :d])
            return self.law.velocity(t, points, moving.moved_to(points))

        def rate(t: float, points: Array) -> Array:
            return np.trace(self.law.jacobian(t, points, moving.moved_to(points)), axis1=1, axis2=2)

        step = _STEP_SHARE * tol
        plain = Adaptive(rtol=max(step, LEAST_RTOL), atol=step)
        growing = len(start.points) <= _GROWING
        stepper, state = (Growing(plain, rate), _with_column(start.points)) if growing else (plain, start.points)
        run = march(velocity, state, self.times, stepper, row="particle", progress=self.progress, checkpoint=checkpoint)
        measures = tuple(
            PushForward(
                self.source,
                panels,
                start.moved_to(checks.frozen(at[:, :d].copy())),
                checks.frozen(at[:, d]) if growing else None,
            )
            for at in run.states
        )
        stats = {**run.stats, "particles": len(start.points), "panels": len(panels)}
        return Curve(run.times, measures, stats, run.status, run.message)

    def _images(self, trail: Trail) -> list[PushForward]:
        """Return what a trail has at the checked depths."""
        return [PushForward(self.source, cloud.panels, cloud.nodes()) for cloud in trail.clouds]

    def _checked(self, curve: Curve) -> list[PushForward]:
        """Return what a curve has at the checked depths."""
        chosen = [curve[int(k)] for k in np.searchsorted(self.times, self._depths) if k < len(curve)]
        return [mu for mu in chosen if isinstance(mu, PushForward)]

    def _apart(self, coarse: Trail, finer: list[PushForward]) -> Apart:
        """Return the largest distances over the checked depths that both have reached."""
        pairs = zip(self._depths, coarse.clouds, finer, strict=False)
        found = [Apart(0.0, 0.0, 0.0), *(Apart.of(self.law, float(t), cloud, mu) for t, cloud, mu in pairs)]
        return Apart(*(max(getattr(apart, name) for apart in found) for name in ("means", "w1", "w2")))

    @staticmethod
    def _estimate(apart: Apart) -> float:
        """Return what the finer solution may be wrong by in tilted means and in W1."""
        return max(apart.means, apart.w1) + _FLOOR

    def _judged(self, curve: Curve, apart: Apart, coarse: Trail, fine: Trail) -> Curve:
        """Return the curve with the estimate in its figures, and a status that tells whether it is good enough."""
        estimate = self._estimate(apart)
        stats = {
            **curve.stats,
            "estimate": estimate,
            "estimate_w2": apart.w2 + _FLOOR,
            "rough": fine.last.cloud.rough_mass,
        }
        status, message = curve.status, curve.message
        if status == FINISHED and not estimate <= self.tol:
            status = UNRESOLVED
            message += (
                f", but two runs are {estimate:.2g} > tol = {self.tol:.2g} apart at {int(stats['particles'])} particles"
            )
        if status in (FINISHED, UNRESOLVED) and coarse.last.crowded:  # then the two may be wrong in the same way
            status = UNRESOLVED
            message += ", but more particles were wanted than there is room for"
        if status == FINISHED and fine.trouble:
            status, message = UNRESOLVED, f"{message}, but refining stopped after t = {fine.last.t:.6g}: {fine.trouble}"
        return replace(curve, stats=stats, status=status, message=message)

    @property
    def _depths(self) -> Array:
        """Some of the times, the first and the last among them."""
        chosen = np.linspace(0, len(self.times) - 1, _CHECKS + 1).round().astype(int)
        return self.times[np.unique(chosen)]

    @property
    def _panels(self) -> Panels:
        """Panels to begin with: the box, or the cells of a `Density`, at whose walls it jumps."""
        d = self.source.dim
        fewest, most = _NODES[d]
        n = int(np.clip(round(4 - 1.3 * np.log10(self.tol)), fewest, most))
        if isinstance(self.source, Density):
            room = (_CELL_PARTICLES / self.source.masses.size) ** (1 / d)
            return Panels.on_cells(self.source.grid, (int(np.clip(room, 3, n)),) * d)
        return Panels.on_box(self.source.lower, self.source.upper, n)


def _with_column(points: Array) -> Array:
    return np.column_stack([points, np.zeros(len(points))])


class _Shelf:
    """Finished pieces of a run in order, each kept in the checkpoint when it is complete."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint, self._found = checkpoint, checkpoint.load()
        self._arrays: dict[str, Array] = {}
        self._records: list[dict] = []

    def take(self) -> Saved | None:
        """Return the next piece if an earlier run has finished it."""
        k = len(self._records)
        if self._found is None or k >= len(self._found[1]["records"]):
            return None
        arrays = {name[len(f"{k}:") :]: array for name, array in self._found[0].items() if name.startswith(f"{k}:")}
        self.put(arrays, self._found[1]["records"][k])
        return arrays, self._records[k]

    def put(self, arrays: dict[str, Array], record: dict) -> None:
        """Keep a finished piece."""
        k = len(self._records)
        self._arrays |= {f"{k}:{name}": array for name, array in arrays.items()}
        self._records.append(record)

    def part(self) -> Checkpoint:
        """Return the checkpoint of the piece that is next."""
        unfinished = self._found is not None and len(self._found[1]["records"]) == len(self._records)
        found = self._found if unfinished else None
        return self._checkpoint.beside(dict(self._arrays), {"records": list(self._records)}, found)
