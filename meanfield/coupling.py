"""Two measures as atoms that belong together in pairs: an optimal coupling, discretised.

Where the optimal map is known it is sampled at quadrature nodes, so that integrals over the coupling are right to
spectral accuracy: boxes (the affine map), the line (quantiles, atoms cutting the levels where theirs jump), Gaussians
(the affine map of Olkin and Pukelsheim). Otherwise the coupling is an optimal plan between atoms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meanfield.gaussian import Gaussian, optimal_map
from meanfield.quadrature import AxisRule, TensorRule
from meanfield.quantiles import quantile
from meanfield.quantise import quantise
from meanfield.uniform import Uniform
from meanfield.wasserstein import transport
from particles.checks import Array
from particles.dynamics import Dynamics
from particles.march import march
from particles.measure import Empirical, Measure
from particles.quantiles import SLIVER, cumulative
from particles.steppers import Adaptive

_LEAST = 2  # nodes along an axis, or on a panel of levels
_LINE_PANELS = np.array([0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0])  # levels: finer where tails may be


@dataclass(frozen=True, eq=False)
class Coupling:
    """Pairs (x_i, y_i) of weight w_i: mu = sum_i w_i delta_{x_i}, nu = sum_i w_i delta_{y_i}.

    Attributes
    ----------
    x, y : (n, d) array
        The two ends of each pair.
    weights : (n,) array
        Their weights.
    """

    x: Array
    y: Array
    weights: Array

    @property
    def mu(self) -> Empirical:
        """The first marginal."""
        return Empirical(self.x, self.weights)

    @property
    def nu(self) -> Empirical:
        """The second marginal."""
        return Empirical(self.y, self.weights)

    @property
    def distance(self) -> float:
        """(sum_i w_i |x_i - y_i|^2)^{1/2}, at least W2 of the marginals."""
        return float(np.sqrt(self.weights @ ((self.x - self.y) ** 2).sum(axis=1)))

    def moved_to(self, x: Array, y: Array) -> Coupling:
        """Return the same pairs with their ends elsewhere."""
        return Coupling(x, y, self.weights)


def optimal_coupling(mu: Measure, nu: Measure, pairs: int = 256) -> Coupling:
    """Return an optimal coupling of mu and nu for W2 in about `pairs` pairs.

    Raises
    ------
    ValueError
        If the measures live in different dimensions.
    """
    if mu.dim != nu.dim:
        raise ValueError(f"`mu` and `nu` must live in one dimension; got {mu.dim} and {nu.dim}.")
    if isinstance(mu, Uniform) and isinstance(nu, Uniform):
        rule = TensorRule.on_box(mu.lower, mu.upper, max(_LEAST, round(pairs ** (1 / mu.dim))))
        scale = (nu.upper - nu.lower) / (mu.upper - mu.lower)
        return Coupling(rule.points, nu.lower + (rule.points - mu.lower) * scale, _normalised(rule.weights))
    if isinstance(mu, Gaussian) and isinstance(nu, Gaussian):
        nodes = mu.quadrature(max(_LEAST, round(pairs ** (1 / mu.dim))))
        return Coupling(nodes.points, nu.mean + (nodes.points - mu.mean) @ optimal_map(mu.cov, nu.cov).T, nodes.weights)
    if mu.dim == 1 and not (isinstance(mu, Empirical) and isinstance(nu, Empirical)):
        panels = _panels(mu, nu)
        levels = AxisRule(panels, max(_LEAST, pairs // (len(panels) - 1)))
        x, y = (quantile(measure)(levels.nodes)[:, None] for measure in (mu, nu))
        return Coupling(x, y, _normalised(levels.weights))
    left, right = quantise(mu, pairs)[0], quantise(nu, pairs)[0]
    plan = transport(left, right).coupling
    assert plan is not None  # as there are atoms on both sides
    return Coupling(left.points[plan.row], right.points[plan.col], _normalised(plan.data))


def _panels(*measures: Measure) -> Array:
    """Return the ends of panels of levels; between two of them a quantile function of atoms is constant."""
    steps = [cumulative(mu.weights[np.argsort(mu.points[:, 0])]) for mu in measures if isinstance(mu, Empirical)]
    cuts = np.unique(np.concatenate([_LINE_PANELS, *steps]))
    wide = np.diff(cuts) > SLIVER * cuts[1:]  # rounding of the levels makes the others
    wide[-1] = True  # the last level is 1
    return cuts[np.append(True, wide)]


def moved_coupling(law: Dynamics, start: Coupling, times: Array, tol: float = 1e-9) -> list[Coupling]:
    """Return the coupling at each depth, either end moved by its own measure.

    Raises
    ------
    ValueError
        If the run could not be finished.
    """
    n = len(start.weights)
    mu, nu = start.mu, start.nu

    def velocity(t: float, ends: Array) -> Array:
        x, y = ends[:n], ends[n:]
        return np.concatenate([law.velocity(t, x, mu.moved_to(x)), law.velocity(t, y, nu.moved_to(y))])

    stepper = Adaptive(rtol=tol, atol=1e-2 * tol)
    run = march(velocity, np.concatenate([start.x, start.y]), times, stepper, row="pair")
    if len(run.states) < len(times):
        raise ValueError(f"no report: {run.message}.")
    return [start.moved_to(state[:n], state[n:]) for state in run.states]


def _normalised(weights: Array) -> Array:
    return weights / weights.sum()
