"""Late motion in closed form: against direct runs, against arithmetic with 60 digits, and where nothing is decided."""

from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import expm

from particles import Adaptive, Attention, Empirical, Raw, Rescaled, settle, solve

TIGHT = Adaptive(rtol=1e-12, atol=1e-12)
FIGURE_6 = [[0.64709742, 0.81911926], [0.61210449, 0.63263484]]
FIGURE_13 = [
    [0.2362413, 0.0599536, 0.40506019],
    [0.81321448, 0.49948705, 0.33754772],
    [0.2160645, 0.38505272, 0.14588075],
]
VALUES = {
    "identity": np.eye(2),
    "two lines": np.array(FIGURE_6),
    "complex pair": np.array(FIGURE_13),
    "polytope times line": np.diag([1.0, 1.0, -0.5]),
    "not diagonalisable": np.array([[1.0, 0.3, 0.0], [0.0, -0.4, 0.5], [0.0, 0.0, -0.4]]),
    "larger in modulus": np.diag([1.0, -1.5]),
}


def attention(V: Any) -> Attention:
    eye = np.eye(len(V))
    return Attention(Q=eye, K=eye, V=V)


def box(rng: np.random.Generator, n: int, d: int, radius: float = 5.0) -> np.ndarray:
    return rng.uniform(-radius, radius, (n, d))


@pytest.mark.parametrize("name", VALUES)
def test_the_closed_form_is_where_a_direct_run_goes(name: str, rng: np.random.Generator) -> None:
    law = attention(VALUES[name])
    tokens = box(rng, 12, law.dim, 3.0)
    late = settle(law, tokens)
    assert late.status == "settled" and late.decided.all()
    # as far as double precision lets a run be compared: three units of depth on
    t = late.depth + 3.0
    raw = solve(Raw(law), tokens, [0.0, t], stepper=TIGHT).points[-1]
    # the error of the leaders in the rescaled frame, and of a run of tolerance 1e-12 that is magnified as that was
    size = np.linalg.norm(expm(t * law.V), 2)
    assert_allclose(late.raw(t), raw, rtol=0, atol=3 * size * max(late.error, 1e-11))
    assert_allclose(late.rescaled(t), Rescaled(law).rescaled_points(t, late.raw(t)), rtol=0, atol=1e-9 * size)


@pytest.mark.parametrize("name", ["identity", "two lines", "complex pair"])
def test_weights_are_those_of_the_leaders_from_then_on(name: str, rng: np.random.Generator) -> None:
    law = attention(VALUES[name])
    late = settle(law, box(rng, 12, law.dim))
    for later in (0.0, 0.3, 1.0, 4.0):
        P = law.matrix(Empirical(late.raw(late.depth + later)))
        assert_allclose(P, late.matrix, rtol=0, atol=1e-15)  # a gap of 45 leaves 3e-20 to each of the others


def test_the_margin_is_the_least_gap(rng: np.random.Generator) -> None:
    late = settle(attention(np.eye(2)), box(rng, 10, 2))
    exponents = late.tokens @ late.tokens.T
    gaps = exponents.max(axis=1, keepdims=True) - exponents
    gaps[np.arange(10), late.leaders] = np.inf
    assert gaps.min() == pytest.approx(late.margin, rel=1e-9)  # the same numbers, but for the order of subtraction
    assert late.margin >= 45


def test_nothing_overflows(rng: np.random.Generator) -> None:
    late = settle(attention(FIGURE_6), box(rng, 20, 2))
    left = np.linalg.eig(np.array(FIGURE_6).T)[1][:, 0]
    levels = late.rescaled(5000.0) @ left  # e^{2 lambda t} is 10^5854 there; z grows like e^{0.068 t}
    assert_allclose(levels, late.limit @ left, rtol=0, atol=1e-10 * np.abs(late.rescaled(5000.0)).max())
    unit = settle(attention(np.eye(2)), box(rng, 20, 2))
    assert_array_equal(unit.rescaled(1e5), unit.limit)
    with pytest.raises(FloatingPointError, match="range of double precision at t = 800"):
        unit.raw(800.0)


