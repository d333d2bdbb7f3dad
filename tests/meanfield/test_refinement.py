"""What goes wrong where the flow separates, one test for each way."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import cases
from meanfield import ParticleMethod, Smooth, Uniform, refinement, resolution, solve
from meanfield.box import corners
from meanfield.panels import Panels
from meanfield.refinement import Cloud, Refinement
from particles import Raw, Rescaled

WIDE = np.array([-5.0]), np.array([5.0])
LAW = Rescaled(cases.line(1.0, 1.0))
MU0 = Smooth.normalised(lambda x: 1 + 0.5 * np.sin(x[:, 0]) * np.exp(-0.1 * x[:, 0]), *WIDE)
PROBES = np.linspace(-5, 5, 201)[:, None]


def refined(tol: float, n: int = 12, end: float = 1.0):
    how = Refinement(LAW, MU0.pdf, *WIDE, tol, tol / 100)
    stages = [how.begin(0.0, Panels.on_box(*WIDE, n))]
    stages += how.stages(stages[0], np.array([0.0, end]))
    return stages


def means(cloud: Cloud, t: float):
    return cloud.nodes().tilted_mean(PROBES @ LAW.attention_at(t).B)


@pytest.fixture(scope="module")
def truth():
    return means(refined(1e-10, 16)[-1].cloud, 1.0)  # two such runs agree to 1e-11


def test_splitting_ends_at_a_separatrix() -> None:
    """A panel across it is never resolved: it is left rough when the tolerance cannot see it."""
    tol = 1e-4
    last = refined(tol, end=2.0)[-1]
    panels, rough = last.cloud.panels, last.cloud.rough
    widths = (panels.upper - panels.lower)[:, 0]
    assert not last.crowded
    assert rough.sum() == 1
    # it was followed down to where its mass, times the extent of 10 in units of 5, over 12 nodes, is tol / 100
    assert tol / 100 / 4 < last.cloud.rough_mass * 2 / 12 <= tol / 100
    assert widths.argmin() == np.flatnonzero(rough)
    assert widths.sum() == pytest.approx(10.0, rel=1e-14)  # nothing is lost
    assert last.cloud.masses.sum() == pytest.approx(1.0, abs=1e-9)
    assert len(panels) < 100


def test_a_rough_panel_stays_as_it_is() -> None:
    """Its nodes go on as characteristics, whatever is split beside it; nothing is interpolated on it."""
    stages = refined(1e-4, end=2.0)
    first = next(stage for stage in stages if stage.cloud.rough.any())
    early, late = (stage.cloud.take(stage.cloud.rough) for stage in (first, stages[-1]))
    assert late.panels.lower.tolist() == early.panels.lower.tolist()
    assert late.panels.upper.tolist() == early.panels.upper.tolist()
    assert len(stages[-1].cloud.panels) > len(first.cloud.panels)
    assert (np.diff(late.positions[:, 0]) > 0).all()  # the flow keeps their order
    assert np.ptp(late.positions) > 10 * np.ptp(early.positions)  # and parts them


def test_particles_stay_inside_the_hull() -> None:
    """The outermost particle leads whatever its mass; in this frame the hull shrinks, so nobody may overshoot it."""
    stages = refined(1e-4, 8)
    assert len(stages[-1].cloud.panels) > 2 * len(stages[0].cloud.panels)
    ends = [stage.cloud.panels.interpolate(stage.cloud.positions, corners(*WIDE))[:, 0] for stage in stages]
    for stage, (low, high) in zip(stages, ends, strict=True):
        # a polynomial on its own panel may pass the truth by the last coefficients it was allowed, a few 1e-4
        assert stage.cloud.positions.min() >= low - 2e-3
        assert stage.cloud.positions.max() <= high + 2e-3
    assert (np.diff([high - low for low, high in ends]) < 2e-3).all()


def test_resolving_positions_alone_is_not_enough(truth, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exponents across a panel near a leader grow although the map is smooth there."""
    tol = 1e-6
    right = np.abs(means(refined(tol, 8)[-1].cloud, 1.0) - truth).max()
    tilted = resolution.Judge._tilted

    def content(self, *arguments):
        errors, reach = tilted(self, *arguments)
        return 0 * errors, reach

    monkeypatch.setattr(resolution.Judge, "_tilted", content)
    wrong = np.abs(means(refined(tol, 8)[-1].cloud, 1.0) - truth).max()
    assert right < 10 * tol
    assert wrong > 30 * right


