import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ortho_group

import cases
from particles import Attention, Empirical

# rounding of exponents up to ~30, sums of 20 terms of order 1: a few hundred eps
ROUNDING = 1e-13

seeds = st.integers(0, 2**32 - 1)
dims = st.integers(1, 4)


def cloud(seed: int, dim: int, n: int = 12) -> Empirical:
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.1, 1, n)
    return Empirical(rng.uniform(-2, 2, (n, dim)), weights / weights.sum())


def targets(seed: int, dim: int) -> np.ndarray:
    return np.random.default_rng(seed + 1).uniform(-2, 2, (5, dim))


@given(seeds, dims, st.sampled_from([None, 1, 3]), st.sampled_from([None, 1, 5]))
def test_field_is_the_obvious_sum(seed: int, dim: int, heads: int | None, rows: int | None) -> None:
    attention, mu, x = cases.random_attention(seed, dim, heads, rows), cloud(seed, dim), targets(seed, dim)
    by_hand = cases.field_by_hand(attention, mu.points, mu.weights, x)
    assert_allclose(attention.field(mu, x), by_hand, rtol=0, atol=ROUNDING * (1 + np.abs(attention.V).sum()))


@given(seeds, dims)
def test_heads_add_up(seed: int, dim: int) -> None:
    attention, mu, x = cases.random_attention(seed, dim, heads=3), cloud(seed, dim), targets(seed, dim)
    single = [Attention(attention.Q[h], attention.K[h], attention.V[h]) for h in range(3)]
    for question in ("field", "jacobian", "divergence"):
        whole = getattr(attention, question)(mu, x)
        assert_allclose(whole, sum(getattr(head, question)(mu, x) for head in single), rtol=0, atol=ROUNDING * 10)
    assert_array_equal(attention.matrix(mu), np.stack([head.matrix(mu) for head in single]))
    assert_allclose(attention.U, sum(head.V for head in single), atol=ROUNDING)


@pytest.mark.parametrize("heads", [None, 2])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_jacobian_is_the_derivative_of_the_field(dim: int, heads: int | None) -> None:
    attention, mu, x = cases.random_attention(dim, dim, heads), cloud(dim, dim), targets(dim, dim)
    numeric = cases.differences(lambda y: attention.field(mu, y), x, 2e-3)
    # order 4, h = 2e-3: h^4/30 = 5e-13 times a fifth derivative up to 600; rounding 1e-14/h = 5e-12
    assert_allclose(attention.jacobian(mu, x), numeric, rtol=0, atol=1e-9)
    assert_allclose(attention.divergence(mu, x), np.trace(numeric, axis1=1, axis2=2), rtol=0, atol=2e-9)


@pytest.mark.parametrize("heads", [None, 2])
def test_matrix_has_the_softmax_in_its_rows(heads: int | None) -> None:
    attention, mu = cases.random_attention(3, 2, heads), cloud(3, 2)
    P = attention.matrix(mu)
    n = len(mu.points)
    assert P.shape == ((n, n) if heads is None else (heads, n, n))
    assert (P >= 0).all()
    assert_allclose(P.sum(axis=-1), 1.0, rtol=0, atol=n * cases.EPS)
    by_field = sum(p @ mu.points @ V.T for p, (_, V) in zip(P.reshape(-1, n, n), attention.heads, strict=True))
    assert_allclose(by_field, attention.field(mu, mu.points), rtol=0, atol=ROUNDING * 10)


def test_matrix_for_exponents_of_a_million() -> None:
    mu = Empirical(np.array([[-1000.0], [1.0], [999.0], [1000.0]]), [0.25, 0.25, 0.5, 0.0])
    P = cases.line(1.0, 1.0).matrix(mu)
    # token -1000 attends to itself, the positive ones to 999: 1000 has weight 0
    assert_array_equal(P, [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0]])


# -------------------------------------------------------------------------------------------------- invariances


