"""Self-attention under a symmetric form: each exponential once, for both of its ends.

With a_i = B y_i, B symmetric and everything centred, s_ij = s_ji, so 2^(s_ij) belongs to the sums of i and of j.
Tiles of BLOCK x BLOCK on and above the diagonal suffice. A strip is every STRIPS-th row of tiles and has sums of its
own, which are added in a fixed order: the bits do not depend on the number of threads.
"""

from numba import njit

from particles.softmax._dense import BLOCK, SAFE, plain_sums
from particles.softmax._simd import STEP, column, exp2, exponents, gathered, returned, spread, totals, zeros

STRIPS = 8
__all__ = ["BLOCK", "SAFE", "STRIPS", "strips"]


@njit(nogil=True, cache=True)
def _both_ends(starts, directions, keys, columns, own, width, first, last, sums):
    """Return the sums of two targets over the atoms first <= j < last, and add the targets' terms to those of j."""
    starts, directions, own = spread(starts), spread(directions), spread(own)
    found = zeros(starts, width)
    for j in range(first, last, STEP):
        powers = exp2(exponents(starts, directions, keys, j))
        found = gathered(found, powers, columns, j)
        returned(sums, powers, own, j)
    return totals(found)


@njit(nogil=True, cache=True)
def _row_of_tiles(first, n, directions, halves, keys, columns, width, sums):
    """Add what the targets first <= i < first + BLOCK and the atoms from there on give each other.

    Targets go in pairs; one without a partner is the last of all, and its tile is the one on the diagonal.
    """
    padded, last = keys.shape[1], min(first + BLOCK, n)
    for start in range(first, padded, BLOCK):
        end = min(start + BLOCK, padded)
        for i in range(first, last, 2):
            partner = min(i + 1, last - 1)
            both = column(directions, i, halves) + column(directions, partner, halves)
            if start == first:
                found = plain_sums((0.0, 0.0), both, keys, columns, width, start, end)
            else:
                own = column(columns, i, width) + column(columns, partner, width)
                found = _both_ends((0.0, 0.0), both, keys, columns, own, width, start, end, sums)
            for c in range(len(width)):
                sums[c, i] += found[c]
                if partner > i:
                    sums[c, partner] += found[len(width) + c]


@njit(nogil=True, cache=True)
def strips(first, last, n, directions, halves, keys, columns, width, sums):
    """Fill sums[s], (columns, padded n), of the strips first <= s < last; directions are padded like keys."""
    for s in range(first, last):
        sums[s] = 0.0
        for row in range(s * BLOCK, n, STRIPS * BLOCK):
            _row_of_tiles(row, n, directions, halves, keys, columns, width, sums[s])
