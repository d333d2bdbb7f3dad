"""What bounds for all later depths say where tokens share leaders, and what they leave open."""

import numpy as np
import pytest

from studies.statements import draws, table_1
from studies.statements.enclosed import enclosed, told


def test_nothing_is_said_unless_it_is_known_of_every_token() -> None:
    square = np.array([[6.0, 6.0], [-6.0, 6.0], [-6.0, -6.0], [6.0, -6.0]])
    attention = draws.attention(np.eye(2), np.eye(2))
    assert enclosed(attention, square, 1.0, simple=False)["ends"] == 4
    assert enclosed(attention, np.vstack([square, [[0.0, 0.0]]]), 1.0, simple=False) == {}


def test_told() -> None:
    line = {"dim_F": 1, "ends": 2, "width": 1e-4, "bound_at": 8.0, "value": 0.5}
    plane = {"dim_F": 2, "ends": 5, "width": 2e-3, "bound_at": 9.0, "value": 1.0}
    assert told([{"dim_F": 2}, {}]) == ""
    said = told([line, plane, plane | {"ends": 3}])
    assert "In 1 more draws" in said and "lambda t = 4.0" in said and "known to 1.0e-04" in said
    assert "In 2 more draws" in said and "within 2.0e-03" in said and "in 3 to 5 groups" in said


@pytest.mark.slow
def test_clusters_that_stand_still_and_do_not_stay() -> None:
    # four at lambda t = 16, no wider than 1e-4, of which one joins another at 18: another eigenvalue is 0.81 lambda
    case = next(
        one for one in table_1.cases(table_1.Config.full()) if (one["row"], one["draw"]) == (table_1.ROWS[2], 83)
    )
    found = table_1.run_case(case)
    assert (found["undecided"], found["ends"], found["holds"]) == (0, 3, True)
