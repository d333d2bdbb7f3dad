"""The tiny study with a film of a moving point; its trouble file may say what goes wrong with it: `film WHAT`."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

from fake_study import Config, cases, figure, run_case, summary, table

from studies.film import Film

__all__ = ["Config", "cases", "figure", "film", "run_case", "summary", "table"]


def film(config):
    trouble = Path(config.trouble) if config.trouble else None
    what = trouble.read_text() if trouble and trouble.exists() else ""
    if config.log:
        with open(config.log, "a") as log:
            log.write("film\n")
    if what == "film raise":
        raise ArithmeticError("the film went wrong")
    if what == "film once":
        trouble.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "film kernel":
        trouble.with_name("worker").write_text(str(os.getpid()))
        ctypes.PyDLL(None).sleep(120)
    return Film(5, lambda k: _frame(k, config.seed), per_second=10)


def _frame(k, seed):
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(2, 1.5))
    drawn.add_subplot(xlim=(-1, 5), ylim=(-1, 1), title=f"{k}").plot([k], [seed / 10], "ro")
    return drawn
