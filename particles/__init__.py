"""Self-attention as an interacting particle system: finitely many tokens.

The law of motion is x_i' = X[mu](x_i), mu = sum_j w_j delta_{x_j}, with the attention field

    X[mu](x) = sum_h V_h grad Lambda_mu(B_h^T x),   Lambda_mu(a) = log int e^{<a,y>} dmu(y),   B = Q^T K

((1.1), (6.2) of Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv 2305.05465).
"""

from particles import geometry, spectrum, tokens
from particles.attention import Attention
from particles.corners import Corners, corners
from particles.dynamics import Dynamics, Raw, Rescaled
from particles.levels import Levels, levels
from particles.measure import Empirical, Measure
from particles.replicas import Replicas
from particles.settled import Settled, settle
from particles.solve import solve
from particles.steppers import RK4, Adaptive, Euler, Stepper
from particles.trajectory import Trajectory

__version__ = "0.1.0"

__all__ = [
    "RK4",
    "Adaptive",
    "Attention",
    "Corners",
    "Dynamics",
    "Empirical",
    "Euler",
    "Levels",
    "Measure",
    "Raw",
    "Replicas",
    "Rescaled",
    "Settled",
    "Stepper",
    "Trajectory",
    "corners",
    "geometry",
    "levels",
    "settle",
    "solve",
    "spectrum",
    "tokens",
]
