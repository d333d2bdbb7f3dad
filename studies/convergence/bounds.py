"""The growth W2(mu^n_t, mu_t) / W2(mu^n_0, mu_0) of single replicas, beside what (6.6) allows it.

The bounds are those of `meanfield.stability` for an optimal coupling of the tokens with the limit, both ends moved by
their own measure: the sharp one, the a-posteriori constant, and the a-priori one from the radius of the support alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import meanfield
from particles import Empirical
from studies.convergence.limit import initial, law
from studies.convergence.starts import INDEPENDENT, drawn

_NODES = {1: 32, 2: 16, 3: 8}  # of the limit, along an axis
_PAIRS = 128


def bounded(case: dict[str, Any]) -> dict[str, Any]:
    """Return the measured factor of one replica, the least that it can be, and the bounds' exponents, at each depth."""
    dim = case["dim"]
    tokens = Empirical(drawn(INDEPENDENT, case["n"], dim, case["seed"], case["replica"]))
    report = meanfield.stability_report(
        law(dim),
        tokens,
        initial(dim),
        case["times"],
        method=meanfield.ParticleMethod(n=_NODES[dim]),
        pairs=_PAIRS,
        atoms=4 * _PAIRS,
    )
    return {
        "measured": report.measured.tolist(),
        "sharp": np.log(report.sharp).tolist(),
        "a_posteriori": np.log(report.a_posteriori).tolist(),
        "a_priori": report.a_priori_exponent.tolist(),
        "least": report.between[0].tolist(),
        "errors": {name: report.errors[name].tolist() for name in ("sharp", "a_posteriori")},
    }
