"""The panels and particles of one refined run at a few depths, and how far two such runs are apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from meanfield.panels import Panels
from meanfield.push_forward import PushForward
from meanfield.refinement import Cloud, Refinement, Stage
from meanfield.resolution import scale
from particles.checkpoint import Checkpoint, Saved
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.march import progress_bar

_PROBES = 256  # particles, and as many points between them, from which tilted means are compared

_COUNTS = ("step", "steps", "redone", "evaluations", "crowded")


@dataclass(frozen=True, eq=False)
class Trail:
    """What a refinement leaves: clouds at the checked depths it reached, the last stage, and why it broke off."""

    clouds: tuple[Cloud, ...]
    last: Stage
    trouble: str = ""

    @classmethod
    def follow(
        cls, refinement: Refinement, panels: Panels, depths: Array, checkpoint: Checkpoint, progress: bool
    ) -> Trail:
        """Run a refinement through the depths; go on from the checkpoint if it holds a trail."""
        found = checkpoint.load()
        if found is None:
            stage = refinement.begin(float(depths[0]), panels)
            trail = cls((stage.cloud,), stage)
        else:
            trail = cls.unpacked(*found, refinement, panels.orders)
        with progress_bar(depths[-1] - depths[0], progress) as bar:
            bar.update(trail.last.t - depths[0])
            try:
                for stage in refinement.stages(trail.last, depths[len(trail.clouds) :]):
                    bar.update(stage.t - trail.last.t)
                    passed = bool(stage.t == depths[len(trail.clouds)])
                    trail = cls(trail.clouds + (stage.cloud,) * passed, stage)
                    if checkpoint.due():
                        checkpoint.save(*trail.packed())
            except ArithmeticError as trouble:
                trail = cls(trail.clouds, trail.last, str(trouble))
        return trail

    def packed(self) -> Saved:
        """Return the trail as arrays and a record."""
        arrays: dict[str, Array] = {}
        for name, cloud in (*((f"{k}", cloud) for k, cloud in enumerate(self.clouds)), ("last", self.last.cloud)):
            arrays |= {
                f"{name}.lower": cloud.panels.lower,
                f"{name}.upper": cloud.panels.upper,
                f"{name}.positions": cloud.positions,
                f"{name}.rough": cloud.rough.astype(float),
            }
        record: dict[str, Any] = {name: getattr(self.last, name) for name in _COUNTS}
        return arrays, record | {"t": self.last.t, "clouds": len(self.clouds), "trouble": self.trouble}

    @classmethod
    def unpacked(
        cls, arrays: dict[str, Array], record: dict[str, Any], refinement: Refinement, orders: tuple[int, ...]
    ) -> Trail:
        """Return the trail that `packed` made."""

        def cloud(name: str) -> Cloud:
            panels = Panels(arrays[f"{name}.lower"], arrays[f"{name}.upper"], orders)
            positions, rough = arrays[f"{name}.positions"], arrays[f"{name}.rough"].astype(bool)
            return replace(Cloud.at_rest(panels, refinement.pdf), positions=positions, rough=rough)

        stage = Stage(record["t"], cloud("last"), **{name: record[name] for name in _COUNTS})
        return cls(tuple(cloud(f"{k}") for k in range(record["clouds"])), stage, record["trouble"])


@dataclass(frozen=True)
class Apart:
    """How far two solutions of one problem are apart, in units of the largest coordinate if that is above 1.

    Attributes
    ----------
    means : float
        Largest difference of tilted means in directions in which particles look, and of the mean.
    w1, w2 : float
        Distance of the flow maps in L1 and L2 of the initial measure: bounds on W1 and W2. In W1 the coarser one's
        rough panels count as what they are, atoms, by the distance of their projections. In W2 the finer one's are
        added, where the flow may be anywhere between two nodes.
    """

    means: float
    w1: float
    w2: float

    @classmethod
    def of(cls, law: Dynamics, t: float, coarse: Cloud, finer: PushForward) -> Apart:
        """Compare, at depth t, a cloud with the images of the nodes of finer panels."""
        fine, start = finer.nodes, finer.panels.points
        unit = scale(fine.points)
        moved = coarse.panels.interpolate(coarse.positions, start, coarse.rough)
        gaps, rough = np.linalg.norm(moved - fine.points, axis=1), coarse.rough[coarse.panels.find(start)]
        atoms = coarse.take(coarse.rough)
        w1 = fine.weights[~rough] @ gaps[~rough] + _projected(
            np.concatenate([atoms.positions, fine.points[rough]]),
            np.concatenate([atoms.masses / coarse.masses.sum(), -fine.weights[rough]]),
        )
        chosen = np.linspace(0, len(fine.points) - 1, min(_PROBES, len(fine.points))).astype(int)
        probes = np.concatenate([fine.points[chosen], _between(fine.points)])
        looks = [probes @ B for B, _ in law.attention_at(t).heads] + [np.zeros((1, fine.dim))]
        directions = np.concatenate(looks)
        means = np.abs(coarse.nodes().tilted_mean(directions) - fine.tilted_mean(directions)).max()
        w2 = np.sqrt(fine.weights @ gaps**2) + np.sqrt(_between_nodes(finer))
        return cls(float(means / unit), float(w1 / unit), float(w2 / unit))


def _between_nodes(mu: PushForward) -> float:
    """Return the mean square of how far the flow may be from the line between two nodes, where it is not resolved."""
    places = mu.panels.by_panel(mu.nodes.points)[mu.steep]
    shares = mu.panels.by_panel(mu.nodes.weights)[mu.steep]
    total = 0.0
    for axis in range(1, mu.dim + 1):
        jumps = np.diff(places, axis=axis)
        few, many = (np.take(shares, np.arange(k, k + jumps.shape[axis]), axis) for k in (0, 1))
        total += float((0.5 * (few + many) * jumps**2).sum()) / 3
    return total


def _projected(points: Array, charges: Array) -> float:
    """Return the largest W1, over projections on a few lines, between the positive and the negative charges."""
    largest = 0.0
    for line in product((-1.0, 0.0, 1.0), repeat=points.shape[1]):
        if any(line) and len(points):
            places = points @ (np.array(line) / np.linalg.norm(line))
            order = np.argsort(places, kind="stable")
            largest = max(largest, float(np.abs(np.cumsum(charges[order])[:-1]) @ np.diff(places[order])))
    return largest


def _between(points: Array) -> Array:
    """Return points spread evenly over the box round `points`, particles or none there: a Weyl sequence."""
    low, high = points.min(axis=0), points.max(axis=0)
    steps = np.sqrt([2.0, 3.0, 5.0])[: points.shape[1]]
    return low + (high - low) * np.mod(0.5 + np.outer(np.arange(_PROBES), steps), 1.0)
