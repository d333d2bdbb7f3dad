"""The study of Theorem 2.1, smaller than its quick size, and the bounded token against more digits."""

from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from recorded import summed_up
from studies.registry import STUDIES
from studies.statements import theorem_2_1 as study
from studies.statements.bounded_token import BoundedToken, bounded_token, root, shoot


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    config = study.Config(draws=3, bounded=((2, 1), (2, 0)), distances=2, thresholds=1)
    return summed_up(study, config)


@pytest.fixture(scope="module")
def held() -> BoundedToken:
    return bounded_token(np.array([-1.0, 1.2]), 6.0)


def test_it_is_entered() -> None:
    assert STUDIES["theorem-2-1"].module == study.__name__


def test_every_statement_holds_wherever_it_is_decided(shown) -> None:
    statements = [record["statement"] for record in shown["verdicts"]]
    assert statements[:3] == ["Theorem 2.1", "Remark 2.2, rank", "Remark 2.2, rate"]
    assert statements[3:] == [f"Lemma 7.{k}" for k in (2, 3, 5, 6, 7, 8)]
    for record in shown["verdicts"]:
        assert record["failed"] == record["undecided"] == 0, record


def test_rates_are_those_of_the_neighbours(shown) -> None:
    for row in shown["rows"]:
        # at -log(1 - P) beyond 1e3 the offsets and the number of neighbours matter by some 1e-3
        assert np.array(row["slopes"]) == pytest.approx(np.array(row["expected"]), abs=5e-3)
    assert {value for row in shown["rows"] for value in row["expected"]} == {1.0, 2.0}


def test_the_rate_is_formed_from_exponents() -> None:
    # three tokens far out: 1 - P_{1,3} is e^{-2e6}, and 1 - P is 0 in doubles
    x = np.array([1000.0, 2000.0, 3000.0])
    assert study._log_rate(x, x, np.array([2, 2, 2])) == pytest.approx(np.log(1000 * x), rel=1e-14)
    # and where P_iL is next to nothing, early on: the exponents are 25, -5 and -10
    near = np.array([-5.0, 1.0, 2.0])
    assert study._log_rate(near, near, np.array([2, 2, 2]))[0] == pytest.approx(-35, abs=1e-12)


def test_the_class_of_figure_2_is_recognised() -> None:
    assert study._in_class(np.array([0, 0, 3, 3]))
    assert not study._in_class(np.array([0, 3, 0, 3]))  # not in order
    assert not study._in_class(np.array([0, 1, 3, 3]))  # a third leader


class TestBoundedToken:
    def test_the_end_is_forgotten(self, held):
        other = bounded_token(np.array([-1.0, 1.2]), 6.0, end=-0.4)
        assert other.start == pytest.approx(held.start, abs=1e-10)  # the tolerance of the way back
        assert other.scaled(5.0) == pytest.approx(held.scaled(5.0), abs=1e-9)

    def test_it_tends_to_the_root(self, held):
        theta = root(float(held.others(6.0)[0]), float(held.others(6.0)[1]), 1, 1)
        apart = np.array([abs(held.scaled(t) - theta) for t in (3.0, 4.0, 5.0)])
        # with one token on either side gamma_j is exact: the rest is of order e^{-2t}
        assert np.log(apart[:-1] / apart[1:]) == pytest.approx(2, abs=0.1)

    def test_the_root_is_one(self):
        low, high = -1.3, 0.7
        theta = root(low, high, 4, 2)
        assert 4 * low * np.exp(low * theta) + 2 * high * np.exp(high * theta) == pytest.approx(0, abs=1e-14)

    def test_runs_forwards_find_the_same_start_and_lose_it_where_predicted(self, held):
        grown = quad(held.rate, 0, 2.4, limit=200, epsabs=1e-4)[0]
        found = shoot(np.array([-1.0, 1.2]), held, 1e-9, 2.4)
        assert found.below == pytest.approx(held.start, abs=1e-11)  # tolerances 1e-11 on the way back, 1e-12 forwards
        # an error of one rounding, 7e-18, is of order 1 where A(t) = 39; rounding on the way is of order 1e-16
        assert grown == pytest.approx(38, abs=2)
        assert found.left == pytest.approx(2.4, abs=0.2)

    def test_a_bracket_on_one_side_is_refused(self, held):
        shifted = BoundedToken(held.others, lambda t: held.scaled(t) + 1e-3, held.depth, held.turns, held.change)
        with pytest.raises(ValueError, match="does not change sides"):
            shoot(np.array([-1.0, 1.2]), shifted, 1e-6, 2.0)

    def test_symmetric_others_hold_it_at_the_origin(self):
        middle = bounded_token(np.array([-1.5, -0.5, 0.5, 1.5]), 4.0)
        assert middle.start == pytest.approx(0, abs=1e-11)
        assert middle.row(3.0) == pytest.approx(np.full(5, 0.2), abs=1e-6)  # theta = 0: all alike

    @pytest.mark.slow
    def test_forty_digits_agree(self, held):
        """Bisection of the start where rounding plays no part, to a depth at which 1e-17 has grown to order 1."""
        with mpmath.workdps(40):
            start = _bisected([mpmath.mpf(-1), mpmath.mpf("1.2")], mpmath.mpf(held.start), mpmath.mpf("1e-10"))
            assert float(start) == pytest.approx(held.start, abs=1e-11)  # RK4's own error is h^4 = 2e-11 over 120


def _bisected(others: list[Any], middle: Any, width: Any) -> Any:
    """Return the start between middle -+ width at which the token changes sides."""
    low, high = middle - width, middle + width
    assert _stepped([*others, low])[-1] < 0 < _stepped([*others, high])[-1]
    for _ in range(8):
        guess = (low + high) / 2
        if _stepped([*others, guess])[-1] > 0:
            high = guess
        else:
            low = guess
    return (low + high) / 2


def _stepped(x: list[Any], steps: int = 1200) -> list[Any]:
    """Return the tokens at t = 2.4, by RK4."""
    h = mpmath.mpf("2.4") / steps

    def field(x: list[Any]) -> list[Any]:
        out = []
        for a in x:
            weights = [mpmath.e ** (a * b) for b in x]
            out.append(mpmath.fdot(weights, x) / mpmath.fsum(weights))
        return out

    def moved(x: list[Any], slope: list[Any], h: Any) -> list[Any]:
        return [a + h * b for a, b in zip(x, slope, strict=True)]

    for _ in range(steps):
        k1 = field(x)
        k2 = field(moved(x, k1, h / 2))
        k3 = field(moved(x, k2, h / 2))
        k4 = field(moved(x, k3, h))
        x = [a + h / 6 * (p + 2 * q + 2 * r + s) for a, p, q, r, s in zip(x, k1, k2, k3, k4, strict=True)]
    return x


def test_table_and_figure_are_complete(shown) -> None:
    text = study.table(shown)
    assert all(record["statement"] in text for record in shown["verdicts"])
    figure = study.figure(shown)
    figure.draw_without_rendering()
    assert all(axes.lines for axes in figure.axes)
