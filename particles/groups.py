"""Groups of tokens that attend to none outside their group: a bound that holds at every later depth.

V = lambda I on F, of any dimension. From depth t* on, s = t - t*, in the coordinates of `particles.modes`,

    a_i(s) = e^{-lambda s} pi_F x_i,    a_i' = lambda sum_j P_ij (a_j - a_i).

Let the tokens be parted into groups C, and H be the convex hull of the a_i of one of them at t*. For i, j in C and any
j' not in C, the exponents w of token i obey, with b_kl on F a matrix b, b_l a column beside it and b_k a row below,

    w_ij - w_ij' >= e^{2 lambda s} M - sum_l beta_l W_l e^{(lambda + nu_l) s} - sum_k R_k Delta_k e^{(lambda + nu_k) s}
                    - sum_kl R_k |b_kl| W_l e^{(nu_k + nu_l) s},
    M = min <a_i, b (a_j - a_j')>,    beta_l = max |<a_i, b_l>|,    Delta_k = max |<b_k, a_j - a_j'>|,

over all such i, j, j' at t*, R_k over C, W_l over pairs of C and its complement. For as long as no token attends to
another group, the a_i stay in their hulls H by averaging, and M, beta, Delta, of functions that are bilinear or convex,
are those of the hulls. Token i gives all but rounding, summed over all depths, to its own group while the right side is
more than G + lambda s, G = `GAP` and the largest ratio of weights, in logarithms. As nu < lambda, all that is
subtracted, and G + lambda s, fall when divided by e^{2 lambda s}. So if for every group

    M > G + sum_l beta_l W_l + sum_k R_k Delta_k + sum_kl R_k |b_kl| W_l

at t*, it is so for ever: **no hull H ever grows, and every token's limit in F lies in the H of its group.** And as
<a_i, b .> is larger on H than on all other hulls, it is largest over K, the hull of all limits, in H: **every group has
a vertex of K, and a token's limit is no farther from it than its group is wide.** If there is one group only, nothing
has to hold.

Which groups: pi_F x are joined where they are nearest (single linkage), and of the heights at which to stop, the least
for which the bound holds is taken. Sets that are wide for the size of the limits are no groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cut_tree, linkage

from particles.checks import Array
from particles.following import GAP
from particles.modes import Modes

_WIDEST = 0.1  # of the largest |a|: wider sets tell nothing of limits
_ROUNDED = 16 * float(np.finfo(float).eps)  # of the largest exponent: rounding of the difference of two
_CUTS = 64  # heights that are tried, those of the widest leaps


@dataclass(frozen=True, eq=False)
class Parted:
    """Tokens at one depth, to be parted into groups.

    Parameters
    ----------
    modes : Modes
        The coordinates.
    points : (n, d) array
        Raw tokens x.
    log_weights : (n,) array
        log w_i, -inf for tokens that are not attended to.
    """

    modes: Modes
    points: Array
    log_weights: Array

    @property
    def places(self) -> Array:
        """a, shape (n, p)."""
        found: Array = self.points @ self.modes.left.T
        return found

    def hold(self, group: NDArray[np.intp]) -> bool:
        """Return whether every token attends within its group, `group` (n,), for ever."""
        if not self.modes.slower:
            return False
        a, u, heavy = self.places, self.points @ self.modes.others.T, np.isfinite(self.log_weights)
        exponents = a @ self.modes.pairing @ a.T
        asked = GAP + float(np.ptp(self.log_weights[heavy])) + _ROUNDED * float(np.abs(exponents).max())
        for one in np.unique(group):
            own, inside, outside = group == one, heavy & (group == one), heavy & (group != one)
            if not inside.any():
                return False
            if not outside.any():
                continue
            M = float((exponents[own][:, inside].min(axis=1) - exponents[own][:, outside].max(axis=1)).min())
            if M - asked <= 0 or M - asked <= self._slower(a, u, own, inside, outside):
                return False
        return True

    def _slower(
        self,
        a: Array,
        u: NDArray[np.complex128],
        own: NDArray[np.bool_],
        inside: NDArray[np.bool_],
        outside: NDArray[np.bool_],
    ) -> float:
        """Return the most that terms with coordinates in G can take from M."""
        modes = self.modes
        R, W = modes.largest(np.abs(u[own])), modes.largest(np.abs(u[inside][:, None] - u[outside]))
        beta = np.abs(a[own] @ modes.before).max(axis=0)
        Delta = np.abs((a[inside][:, None] - a[outside]) @ modes.after.T).max(axis=(0, 1))
        return float(beta @ W + R @ Delta + R @ modes.between @ W)


def groups(parted: Parted) -> NDArray[np.intp] | None:
    """Return the group of each token (n,), numbered from 0 in order of first tokens; None if none hold."""
    a = parted.places
    n = len(a)
    size = float(np.linalg.norm(a, axis=1).max())
    if size == 0 or n == 1:
        return None if size == 0 else np.zeros(1, dtype=np.intp)
    tree = linkage(a)
    heights = np.maximum(tree[:, 2], np.finfo(float).eps * size)
    leaps = np.append(heights, size)[1:] / heights
    # n - 1 groups after one join, up to 1 after all; before any, every token is a group
    tried = np.append(n, n - 1 - np.sort(np.argsort(-leaps, kind="stable")[:_CUTS]))
    for labels in cut_tree(tree, n_clusters=tried).T:
        found = _numbered(labels)
        if widths(a, found).max() > _WIDEST * size:
            return None
        if parted.hold(found):
            return found
    return None


def widths(places: Array, group: NDArray[np.intp]) -> Array:
    """Return the largest distance of two places (n, p) within each group, shape (m,)."""
    found = np.zeros(int(group.max()) + 1)
    for k in range(len(found)):
        own = places[group == k]
        found[k] = np.linalg.norm(own[:, None] - own, axis=2).max()
    return found


def _numbered(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    first, which = np.unique(labels, return_index=True, return_inverse=True)[1:]
    found: NDArray[np.intp] = np.argsort(np.argsort(first))[which]
    return found
