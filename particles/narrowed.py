"""Three runs that go on until every token's limit is enclosed, and enclosed narrowly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from particles.abreast import Abreast
from particles.attention import Attention
from particles.leading import posed
from particles.modes import Modes, modes

TRUST = 10.0  # by how much what is enclosed is widened, in differences of the runs

_LATEST = 16.0  # in units of 1 / lambda: exponents reach e^32 there, and are known to about 0.1
_TOLERANCE = 1e-10  # of the run whose tokens are returned; a hundredfold for those it is compared with
_EVERY = 1.0  # of a time 1 / lambda: how often tokens are looked at
_STEPS = 4000  # at most, from one look to the next; a shared lead asks for e^{lambda_2 t} of them, or more
_FEWER = 400  # at most, once all tokens are decided and only their limits are not known narrowly yet
_NARROW = 1e-5  # of the largest: limits enclosed by less than this are looked at no longer


class Enclosed(Protocol):
    """What is known of the limits at one depth."""

    @property
    def decided(self) -> NDArray[np.bool_]:
        """Whose limit is enclosed."""
        ...

    @property
    def width(self) -> float:
        """How wide the widest enclosure is, over the size of the largest limit; NaN if there is none."""
        ...


_Found = TypeVar("_Found", bound=Enclosed)


def narrowed(
    attention: Attention, tokens: Any, until: float | None, look: Callable[[Modes, Abreast], _Found], *, simple: bool
) -> _Found:
    """Return the best of the depths looked at: where most tokens are decided, and of such where limits are narrowest.

    It ends where all are decided and narrow, at the depth `until`, or where the runs need too many steps.

    Raises
    ------
    ValueError
        If an argument is not as `particles.leading.posed` asks; every problem on a line.
    """
    spectrum, start, horizon = posed(attention, tokens, until, _LATEST, simple=simple)
    B, V = attention.heads[0]
    split = modes(V, B, spectrum)
    runs, step = Abreast.of(attention, start, _TOLERANCE), _EVERY / split.value
    best = look(split, runs)
    while not (best.decided.all() and best.width <= _NARROW) and runs.depth + step <= horizon * (1 + 1e-9):
        further = runs.moved(step, _FEWER if best.decided.all() else _STEPS)
        if further is None:
            break
        runs = further
        found = look(split, runs)
        if _rank(found) >= _rank(best):
            best = found
    return best


def _rank(found: Enclosed) -> tuple[int, float]:
    return int(found.decided.sum()), -found.width if found.decided.any() else 0.0
