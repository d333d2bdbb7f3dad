from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cases
import contracts
from meanfield import Curve, FiniteVolume, ParticleMethod, PushForward, Riccati, Smooth, Uniform, solve
from particles import Raw


@pytest.mark.parametrize("name", contracts.SUBJECTS)
def test_every_kind_of_measure_can_be_saved(name: str, tmp_path: Path) -> None:
    mu = contracts.SUBJECTS[name]().measure
    Curve(np.array([0.5]), (mu,), {"steps": 3}, "stopped", "half way").save(tmp_path / "curve.npz")
    loaded = Curve.load(tmp_path / "curve.npz")
    assert type(loaded[0]) is type(mu)
    assert (loaded.times.tolist(), loaded.stats, loaded.status, loaded.message) == (
        [0.5],
        {"steps": 3},
        "stopped",
        "half way",
    )
    a = np.random.default_rng(0).uniform(-2, 2, (9, mu.dim))
    if isinstance(mu, Smooth):
        # kept at its nodes, at which its moments are settled to 1e-12
        assert_allclose(loaded[0].mean, mu.mean, rtol=0, atol=1e-11)
        assert_allclose(loaded[0].tilted_mean(a), mu.tilted_mean(a), rtol=0, atol=1e-10)
    else:
        for question in ("cgf", "tilted_mean", "tilted_cov"):
            assert_array_equal(getattr(loaded[0], question)(a), getattr(mu, question)(a))
    draws = [measure.sample(5, np.random.default_rng(1)) for measure in (mu, loaded[0])]
    assert_allclose(draws[1], draws[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", ["Uniform-2", "Smooth-1", "Density-2"])
def test_a_flow_is_saved_with_its_measure(name: str, tmp_path: Path) -> None:
    mu0 = Uniform([-1.0, 0.0], [1.0, 1.0]) if name == "Uniform-2" else contracts.SUBJECTS[name]().measure
    curve = solve(Raw(cases.random_attention(0, mu0.dim)), mu0, [0.0, 0.5, 1.0], method=ParticleMethod(n=12))
    curve.save(tmp_path / "curve.npz")
    loaded = Curve.load(tmp_path / "curve.npz")
    assert len(loaded) == 3
    probes = np.random.default_rng(2).uniform(mu0.lower, mu0.upper, (20, mu0.dim))
    for one, other in zip(loaded.measures, curve.measures, strict=True):
        assert isinstance(one, PushForward)
        assert type(one.source) is type(mu0)
        assert_array_equal(one.flow(probes), other.flow(probes))


@pytest.mark.parametrize("method", [ParticleMethod(n=6), FiniteVolume(8)], ids=repr)
def test_stats_survive(method, tmp_path: Path) -> None:
    curve = solve(Raw(cases.line(1.0, 1.0)), Uniform([0.0], [1.0]), [0.0, 0.1], method=method)
    curve.save(tmp_path / "curve.npz")
    assert Curve.load(tmp_path / "curve.npz").stats == curve.stats


def test_measures_by_index() -> None:
    curve = solve(Raw(cases.line(1.0, -1.0)), cases.Gaussian([0.0], [[1.0]]), [0.0, 1.0, 2.0], method=Riccati())
    assert len(curve) == len(list(curve)) == 3
    assert curve[-1] is curve.measures[2]
    with pytest.raises(IndexError):
        curve[3]


def test_a_measure_of_another_make_cannot_be_saved(tmp_path: Path) -> None:
    class Own:
        pass

    with pytest.raises(TypeError, match="a Own cannot be stored"):
        Curve(np.array([0.0]), (Own(),), {}, "finished", "").save(tmp_path / "curve.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "curve.npz"
    solve(Raw(cases.line(1.0, 1.0)), Uniform([0.0], [1.0]), [0.0, 0.1], method=FiniteVolume(8)).save(path)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(bytes(whole))
    with pytest.raises(ValueError, match="`path` must be a file written by save"):
        Curve.load(path)
