import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import block_diag

from particles import Attention
from particles.spectrum import good_triple, good_triple_with_multiplicity, growing

FIGURE_06 = np.array([[0.64709742, 0.81911926], [0.61210449, 0.63263484]])
FIGURE_12 = np.array(
    [
        [0.18608476, 0.34391026, 0.13905949],
        [0.35244288, 0.6694859, 0.39992145],
        [0.46685606, 0.17094454, 0.42092308],
    ]
)
FIGURE_13 = np.array(
    [[0.2362413, 0.0599536, 0.40506019], [0.81321448, 0.49948705, 0.33754772], [0.2160645, 0.38505272, 0.14588075]]
)


def head(V, B=None) -> Attention:
    V = np.asarray(V, dtype=float)
    return Attention(Q=np.eye(len(V)), K=np.eye(len(V)) if B is None else B, V=V)


def with_blocks(rng: np.random.Generator, *blocks) -> np.ndarray:
    """V with these diagonal blocks in a skew basis of condition number about 10."""
    D = block_diag(*blocks)
    S = np.linalg.qr(rng.standard_normal(D.shape))[0] @ (np.eye(len(D)) + 0.5 * np.triu(rng.uniform(-1, 1, D.shape), 1))
    return S @ D @ np.linalg.inv(S)


def jordan(value: float, size: int) -> np.ndarray:
    return value * np.eye(size) + np.eye(size, k=1)


# -- Definition 4.1 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("V", "value", "angle"), [(FIGURE_06, 1.348, 8.3), (FIGURE_12, 1.078, 11.7), (FIGURE_13, 0.991, 29.4)]
)
def test_the_published_matrices(V, value: float, angle: float) -> None:
    triple = good_triple(head(V))
    assert triple.holds
    assert triple.value == pytest.approx(value, abs=6e-4)
    assert (triple.right > 0).all()  # Perron
    cosine = triple.left @ triple.right / np.linalg.norm(triple.left)
    assert np.degrees(np.arccos(cosine)) == pytest.approx(angle, abs=0.06)


@pytest.mark.parametrize("d", [1, 2, 3, 5, 10])
def test_left_and_right_eigenvectors(d: int, rng) -> None:
    for _ in range(10):
        V = rng.uniform(0, 1, (d, d))
        triple = good_triple(head(V))
        # conditioning of a positive matrix's leading eigenvalue, about 1
        assert_allclose(V @ triple.right, triple.value * triple.right, atol=1e-13 * d)
        assert_allclose(triple.left @ V, triple.value * triple.left, atol=1e-13 * d)
        assert np.linalg.norm(triple.right) == pytest.approx(1, abs=1e-14)
        assert triple.left @ triple.right == pytest.approx(1, abs=1e-13)
        moduli = np.sort(np.abs(np.linalg.eigvals(V)))
        assert triple.gap == pytest.approx(moduli[-1] - (moduli[-2] if d > 1 else 0), abs=1e-12)


def test_a_jordan_block_below_the_leading_eigenvalue_does_no_harm(rng) -> None:
    V = with_blocks(rng, [[1.0]], jordan(0.6, 3))
    triple = good_triple(head(V))
    assert triple.holds
    assert triple.value == pytest.approx(1, abs=1e-13)
    assert_allclose(triple.left @ V, triple.left, atol=1e-13)
    assert triple.gap == pytest.approx(0.4, abs=1e-4)  # eps^(1/3) = 6e-6 is what a triple eigenvalue can be told to


@pytest.mark.parametrize(
    ("V", "failed"),
    [
        (np.eye(2), "simple"),
        (jordan(1.0, 2), "simple"),
        ([[0.0, -1.0], [1.0, 0.0]], "real"),
        (block_diag([[0.5]], [[0.6, 0.8], [-0.8, 0.6]]), "real"),
        (np.diag([-1.0, 0.5]), "positive"),
        (np.diag([1.0, -1.0]), "largest"),
        (block_diag([[1.0]], [[0.6, 0.8], [-0.8, 0.6]]), "largest"),
    ],
)
def test_the_condition_that_fails_is_named(V, failed: str) -> None:
    triple = good_triple(head(V))
    assert not triple.holds
    assert triple.failed == (failed,)
    assert len(triple.problems) == 1


def test_pairing_may_fail_alone_or_beside_another(rng) -> None:
    B = np.diag([-1.0, 1.0])
    triple = good_triple(head(np.diag([2.0, 1.0]), B))
    assert (triple.failed, triple.pairing) == (("pairing",), -1.0)
    assert triple.problems == ("<Q phi_1, K phi_1> must be positive; it is -1",)
    assert good_triple(head(np.diag([-2.0, 1.0]), B)).failed == ("positive", "pairing")
    skew = np.array([[0.0, 1.0], [-1.0, 0.0]])
    assert good_triple(head(FIGURE_06, skew)).failed == ("pairing",)  # 0 to rounding, not positive
    assert np.isnan(good_triple(head(np.eye(2))).left).all()


