"""A tiny study: squares, and an array. It logs every computed case, and does what its configuration asks to go wrong.

Threads would show in its last bits: a third is linear algebra, and rows are those of a kernel if it is asked for.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import time
from pathlib import Path

import numpy as np
from pydantic import Field

from studies.contract import StudyConfig


class Config(StudyConfig):
    count: int = Field(4, ge=0)
    size: int = Field(64, ge=1, le=2000)
    ratios: tuple[float, float] = (0.5, 2.0)
    label: str | None = None
    kernel: bool = False  # one of numba's; others start quicker without
    log: str = ""
    trouble: str = ""  # while this file exists, cases do what it says: lines with a place and what goes wrong


def cases(config):
    return [
        {
            "k": k,
            "seed": config.seed,
            "size": config.size,
            "kernel": config.kernel,
            "log": config.log,
            "trouble": config.trouble,
        }
        for k in range(config.count)
    ]


def run_case(case):
    if case["log"]:
        with open(case["log"], "a") as log:
            log.write(f"{case['k']}\n")
    trouble = Path(case["trouble"]) if case["trouble"] else None
    asked = (
        dict(line.split(" ", 1) for line in trouble.read_text().splitlines()) if trouble and trouble.exists() else {}
    )
    if str(case["k"]) in asked:
        what, *rest = asked[str(case["k"])].split(" ", 1)
        trouble.with_name("worker").write_text(str(os.getpid()))
        match what:
            case "raise":
                raise ArithmeticError("the case went wrong")
            case "exit":
                raise SystemExit(5)
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "once":
                trouble.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
            case "leave":
                os._exit(7)
            case "object":
                return {"square": object}
            case "list":
                return [1]
            case "sleep":
                time.sleep(120)
            case "kernel":  # as a kernel that keeps the interpreter's lock
                ctypes.PyDLL(None).sleep(120)
            case "folder":
                folder = Path(rest[0])  # in one step: another process may be writing into it
                folder.rename(folder.with_name("aside"))
                folder.write_text("in the way")
    rng = np.random.default_rng([case["seed"], case["k"]])
    matrix = rng.standard_normal((case["size"], case["size"]))
    return {
        "square": case["k"] ** 2 + case["seed"],
        "rows": importlib.import_module("fake_kernel").rows(matrix) if case["kernel"] else np.exp(matrix).sum(axis=1),
        "third": float(np.linalg.eigvalsh(matrix @ matrix.T).sum() / 3),
        "nothing": float("nan"),
        "places": np.arange(3),
    }


def summary(config, results):
    trouble = Path(config.trouble) if config.trouble else None
    if trouble is not None and trouble.exists() and trouble.read_text() == "sum once":
        trouble.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if config.count == 0:
        raise ArithmeticError("nothing to sum up")
    assert all(result["rows"].shape == (config.size,) and result["places"].dtype == np.int64 for result in results)
    return {
        "headline": sum(result["square"] for result in results),
        "squares": [result["square"] for result in results],
        "thirds": [result["third"] for result in results],
        "rows": [result["rows"] for result in results],
        "nans": sum(result["nothing"] != result["nothing"] for result in results),
    }


def table(summary):
    return f"sum of squares {summary['headline']}"


def figure(summary):
    from matplotlib.figure import Figure  # a worker does not draw, and starts quicker without

    drawn = Figure(figsize=(2, 2))
    drawn.add_subplot().plot(summary["squares"])
    return drawn
