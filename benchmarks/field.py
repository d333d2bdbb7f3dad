"""The field against the machine's limit and against what people use today: prints a table, writes JSON.

    python benchmarks/field.py [--out FILE.json] [--quick] [--only NAME ...] [--peers NAME ...] [--device DEVICE]

Every benchmark runs in a process of its own kind: with one thread for figures per core, with all cores otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import accelerator
import dense
import fast
import frame
import grids
import machine
import process
from options import Options
from peers import FAMILIES
from table import HEADING, REFUSED, Row, refused, summary
from timing import cpu, wall, words
from workers import Worker, use_checkout


@dataclass(frozen=True)
class Benchmark:
    """Rows that are measured together; `threads` None means here, 0 means all cores."""

    name: str
    rows: Callable[[Options], list[Row]]
    threads: int | None


BENCHMARKS = (
    *(Benchmark(f"dense-{d}", partial(dense.small_dimension, d), 1) for d in dense.PERCENT),
    *(Benchmark(f"dense-{d}", partial(dense.large_dimension, d), 1) for d in dense.WIDE),
    *(Benchmark(f"symmetric-{d}", partial(dense.symmetric, d), 1) for d in (1, 2, 3)),
    *(Benchmark(f"uniform-{d}", partial(fast.uniform, d), 1) for d in fast.SECONDS),
    *(Benchmark(f"cores-{d}", partial(fast.two_cores, d), None) for d in fast.SECONDS),
    *(Benchmark(f"peaked-{d}", partial(fast.peaked, d), 1) for d in (1, 2, 3)),
    Benchmark("between", fast.between, 1),
    Benchmark("crossing", fast.crossing, 1),
    *(Benchmark(f"grid-{d}", partial(grids.all_walls, d), 0) for d in grids.CELLS),
    Benchmark("small", process.small_calls, 0),
    Benchmark("frame-core", partial(frame.rows, cpu), 1),
    Benchmark("frame-all", partial(frame.rows, wall), 0),
    Benchmark("first", process.first_call, None),
    Benchmark("compile", process.compiling, None),
    Benchmark("busy", process.busy, 0),
)


def chosen(names: Sequence[str]) -> list[Benchmark]:
    """Return the benchmarks of these names, or whose names begin so: `dense` stands for `dense-1` and so on."""
    return [one for one in BENCHMARKS if not names or one.name in names or one.name.rsplit("-", 1)[0] in names]


def measure(benchmarks: Sequence[Benchmark], options: Options, show: Callable[[Row], None]) -> list[Row]:
    """Run the benchmarks one after the other, showing each row as it comes."""
    rows: list[Row] = []
    with ExitStack() as stack:
        workers: dict[int, Worker] = {}
        for one in benchmarks:
            try:
                if one.threads is None:
                    found = one.rows(options)
                else:
                    threads = one.threads or os.cpu_count() or 1
                    if threads not in workers:
                        workers[threads] = stack.enter_context(Worker(threads))
                    found = workers[threads](one.rows, options)
            except Exception as trouble:  # the other rows are worth having
                found = [refused(one.name, words(trouble))]
            for row in found:
                show(row)
            rows += found
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    names = sorted({one.name for one in BENCHMARKS} | {one.name.rsplit("-", 1)[0] for one in BENCHMARKS})
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="where to write the rows with all details")
    parser.add_argument("--quick", action="store_true", help="ten times smaller, few rounds, nothing judged")
    parser.add_argument("--only", nargs="+", choices=names, default=[], metavar="NAME", help=", ".join(names))
    parser.add_argument(
        "--peers", nargs="*", choices=FAMILIES, default=FAMILIES, metavar="NAME", help=", ".join(FAMILIES)
    )
    parser.add_argument("--device", default="cpu", help="time only torch's rows, on this torch device (cuda)")
    parser.add_argument("--seed", type=int, default=Options.seed, help="of all data")
    asked = parser.parse_args(arguments)
    options = Options(asked.quick, tuple(asked.peers), asked.seed)
    use_checkout()
    print(HEADING, flush=True)

    def show(row: Row) -> None:
        print(row.line(), flush=True)

    if asked.device != "cpu":
        rows = accelerator.rows(asked.device, options)
        for row in rows:
            show(row)
    else:
        rows = measure(chosen(asked.only), options, show)
    print(summary(rows))
    if asked.out is not None:
        write(asked.out, options, rows)
    return 1 if any(row.status == REFUSED for row in rows) else 0


def write(path: Path, options: Options, rows: Sequence[Row]) -> None:
    report: dict[str, Any] = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.description(),
        "versions": machine.versions(),
        "seed": options.seed,
        "quick": options.quick,
        "rows": [row.as_json() for row in rows],
    }
    path.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
