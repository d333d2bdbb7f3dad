"""Panels that follow the flow: split along the way, wherever and whenever they no longer resolve it.

A step of the particles is taken; every panel is judged at its end. Those not resolved are halved along the axis
that needs it *at the beginning of the step*, where they were resolved still: the children start from their parent's
polynomial, which is right there, and cannot overshoot. They are sent through the step alone, again and again, until
they are resolved at its end. If that changes no tilted mean the step stands; if it does, it is redone by all.

A panel across which the flow separates is never resolved. Once its mass is small it is left *rough*: its nodes go on
as true characteristics with their weights, so that no mass is lost and the outermost particle stays, but nothing is
interpolated on it any more. What it may be wrong by is not its mass but what its rule makes of a jump: a part in n.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from meanfield.box import corners
from meanfield.panels import Panels, joined
from meanfield.passage import Passage, passage
from meanfield.resolution import Judge
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.measure import Empirical
from particles.softmax import Dense, MakeEngine, within

Pdf = Callable[[Array], Array]

_STEP_SHARE = 1 / 20  # of the tolerance, for the local error of a step
LEAST_RTOL = 1e-13
_LEAST_FIELD_TOL = 1e-12  # below it every atom counts
FIELD_SHARE = 1 / 100  # of the tolerance, for the error of the field
_STANDS = 1 / 20  # of the tolerance, for tilted means that change with the panels of a step that is not redone
_GENERATIONS = 12  # children of children that are tried within one step
_CROWD = {1: 1 << 15, 2: 1 << 18}  # particles at most
_CROWD_ELSE = 1 << 18


def answering(tol: float) -> MakeEngine:
    """Return the engine for tilted means that are right to a relative tolerance."""
    return within(tol) if tol >= _LEAST_FIELD_TOL else Dense


@dataclass(frozen=True, eq=False)
class Cloud:
    """Panels and where their nodes have been moved to.

    Attributes
    ----------
    panels : Panels
        Boxes of the initial measure's support.
    positions : (P size, d) array
        Phi_t at their nodes.
    masses : (P size,) array
        Weights of the nodes: the rule's times the initial density.
    rough : (P,) array of bool
        Panels that are known at their nodes only, and never split again.
    """

    panels: Panels
    positions: Array
    masses: Array
    rough: NDArray[np.bool_]

    @classmethod
    def at_rest(cls, panels: Panels, pdf: Pdf) -> Cloud:
        """Return the nodes where they start."""
        masses = panels.weights * pdf(panels.points)
        return cls(panels, panels.points, masses, np.zeros(len(panels), dtype=bool))

    @property
    def rough_mass(self) -> float:
        """Mass on rough panels."""
        return float(self.take(self.rough).masses.sum() / self.masses.sum())

    def nodes(self, tol: float = 0.0) -> Empirical:
        """Return the particles with masses made to sum to 1, which answer to a relative tolerance."""
        return Empirical(self.positions, self.shares()[2], softmax=answering(tol))

    def shares(self, total: float | None = None) -> tuple[Panels, Array, Array]:
        """Return panels, positions and masses in parts of `total`, their own sum if that is left out."""
        return self.panels, self.positions, self.masses / (self.masses.sum() if total is None else total)

    def moved_to(self, positions: Array) -> Cloud:
        """Return the same panels with nodes elsewhere."""
        return replace(self, positions=positions)

    def take(self, chosen: NDArray[np.bool_]) -> Cloud:
        """Return some of the panels."""
        rows = np.repeat(chosen, self.panels.size)
        return Cloud(self.panels.take(chosen), self.positions[rows], self.masses[rows], self.rough[chosen])

    def roughened(self) -> Cloud:
        """Return the same panels, all of them rough."""
        return replace(self, rough=np.ones(len(self.panels), dtype=bool))

    def halved(self, axes: NDArray[np.intp], pdf: Pdf) -> Cloud:
        """Return every panel halved along its own axis, the new nodes placed by its polynomials."""
        parts = [self.panels.halved(p, int(axis)) for p, axis in enumerate(axes)]
        panels, size = joined(parts), self.panels.size
        places = [
            self.panels.take(np.array([p])).interpolate(self.positions[p * size : (p + 1) * size], part.points)
            for p, part in enumerate(parts)
        ]
        return Cloud.at_rest(panels, pdf).moved_to(np.concatenate(places))

    def __add__(self, other: Cloud) -> Cloud:
        """Return the panels of both."""
        return Cloud(
            joined([self.panels, other.panels]),
            np.concatenate([self.positions, other.positions]),
            np.concatenate([self.masses, other.masses]),
            np.concatenate([self.rough, other.rough]),
        )


@dataclass(frozen=True, eq=False)
class Leg:
    """The same panels at both ends of a step, whether they are all resolved, and whether more were wanted than fit."""

    start: Cloud
    end: Cloud
    resolved: bool = True
    crowded: bool = False

    def take(self, chosen: NDArray[np.bool_]) -> Leg:
        """Return some of the panels."""
        return Leg(self.start.take(chosen), self.end.take(chosen))

    def roughened(self) -> Leg:
        """Return the same panels, all of them rough."""
        return Leg(self.start.roughened(), self.end.roughened())

    def __add__(self, other: Leg) -> Leg:
        """Return the panels of both."""
        return Leg(self.start + other.start, self.end + other.end)


@dataclass(frozen=True, eq=False)
class Stage:
    """Where a refinement stands.

    Attributes
    ----------
    t : float
        Depth.
    cloud : Cloud
        Panels that resolve the flow up to t.
    step : float
        Size proposed for the next step; 0 before the first.
    steps, redone, evaluations : int
        What it has cost.
    crowded : bool
        Whether more panels were wanted than there is room for.
    """

    t: float
    cloud: Cloud
    step: float = 0.0
    steps: int = 0
    redone: int = 0
    evaluations: int = 0
    crowded: bool = False


@dataclass(frozen=True, eq=False)
class Refinement:
    """How to follow a measure to a tolerance.

    Parameters
    ----------
    law : Dynamics
        The law of motion.
    pdf : callable
        The initial density, (m, d) -> (m,).
    lower, upper : (d,) array
        The box that holds it.
    tol : float
        Allowed error of positions and tilted means, in units of the largest coordinate if that is above 1.
    rough : float
        What a panel that is left rough may be wrong by, in the same units.
    """

    law: Dynamics
    pdf: Pdf
    lower: Array
    upper: Array
    tol: float
    rough: float

    def begin(self, t: float, panels: Panels) -> Stage:
        """Return the initial measure on panels fine enough for it."""
        stage = Stage(t, Cloud.at_rest(panels, self.pdf))
        while not stage.crowded:
            leg = self._mended(Leg(stage.cloud, stage.cloud), self._judge(t, stage.cloud), None)
            same = len(leg.end.panels) == len(stage.cloud.panels)
            stage = replace(stage, cloud=leg.end, crowded=leg.crowded)
            if same:
                break
        return stage

    def stages(self, stage: Stage, times: Array) -> Iterator[Stage]:
        """Yield the stage after each step from `stage` to the last of `times`; each of `times` ends a step.

        Raises
        ------
        ArithmeticError
            If the law gives no finite velocity, or steps fall below rounding.
        """
        for end in times[times > stage.t]:
            while stage.t < end:
                stage = self._after_step(stage, float(end))
                yield stage

    def _after_step(self, stage: Stage, end: float) -> Stage:
        goal = end
        while True:
            step = self._passage(stage, goal)
            stage = replace(stage, steps=stage.steps + 1, evaluations=stage.evaluations + step.evaluations)
            leg = Leg(stage.cloud, stage.cloud.moved_to(step.points))
            if not stage.crowded:
                judge = self._judge(step.end, leg.end)
                leg = self._mended(leg, judge, step)
            if stage.crowded or (leg.resolved and self._stands(judge, stage.cloud, leg.end)):
                following = step.following if step.end < end else max(step.following, stage.step)
                return replace(stage, t=step.end, cloud=leg.end, step=following)
            stage = replace(stage, cloud=leg.start, redone=stage.redone + 1, crowded=leg.crowded)
            goal = step.end

    def _passage(self, stage: Stage, end: float) -> Passage:
        tolerances = {"rtol": max(_STEP_SHARE * self.tol, LEAST_RTOL), "atol": _STEP_SHARE * self.tol}
        return passage(
            self.law, stage.cloud.nodes(FIELD_SHARE * self.tol), stage.t, end, stage.step or None, **tolerances
        )

    def _mended(self, leg: Leg, judge: Judge, step: Passage | None) -> Leg:
        """Return the panels at both ends of a step, split where they are not resolved, as often as it takes."""
        total, room = float(leg.start.masses.sum()), self._room(leg.start.panels.size)
        kept, family = leg.take(leg.end.rough), leg.take(~leg.end.rough)
        for _ in range(_GENERATIONS):
            verdict = judge.verdict(*family.end.shares(total))
            small = verdict.reach * judge.extent / max(leg.end.panels.orders) <= self.rough * judge.unit
            slight, bad = verdict.unresolved & small, verdict.unresolved & ~small
            kept = kept + family.take(~verdict.unresolved) + family.take(slight).roughened()
            family, axes = family.take(bad), verdict.excess[bad].argmax(axis=1)
            if not len(axes):
                return kept
            if len(kept.end.panels) + 2 * len(axes) > room:
                return replace(kept + family, resolved=False, crowded=True)
            start = family.start.halved(axes, self.pdf)
            family = Leg(start, start if step is None else start.moved_to(step.of(start.positions)))
        return replace(kept + family, resolved=False)

    def _stands(self, judge: Judge, old: Cloud, new: Cloud) -> bool:
        """Return whether new panels leave the tilted means that the judge knows as they were."""
        if len(old.panels) == len(new.panels):
            return True
        means = new.nodes(FIELD_SHARE * self.tol).tilted_mean(judge.directions)
        return bool(np.abs(means - judge.means).max() <= _STANDS * judge.allowed)

    def _room(self, size: int) -> int:
        return _CROWD.get(len(self.lower), _CROWD_ELSE) // size

    def _judge(self, t: float, cloud: Cloud) -> Judge:
        """Return the judge that looks from the middle of every panel and from the corners of the box."""
        panels, size = cloud.panels, cloud.panels.size
        middles = cloud.positions[size // 2 :: size]
        ends = panels.interpolate(cloud.positions, corners(self.lower, self.upper), cloud.rough)
        return Judge.of(self.law, t, cloud.nodes(FIELD_SHARE * self.tol), np.concatenate([middles, ends]), self.tol)
