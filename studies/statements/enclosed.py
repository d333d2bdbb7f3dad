"""Where tokens end that share leaders for long: by a bound for all later depths, as `settle` does not tell.

If the leading eigenvalue is simple, tokens are shown to tend to one of two levels, which are enclosed: the statement
that they do is exact (`particles.levels`). If not, each is shown to end near a vertex of the limit polytope, that is,
on its boundary to that width (`particles.corners`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from particles import Attention
from particles.checks import Array
from particles.corners import corners
from particles.levels import levels
from studies.statements.wording import ends

# times 1 / lambda: parts of another eigenvalue, 0.9 lambda, have faded by e^-2.8 there. Rounding decides by then who
# leads within a group, or on a level, which no bound asks
_UNTIL = 28.0
_WIDE = 0.01  # of the largest limit: groups that are wider say too little of the boundary to count


def enclosed(attention: Attention, tokens: Array, value: float, *, simple: bool) -> dict[str, Any]:
    """Return how many levels or groups tokens end in, their width over the largest limit, and from which depth on.

    Nothing is returned unless it is known of every token.
    """
    if simple:
        on = levels(attention, tokens, until=_UNTIL / value)
        found = {"ends": len(np.unique(on.side)), "width": on.width, "bound_at": on.depth} if on.decided.all() else {}
    else:
        near = corners(attention, tokens, until=_UNTIL / value)
        known = near.decided.all() and near.width <= _WIDE
        found = {"ends": len(near.centres), "width": near.width, "bound_at": near.depth} if known else {}
    return found


def told(rows: list[dict[str, Any]]) -> str:
    """Return what bounds show in rows that have what `enclosed` returns, lambda as `value`, and the dimension of F."""
    line, more = ([row for row in rows if "ends" in row and (row["dim_F"] == 1) == one] for one in (True, False))
    said = ""
    if line:
        said += (
            f" In {len(line)} more draws tokens share leaders and F is a line: by lambda t = {_latest(line):.1f} a"
            " bound for all later depths shows that each tends to one of at most two levels, known to"
            f" {_widest(line):.1e} of the largest."
        )
    if more:
        said += (
            f" In {len(more)} more draws tokens share leaders and F is a plane or larger: by lambda t ="
            f" {_latest(more):.1f} a bound for all later depths shows that each ends within {_widest(more):.1e} of the"
            f" largest limit from a vertex of the polytope, in {ends((row['ends'] for row in more), 'd')} groups that"
            " stay apart."
        )
    return said


def _latest(rows: list[dict[str, Any]]) -> float:
    return max(float(row["value"] * row["bound_at"]) for row in rows)


def _widest(rows: list[dict[str, Any]]) -> float:
    return max(float(row["width"]) for row in rows)
