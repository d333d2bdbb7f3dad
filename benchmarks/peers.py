"""What people use today for the same softmax-weighted means, each as its own manual advises.

Every peer gets atoms y (n, d) and directions a (m, d), C-contiguous float64, and returns for all i

    sum_j e^{<a_i, y_j>} y_j / sum_j e^{<a_i, y_j>}.

Data are handed over beforehand; what is timed is the sums.
"""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from timing import Case

FLOAT64, FLOAT32 = 1e-12, 2e-5  # agreement asked for: far above rounding, far below a wrong formula
INSTALL = 'pip install -e ".[bench]"'
BLOCK = 256  # directions at a time, for NumPy and for jax in blocks

Array = Any


@dataclass(frozen=True)
class Peer:
    """One way to the sums; `needs` is the package that it takes."""

    name: str
    needs: str
    case: Callable[[Array, Array, str], Case]

    @property
    def family(self) -> str:
        return self.name.split()[0]

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.needs) is not None


def _numpy_in_blocks(y: Array, a: Array, device: str) -> Case:
    def run() -> Array:
        means = np.empty_like(a)
        for i in range(0, len(a), BLOCK):
            s = a[i : i + BLOCK] @ y.T
            s -= s.max(axis=1, keepdims=True)
            np.exp(s, out=s)
            means[i : i + BLOCK] = (s @ y) / s.sum(axis=1)[:, None]
        return means

    return Case(run, FLOAT64)


@cache
def _double_loop() -> Any:
    from numba import njit

    @njit
    def loop(a, y):
        m, d = a.shape
        means = np.zeros((m, d))
        for i in range(m):
            top = -np.inf
            for j in range(len(y)):
                s = 0.0
                for k in range(d):
                    s += a[i, k] * y[j, k]
                top = max(top, s)
            total = 0.0
            for j in range(len(y)):
                s = 0.0
                for k in range(d):
                    s += a[i, k] * y[j, k]
                e = math.exp(s - top)
                total += e
                for k in range(d):
                    means[i, k] += e * y[j, k]
            for k in range(d):
                means[i, k] /= total
        return means

    return loop


def _numba(y: Array, a: Array, device: str) -> Case:
    loop = _double_loop()
    return Case(lambda: loop(a, y), FLOAT64)


def _torch(dtype: str, tol: float) -> Callable[[Array, Array, str], Case]:
    def case(y: Array, a: Array, device: str) -> Case:
        import torch

        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
        attend = torch.nn.functional.scaled_dot_product_attention
        q, k = (torch.from_numpy(x).to(device, getattr(torch, dtype))[None, None] for x in (a, y))

        def run() -> Any:
            means = attend(q, k, k, scale=1.0)
            if q.is_cuda:
                torch.cuda.synchronize()
            return means

        return Case(run, tol, lambda means: means[0, 0].double().cpu().numpy())

    return case


def _jax(in_blocks: bool) -> Callable[[Array, Array, str], Case]:
    def case(y: Array, a: Array, device: str) -> Case:
        import jax

        jax.config.update("jax_enable_x64", True)
        x, keys = jax.numpy.asarray(a), jax.numpy.asarray(y)

        def some(x: Any, keys: Any) -> Any:
            return jax.nn.softmax(x @ keys.T, axis=-1) @ keys

        def all_blocks(x: Any, keys: Any) -> Any:
            return jax.lax.map(lambda row: some(row, keys), x, batch_size=BLOCK)

        compiled = jax.jit(all_blocks if in_blocks else some)
        return Case(lambda: compiled(x, keys).block_until_ready(), FLOAT64)

    return case


def _keops(y: Array, a: Array, device: str) -> Case:
    os.environ.setdefault("PYKEOPS_VERBOSE", "0")
    from pykeops.numpy import LazyTensor

    x, keys = LazyTensor(a[:, None, :]), LazyTensor(y[None, :, :])
    return Case(lambda: (x | keys).sumsoftmaxweight(keys, axis=1, backend="CPU"), FLOAT64)


PEERS = (
    Peer("torch float64", "torch", _torch("float64", FLOAT64)),
    Peer("torch float32", "torch", _torch("float32", FLOAT32)),
    Peer("pykeops", "pykeops", _keops),
    Peer("jax", "jax", _jax(in_blocks=False)),
    Peer("jax in blocks", "jax", _jax(in_blocks=True)),
    Peer("numpy in blocks", "numpy", _numpy_in_blocks),
    Peer("numba double loop", "numba", _numba),
)
FAMILIES = tuple(dict.fromkeys(peer.family for peer in PEERS))


def chosen(families: tuple[str, ...]) -> list[Peer]:
    """Return the peers of the given families."""
    return [peer for peer in PEERS if peer.family in families]
