from math import factorial

import numpy as np
import pytest
from numpy.polynomial import Polynomial
from numpy.testing import assert_allclose, assert_array_equal

from meanfield.quadrature import AxisRule, TensorRule, gauss_legendre

ROUNDING = 1e-13  # sums of tens of terms of order 1
PANELS = np.array([-1.0, -0.2, 0.5, 2.0])


@pytest.mark.parametrize("n", [1, 2, 5, 16])
def test_exact_to_degree_2n_minus_1_and_no_further(n: int) -> None:
    rule = AxisRule(np.array([0.0, 2.0]), n)
    for degree in range(2 * n):
        assert_allclose(rule.weights @ (rule.nodes / 2) ** degree, 2 / (degree + 1), rtol=ROUNDING)
    if n <= 5:  # beyond, the error drowns in rounding
        assert abs(rule.weights @ (rule.nodes / 2) ** (2 * n) - 2 / (2 * n + 1)) > 1e-8


def test_nodes_lie_inside_and_increase() -> None:
    rule = AxisRule(PANELS, 7)
    assert (np.diff(rule.nodes) > 0).all()
    assert rule.nodes[0] > PANELS[0]
    assert rule.nodes[-1] < PANELS[-1]
    assert_allclose(rule.weights.sum(), 3.0, rtol=ROUNDING)


@pytest.mark.parametrize("edges", [np.array([-1.0, 2.0]), PANELS])
@pytest.mark.parametrize("n", [1, 2, 6, 30])
def test_interpolation_reproduces_polynomials(edges, n: int, rng: np.random.Generator) -> None:
    rule = AxisRule(edges, n)
    y = np.concatenate([rng.uniform(-1, 2, 40), edges])
    polynomial = Polynomial(rng.uniform(-1, 1, n) * 2.0 ** -np.arange(n))
    # Gauss nodes: the Lebesgue constant is about sqrt(n), 6 at the ends for n = 30
    assert_allclose(rule.interpolation(y) @ polynomial(rule.nodes), polynomial(y), rtol=0, atol=10 * ROUNDING)


def test_interpolation_at_the_nodes_gives_their_values_back() -> None:
    unit = AxisRule(np.array([-1.0, 1.0]), 9)
    assert_array_equal(unit.interpolation(unit.nodes), np.eye(9))  # a hit, not 1/0
    rule = AxisRule(PANELS, 9)
    assert_allclose(rule.interpolation(rule.nodes), np.eye(27), rtol=0, atol=ROUNDING)


def test_interpolation_converges_spectrally() -> None:
    y = np.linspace(-1, 2, 101)
    for n in (5, 10, 15, 20):
        rule = AxisRule(np.array([-1.0, 2.0]), n)
        error = np.abs(rule.interpolation(y) @ np.sin(3 * rule.nodes) - np.sin(3 * y)).max()
        best = 4.5**n / (factorial(n) * 2.0 ** (n - 1))  # error of Chebyshev nodes for sin(4.5 s) on [-1, 1]
        assert 0.01 * best < error < 10 * best  # Gauss nodes leave more room at the ends


@pytest.mark.parametrize("axes", [(AxisRule(PANELS, 3), AxisRule(np.array([0.0, 1.0]), 4)), (AxisRule(PANELS, 2),) * 3])
def test_tensor_rule_is_the_product_of_its_axes(axes, rng: np.random.Generator) -> None:
    rule = TensorRule(axes)
    d = len(axes)

    def f(x):
        return np.prod([1 + x[:, k] * (k + 1) for k in range(d)], axis=0)

    expected = np.prod([(axis.weights @ (1 + axis.nodes * (k + 1))) for k, axis in enumerate(axes)])
    assert_allclose(rule.weights @ f(rule.points), expected, rtol=ROUNDING)
    y = np.stack([rng.uniform(axis.edges[0], axis.edges[-1], 1500) for axis in axes], axis=1)  # more than a block
    values = np.stack([f(rule.points), rule.points[:, 0]], axis=1)
    assert_allclose(rule.interpolate(values, y), np.stack([f(y), y[:, 0]], axis=1), rtol=0, atol=20 * ROUNDING)


def test_rule_on_a_box() -> None:
    rule = TensorRule.on_box(np.array([0.0, -1.0]), np.array([1.0, 3.0]), 5)
    assert rule.points.shape == (25, 2)
    assert_allclose(rule.weights.sum(), 4.0, rtol=ROUNDING)
    assert_allclose(rule.points[:5, 0], gauss_legendre(5)[0][0] / 2 + 0.5, rtol=ROUNDING)  # last axis fastest


def test_interpolating_nothing() -> None:
    rule = TensorRule.on_box(np.zeros(2), np.ones(2), 3)
    assert rule.interpolate(np.ones((9, 2)), np.empty((0, 2))).shape == (0, 2)
