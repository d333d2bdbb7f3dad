"""Quantile functions of the measures that are not atoms; `particles.quantiles` says what one is."""

from __future__ import annotations

import numpy as np
from scipy import special

from meanfield.density import Density
from meanfield.gaussian import Gaussian
from meanfield.inverse_cdf import inverse_cdf
from meanfield.push_forward import PushForward
from meanfield.smooth import Smooth
from meanfield.uniform import Uniform
from particles.quantiles import Half, Quantile, pieces, quantile, whole

__all__ = ["Half", "Quantile", "quantile"]


@quantile.register
def _(mu: Uniform) -> Quantile:
    return pieces(np.ones(1), mu.lower, mu.upper)


@quantile.register
def _(mu: Density) -> Quantile:
    edges = mu.grid.edges(0)
    return pieces(mu.masses, edges[:-1], edges[1:])


@quantile.register
def _(mu: Gaussian) -> Quantile:
    mean, spread = float(mu.mean[0]), float(np.sqrt(mu.cov[0, 0]))
    if spread == 0.0:
        return pieces(np.ones(1), mu.mean, mu.mean)
    return Quantile(
        whole(lambda u: mean + spread * special.ndtri(u)),
        whole(lambda u: -mean + spread * special.ndtri(u)),
    )


@quantile.register
def _(mu: Smooth) -> Quantile:
    lower, upper = float(mu.lower[0]), float(mu.upper[0])
    return Quantile(
        whole(inverse_cdf(lambda x: mu.pdf(x[:, None]), lower, upper)),
        whole(inverse_cdf(lambda x: mu.pdf(-x[:, None]), -upper, -lower)),
    )


@quantile.register
def _(mu: PushForward) -> Quantile:
    if not mu.resolved:
        return quantile(mu.nodes)
    masses = mu.nodes.weights.reshape(len(mu.panels), -1).sum(axis=1)
    return quantile(mu.source).pushed(mu.flow, masses[np.argsort(mu.panels.lower[:, 0])])