def test_in_sixty_digits(rng: np.random.Generator) -> None:
    """Where e^{2t} passes 1e20, a run in double precision compares exponents it does not know; 60 digits do."""
    tokens = box(rng, 3, 1)
    late = settle(attention([[1.0]]), tokens)
    with mpmath.workdps(60):
        x, h = [mpmath.mpf(float(v)) for v in tokens[:, 0]], mpmath.mpf(1) / 200

        def velocity(x: list[Any]) -> list[Any]:
            found = []
            for a in x:
                top = max(a * b for b in x)
                w = [mpmath.exp(a * b - top) for b in x]
                found.append(mpmath.fdot(w, x) / mpmath.fsum(w))
            return found

        # after depth 3 all weights but the leaders' are below 1e-60, and the motion is e^t times the leaders'
        for _ in range(600):
            k1 = velocity(x)
            k2 = velocity([a + h / 2 * k for a, k in zip(x, k1, strict=True)])
            k3 = velocity([a + h / 2 * k for a, k in zip(x, k2, strict=True)])
            k4 = velocity([a + h * k for a, k in zip(x, k3, strict=True)])
            x = [a + h / 6 * (p + 2 * q + 2 * r + s) for a, p, q, r, s in zip(x, k1, k2, k3, k4, strict=True)]
        top = x[int(np.argmax(tokens))]
        exact = [float((a + (mpmath.exp(27) - 1) * (top if a > 0 else min(x))) * mpmath.exp(-30)) for a in x]
    assert_allclose(late.rescaled(30.0)[:, 0], exact, rtol=0, atol=1e-8)  # RK4's own error with steps of 1/200


def test_tokens_at_one_place_move_as_one(rng: np.random.Generator) -> None:
    tokens = box(rng, 8, 2)
    apart = settle(attention(np.eye(2)), Empirical(tokens, np.array([3, 1, 1, 1, 2, 1, 1, 1]) / 11))
    together = settle(attention(np.eye(2)), np.vstack([tokens, tokens[[0, 0, 4]]]))
    assert together.status == "settled"
    assert_allclose(together.limit[:8], apart.limit, rtol=0, atol=1e-9)  # two runs of tolerance 1e-12, magnified
    assert_array_equal(together.limit[8:], together.limit[[0, 0, 4]])
    assert_array_equal(together.leaders[:8], apart.leaders)
    assert_array_equal(together.leaders[8:], together.leaders[[0, 0, 4]])


def test_who_has_no_weight_does_not_lead(rng: np.random.Generator) -> None:
    tokens = box(rng, 10, 2)
    weights = np.r_[np.full(9, 1 / 9), 0.0]
    tokens[9] = 2 * tokens[9]
    late = settle(attention(np.eye(2)), Empirical(tokens, weights))
    assert late.status == "settled" and 9 not in late.leading
    alone = settle(attention(np.eye(2)), tokens[:9])
    assert_allclose(late.limit[:9], alone.limit, rtol=0, atol=1e-9)


def test_what_double_precision_does_not_decide_is_said(rng: np.random.Generator) -> None:
    # the middle one stays at 0 for ever, but attends to all alike at first, then to both ends
    line = settle(attention([[1.0]]), [[-2.0], [-1.0], [0.0], [1.0], [2.0]])
    assert line.status == "undecided" and "1 tokens follow: 2" in line.message
    assert line.decided.tolist() == [True, True, False, True, True]
    assert np.isnan(line.matrix[2]).all()
    assert_array_equal(line.leading, [0, 4])
    # on the axis of a square's side two corners draw alike
    square = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1], [0.5, 0.0]]) * 2
    late = settle(attention(np.eye(2)), square)
    assert late.decided.tolist() == [True, True, True, True, False]
    # a pair so close that it could be told apart only where the run has lost its digits
    close = settle(attention([[1.0]]), [[1.0], [1.0 + 1e-13], [-1.0]])
    assert close.decided.tolist() == [False, False, True]


def test_a_depth_too_small_leaves_tokens_undecided(rng: np.random.Generator) -> None:
    late = settle(attention(np.eye(2)), box(rng, 30, 2), until=1.0)
    assert late.status == "undecided" and late.depth <= 1.0


@pytest.mark.parametrize(
    ("V", "says"),
    [
        (-np.eye(2), "real positive eigenvalue of largest real part; it has -1"),
        ([[1.0, -1.0], [1.0, 1.0]], r"it has 1\+1j, 1-1j"),
        ([[1.0, 1.0], [0.0, 1.0]], "as many eigenvectors as its multiplicity, 2"),
        (np.stack([np.eye(2)] * 2), "must have one head; got 2"),
    ],
)
def test_other_values_are_refused(V: Any, says: str) -> None:
    eye = np.eye(2) if np.ndim(V) == 2 else np.stack([np.eye(2)] * 2)
    with pytest.raises(ValueError, match=says):
        settle(Attention(Q=eye, K=eye, V=V), [[1.0, 0.0]])


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ValueError) as raised:
        settle(attention(-np.eye(2)), [[1.0, 0.0, 2.0]], until=-1)
    assert all(name in str(raised.value) for name in ("`attention.V`", "`tokens`", "`until`"))
    with pytest.raises(ValueError, match="`t` must be at least"):
        settle(attention(np.eye(1)), [[-1.0], [2.0]]).rescaled(0.0)
