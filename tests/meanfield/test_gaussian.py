import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import multivariate_normal

from meanfield import Gaussian

COV = np.array([[0.5, 0.2], [0.2, 0.3]])
ROUNDING = 1e-14  # a few operations on 2 x 2 matrices of condition 5


def test_density_is_the_normal_one(rng: np.random.Generator) -> None:
    x = rng.uniform(-2, 2, (9, 2))
    expected = multivariate_normal([0.1, -0.2], COV).pdf(x)
    assert_allclose(Gaussian([0.1, -0.2], COV).pdf(x), expected, rtol=1e-12)  # rounding of exponents up to 20


def test_a_point_has_no_density() -> None:
    flat = Gaussian([0.0, 0.0], [[1.0, 1.0], [1.0, 1.0]])
    assert_allclose(flat.tilted_mean([[1.0, 0.0]]), [[1.0, 1.0]], rtol=ROUNDING)
    with pytest.raises(ValueError, match="no density: its covariance is singular"):
        flat.pdf([[0.0, 0.0]])
    with pytest.raises(ValueError, match="singular"):
        Gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 0.0]]).truncated()


def test_root_is_a_root() -> None:
    root = Gaussian([0.0, 0.0], COV).root
    assert_allclose(root @ root.T, COV, rtol=ROUNDING)


def test_truncation_at_eight_deviations_changes_nothing() -> None:
    whole = Gaussian([0.1, -0.2], COV)
    cut = whole.truncated()
    # the mass left out is 2.4e-15; the quadrature is resolved to 1e-12
    assert_allclose(cut.mean, whole.mean, atol=1e-11)
    assert_allclose(cut.cov, whole.cov, atol=1e-11)
    assert_allclose(cut.tilted_mean([[1.0, -0.5]]), whole.tilted_mean([[1.0, -0.5]]), atol=1e-11)


def test_truncation_at_one_deviation_does() -> None:
    cut = Gaussian([0.0], [[1.0]]).truncated(1.0)
    assert_allclose(cut.cov, 0.2911250947 * np.eye(1), rtol=1e-9)  # 1 - 2 phi(1)/(2 Phi(1) - 1), ten digits


@pytest.mark.parametrize(
    ("mean", "cov", "text"),
    [
        ([0.0, 0.0], [[1.0]], "`cov` must have shape (2, 2), as `mean` has 2 entries; got (1, 1)."),
        ([0.0, 0.0], [[1.0, 0.1], [0.2, 1.0]], "`cov` must be symmetric; entries differ from their mirror by 0.1."),
        ([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], "`cov` must be positive semi-definite; its least eigenvalue is -1."),
        ([[0.0]], [[1.0]], "`mean` must have shape (d,); got (1, 1)."),
        ([np.nan], [[1.0]], "`mean` must be finite; got nan at index (0,)"),
        ([0.0], [[np.inf]], "`cov` must be finite; got inf at index (0, 0)"),
        ([], [[1.0]], "`mean` must have shape (d,); got (0,)."),
    ],
)
def test_what_is_no_gaussian(mean, cov, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        Gaussian(mean, cov)
    assert text in str(caught.value)
