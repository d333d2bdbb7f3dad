"""What a user waits for besides the sums: the first call, compiling, small calls, and a neighbour on the machine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import numpy as np
from dense import atoms, uniform_weights
from machine import ROOT, load
from options import Options
from table import Row, at_most
from timing import wall

FIRST = """
import json, sys, time
began = time.perf_counter()
import numpy as np
import particles
imported = time.perf_counter()
mu = particles.Empirical(np.random.default_rng(0).uniform(-1, 1, ({n}, {d})))
start = time.perf_counter()
mu.tilted_mean(mu.points)
first = time.perf_counter()
mu.tilted_mean(mu.points)
second = time.perf_counter()
print(json.dumps({{"imports": imported - began, "first": first - start, "second": second - first}}))
"""


def python(program: str, **variables: str) -> str:
    """Run a program in a fresh interpreter that finds the packages of this checkout; return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def first_call(options: Options) -> list[Row]:
    """The first call in a process whose compiled functions lie on disk, less what a second call takes."""
    rows = []
    for n, d in ((40, 3), (5000, 2)):
        program = FIRST.format(n=n, d=d)
        python(program)  # fills the cache
        seen = [json.loads(python(program)) for _ in range(options.rounds)]
        extra = [one["first"] - one["second"] for one in seen]
        imports = min(one["imports"] for one in seen)
        note = f"median {median(extra):.2f} s; importing particles took {imports:.2f} s before that"
        name = f"first call, warm cache, n={n} d={d}"
        rows.append(
            Row(name, min(extra), "s", options.judged(at_most(0.5)), note, details={"n": n, "d": d, "runs": seen})
        )
    return rows


def quick_start() -> str:
    """Return the README's program."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- quick-start -->\n```python\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1]


def compiling(options: Options) -> list[Row]:
    """The README's program with an empty cache, less the same with a full one."""
    program, seconds = quick_start(), list[float]()
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(2 if options.quick else 3):
            began = _children()
            python(program, NUMBA_CACHE_DIR=cache)
            seconds.append(_children() - began)
    cold, warm = seconds[0], min(seconds[1:])
    note = f"processor time; {cold:.3g} s cold, {warm:.3g} s warm"
    name = "compiling all that the quick start meets"
    return [
        Row(name, cold - warm, "s", options.judged(at_most(15.0)), note, details={"cold": cold, "warm": seconds[1:]})
    ]


def _children() -> float:
    used = os.times()
    return used.children_user + used.children_system


def small_calls(options: Options) -> list[Row]:
    """A step of a time loop with few tokens: new points, then the field at them."""
    from particles import Empirical

    points = atoms(40, 3, options.seed)
    mu, calls, batches = Empirical(points), 200, list[float]()
    for _ in range(10 * options.rounds):
        began = wall()
        for _ in range(calls):
            mu.moved_to(points).tilted_mean(points)
        batches.append(1e6 * (wall() - began) / calls)
    note = f"median {median(batches):.3g} us; moved_to and tilted_mean"
    name = "small call, n=40, d=3"
    details = {"least": min(batches), "median": median(batches), "calls": calls}
    return [Row(name, min(batches), "us", options.judged(at_most(30.0)), note, details=details)]


# ------------------------------------------------------------------------------------------- a busy neighbour

SPIN = """
import os, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {int(sys.argv[2])})
parent = int(sys.argv[1])
while os.getppid() == parent:
    for _ in range(1_000_000):
        pass
"""


@contextmanager
def neighbour() -> Iterator[Callable[[bool], None]]:
    """Give a switch for a process that keeps one core busy; it sleeps at first, and ends with its parent."""
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    spinning = subprocess.Popen([sys.executable, "-c", SPIN, str(os.getpid()), str(core)])

    def switch(on: bool) -> None:
        spinning.send_signal(signal.SIGCONT if on else signal.SIGSTOP)
        time.sleep(0.05)

    try:
        time.sleep(0.3)
        switch(False)
        yield switch
    finally:
        spinning.kill()
        spinning.wait()


def busy(options: Options) -> list[Row]:
    """Calls that use all cores, by turns with the neighbour asleep and awake."""
    from particles import Empirical
    from particles.softmax import Dense

    y, many = atoms(options.size(10_000), 2, options.seed), atoms(options.size(200_000), 2, options.seed)
    mu, logs = Empirical(many[:20_000]), uniform_weights(len(y))
    calls: dict[str, Callable[[], Any]] = {
        "dense n=m=1e4": lambda: Dense(y, logs).log_sum_and_mean(y),
        "default n=m=2e4": lambda: mu.tilted_mean(mu.points),
        "density 64^2": _density_walls(),
    }
    return [_slowdown(name, call, options) for name, call in calls.items()]


def _density_walls() -> Callable[[], Any]:
    from meanfield import Density, Grid

    grid = Grid([-1.0, -1.0], [1.0, 1.0], 64)
    mu = Density(grid, np.full(grid.shape, 1 / 64**2))
    return lambda: mu.tilted_mean(grid.centres)


def _slowdown(what: str, call: Callable[[], Any], options: Options) -> Row:
    call()
    began = wall()
    call()
    repeats = int(np.clip(0.3 / (wall() - began), 3, 200))
    times: dict[bool, list[float]] = {False: [], True: []}
    with neighbour() as switch:
        for _ in range(options.rounds):
            for on in (False, True):
                switch(on)
                for _ in range(repeats):
                    began = wall()
                    call()
                    times[on].append(wall() - began)
    quiet, slow = median(times[False]), median(times[True])
    name, note = f"busy neighbour, {what}", f"medians {1e3 * quiet:.3g} and {1e3 * slow:.3g} ms{load()}"
    return Row(name, slow / quiet, "x", options.judged(at_most(2.5)), note, details={"quiet": quiet, "busy": slow})
