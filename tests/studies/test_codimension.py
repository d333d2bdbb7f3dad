"""The codimension conjecture: what is decided agrees with theorems that are known, and exceptions can be read back."""

from typing import Any

import numpy as np
import pytest

from particles import Attention, Empirical, Raw, solve
from particles.spectrum import growing
from particles.steppers import Adaptive
from recorded import summed_up
from studies.registry import STUDIES
from studies.statements import codimension
from studies.statements.codimension.rotating import _judged, _kept, _within_angle, settle_turning
from studies.statements.spectra import tilted, with_spectrum
from studies.statements.stiff import Stiff


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    config = codimension.Config(tokens=6, turning_tokens=6)
    return summed_up(codimension, config)


def test_it_is_entered() -> None:
    assert STUDIES["codimension"].module == "studies.statements.codimension"


def test_every_draw_is_counted_once(shown) -> None:
    headline = shown["headline"]
    assert headline["draws"] == len(shown["rows"]) == len(codimension.KINDS)
    assert headline["agrees"] + headline["exceptions"] + headline["undecided"] == headline["draws"]
    assert all(row["k"] >= 1 for row in shown["rows"])


def test_no_exception_where_theorem_4_2_holds(shown) -> None:
    assert shown["headline"]["exceptions_with_a_simple_real_leading_eigenvalue"] == 0
    assert all(row["number"] <= 3 for row in shown["rows"] if row["kind"] in ("real", "pairs below") and row["number"])


def test_the_polytope_of_the_identity_is_an_exception() -> None:
    case = {"kind": "identity", "d": 3, "head": "I", "tokens": 8, "until": 7.0, "seed": [0, 7, 0]}
    found = codimension.run_case(case)
    assert found["k"] == 3
    assert found["number"] > 3  # in space a polytope that is not flat has four corners and more
    assert found["outcome"] is False


def test_groups_that_stay_apart_are_at_least_as_many_limits() -> None:
    # followers are undecided at depth 1.5; at 3 groups stay apart, and leaders are known
    case = {"kind": "multiple", "d": 2, "head": "I", "tokens": 10, "until": 1.5, "seed": [0, 6, 2]}
    found = codimension.run_case(case)
    assert (found["at_least"], found["undecided"], found["number"], found["outcome"]) == (True, 0, 5, False)
    assert len(np.unique(found["leaders"])) == len(found["limits"]) == 5
    later = codimension.run_case(case | {"until": 3.0})
    assert (later["at_least"], later["number"]) == (False, 5)
    three = codimension.run_case(case | {"until": 2.2, "seed": [0, 6, 10]})
    assert (three["at_least"], three["number"], three["outcome"]) == (False, None, None)  # there may be more


def test_exceptions_come_back_with_their_arrays(shown) -> None:
    found = codimension.exceptions(shown)
    assert len(found) == shown["headline"]["exceptions"] > 0
    for one in found:
        k, L = growing(one.V)
        assert len(one.limits) > 3
        assert one.limits.shape[1] == k
        np.testing.assert_array_equal(L, one.L)


def test_a_rotation_does_not_change_what_the_identity_does() -> None:
    # V = I + bJ commutes with e^{tV}'s rotation, so exponents and clusters are those of V = I
    rng = np.random.default_rng(3)
    tokens, eye = rng.uniform(-5, 5, (8, 2)), np.eye(2)
    V = with_spectrum([1 + 1.3j], eye)
    found = settle_turning(Attention(Q=eye, K=eye, V=V), tokens, 8.0)
    assert found.decided
    # long after: e^-12 is below the distance at which two tokens count as one place
    path = solve(Raw(Attention(Q=eye, K=eye, V=V)), tokens, [0.0, 12.0], stepper=Adaptive(1e-9, 1e-9))
    z = path.points[-1] @ np.linalg.inv(_turned(12.0, 1.3)).T * np.exp(-12.0)
    apart = np.linalg.norm(z[:, None] - z, axis=2)
    same = found.clusters[:, None] == found.clusters
    assert len(np.unique(found.clusters)) > 3
    assert apart[same].max() < 1e-3 * apart[~same].min()  # 8 e^-12 against distances of the order of 1


