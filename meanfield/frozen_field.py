"""The construction behind the existence proof, Prop. 6.5: the field is held fixed for a while, then taken anew.

    on [l tau, (l+1) tau]:   d_t mu + div(velocity(t, ., mu(l tau)) mu) = 0

is linear: every point moves on its own, in the field of the measure at l tau. As tau = T/2^k falls these curves
converge to the solution of (6.1), at order 1 in tau.

Only the measure is held. The rescaled law keeps its own dependence on t, e^{tV}: to hold that too would add an error
of order tau that grows with e^{2tV}, while the rescaled measure itself comes to rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from meanfield import storage
from meanfield.carried import Carried, atoms_of, count_atoms, discretised, moved, nodes_for, resolved
from meanfield.curve import Curve
from meanfield.density import Density
from meanfield.frozen import Frozen
from meanfield.gaussian import Gaussian
from meanfield.particle_method import ParticleMethod
from meanfield.push_forward import PushForward
from meanfield.smooth import Smooth
from meanfield.uniform import Uniform
from particles import checks, memory
from particles.checkpoint import Checkpoint, Saved
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.failures import size_of
from particles.march import FINISHED, STOPPED, UNRESOLVED, progress_bar
from particles.measure import Empirical, Measure
from particles.steppers import Adaptive

if TYPE_CHECKING:
    from meanfield.solve import Method

_TIGHT = Adaptive(rtol=1e-11, atol=1e-12)
_SLOPES = 32  # numbers of the size of the points that a step of DOP853 holds
_LEAST = 100  # roundings of the depth that a segment must have
_ROUNDING = 1e-9  # of tau: a depth this close to the end of a segment is one


@dataclass(frozen=True)
class FrozenField:
    """The field taken anew every `tau`, and held fixed in between.

    Parameters
    ----------
    tau : float
        Length of a segment in depth; the last one is cut short if need be.
    inner : Method, optional
        How a measure is carried along a segment. `ParticleMethod(n=...)`: n quadrature nodes along each axis; as
        many as the density needs if left out. Or a method that goes on from its own results: `FiniteVolume`,
        `SemiLagrangian`, and `Riccati` for Gaussians.

    Raises
    ------
    ValueError
        If tau is not positive, or inner is no such method.
    """

    tau: float
    inner: Method | None = None

    def __post_init__(self) -> None:
        """Refuse a step or a method that cannot be used."""
        problems = checks.Problems()
        checks.positive("tau", self.tau, problems)
        if isinstance(self.inner, type) or not (self.inner is None or hasattr(self.inner, "run")):
            problems.add(f"`inner` must be a method such as ParticleMethod(n=16); got {self.inner!r}.")
        elif isinstance(self.inner, ParticleMethod) and self.inner.n is None:
            problems.add(f"`inner` must have a fixed number of nodes, ParticleMethod(n=...); got {self.inner!r}.")
        problems.raise_if_any()

    def check(self, dynamics: Dynamics, mu0: Any) -> None:
        """Refuse data that the inner method cannot carry."""
        if self.inner is not None and not isinstance(self.inner, ParticleMethod):
            self.inner.check(dynamics, mu0)
        elif not isinstance(mu0, Uniform | Smooth | Density | Gaussian | Empirical | PushForward):
            raise ValueError(
                "`mu0` must be a Uniform, Smooth, Density, Gaussian, Empirical or PushForward for FrozenField; "
                f"got {type(mu0).__name__}."
            )

    def run(self, dynamics: Dynamics, mu0: Measure, times: Array, progress: bool, checkpoint: Checkpoint) -> Curve:
        """Return the measure at each depth.

        Raises
        ------
        MemoryError
            If the nodes would not fit into the memory that is free.
        ValueError
            If tau is lost in the rounding of the depths.
        """
        least = _LEAST * float(np.spacing(np.abs(times).max()))
        if self.tau < least:
            raise ValueError(f"`tau` must be at least {least:.2g}, to be seen at these depths; got {self.tau}.")
        carrier = self._carrier(mu0, times)
        found = checkpoint.load()
        run = _Run.begun(carrier.start) if found is None else _Run.resumed(found, carrier)
        count = _count(times, self.tau)
        with progress_bar(times[-1] - times[0], progress) as bar:
            while not run.message:
                begin = _edge(times, self.tau, run.segment)
                bar.update(begin - times[0] - bar.n)
                if run.segment == count:
                    run.end(FINISHED, f"reached t = {times[-1]:.6g}")
                else:
                    part = checkpoint.beside(*run.saved(carrier), found).sparing()
                    ends = np.array([begin, _edge(times, self.tau, run.segment + 1)])
                    run.carry(carrier.method, dynamics, ends, times, part)
                    found = None
                if run.message or checkpoint.due():
                    checkpoint.save(*run.saved(carrier))
        status, message = run.status, run.message
        if self.inner is None and status == FINISHED and not resolved(run.measures[-1]):
            status = UNRESOLVED
            message += f", but {run.particles} nodes do not resolve the flow: take more by inner=ParticleMethod(n=...)"
        return Curve(times[: len(run.measures)], tuple(run.measures), run.stats(), status, message)

    def _carrier(self, mu0: Measure, times: Array) -> _Carrier:
        if self.inner is not None and not isinstance(self.inner, ParticleMethod):
            return _Carrier(self.inner, mu0, storage.pack, storage.unpack)
        n = nodes_for(mu0) if self.inner is None or self.inner.n is None else self.inner.n
        stepper = _TIGHT if self.inner is None or self.inner.stepper is None else self.inner.stepper
        count = count_atoms(mu0, n)
        memory.require(8.0 * mu0.dim * count * (_SLOPES + len(times)), f"FrozenField with {count:.4g} particles")
        start = discretised(mu0, n)
        return _Carrier(
            Carried(stepper, (float(times[0]), size_of(atoms_of(start).points))),
            start,
            lambda mu: ("points", {"points": atoms_of(mu).points}),
            lambda _, arrays: moved(start, checks.frozen(arrays["points"])),
        )


@dataclass(frozen=True, eq=False)
class _Carrier:
    """A method for one segment, what it starts from, and how its measures become arrays and come back bit for bit."""

    method: Method
    start: Measure
    pack: Callable[[Any], tuple[str, dict[str, Array]]]
    unpack: Callable[[str, dict[str, Array]], Measure]


@dataclass
class _Run:
    """Everything a run is at the start of a segment."""

    held: Measure
    measures: list[Measure]
    segment: int = 0
    steps: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    reached: float = 0.0
    particles: int = 0
    status: str = ""
    message: str = ""

    @classmethod
    def begun(cls, start: Measure) -> _Run:
        return cls(start, [])

    @classmethod
    def resumed(cls, found: Saved, carrier: _Carrier) -> _Run:
        arrays, record = found
        kinds = record["kinds"]
        parts: list[dict[str, Array]] = [{} for _ in kinds]
        for key, array in arrays.items():
            k, _, name = key.partition(".")
            if k.isdigit():
                parts[int(k)][name] = array
        measures = [carrier.unpack(kind, part) for kind, part in zip(kinds, parts, strict=True)]
        held = measures.pop() if record["segment"] else carrier.start
        rest = {name: value for name, value in record.items() if name not in ("kinds", "part")}
        return cls(held, measures, **rest)

    def saved(self, carrier: _Carrier) -> Saved:
        measures = [*self.measures, self.held] if self.segment else self.measures  # before, it is the start
        packed = [carrier.pack(mu) for mu in measures]
        arrays = {f"{k}.{name}": array for k, (_, part) in enumerate(packed) for name, array in part.items()}
        names = ("segment", "steps", "evaluations", "seconds", "reached", "particles", "status", "message")
        return arrays, {"kinds": [kind for kind, _ in packed], **{name: getattr(self, name) for name in names}}

    def carry(self, method: Method, law: Dynamics, ends: Array, times: Array, checkpoint: Checkpoint) -> None:
        """Move on by one segment."""
        began = time.perf_counter()
        begun = times > ends[0] if self.segment else times >= ends[0]
        inside = times[begun & (times <= ends[1])]
        depths = np.union1d(ends, inside)
        curve = method.run(Frozen(law, self.held), self.held, depths, False, checkpoint)
        self.measures += [mu for t, mu in zip(curve.times, curve.measures, strict=True) if t in inside]
        self.steps += int(curve.stats.get("steps", 0))
        self.evaluations += int(curve.stats.get("evaluations", 0))
        self.particles = int(curve.stats.get("particles", 0))
        self.reached = float(curve.stats.get("reached", curve.times[-1]))
        self.seconds += time.perf_counter() - began
        if curve.status == STOPPED:
            self.end(STOPPED, f"{curve.message}, in the field held since t = {ends[0]:.6g}")
            return
        if curve.status != FINISHED:  # what one segment does not resolve is told once, the first time
            self.status = self.status or f"{curve.status}: {curve.message}"
        self.segment, self.held = self.segment + 1, curve[-1]

    def end(self, status: str, message: str) -> None:
        """Say how it ended; a segment that was not resolved comes first."""
        unresolved, _, why = self.status.partition(": ")
        self.status = unresolved if status == FINISHED and unresolved else status
        self.message = f"{message}, but {why}" if why else message

    def stats(self) -> dict[str, float]:
        extra = {"particles": self.particles} if self.particles else {}
        return {
            "steps": self.steps,
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "reached": self.reached,
            "segments": self.segment,
            **extra,
        }


def _count(times: Array, tau: float) -> int:
    """Return how many segments there are: one, and empty, for a single depth."""
    return max(1, int(np.ceil((times[-1] - times[0]) / tau - _ROUNDING)))


def _edge(times: Array, tau: float, segment: int) -> float:
    """Return where a segment begins; an asked depth that is one to rounding is one."""
    if segment == _count(times, tau):
        return float(times[-1])
    edge = times[0] + segment * tau
    nearest = times[np.abs(times - edge).argmin()]
    return float(nearest if abs(nearest - edge) <= _ROUNDING * tau else edge)
