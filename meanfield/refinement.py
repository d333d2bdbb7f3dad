"""Panels that follow the flow: split along the way, wherever and whenever they no longer resolve it.

A step of the particles is taken; every panel is judged at its end. Those not resolved are halved along the axis
that needs it *at the beginning of the step*, where they were resolved still: the children start from their parent's
polynomial, which is right there, and cannot overshoot. They are first sent through the step alone, again and again,
until they are resolved at its end; then the step is redone by all. A panel across which the flow separates is never
resolved. It is dropped once it is so small that the tolerance cannot see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from meanfield.box import corners
from meanfield.panels import Panels, joined
from meanfield.passage import Passage, passage
from meanfield.resolution import Judge, Verdict
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.measure import Empirical
from particles.softmax import Dense, MakeEngine, within

Pdf = Callable[[Array], Array]

_STEP_SHARE = 1 / 20  # of the tolerance, for the local error of a step
LEAST_RTOL = 1e-13
_LEAST_FIELD_TOL = 1e-12  # below it every atom counts
FIELD_SHARE = 1 / 100  # of the tolerance, for the error of the field
_DROPPED = 1 / 20  # of the tolerance, for all panels that are given up
_GENERATIONS = 4  # children of children that are tried within one redone step
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
    """

    panels: Panels
    positions: Array
    masses: Array

    @classmethod
    def at_rest(cls, panels: Panels, pdf: Pdf) -> Cloud:
        """Return the nodes where they start."""
        return cls(panels, panels.points, panels.weights * pdf(panels.points))

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
        return Cloud(self.panels.take(chosen), self.positions[rows], self.masses[rows])

    def halved(self, axes: NDArray[np.intp], pdf: Pdf) -> Cloud:
        """Return every panel halved along its own axis, the new nodes placed by its polynomials."""
        parts = [self.panels.halved(p, int(axis)) for p, axis in enumerate(axes)]
        panels, size = joined(parts), self.panels.size
        places = [
            self.panels.take(np.array([p])).interpolate(self.positions[p * size : (p + 1) * size], part.points)
            for p, part in enumerate(parts)
        ]
        return Cloud(panels, np.concatenate(places), panels.weights * pdf(panels.points))

    def __add__(self, other: Cloud) -> Cloud:
        """Return the panels of both."""
        return Cloud(
            joined([self.panels, other.panels]),
            np.concatenate([self.positions, other.positions]),
            np.concatenate([self.masses, other.masses]),
        )


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
    dropped : float
        What the panels given up could have moved tilted means by, all together, in units of the largest coordinate.
    steps, redone, evaluations : int
        What it has cost.
    crowded : bool
        Whether more panels were wanted than there is room for.
    """

    t: float
    cloud: Cloud
    step: float = 0.0
    dropped: float = 0.0
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
    """

    law: Dynamics
    pdf: Pdf
    lower: Array
    upper: Array
    tol: float

    def begin(self, t: float, panels: Panels) -> Stage:
        """Return the initial measure on panels fine enough for it."""
        stage = Stage(t, Cloud.at_rest(panels, self.pdf))
        while True:
            judge = self._judge(t, stage.cloud)
            verdict = judge.verdict(*stage.cloud.shares())
            if not verdict.unresolved.any() or stage.crowded:
                return stage
            stage = self._mended(stage, verdict, judge, None)

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
            arrived = stage.cloud.moved_to(step.points)
            judge = self._judge(step.end, arrived)
            verdict = judge.verdict(*arrived.shares())
            if not verdict.unresolved.any() or stage.crowded:
                following = step.following if step.end < end else max(step.following, stage.step)
                return replace(stage, t=step.end, cloud=arrived, step=following)
            stage = self._mended(stage, verdict, judge, step)
            stage, goal = replace(stage, redone=stage.redone + 1), step.end

    def _passage(self, stage: Stage, end: float) -> Passage:
        tolerances = {"rtol": max(_STEP_SHARE * self.tol, LEAST_RTOL), "atol": _STEP_SHARE * self.tol}
        return passage(
            self.law, stage.cloud.nodes(FIELD_SHARE * self.tol), stage.t, end, stage.step or None, **tolerances
        )

    def _mended(self, stage: Stage, verdict: Verdict, judge: Judge, step: Passage | None) -> Stage:
        """Return the stage with the unresolved panels split, as often as their children need it, or dropped."""
        bad, total = verdict.unresolved, float(stage.cloud.masses.sum())
        kept, family, verdict = stage.cloud.take(~bad), stage.cloud.take(bad), verdict.take(bad)
        room = self._room(stage.cloud.panels.size)
        dropped, crowded = stage.dropped, False
        for _ in range(_GENERATIONS):
            given_up, dropped = self._given_up(verdict, dropped, judge)
            family, axes = family.take(~given_up), verdict.excess[~given_up].argmax(axis=1)
            if not len(axes):
                break
            if len(kept.panels) + 2 * len(axes) > room:
                kept, crowded = kept + family, True
                break
            family = family.halved(axes, self.pdf)
            seen = family if step is None else family.moved_to(step.of(family.positions))
            verdict = judge.verdict(*seen.shares(total))
            bad = verdict.unresolved
            kept, family, verdict = kept + family.take(~bad), family.take(bad), verdict.take(bad)
        else:
            kept = kept + family
        return replace(stage, cloud=kept, dropped=dropped, crowded=crowded)

    def _given_up(self, verdict: Verdict, dropped: float, judge: Judge) -> tuple[NDArray[np.bool_], float]:
        """Return which unresolved panels reach too little to matter, and what is then dropped in all."""
        lost = verdict.reach * judge.extent / (judge.allowed / self.tol)
        share = 1 / (8 * 4 ** (len(self.lower) - 1))
        given_up = np.zeros(len(lost), dtype=bool)
        for p in np.argsort(lost, kind="stable"):
            if lost[p] > share * (_DROPPED * self.tol - dropped):
                break
            given_up[p], dropped = True, dropped + float(lost[p])
        return given_up, dropped

    def _room(self, size: int) -> int:
        return _CROWD.get(len(self.lower), _CROWD_ELSE) // size

    def _judge(self, t: float, cloud: Cloud) -> Judge:
        """Return the judge that looks from the middle of every panel and from the corners of the box."""
        panels, size = cloud.panels, cloud.panels.size
        middles = cloud.positions[size // 2 :: size]
        ends = panels.interpolate(cloud.positions, corners(self.lower, self.upper))
        return Judge.of(self.law, t, cloud.nodes(FIELD_SHARE * self.tol), np.concatenate([middles, ends]), self.tol)