def test_a_swinging_pair_leaves_few_limits() -> None:
    # B = I and a sheared basis: rho = |phi^T phi| / (phi^H phi) = 0.8, so that pi / arcsin rho = 3.4
    shear = np.diag([1.0, 1 / 3])
    V, eye = with_spectrum([1 + 2j], shear), np.eye(2)
    for seed in range(2):
        tokens = np.random.default_rng(seed).uniform(-5, 5, (6, 2))
        found = settle_turning(Attention(Q=eye, K=eye, V=V), tokens, 12.0)
        assert found.swing == pytest.approx(0.8, abs=1e-12)  # rounding of eigenvectors that are far from parallel
        assert found.told["most"] == pytest.approx(np.pi / np.arcsin(0.8))
        assert found.decided
        assert len(np.unique(found.clusters)) <= found.told["most"]


def test_tokens_on_a_divide_are_at_rest_though_not_certain() -> None:
    # the third coordinate grows more slowly than the pair and goes on to move the divides
    V, eye = with_spectrum([1 + 1.3j, 0.72], np.eye(3)), np.eye(3)
    tokens = np.random.default_rng(1).uniform(-5, 5, (5, 3))
    found = settle_turning(Attention(Q=eye, K=eye, V=V), tokens, 14.0)
    assert (found.decided, found.certain) == (True, False)
    assert len(np.unique(found.clusters)) == 5  # V turns, and no swing keeps tokens from leading themselves
    assert not settle_turning(Attention(Q=eye, K=eye, V=V), tokens, 3.0).decided


def test_a_token_held_by_what_fades_is_not_decided() -> None:
    # 0.76 fades slowly beside 1: at depth 9 three levels stand still, but the one between cannot stay (Theorem 4.2)
    case = {"kind": "real", "d": 4, "head": "I", "tokens": 10, "until": 4.5, "seed": [0, 0, 12]}
    found = codimension.run_case(case)
    assert found["undecided"] > 0


def test_tokens_of_a_cluster_may_part_until_half_a_turn_went_by() -> None:
    # V normal, no swing, half a turn 3.8: four clusters stand still at depth 6, one of which parts at 6.5
    case = {"kind": "normal pair leads", "d": 2, "head": "I", "tokens": 10, "until": 7.0, "seed": [0, 5, 10]}
    found = codimension.run_case(case)
    assert (found["number"], found["at_least"], found["outcome"]) == (5, False, False)
    rng = np.random.default_rng(case["seed"])
    V, eye = codimension.values(rng, case["kind"], 2), np.eye(2)
    early = settle_turning(Attention(Q=eye, K=eye, V=V), rng.uniform(-5, 5, (10, 2)), 6.0)
    assert (early.decided, early.parting, len(np.unique(early.clusters))) == (False, True, 4)
    three = codimension._resting(early, growing(V)[1], V)
    assert (three.undecided, three.at_least) == (0, True)  # four are four limits, and there may be more


def test_limits_of_a_swinging_pair_are_not_seen_under_a_small_angle() -> None:
    y = np.array([1.0, np.exp(0.5j), -1.0])
    same = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=bool)
    assert _within_angle(y, same, np.sin(0.3))  # 0.5 < 2 * 0.9 * 0.3
    assert not _within_angle(y, same, np.sin(0.27))
    now = np.array([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]])
    turned = now @ np.array([[0.9, 0.44], [-0.44, 0.9]])  # by about 0.45
    assert _kept(now, now, same, 1.5, True)
    assert (_kept(now, turned, same, 1.5, True), _kept(now, turned, same, 1.5, False)) == (False, True)
    assert not _kept(2 * now, now, same, 1.5, False)