def test_edges_converge(truth) -> None:
    """Gauss nodes do not touch the edge of the support, and the edge is the leader."""
    exact = refined(1e-10, 16)[-1].cloud
    edge = exact.panels.interpolate(exact.positions, corners(*WIDE))
    assert np.ptp(edge) - np.ptp(exact.positions) > 1e-9  # nodes do stop short of it
    for tol in (1e-4, 1e-7):
        cloud = refined(tol)[-1].cloud
        found = cloud.panels.interpolate(cloud.positions, corners(*WIDE))
        assert_allclose(found, edge, rtol=0, atol=10 * tol)


def test_a_run_that_looks_smooth_proves_nothing() -> None:
    """A global rule of 300 nodes against panels at two tolerances, which agree with each other."""
    times = [0.0, 3.0]
    fine, finer = (solve(LAW, MU0, times, method=ParticleMethod(tol=tol)) for tol in (1e-8, 1e-10))
    rule = solve(LAW, MU0, times, method=ParticleMethod(n=300))
    a = PROBES @ LAW.attention_at(3.0).B
    gap = np.abs(fine[-1].tilted_mean(a) - finer[-1].tilted_mean(a)).max()
    assert gap <= fine.stats["estimate"] <= 1e-8
    assert rule.status == "finished"
    assert np.abs(rule[-1].tilted_mean(a) - finer[-1].tilted_mean(a)).max() > 1e-4
    assert np.abs(rule[-1].mean - finer[-1].mean).max() > 1e-5


def test_children_begin_on_their_parents_polynomial(rng: np.random.Generator) -> None:
    panels = Panels.on_box(-np.ones(2), np.ones(2), 6)

    def flow(y):
        return np.stack([y[:, 0] + 0.1 * y[:, 1] ** 3, y[:, 1] - 0.2 * y[:, 0] ** 2 * y[:, 1]], axis=1)

    def pdf(y):
        return np.full(len(y), 0.25)

    cloud = Cloud.at_rest(panels, pdf).moved_to(flow(panels.points))
    children = cloud.halved(np.array([1]), pdf)
    assert_allclose(children.positions, flow(children.panels.points), rtol=0, atol=1e-13)  # of degree 5 at most
    assert children.masses.sum() == pytest.approx(1.0, rel=1e-13)


def test_only_the_axis_that_needs_it_is_split() -> None:
    law = Raw(cases.random_attention(2, 2))
    thin = refinement.Refinement(
        law, Uniform([-8.0, -0.01], [8.0, 0.01]).pdf, np.array([-8.0, -0.01]), np.array([8.0, 0.01]), 1e-4, 1e-6
    )
    panels = thin.begin(0.0, Panels.on_box(thin.lower, thin.upper, 8)).cloud.panels
    assert len(panels) > 1
    assert_allclose(panels.upper[:, 1] - panels.lower[:, 1], 0.02, rtol=1e-12)
    assert (panels.upper[:, 0] - panels.lower[:, 0]).max() < 16


def test_too_little_room_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinement, "_CROWD", {1: 100})
    curve = solve(LAW, MU0, [0.0, 1.0], method=ParticleMethod(tol=1e-6))
    assert curve.status == "unresolved"
    assert "more particles were wanted than there is room for" in curve.message
    assert len(curve) == 2
