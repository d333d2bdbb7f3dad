"""torch's attention on an accelerator, alone: the time of an interaction where the data lie on the device.

Nothing of this project is needed here, nor compared: an accelerator is another machine. Results are checked against
NumPy in float64 at some directions.
"""

from __future__ import annotations

import numpy as np
import peers
from options import Options
from table import Row, refused
from timing import Case, side_by_side, wall

CASES = ((10_000, 10_000), (100_000, 10_000))  # atoms, directions
DIMENSIONS = (1, 2, 3, 16, 64, 128)
CHECKED = 256


def rows(device: str, options: Options) -> list[Row]:
    return [
        row for d in DIMENSIONS for n, m in CASES for row in _case(device, options, options.size(n), options.size(m), d)
    ]


def _case(device: str, options: Options, n: int, m: int, d: int) -> list[Row]:
    y = np.random.default_rng(options.seed).uniform(-1, 1, (n, d))
    a = y[:m]
    reference = peers.chosen(("numpy",))[0].case(y, a[:CHECKED], "cpu").run()
    cases = {}
    for peer in peers.chosen(("torch",)):
        case = peer.case(y, a, device)
        cases[peer.name] = Case(case.run, case.tol, lambda means, result=case.result: result(means)[:CHECKED])
    measured = side_by_side(cases, reference, options.rounds, wall)
    found = [refused(_name(device, name, n, m, d), why) for name, why in measured.refused.items()]
    for name, times in measured.times.items():
        value = 1e12 * times.least / (n * m)
        note = f"{1e3 * times.least:.4g} ms, median {1e3 * times.median:.4g} ms, error {times.error:.0e}"
        details = {"n": n, "m": m, "d": d, "device": device, "seed": options.seed, "theirs": times.as_json()}
        found.append(Row(_name(device, name, n, m, d), value, "ps/interaction", note=note, details=details))
    return found


def _name(device: str, peer: str, n: int, m: int, d: int) -> str:
    return f"{device}: {peer}, d={d}, n={n:.0e}, m={m:.0e}"