@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_leading_jordan_block_is_never_taken_for_simple(size: int, rng) -> None:
    # in a skew basis its eigenvalues come out eps^(1/size) apart, in any direction
    for _ in range(20):
        attention = head(with_blocks(rng, jordan(1.0, size), [[0.3]]))
        assert good_triple(attention).failed == ("simple",)
        found = good_triple_with_multiplicity(attention)
        assert (found.failed, found.multiplicity) == (("paranormal",), size)
        assert "Jordan block" in found.problems[0]
        assert found.value == pytest.approx(1, abs=1e-12)  # their mean is well determined


# -- Definition 5.1 --------------------------------------------------------------------------------------------------


def test_figure_8() -> None:
    triple = good_triple_with_multiplicity(head(np.diag([1.0, 1.0, -0.5])))
    assert (triple.holds, triple.value, triple.multiplicity, triple.radius) == (True, 1.0, 2, 0.5)
    assert_allclose(triple.onto, np.diag([1.0, 1.0, 0.0]), atol=1e-15)


@pytest.mark.parametrize("d", [2, 3, 5])
@pytest.mark.parametrize("k", [1, 2])
def test_oblique_subspaces(d: int, k: int, rng) -> None:
    for _ in range(10):
        D = block_diag(0.8 * np.eye(k), np.diag(rng.uniform(-0.7, 0.7, d - k)))
        S = np.linalg.qr(rng.standard_normal((d, d)))[0] @ (np.eye(d) + 0.5 * np.triu(rng.uniform(-1, 1, (d, d)), 1))
        V = S @ D @ np.linalg.inv(S)
        found = good_triple_with_multiplicity(head(V, 0.7 * np.eye(d)))
        assert found.holds
        assert found.multiplicity == k
        expected = S[:, :k] @ np.linalg.inv(S)[:k]  # onto the first k columns along the others
        assert_allclose(found.onto, expected, atol=1e-13 * 100)  # condition 10, squared
        assert_allclose(V @ found.basis, 0.8 * found.basis, atol=1e-13)
        assert_allclose(found.basis.T @ found.basis, np.eye(k), atol=1e-14)
        assert_allclose(found.onto @ found.basis, found.basis, atol=1e-13)
        assert found.radius == pytest.approx(np.abs(np.diag(D)[k:]).max() if d > k else 0, abs=1e-13)


@pytest.mark.parametrize("d", [1, 3])
def test_the_identity_leaves_nothing_beside_F(d: int) -> None:
    found = good_triple_with_multiplicity(head(2 * np.eye(d)))
    assert (found.holds, found.multiplicity, found.radius) == (True, d, 0.0)
    assert_allclose(found.onto, np.eye(d), atol=1e-15)


def test_conditions_of_definition_5_1_are_named() -> None:
    V = np.diag([1.0, 1.0, -0.5])
    skew = np.eye(3) + 0.1 * np.eye(3, k=1)
    assert good_triple_with_multiplicity(head(V, skew)).failed == ("symmetric",)
    assert good_triple_with_multiplicity(head(V, np.diag([1.0, 1.0, 0.0]))).failed == ("definite",)
    assert good_triple_with_multiplicity(head(-V)).failed == ("positive",)
    assert good_triple_with_multiplicity(head(np.diag([1.0, 1.0, -1.0]))).failed == ("largest",)
    both = good_triple_with_multiplicity(head(block_diag(jordan(1.0, 2), [[0.2]]), skew))
    assert both.failed == ("symmetric", "paranormal")
    assert "off by 1 (a Jordan block)" in both.problems[1]
    assert good_triple_with_multiplicity(head([[0.0, -1.0], [1.0, 0.0]])).failed == ("real",)
    assert good_triple_with_multiplicity(head(np.zeros((2, 2)))).failed == ("positive",)


def test_several_heads_are_refused() -> None:
    two = np.stack([np.eye(2)] * 2)
    for check in (good_triple, good_triple_with_multiplicity):
        with pytest.raises(ValueError, match="`attention` must have one head; got 2"):
            check(Attention(Q=two, K=two, V=two))


# -- growing directions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blocks", "k"),
    [
        ([[[1.0]], [[-0.5]], [[0.3]]], 2),
        ([[[1.0]], [[0.2, 0.7], [-0.7, 0.2]], [[-0.4]]], 3),
        ([[[1.0]], [[-0.2, 0.7], [-0.7, -0.2]]], 1),
        ([[[-1.0]], [[-0.2]]], 0),
        ([jordan(0.5, 3), [[-0.4]]], 3),
        ([[[1.0]], [[0.0]]], 1),
    ],
)
def test_the_left_subspace_of_growing_directions(blocks, k: int, rng) -> None:
    V = with_blocks(rng, *blocks)
    count, L = growing(V)
    assert count == k
    assert L.shape == (k, len(V))
    M = L @ V @ L.T
    assert_allclose(L @ L.T, np.eye(k), atol=1e-14)
    assert_allclose(L @ V, M @ L, atol=1e-13)
    assert (np.linalg.eigvals(M).real > 0).all() if k else True


def test_the_published_spectra() -> None:
    assert [growing(V)[0] for V in (FIGURE_06, FIGURE_12, FIGURE_13)] == [1, 3, 1]
    with pytest.raises(ValueError, match=r"`V` must be square, \(d, d\); got shape \(2, 3\)"):
        growing(np.ones((2, 3)))