@given(seeds, dims)
def test_order_of_tokens_does_not_matter(seed: int, dim: int) -> None:
    attention, mu, x = cases.random_attention(seed, dim), cloud(seed, dim), targets(seed, dim)
    order = np.random.default_rng(seed).permutation(len(mu.points))
    shuffled = Empirical(mu.points[order], mu.weights[order])
    assert_allclose(attention.field(shuffled, x), attention.field(mu, x), rtol=0, atol=ROUNDING * 10)


@given(seeds, dims)
def test_only_the_product_of_Q_and_K_matters(seed: int, dim: int) -> None:
    attention, mu, x = cases.random_attention(seed, dim), cloud(seed, dim), targets(seed, dim)
    M = np.eye(dim) + np.triu(np.random.default_rng(seed).uniform(-1, 1, (dim, dim)), 1)  # well-conditioned
    twin = Attention(M @ attention.Q, np.linalg.inv(M).T @ attention.K, attention.V)
    assert_allclose(twin.field(mu, x), attention.field(mu, x), rtol=0, atol=ROUNDING * 100)


@given(seeds, st.integers(2, 4))
def test_rotated_tokens_feel_the_rotated_field(seed: int, dim: int) -> None:
    attention, mu, x = cases.random_attention(seed, dim), cloud(seed, dim), targets(seed, dim)
    R = ortho_group.rvs(dim, random_state=seed)
    turned = Attention(attention.Q @ R.T, attention.K @ R.T, R @ attention.V @ R.T)
    field = turned.field(Empirical(mu.points @ R.T, mu.weights), x @ R.T)
    assert_allclose(field, attention.field(mu, x) @ R.T, rtol=0, atol=ROUNDING * 10)


@given(seeds, dims)
def test_mirrored_tokens_feel_the_mirrored_field(seed: int, dim: int) -> None:
    attention, mu, x = cases.random_attention(seed, dim), cloud(seed, dim), targets(seed, dim)
    mirrored = attention.field(Empirical(-mu.points, mu.weights), -x)
    assert_allclose(mirrored, -attention.field(mu, x), rtol=0, atol=ROUNDING * 10)


@given(seeds, dims)
def test_equal_tokens_merge(seed: int, dim: int) -> None:
    attention, mu, x = cases.random_attention(seed, dim), cloud(seed, dim), targets(seed, dim)
    share = np.random.default_rng(seed).uniform(0, 1)
    split = Empirical(
        np.vstack([mu.points, mu.points[:1]]),
        np.concatenate([[share * mu.weights[0]], mu.weights[1:], [(1 - share) * mu.weights[0]]]),
    )
    assert_allclose(attention.field(split, x), attention.field(mu, x), rtol=0, atol=ROUNDING * 10)


@given(seeds, dims, st.floats(-1e3, 1e3))
def test_watchers_are_not_attended_to(seed: int, dim: int, where: float) -> None:
    attention, mu, x = cases.random_attention(seed, dim), cloud(seed, dim), targets(seed, dim)
    watched = Empirical(np.vstack([mu.points, np.full(dim, where)]), np.append(mu.weights, 0.0))
    assert_array_equal(attention.field(watched, x), attention.field(mu, x))
    assert_array_equal(attention.matrix(watched)[:, -1], 0.0)


# ------------------------------------------------------------------------------------------------------- errors


def test_dimensions_must_agree() -> None:
    attention = cases.random_attention(0, 2)
    with pytest.raises(ValueError, match="`mu` must live in dimension 2; got dimension 3"):
        attention.field(cloud(0, 3), np.zeros((1, 2)))
    with pytest.raises(ValueError, match=r"`x` must have shape \(m, 2\); got \(1, 3\)"):
        attention.field(cloud(0, 2), np.zeros((1, 3)))
    with pytest.raises(ValueError, match=r"`x` must have shape \(m, 2\); got \(2,\)"):
        attention.jacobian(cloud(0, 2), np.zeros(2))


def test_matrices_are_copied_and_frozen() -> None:
    Q = np.eye(2)
    attention = Attention(Q, Q, Q)
    Q[0, 0] = 7.0
    assert attention.Q[0, 0] == 1.0
    for matrix in (attention.Q, attention.K, attention.V, attention.B, attention.U):
        with pytest.raises(ValueError, match="read-only"):
            matrix[0, 0] = 7.0
