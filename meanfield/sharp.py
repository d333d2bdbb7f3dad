"""The transport program by the way that suits it, and to the accuracy of its own cost.

Between atoms of one mass, as many on both sides, the table of all costs is taken where that is faster, and small: a
permutation (`meanfield.assignment`). Else the program is solved on the arcs that matter (`meanfield.arcs`).
"""

from __future__ import annotations

from meanfield.arcs import solve_on_arcs
from meanfield.assignment import assigned
from meanfield.program import Optimum, Program
from particles.checks import Array

_TABLE = 1024  # atoms of one mass between which the table of costs may be taken; these take 8 MB
_FEW = 384  # up to so many it always is, and else where costs spread or clouds are nearly coupled
_SPREAD = 16  # power beyond which costs spread over more digits than a double has
_SURE = 1e-8  # relative gap at which a program is not solved again with less reach
_ENOUGH = 1e-12  # relative gap at which such a program is solved: arcs that differ by less are many
_APART = 1e100  # in units of length: more could overflow
_ROOM = 10.0  # by which power of 2 the dearest arc may cost more than the dearest that is used
_REACHES = 100


def solve(program: Program, prices: Array | None = None, enough: float = 0.0) -> Optimum:
    """Solve a transport program.

    Parameters
    ----------
    program : Program
    prices : (m,) array, optional
        Prices v to begin with, where there are so many atoms that they help.
    enough : float
        Relative gap at which to stop before the optimum.

    Raises
    ------
    RuntimeError
        If a solver fails.
    """
    found = assigned(program) if _by_table(program) else None
    return solve_on_arcs(program, prices, enough) if found is None else found


def _by_table(program: Program) -> bool:
    n = len(program.a)
    return program.even and n <= _TABLE and (n <= _FEW or program.p > _SPREAD or program.nearly_coupled)


def solve_sharply(program: Program, prices: Array | None = None, apart: float = 0.0) -> tuple[Program, Optimum]:
    """Solve a transport program to the accuracy of its own cost, not of the dearest arc's; return it as last solved.

    A solver in double precision tells costs apart to eps of the largest one, that of the diameter to the power p. Where
    the optimal plan costs far less, as between near clouds, in clusters that are far apart, or for large p, the program
    is solved again with a reach near to the longest arc that the plan used: such costs are no larger than the true
    ones, so that prices for them are prices for the program, and a plan within the reach costs what it did.

    Parameters
    ----------
    program : Program
    prices : (m,) array, optional
        Prices to begin with.
    apart : float
        A distance, to the power p of which every plan costs more than it does here: what the gap is judged by.

    Raises
    ------
    RuntimeError
        If a solver fails.
    """
    found, unit = solve(program, prices), program.unit
    room, shorter = 2.0 ** (_ROOM / program.p), 0.5 ** (1 / program.p)
    for _ in range(_REACHES):
        besides = min(apart * (unit / program.unit), _APART) ** program.p if apart else 0.0
        longest = program.longest(found.rows, found.columns)
        if found.slack <= _SURE * (found.cost + besides) or longest == 0:
            break
        reach, closer = room * longest, None
        while closer is None and reach < shorter * min(program.reach, 1.0):
            closer = program.within(reach)
            better = solve(closer, enough=_ENOUGH)
            if not better.within:
                closer, reach = None, reach * room
        if closer is None:
            break
        program, found = closer, better
    return program, found
