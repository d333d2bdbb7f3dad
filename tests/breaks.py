"""Runs that are broken off on purpose, and laws of motion that break a run off."""

import json

import numpy as np

from particles.checkpoint import Checkpoint, Saved


class Break(Exception):
    pass


class Recording(Checkpoint):
    """Kept in memory, always due; breaks off after a number of saves."""

    def __init__(self, breaks_after: int = -1, saved: Saved | None = None) -> None:
        self.left, self.saved = breaks_after, saved

    def load(self):
        return self.saved

    def due(self):
        return True

    def save(self, arrays, record):
        self.saved = {name: np.array(array) for name, array in arrays.items()}, json.loads(json.dumps(record))
        self.left -= 1
        if self.left == 0:
            raise Break


class Squeezing:
    """x' = -x/(1 - t): the support is the origin at t = 1."""

    dim, step = 1, None

    def velocity(self, t, x, mu):
        return -x / (1 - t)


class NotANumber:
    """x' = 1 until t = 1/2, then NaN."""

    dim, step = 1, None

    def velocity(self, t, x, mu):
        return np.full_like(x, 1.0 if t < 0.5 else np.nan)
