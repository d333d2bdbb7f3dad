"""The machine: what it is, and how many multiply-adds a core of it can do."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable
from functools import cache, reduce
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("attention-meanfield", "numpy", "scipy", "numba", "llvmlite", "torch", "jax", "pykeops")
WIDTHS = (4, 8)  # doubles in a register: the better counts
CHAINS = 12  # independent sums: more than latency times rate of any present machine


def description() -> dict[str, Any]:
    """Return processor, memory, system and the commit that is measured."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_GiB": round(pages / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted": bool(_git("status", "--porcelain")),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }


def load() -> str:
    """Return a remark on what else the machine does: figures by the wall depend on it."""
    return f"; load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""


def versions() -> dict[str, str | None]:
    """Return the versions of what is compared, None for what is not installed."""
    found: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def multiply_adds(dim: int) -> int:
    """Return the multiply-adds of one interaction: d for <a, y>, d for the means, 11 for an exponential."""
    return 2 * dim + 11


@cache
def limit(lanes: int) -> Callable[[int], float]:
    """Return a function that does so many multiply-adds as fast as a core can: vectors that wait for nothing.

    The vectors are written out: numba's own vectoriser stops at 256 bits on many machines.
    """
    from numba import njit, types
    from numba.extending import intrinsic

    @intrinsic
    def chains(context, steps, factor, term):
        def emit(context, builder, signature, arguments):
            return _emit_chains(builder, lanes, *arguments)

        return types.float64(types.int64, types.float64, types.float64), emit

    @njit
    def loop(steps, factor, term):
        return chains(steps, factor, term)

    return lambda count: float(loop(count // (CHAINS * lanes), 0.999999, 1e-6))


def _emit_chains(builder: Any, lanes: int, steps: Any, factor: Any, term: Any) -> Any:
    """Emit `steps` turns of a loop of CHAINS fused multiply-adds x = factor x + term; return the sum of all x."""
    from llvmlite import ir
    from numba.core import cgutils

    double, index = ir.DoubleType(), ir.IntType(32)
    vector = ir.VectorType(double, lanes)

    def spread(scalar: Any) -> Any:
        filled = ir.Constant(vector, ir.Undefined)
        for lane in range(lanes):
            filled = builder.insert_element(filled, scalar, ir.Constant(index, lane))
        return filled

    signature = ir.FunctionType(vector, [vector] * 3)
    fma = cgutils.get_or_insert_function(builder.module, signature, f"llvm.fmuladd.v{lanes}f64")
    factors, terms = spread(factor), spread(term)
    starts = [ir.Constant(steps.type, 0), *(spread(ir.Constant(double, float(k))) for k in range(CHAINS))]
    entry, body, end = builder.block, builder.append_basic_block("body"), builder.append_basic_block("end")
    builder.branch(body)
    builder.position_at_end(body)
    count, *sums = now = [builder.phi(start.type) for start in starts]
    sums = [builder.call(fma, [x, factors, terms]) for x in sums]
    ahead = builder.add(count, ir.Constant(steps.type, 1))
    for phi, start, after in zip(now, starts, [ahead, *sums], strict=True):
        phi.add_incoming(start, entry)
        phi.add_incoming(after, body)
    builder.cbranch(builder.icmp_signed("<", ahead, steps), body, end)
    builder.position_at_end(end)
    lanewise = reduce(builder.fadd, sums)
    return reduce(builder.fadd, [builder.extract_element(lanewise, ir.Constant(index, lane)) for lane in range(lanes)])
