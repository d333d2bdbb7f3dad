"""A balanced tree over points: halving boxes across their longest side, and the boxes of the eightfold nodes.

Points are rows here, so that a swap moves one cache line. Every cut falls on a multiple of LEAF times a power of
two, so that the nodes of every level are runs of equal length (but the last). The walks down the tree find the leaves
that matter to a block of directions.
"""

import math

import numpy as np
from numba import njit

LEAF = 32  # points in a leaf
FAN = 8  # children of a node
BEAM = 4  # nodes kept on the way down to a first log-sum


@njit(nogil=True, cache=True)
def _swap(points, order, i, j):
    for k in range(points.shape[1]):
        held = points[i, k]
        points[i, k] = points[j, k]
        points[j, k] = held
    kept = order[i]
    order[i] = order[j]
    order[j] = kept


@njit(nogil=True, cache=True)
def _split(points, order, first, last, middle, axis):
    """Reorder [first, last) so that what stands before `middle` is no larger along the axis than what follows."""
    lo, hi = first, last - 1
    while lo < hi:
        a, b, c = points[lo, axis], points[(lo + hi) // 2, axis], points[hi, axis]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = lo, hi
        while i <= j:
            while points[i, axis] < pivot:
                i += 1
            while points[j, axis] > pivot:
                j -= 1
            if i <= j:
                _swap(points, order, i, j)
                i += 1
                j -= 1
        if middle <= j:
            hi = j
        elif middle >= i:
            lo = i
        else:
            return


@njit(nogil=True, cache=True)
def arrange(points, order, leaf):
    """Put the rows of `points`, and `order` with them, into the order of a tree with runs of `leaf` points."""
    stack = np.empty((128, 2), np.int64)
    stack[0, 0] = 0
    stack[0, 1] = points.shape[0]
    depth = 1
    while depth > 0:
        depth -= 1
        first, last = stack[depth]
        if last - first <= leaf:
            continue
        half = leaf
        while 2 * half < last - first:
            half *= 2
        axis, widest = 0, -1.0
        for k in range(points.shape[1]):
            low = high = points[first, k]
            for i in range(first, last):
                low = min(low, points[i, k])
                high = max(high, points[i, k])
            if high - low > widest:
                axis, widest = k, high - low
        if widest > 0.0:
            _split(points, order, first, last, first + half, axis)
        stack[depth, 0] = first + half
        stack[depth, 1] = last
        stack[depth + 1, 0] = first
        stack[depth + 1, 1] = first + half
        depth += 2


@njit(nogil=True, cache=True)
def boxes(columns, starts, leaf, lows, highs):
    """Fill the boxes (k, nodes) of every level; the nodes of level l are starts[l] to starts[l + 1], leaves first."""
    n = columns.shape[1]
    for k in range(columns.shape[0]):
        for node in range(starts[1]):
            low = high = columns[k, node * leaf]
            for j in range(node * leaf, min(n, node * leaf + leaf)):
                low = min(low, columns[k, j])
                high = max(high, columns[k, j])
            lows[k, node] = low
            highs[k, node] = high
        for level in range(1, starts.size - 1):
            below, width = starts[level - 1], starts[level] - starts[level - 1]
            for node in range(starts[level + 1] - starts[level]):
                low, high = lows[k, below + node * FAN], highs[k, below + node * FAN]
                for child in range(node * FAN, min(width, node * FAN + FAN)):
                    low = min(low, lows[k, below + child])
                    high = max(high, highs[k, below + child])
                lows[k, starts[level] + node] = low
                highs[k, starts[level] + node] = high


@njit(nogil=True, cache=True)
def masses(logs, starts, found):
    """Fill the base-2 logarithms of the nodes' weights."""
    for level in range(starts.size - 1):
        if level == 0:
            finer, run = logs, LEAF
        else:
            finer, run = found[starts[level - 1] : starts[level]], FAN
        for node in range(starts[level + 1] - starts[level]):
            part = finer[node * run : node * run + run]
            top = part.max()
            total = 0.0
            for x in part:
                total += 2.0 ** (x - top)
            found[starts[level] + node] = top + np.log2(total)


@njit(nogil=True, cache=True)
def support(centre, halves, reference, lows, highs, node):
    """Return the maximum of <a, y> - <a - centre, reference> over the block's box for a and the node's box for y."""
    total = 0.0
    for k in range(centre.size):
        low, high = lows[k, node], highs[k, node]
        total += max(centre[k] * low, centre[k] * high)
        total += halves[k] * max(abs(low - reference[k]), abs(high - reference[k]))
    return total


@njit(nogil=True, cache=True)
def beam(centre, starts, lows, highs, masses, spans):
    """Go down the tree with the few nodes that look heaviest; return how many `spans` of atoms that leaves."""
    still = np.zeros(lows.shape[0])
    level = starts.size - 2
    count = starts[level + 1] - starts[level]
    found = np.arange(BEAM * FAN)
    score = np.empty(BEAM * FAN)
    while True:
        for c in range(count):
            node = starts[level] + found[c]
            score[c] = masses[node] + support(centre, still, still, lows, highs, node)
        kept = min(count, BEAM)
        for b in range(kept):
            best = b + np.argmax(score[b:count])
            found[b], found[best] = found[best], found[b]
            score[b], score[best] = score[best], score[b]
        if level <= 1:
            run = LEAF * FAN**level
            for b in range(kept):
                spans[b, 0] = found[b] * run
                spans[b, 1] = min(starts[1] * LEAF, found[b] * run + run)
            return kept
        below = starts[level] - starts[level - 1]
        parents = found[:kept].copy()
        count = 0
        for b in range(kept):
            for child in range(parents[b] * FAN, min(below, parents[b] * FAN + FAN)):
                found[count] = child
                count += 1
        level -= 1


@njit(nogil=True, cache=True)
def candidates(centre, halves, reference, limit, starts, lows, highs, offsets, spans):
    """Fill `spans` with the runs of atoms whose nodes reach beyond the limit; return their number and the farthest."""
    stack = np.empty((FAN * starts.size, 2), np.int64)
    level = starts.size - 2
    depth = starts[level + 1] - starts[level]
    for node in range(depth):
        stack[depth - 1 - node, 0] = level
        stack[depth - 1 - node, 1] = node
    count = 0
    farthest = -math.inf
    while depth > 0:
        depth -= 1
        level, node = stack[depth]
        at = starts[level] + node
        reach = support(centre, halves, reference, lows, highs, at) + offsets[at]
        if reach <= limit:
            continue
        if level > 0:
            below = starts[level] - starts[level - 1]
            for child in range(min(below, node * FAN + FAN) - 1, node * FAN - 1, -1):
                stack[depth, 0] = level - 1
                stack[depth, 1] = child
                depth += 1
            continue
        farthest = max(farthest, reach)
        if count > 0 and spans[count - 1, 1] == node * LEAF:
            spans[count - 1, 1] += LEAF
        else:
            spans[count, 0] = node * LEAF
            spans[count, 1] = node * LEAF + LEAF
            count += 1
    return count, farthest