def test_what_is_not_at_rest_is_not_decided() -> None:
    y, form = np.array([1.0, 1j, -1.0]), (1.0 + 0j, 0.0)
    still, slow = [y] * 9, [y * (1 + 0.1 * k) for k in range(9)]
    assert _judged(still, form, 1e-9)[1] < 1e-8
    assert _judged(slow, form, 1e-9)[1] == np.inf  # as far in the second stretch as in the first
    assert _judged(still, form, 0.5)[1] > 0.1  # two runs are half a distance apart
    # two of three fall together like e^{-t}: one cluster; at a standstill they are two, and the gap is no cluster's
    closing = [np.array([1.0, 1.0 + np.exp(-0.5 * k), -1.0]) for k in range(17)]
    clusters, left, narrow = _judged(closing, form, 1e-9)
    assert (clusters.tolist(), narrow) == ([0, 0, 2], True) and left < 0.1
    # y = 1 looks at 2 as soon as nothing else holds it; with a swing of 60 degrees 1 and i look at each other
    assert _judged([np.array([1.0, 2.0 + 0j])] * 9, form, 1e-9)[1] > 0.5
    assert _judged(still, (1.0 + 0j, 0.866), 1e-9)[1] > 0.1


def test_velocities_and_their_derivatives() -> None:
    rng = np.random.default_rng(0)
    heads = Attention(*(rng.standard_normal((2, 3, 3)) for _ in range(3)))
    law, u = Stiff(heads, 0.7), 0.5 * rng.standard_normal(12)
    x = u.reshape(4, 3) * np.exp(0.7 * 0.3)
    raw = Raw(heads).velocity(0.0, x, Empirical(x)) - 0.7 * x
    np.testing.assert_allclose(law.velocity(0.3, u), raw.ravel() * np.exp(-0.7 * 0.3), rtol=1e-11)  # two softmaxes
    h = 1e-6
    apart = [(law.velocity(0.3, u + e) - law.velocity(0.3, u - e)) / (2 * h) for e in h * np.eye(12)]
    # differences err by h^2 times a third derivative, and by rounding over h
    np.testing.assert_allclose(law.jacobian(0.3, u), np.array(apart).T, atol=1e-8)


def _turned(t: float, b: float) -> np.ndarray:
    return np.array([[np.cos(b * t), -np.sin(b * t)], [np.sin(b * t), np.cos(b * t)]])


def test_prescribed_spectra() -> None:
    rng = np.random.default_rng(5)
    V = with_spectrum([1.0, -0.5 + 2j], tilted(rng, 3))
    # the basis has condition number 4 at most, so eigenvalues keep all but two digits
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(V)), [-0.5 - 2j, -0.5 + 2j, 1], atol=1e-13)
    with pytest.raises(ValueError, match=r"`values` must be the 3 eigenvalues .* got 2"):
        with_spectrum([1.0, 2.0], np.eye(3))
    with pytest.raises(ValueError, match="`kind` must be one of"):
        codimension.values(rng, "none", 3)


@pytest.mark.parametrize("kind", codimension.KINDS)
def test_kinds_are_what_they_are_called(kind) -> None:
    values = np.linalg.eigvals(codimension.values(np.random.default_rng(8), kind, 4))
    assert values.real.max() == pytest.approx(1, abs=1e-12)  # rounding of the eigenvalues of a 4 x 4 matrix
    first = values[values.real > 1 - 1e-9]
    assert len(first) == {"identity": 4, "multiple": 2, "pair leads": 2, "normal pair leads": 2}.get(kind, len(first))
    assert (np.abs(first.imag).max() > 0.1) == ("pair leads" in kind) or kind == "gaussian"


def test_table_and_figure_are_complete(shown) -> None:
    assert sum("agrees" in line or "does not" in line or "not decided" in line for line in _rows(shown)) >= 8
    figure = codimension.figure(shown)
    figure.draw_without_rendering()
    assert figure.axes[0].patches


def _rows(shown) -> list[str]:
    return codimension.table(shown).splitlines()
