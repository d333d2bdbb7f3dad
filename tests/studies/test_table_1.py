"""Table 1 with a verdict in each row, and the random matrices that it and its neighbours draw."""

from typing import Any

import numpy as np
import pytest

from particles.spectrum import good_triple, good_triple_with_multiplicity
from recorded import summed_up
from studies.registry import STUDIES
from studies.statements import draws, table_1, table_1_report


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    config = table_1.Config(draws=2, dims=(2, 3), n=6, seed=3)
    return summed_up(table_1, config)


def test_it_is_entered() -> None:
    assert STUDIES["table-1"].module == "studies.statements.table_1"


def test_every_row_holds_where_it_is_decided(shown) -> None:
    assert [record["statement"] for record in shown["verdicts"]] == [
        f"Table 1, {printed[3]}" for printed in table_1_report.PRINTED.values()
    ]
    for record in shown["verdicts"]:
        assert record["failed"] == 0
        assert record["held"] > 0


def test_distances_are_what_the_late_depth_leaves(shown) -> None:
    # e^{-lambda t} = 1e-10 times raw distances of a few boxes, and the leaders' errors beside it
    for name in ("vertices", "hyperplanes", "polytope x subspaces"):
        assert shown["headline"][f"farthest, {name}"] < 1e-6
    assert 1 <= shown["headline"]["most_hyperplanes"] <= 3
    # a Gaussian's covariance S' = -2 S^2 gives -1/2; a few tokens at t = 100 are a few per cent off
    assert shown["headline"]["slowest_fall"] == pytest.approx(-0.5, abs=0.05)


def test_what_is_not_decided_is_said() -> None:
    rows = [{"row": name, "d": 2, "undecided": 1, "t": 1.0} for name in table_1.ROWS]
    summary = table_1_report.summary(rows)
    assert all(record["undecided"] == 1 and record["held"] == 0 for record in summary["verdicts"])
    assert "In no draw does double precision tell all leaders" in table_1.table(summary)


def test_shared_leaders_are_decided_by_a_bound() -> None:
    case = {"row": "hyperplanes", "draw": 16, "d": 2, "n": 12, "seed": [0, 1, 16]}
    found = table_1.run_case(case)
    assert (found["undecided"], found["parts"], found["holds"]) == (0, 2, True)
    assert "away" not in found and found["width"] < 1e-4  # by leaders it would have a distance
    others = [{"row": name, "d": 2, "undecided": 1} for name in table_1.ROWS if name != case["row"]]
    summary = table_1_report.summary([*others, case | found])
    record = next(record for record in summary["verdicts"] if record["statement"].endswith("4.2"))
    assert (record["held"], record["undecided"]) == (1, 0)
    assert "In 1 more draws tokens share leaders" in record["measured"]
    table_1.figure(summary)


def test_table_is_printed_as_in_the_paper_and_figure_drawn(shown) -> None:
    text = table_1.table(shown)
    for printed in table_1_report.PRINTED.values():
        assert all(cell in text for cell in printed)
    figure = table_1.figure(shown)
    figure.draw_without_rendering()
    assert len(figure.axes) == 4


@pytest.mark.parametrize("d", [1, 2, 3, 10])
def test_random_matrices_are_what_they_are_drawn_for(d: int, rng) -> None:
    for _ in range(5):
        B = draws.positive_definite(rng, d)
        np.testing.assert_array_equal(B, B.T)
        # rounding of a product of orthonormal frames
        assert np.linalg.eigvalsh(B).min() > 0.5 - 1e-12
        assert np.linalg.eigvalsh(B).max() < 2 + 1e-12
        triple = good_triple(draws.attention(B, draws.good_triple_values(rng, d)))
        assert triple.holds, triple.problems
        assert triple.gap >= 0.1 * triple.value * (1 - 1e-9)  # to the rounding of eigenvalues
        k = min(2, d)
        many = good_triple_with_multiplicity(draws.attention(B, draws.paranormal(rng, d, k)))
        assert many.holds, many.problems
        assert many.basis.shape == (d, k)


def test_random_tokens_fill_the_box(rng) -> None:
    tokens = draws.tokens(rng, 2000, 2)
    assert np.abs(tokens).max() <= 5
    # variance 25/3; its relative error is about sqrt(0.8 / 4000) = 0.014, five times that
    assert tokens.var() == pytest.approx(25 / 3, rel=0.07)


def test_a_multiplicity_that_does_not_fit_is_refused(rng) -> None:
    with pytest.raises(ValueError, match=r"`multiplicity` must be one of 1, \.\.\., 2; got 3"):
        draws.paranormal(rng, 2, 3)
