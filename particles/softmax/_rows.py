"""Sharing out the rows of a kernel: compiled code that holds no lock, on a pool of plain threads.

Each row is computed whole by one thread in a fixed order, so the bits do not depend on the number of threads.
Pieces last about 0.05 s, so that Ctrl-C is obeyed.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

from particles.softmax.kernels import threads

_SERIAL_BELOW = 200_000  # interactions; less is not worth a hand-over to another thread
_PIECE = 50_000_000  # interactions


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="softmax")


def share_rows(work: Callable[[int, int], None], rows: int, cost_per_row: int) -> None:
    """Call work(first, last) over consecutive pieces that together make up range(rows)."""
    cost = rows * cost_per_row
    if cost <= _SERIAL_BELOW:
        work(0, rows)
        return
    pieces = max(min(threads(), rows), -(-cost // _PIECE))
    bounds = [rows * k // pieces for k in range(pieces + 1)]
    spans = [(a, b) for a, b in pairwise(bounds) if a < b]
    if threads() == 1:
        for first, last in spans:
            work(first, last)
        return
    futures = [_pool(threads()).submit(work, first, last) for first, last in spans]
    try:
        for future in futures:
            future.result()
    finally:
        for future in futures:
            future.cancel()
