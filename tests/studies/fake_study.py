"""A tiny study: squares. It logs every computed case, and does what its configuration asks to go wrong."""

from __future__ import annotations

import os
import time
from pathlib import Path

from studies.contract import StudyConfig


class Config(StudyConfig):
    count: int = 4
    log: str
    trouble: str = ""  # while this file exists, case 1 does what it says


def cases(config):
    return [{"k": k, "seed": config.seed, "log": config.log, "trouble": config.trouble} for k in range(config.count)]


def run_case(case):
    with open(case["log"], "a") as log:
        log.write(f"{case['k']}\n")
    trouble = Path(case["trouble"]) if case["trouble"] else None
    if case["k"] == 1 and trouble is not None and trouble.exists():
        match trouble.read_text():
            case "raise":
                raise ArithmeticError("the case went wrong")
            case "die":
                os._exit(1)
            case "not json":
                return {"square": object}
            case "sleep":
                trouble.with_name("worker").write_text(str(os.getpid()))
                time.sleep(120)
    return {"square": case["k"] ** 2 + case["seed"], "third": case["k"] / 3, "nothing": float("nan")}


def summary(config, results):
    if config.count == 0:
        raise ArithmeticError("nothing to sum up")
    return {
        "headline": sum(result["square"] for result in results),
        "squares": [result["square"] for result in results],
        "thirds": [result["third"] for result in results],
        "nans": sum(result["nothing"] != result["nothing"] for result in results),
    }


def table(summary):
    return f"sum of squares {summary['headline']}"


def figure(summary):
    from matplotlib.figure import Figure  # a worker does not draw, and starts quicker without

    drawn = Figure(figsize=(2, 2))
    drawn.add_subplot().plot(summary["squares"])
    return drawn
