"""The command `meanfield`: list the studies, run them, solve a problem of one's own.

Exit status: 0 done, 2 bad input (every problem on a line), 3 a run failed (what finished is kept), 4 a result
could not be written, 130 interrupted. Nothing heavy is imported before a sub-command needs it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from studies.errors import (
    BAD_INPUT,
    DONE,
    INTERRUPTED,
    RUN_FAILED,
    STORE_FAILED,
    BadInput,
    StoreError,
    nearest,
)
from studies.registry import STUDIES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        return chosen.action(chosen)
    except BadInput as error:
        for problem in error.problems:
            _say(problem)
        return BAD_INPUT
    except StoreError as error:
        _say(str(error))
        return STORE_FAILED
    except KeyboardInterrupt:
        _say("interrupted; finished results are kept")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meanfield",
        description="Self-attention as an interacting particle system, and its mean-field limit.",
        epilog="Exit status: 0 done, 2 bad input, 3 a run failed, 4 could not write, 130 interrupted.",
    )
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    listing = commands.add_parser("list", help="list the studies")
    listing.set_defaults(action=_list)

    run = commands.add_parser("run", help="run studies", description="Run studies; finished cases are kept.")
    run.add_argument("names", nargs="+", metavar="NAME", help="a study; see `meanfield list`")
    run.add_argument("--full", action="store_true", help="the size a paper would print; quick by default")
    run.add_argument("--jobs", metavar="N", help="worker processes; as many as usable cores by default")
    run.add_argument("--seed", metavar="S", default="0", help="seed of everything random; 0 by default")
    run.add_argument("--out", metavar="DIR", required=True, type=Path, help="folder of the results")
    run.set_defaults(action=_run)

    solve = commands.add_parser("solve", help="solve a problem given as a TOML file")
    solve.add_argument("problem", metavar="PROBLEM.toml", type=Path, help="the problem; see the README")
    solve.add_argument("--out", metavar="DIR", required=True, type=Path, help="folder of the results")
    solve.set_defaults(action=_solve)
    return parser


class _Version(argparse.Action):
    """Look the version up only when asked: argparse's own action wants it beforehand."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from studies.provenance import version

        print(f"{parser.prog} {version()}")
        parser.exit(DONE)


def _list(_: argparse.Namespace) -> int:
    width = max(map(len, STUDIES))
    for study in STUDIES.values():
        print(f"{study.name:<{width}}  {study.summary}")
    return DONE


def _run(chosen: argparse.Namespace) -> int:
    problems = [
        f"no study is called {name!r}. {nearest(name, STUDIES)}" for name in chosen.names if name not in STUDIES
    ]
    jobs = None if chosen.jobs is None else _integer("--jobs", chosen.jobs, 1, problems)
    seed = _integer("--seed", chosen.seed, 0, problems)
    problems += _unusable(chosen.out)
    if problems:
        raise BadInput(problems)

    from studies import contract, runner

    status = DONE
    for study in (STUDIES[name] for name in dict.fromkeys(chosen.names)):
        size = contract.load(study).Config
        config = size.full(seed) if chosen.full else size.quick(seed)
        outcome = runner.run(study, config, chosen.out, jobs=jobs, progress=sys.stderr.isatty())
        for failure in outcome.failures:
            _say(f"{study.name}: {failure.what} failed:\n{failure.reason.rstrip()}")
        if outcome.failures:
            _say(f"{study.name}: {len(outcome.failures)} failed; the finished cases are kept in {chosen.out}")
            status = RUN_FAILED
        else:
            print(outcome.table, flush=True)
    return status


def _solve(chosen: argparse.Namespace) -> int:
    problems = _unusable(chosen.out)
    from studies import problem, solve_problem

    try:
        task = problem.read(chosen.problem)
    except BadInput as error:
        raise BadInput([*problems, *error.problems]) from error
    if problems:
        raise BadInput(problems)
    report = solve_problem.solve_problem(task, chosen.out, progress=sys.stderr.isatty())
    print(report.table, flush=True)
    for message in report.stopped:
        _say(message)
    return RUN_FAILED if report.stopped else DONE


def _integer(name: str, text: str, least: int, problems: list[str]) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        problems.append(f"{name} must be an integer of at least {least}; got {text!r}.")
    return number


def _unusable(out: Path) -> list[str]:
    if out.exists() and not out.is_dir():
        return [f"--out must be a folder; {out} is a file."]
    return []


def _say(text: str) -> None:
    print(f"meanfield: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
