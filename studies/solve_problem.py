"""Solve a problem of one's own and write what came out.

OUT/tokens.npz, limit.npz      the solutions, as `Trajectory.load` and `Curve.load` read them
OUT/measure.png, .svg          the measure over time
OUT/summary.json               how it went, moments, boxes, and W2 between tokens and limit
OUT/limit.*.checkpoint         while it runs: the state of the limit, from which a run that was ended goes on

Each is written as soon as it is known, the summary last: where that is, what it tells of is there too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import meanfield
import particles
from meanfield.checkpoint import fingerprint
from particles.checks import Array
from studies import files, picture, provenance, views
from studies.errors import BadInput, StoreError
from studies.problem import Problem

_ADDRESS = 12  # hexadecimal digits


@dataclass(frozen=True)
class Report:
    """What to tell on the terminal.

    Parameters
    ----------
    summary : dict
        What `summary.json` holds.
    table : str
        The same in short.
    stopped : tuple of str
        A message for each solution that did not reach the last time.
    """

    summary: dict[str, Any]
    table: str
    stopped: tuple[str, ...]


def solve_problem(problem: Problem, out: Path, *, progress: bool = False) -> Report:
    """Solve for the tokens, the limit, or both, and write everything into the folder `out`.

    Raises
    ------
    studies.errors.BadInput
        If a solver refuses its arguments.
    studies.errors.StoreError
        If a file could not be written.
    """
    folder = files.make_folder(out)
    (folder / "summary.json").unlink(missing_ok=True)
    path = _tokens(problem, progress)
    _save(folder, "tokens", path)
    state = folder / f"limit.{_address(problem)}.checkpoint"
    curve = _limit(problem, state, progress)
    _save(folder, "limit", curve)
    there = {name: one for name, one in (("tokens", path), ("limit", curve)) if one is not None}
    summary = {
        "problem": problem.source,
        "times": problem.times,
        **{name: _described(solution) for name, solution in there.items()},
        **_distances(path, curve),
        **provenance.record(),
    }
    frames = picture.Frames(problem.times, _measures(path), _measures(curve))
    files.write_figure(folder, "measure", picture.measure_over_time(frames, _title(problem)))
    files.write_json(folder / "summary.json", summary)
    state.unlink(missing_ok=True)
    stopped = tuple(f"{name}: {s.message}" for name, s in there.items() if s.status != "finished")
    return Report(summary, _table(problem.times, summary), stopped)


def _tokens(problem: Problem, progress: bool) -> particles.Trajectory | None:
    if problem.tokens is None:
        return None
    try:
        return particles.solve(problem.law, problem.tokens, problem.times, stepper=problem.stepper, progress=progress)
    except ValueError as error:
        raise BadInput(f"[tokens] {line}" for line in str(error).splitlines()) from error


def _limit(problem: Problem, state: Path, progress: bool) -> meanfield.Curve | None:
    if problem.initial is None or problem.method is None:
        return None
    try:
        return meanfield.solve(
            problem.law, problem.initial, problem.times, method=problem.method, progress=progress, checkpoint=state
        )
    except ValueError as error:
        raise BadInput(f"[method] {line}" for line in str(error).splitlines()) from error


def _address(problem: Problem) -> str:
    """Tell a limit's state from that of another problem, or of other code."""
    task = (problem.law, problem.initial, problem.times, problem.method, provenance.sources("meanfield", "particles"))
    return fingerprint(task)[:_ADDRESS]


def _measures(solution: Any) -> list[Any]:
    return [] if solution is None else [solution[k] for k in range(len(solution.times))]


def _described(solution: Any) -> dict[str, Any]:
    measures = _measures(solution)
    boxes = [views.box(measure) for measure in measures]
    return {
        "status": solution.status,
        "message": solution.message,
        "stats": solution.stats,
        "times": solution.times,
        "mean": [measure.mean for measure in measures],
        "cov": [measure.cov for measure in measures],
        "lower": [None if box is None else box[0] for box in boxes],
        "upper": [None if box is None else box[1] for box in boxes],
    }


def _distances(path: particles.Trajectory | None, curve: meanfield.Curve | None) -> dict[str, Any]:
    if path is None or curve is None:
        return {}
    both = min(len(path.times), len(curve.times))
    plans = [meanfield.transport(path[k], curve[k]) for k in range(both)]
    return {"w2": [plan.distance for plan in plans], "w2_quantisation": [plan.quantisation for plan in plans]}


def _save(folder: Path, name: str, solution: Any) -> None:
    if solution is None:
        return
    try:
        solution.save(folder / f"{name}.npz")
    except OSError as error:
        raise StoreError(f"cannot write {folder / name}.npz: {error.strerror or error}") from error


def _title(problem: Problem) -> str:
    kind = "rescaled tokens" if isinstance(problem.law, particles.Rescaled) else "tokens"
    return f"The measure of the {kind} over depth, d = {problem.law.dim}"


def _table(times: Array, summary: dict[str, Any]) -> str:
    """Return time, spread (root of the trace of the covariance) and W2, a line each time."""
    columns: dict[str, Iterable[float]] = {"t": times}
    for name in ("tokens", "limit"):
        if name in summary:
            columns[f"spread of {name}"] = [float(cov.trace()) ** 0.5 for cov in summary[name]["cov"]]
    if "w2" in summary:
        columns["W2"] = summary["w2"]
    cells = [[f"{number:.6g}" for number in column] for column in columns.values()]
    heads = list(columns)
    widths = [max(map(len, [head, *column])) for head, column in zip(heads, cells, strict=True)]
    lines = [heads, *([column[k] if k < len(column) else "-" for column in cells] for k in range(len(times)))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
