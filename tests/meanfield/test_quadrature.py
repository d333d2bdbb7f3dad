import numpy as np
import pytest
from numpy.testing import assert_allclose

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


@pytest.mark.parametrize("axes", [(AxisRule(PANELS, 3), AxisRule(np.array([0.0, 1.0]), 4)), (AxisRule(PANELS, 2),) * 3])
def test_tensor_rule_is_the_product_of_its_axes(axes) -> None:
    rule = TensorRule(axes)
    d = len(axes)

    def f(x):
        return np.prod([1 + x[:, k] * (k + 1) for k in range(d)], axis=0)

    expected = np.prod([(axis.weights @ (1 + axis.nodes * (k + 1))) for k, axis in enumerate(axes)])
    assert_allclose(rule.weights @ f(rule.points), expected, rtol=ROUNDING)


def test_rule_on_a_box() -> None:
    rule = TensorRule.on_box(np.array([0.0, -1.0]), np.array([1.0, 3.0]), 5)
    assert rule.points.shape == (25, 2)
    assert_allclose(rule.weights.sum(), 4.0, rtol=ROUNDING)
    assert_allclose(rule.points[:5, 0], gauss_legendre(5)[0][0] / 2 + 0.5, rtol=ROUNDING)  # last axis fastest
