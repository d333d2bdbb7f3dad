"""e^{tU} against closed forms, and against fifty digits."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import expm

from particles.frame import Exponential

EPS = float(np.finfo(float).eps)


def exact(U: np.ndarray, t: float) -> np.ndarray:
    """e^{tU} by its series in fifty digits."""
    with mpmath.workdps(50):
        return np.array(mpmath.expm(mpmath.matrix(U.tolist()) * t, method="taylor").tolist(), dtype=float)


def turned(A: np.ndarray, seed: int) -> np.ndarray:
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal(A.shape))[0]
    return turn @ A @ turn.T


def families(d: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(d)
    any_ = rng.standard_normal((d, d))
    jordan = 0.7 * np.eye(d) + np.eye(d, k=1)
    return {
        "symmetric": any_ + any_.T,
        "antisymmetric": any_ - any_.T,
        "positive": rng.uniform(0, 1, (d, d)),
        "nonsymmetric": any_,
        "near the identity": np.eye(d) + 0.1 * any_,
        "near minus the identity": -np.eye(d) + 0.1 * any_,
        "nearly diagonal": np.diag(rng.uniform(-1, 1, d)) + 1e-6 * any_,
        "large": 100 * any_,
        "triangular": np.tril(any_),
        "defective": jordan,
    }


FAMILIES = list(families(2))


def error(found: np.ndarray, true: np.ndarray) -> float:
    size = np.abs(true).max()  # squares of 1e230 overflow
    return float(np.linalg.norm(found / size - true / size) / np.linalg.norm(true / size))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("growth", [0.3, 4.0, 60.0, 230.0])
def test_error_is_rounding(family: str, growth: float) -> None:
    """Entries reach 1e100. SciPy 1.17 has 1e-11 there, as it has 1e-12 where |tU| is a little below 4.25."""
    for d in (2, 4):
        U = families(d)[family]
        t = growth / max(float(np.abs(np.linalg.eigvals(U)).max()), 0.1)
        exponential = Exponential(U)
        for s in (t, -t):
            # every squaring doubles relative errors: eps |tU|; the constant is below 1 in what was measured
            assert error(exponential.at(s), exact(U, s)) < 4 * EPS * max(1.0, t * np.linalg.norm(U))


@pytest.mark.parametrize("d", [2, 3, 4])
def test_turned_jordan_blocks(d: int) -> None:
    """Rounding U alone changes e^{tU} by eps |tU| (t + t^2/2 + ...)."""
    U = turned(0.7 * np.eye(d) + np.eye(d, k=1), d)
    for t in (0.5, 5.0, 20.0):
        spread = np.linalg.norm(expm(t * np.eye(d, k=1)))  # |e^{tN}|, by which rounding is enlarged
        assert error(Exponential(U).at(t), exact(U, t)) < 4 * EPS * t * np.linalg.norm(U) * spread


@pytest.mark.parametrize("family", FAMILIES)
def test_no_less_accurate_than_the_library(family: str) -> None:
    U = families(3)[family]
    size, errors = float(np.abs(np.linalg.eigvals(U)).max()), []
    for t in (np.array([-60.0, -9.0, -1.0, 0.3, 4.0, 25.0]) / size).tolist():
        true = exact(U, t)
        errors.append((error(Exponential(U).at(t), true), error(expm(t * U), true)))
    ours, theirs = np.max(errors, axis=0)
    assert ours < 2 * theirs + 60 * EPS  # two ways to round differ by a factor; eps |tU| is allowed


@pytest.mark.parametrize("family", FAMILIES)
def test_forth_and_back(family: str) -> None:
    U = families(3)[family]
    exponential, t = Exponential(U), 3.0 / float(np.abs(np.linalg.eigvals(U)).max())
    there, back = exponential.at(t), exponential.at(-t)
    sizes = np.linalg.norm(there) * np.linalg.norm(back)
    # each has the error of rounding, relative to its norm
    assert_allclose(there @ back, np.eye(3), rtol=0, atol=8 * EPS * max(1.0, t * np.linalg.norm(U)) * sizes)


def test_exact_cases() -> None:
    assert_array_equal(Exponential(np.zeros((3, 3))).at(5.0), np.eye(3))
    assert_array_equal(Exponential(np.ones((2, 2))).at(0.0), np.eye(2))
    assert_array_equal(Exponential(np.diag([1.0, -2.0])).at(0.5), np.diag(np.exp([0.5, -1.0])))
    for t in (1.0, 1e3, 1e150):  # a polynomial in t
        assert_array_equal(Exponential(np.array([[0.0, 1.0], [0.0, 0.0]])).at(t), [[1.0, t], [0.0, 1.0]])
    found = Exponential(np.array([[2.0, 0.0], [3.0, -1.0]])).at(1.5)
    slope = (np.exp(3.0) - np.exp(-1.5)) / 3  # the divided difference
    assert_allclose(found, [[np.exp(3.0), 0.0], [3 * slope, np.exp(-1.5)]], rtol=4 * EPS, atol=0)  # some roundings


def test_matrices_of_any_size() -> None:
    large = Exponential(1e60 * np.array([[-2.0, 1.0], [1.0, -2.0]]))
    assert_array_equal(large.at(1.0), np.zeros((2, 2)))  # e^{-1e60}
    assert not np.isfinite(large.at(-1.0)).all()
    small = 1e-200 * np.array([[1.0, 2.0], [3.0, 4.0]])
    assert_array_equal(Exponential(small).at(1.0), np.eye(2) + small)
    assert_allclose(Exponential(small).at(1e200), exact(1e200 * small, 1.0), rtol=1e-13)  # rounding, |tU| = 5
    for bad in (np.nan, np.inf):
        assert not np.isfinite(Exponential(np.array([[1.0, bad], [0.0, 1.0]])).at(1.0)).all()
    assert not np.isfinite(Exponential(np.ones((2, 2))).at(np.inf)).all()


def test_far_from_normal_takes_few_squarings() -> None:
    """With |hA| itself below 2 it would be nineteen, and five digits lost."""
    U = np.array([[1.0, 1e6], [1e-9, -1.0]])
    assert error(Exponential(U).at(1.0), exact(U, 1.0)) < 10 * EPS


@pytest.mark.parametrize("d", [64, 65])
def test_large_matrices(d: int) -> None:
    """From 65 rows on few powers are kept."""
    any_ = np.random.default_rng(d).standard_normal((d, d))
    U = any_ + any_.T
    values, vectors = np.linalg.eigh(U)
    t = 100.0 / np.abs(values).max()
    # both have rounding of what stands in the exponent, here 100
    assert error(Exponential(U).at(t), (vectors * np.exp(t * values)) @ vectors.T) < 300 * EPS
