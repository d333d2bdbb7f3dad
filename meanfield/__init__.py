"""The continuity equation of self-attention: infinitely many tokens.

    d_t mu + div(X[mu] mu) = 0,   X[mu](x) = sum_h V_h grad Lambda_mu(B_h^T x)

((6.1), (6.2) of Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv 2305.05465), by quadrature particles, by finite
volumes, by a semi-Lagrangian scheme, by the frozen fields of the existence proof and, for Gaussian data, in closed
form; with exact Wasserstein distances.
"""

from meanfield.bounds import wasserstein_bounds
from meanfield.curve import Curve
from meanfield.density import Density
from meanfield.finite_volume import FiniteVolume
from meanfield.frozen import Frozen
from meanfield.frozen_field import FrozenField
from meanfield.gaussian import Gaussian
from meanfield.grid import Grid
from meanfield.particle_method import ParticleMethod
from meanfield.push_forward import PushForward
from meanfield.riccati import Riccati
from meanfield.semi_lagrangian import SemiLagrangian
from meanfield.smooth import Smooth
from meanfield.solve import Method, solve
from meanfield.stability import StabilityReport, stability_report
from meanfield.uniform import Uniform
from meanfield.wasserstein import Plan, transport, wasserstein, wasserstein_curve

__all__ = [
    "Curve",
    "Density",
    "FiniteVolume",
    "Frozen",
    "FrozenField",
    "Gaussian",
    "Grid",
    "Method",
    "ParticleMethod",
    "Plan",
    "PushForward",
    "Riccati",
    "SemiLagrangian",
    "Smooth",
    "StabilityReport",
    "Uniform",
    "solve",
    "stability_report",
    "transport",
    "wasserstein",
    "wasserstein_bounds",
    "wasserstein_curve",
]
