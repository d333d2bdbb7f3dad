"""The command `meanfield`: list the studies, run them, solve a problem of one's own, test the runner.

Exit status: 0 done, 2 bad input (every problem on a line), 3 a run failed (what finished is kept), 4 a result
could not be written, 130 interrupted. Nothing heavy is imported before a sub-command needs it.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

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
from studies.interrupts import as_keyboard_interrupts
from studies.registry import GROUPS, STUDIES, Study

if TYPE_CHECKING:
    from studies.contract import StudyConfig
    from studies.runner import Engine

_TITLES = {
    "figures": "the figures of the paper",
    "statements": "its statements",
    "paper": "figures and statements, and then the page of all of them, DIR/paper.md",
}


def script(arguments: Sequence[str] | None = None, studies: Mapping[str, Study] | None = None) -> NoReturn:
    """Run the command as `main` does, and end the process."""
    status = main(arguments, studies)
    if status == INTERRUPTED:
        # At once: to take numerical libraries down takes a third of a second, and more under load. And Python would end
        # by a signal instead of this status if the exception went through a string that was executed (a dataclass).
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(status)
    sys.exit(status)


def main(arguments: Sequence[str] | None = None, studies: Mapping[str, Study] | None = None) -> int:
    """Run the command and return its exit status; `studies` are those it knows, the registered ones if left out."""
    chosen = _parsed(sys.argv[1:] if arguments is None else arguments)
    chosen.studies = STUDIES if studies is None else studies
    chosen.groups = {name: members for name, members in GROUPS.items() if chosen.studies.keys() >= set(members)}
    try:
        with as_keyboard_interrupts():
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


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what was asked for; what cannot be understood ends the process with status 2."""
    chosen, rest = _parser().parse_known_args(arguments)
    texts = []
    for one in rest:
        before = arguments[arguments.index(one) - 1] if one in arguments else ""
        if one.startswith("-"):
            options = re.findall(r"--[a-z]+", chosen.parser.format_usage())
            texts.append(f"there is no option {one!r}. {nearest(one, options)}")
        elif before.startswith("-"):
            texts.append(f"{before} takes no value; got {one!r}.")
        else:
            texts.append(f"{one!r} is one argument too many.")
    if texts:
        chosen.parser.error(" ".join(texts))
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meanfield",
        description="Self-attention as an interacting particle system, and its mean-field limit.",
        epilog="Exit status: 0 done, 2 bad input, 3 a run failed, 4 could not write, 130 interrupted.",
    )
    parser.add_argument("--version", action=_Version, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    listing = commands.add_parser("list", help="list the studies")
    listing.set_defaults(action=_list, parser=listing)

    run = commands.add_parser("run", help="run studies", description="Run studies; finished cases are kept.")
    _add_choice(run)
    run.add_argument("--jobs", metavar="N", help="worker processes; as many as usable cores by default")
    run.add_argument("--dask", metavar="ADDRESS", help="compute on the Dask cluster of the scheduler at ADDRESS")
    run.add_argument("--shard", metavar="i/N", help="only every N-th case, from the i-th: N such runs share them")
    run.add_argument("--animate", action="store_true", help="also make films: a GIF, and an MP4 where ffmpeg is found")
    run.add_argument("--progress", action="store_true", help="show a bar even if stderr is not a terminal")
    run.add_argument("--out", metavar="DIR", required=True, type=Path, help="folder of the results")
    run.set_defaults(action=_run, parser=run)

    config = commands.add_parser("config", help="print the configuration of studies as TOML, for run --config")
    _add_choice(config)
    config.set_defaults(action=_config, parser=config)

    test = commands.add_parser("selftest", help="kill real runs and damage real files; see that no bit changes")
    test.add_argument("--soak", action="store_true", help="100 kills instead of a few; takes minutes")
    test.add_argument("--seed", metavar="S", default="0", help="of what is killed and when; 0 by default")
    test.set_defaults(action=_selftest, parser=test)

    solve = commands.add_parser("solve", help="solve a problem given as a TOML file")
    solve.add_argument("problem", metavar="PROBLEM.toml", type=Path, help="the problem; see the README")
    solve.add_argument("--out", metavar="DIR", required=True, type=Path, help="folder of the results")
    solve.set_defaults(action=_solve, parser=solve)

    def none(_: argparse.Namespace) -> NoReturn:
        parser.error(f"COMMAND must be one of {', '.join(commands.choices)}.")

    parser.set_defaults(action=none, parser=parser)
    return parser


def _add_choice(command: argparse.ArgumentParser) -> None:
    """Add what decides a study's numbers."""
    command.add_argument("names", nargs="+", metavar="NAME", help="a study or a group; see `meanfield list`")
    command.add_argument("--full", action="store_true", help="the size a paper would print; quick by default")
    command.add_argument("--seed", metavar="S", help="seed of everything random; 0 by default")
    command.add_argument("--config", metavar="FILE.toml", type=Path, help="replaces keys of that size; a table a study")


class _Version(argparse.Action):
    """Look the version up only when asked: argparse's own action wants it beforehand."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from studies.provenance import version

        print(f"{parser.prog} {version()}")
        parser.exit(DONE)


def _list(chosen: argparse.Namespace) -> int:
    width = max(map(len, chosen.studies))
    grouped = {name for members in chosen.groups.values() for name in members}
    _list_part([name for name in chosen.studies if name not in grouped], chosen, width)
    listed: set[str] = set()
    for group, members in chosen.groups.items():
        print(f"\n{group}: {_TITLES[group]}")
        _list_part([name for name in members if name not in listed], chosen, width)
        listed.update(members)
    return DONE


def _list_part(names: Sequence[str], chosen: argparse.Namespace, width: int) -> None:
    for name in names:
        print(f"  {name:<{width}}  {chosen.studies[name].summary}")


def _run(chosen: argparse.Namespace) -> int:
    problems: list[str] = []
    jobs = None if chosen.jobs is None else _integer("--jobs", chosen.jobs, 1, problems)
    if chosen.jobs is not None and chosen.dask is not None:
        problems.append("--jobs is for processes on this machine, --dask for a cluster; give one of them.")
    shard = None
    if chosen.shard is not None:
        from studies.shard import Shard

        try:
            shard = Shard.read(chosen.shard)
        except ValueError as error:
            problems.append(f"--shard {error}")
    problems += _unusable(chosen.out)
    configurations = _configurations(chosen, problems)

    from studies import many

    with _engine(chosen.dask) as engine:
        order = many.Order(
            configurations,
            chosen.out,
            films=chosen.animate,
            page="paper" in chosen.names,
            jobs=jobs,
            shard=shard,
            engine=engine,
            progress=chosen.progress or sys.stderr.isatty(),
        )
        return many.run(order, _say)


def _config(chosen: argparse.Namespace) -> int:
    configurations = _configurations(chosen, [])
    from studies import configuration

    print("\n".join(configuration.text(study, config) for study, config in configurations), end="", flush=True)
    return DONE


def _configurations(chosen: argparse.Namespace, problems: list[str]) -> list[tuple[Study, StudyConfig]]:
    """Return what is to be run; if anything is wrong, with it or as `problems` says, all of that is raised."""
    known = [*chosen.studies, *chosen.groups]
    unknown = [f"no study is called {name!r}. {nearest(name, known)}" for name in chosen.names if name not in known]
    problems = [*unknown, *problems]
    seed = None if chosen.seed is None else _integer("--seed", chosen.seed, 0, problems)
    # A group's name stands for its studies, in their order; none is run twice.
    expanded = (one for name in chosen.names if name in known for one in chosen.groups.get(name, (name,)))
    names = list(dict.fromkeys(expanded))
    if problems and chosen.config is None:
        raise BadInput(problems)

    from studies import configuration

    tables = {} if chosen.config is None else configuration.read(chosen.config, chosen.studies, problems, chosen.groups)
    found = []
    for name in names:
        try:
            changes = tables.get(name, {})
            one = configuration.configuration(chosen.studies[name], full=chosen.full, seed=seed, changes=changes)
            found.append((chosen.studies[name], one))
        except BadInput as error:
            problems += error.problems
        except ImportError as error:
            problems.append(f"the study {name} cannot be imported: {error}")
    if getattr(chosen, "animate", False):
        problems += _without_film([study for study, _ in found if study.name in chosen.names])
    if problems:
        raise BadInput(problems)
    return found


def _without_film(studies: Sequence[Study]) -> list[str]:
    from studies import animation

    return [f"--animate: {one.name} has no film; run it without." for one in studies if not animation.animated(one)]


@contextmanager
def _engine(address: str | None) -> Iterator[Engine | None]:
    """Connect to a cluster, if one is asked for."""
    if address is None:
        yield None
        return
    from studies import cluster

    with cluster.connected(address) as engine:
        yield engine


def _selftest(chosen: argparse.Namespace) -> int:
    problems: list[str] = []
    seed = _integer("--seed", chosen.seed, 0, problems)
    if problems:
        raise BadInput(problems)
    from studies import selftest

    return DONE if selftest.selftest(kills=100 if chosen.soak else 6, seed=seed) else RUN_FAILED


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
    """Say what will keep results from being written, as far as can be seen before any work."""
    there = next(one for one in (out, *out.absolute().parents) if os.path.lexists(one))
    cannot = "" if there == out else f", and {out} cannot be made"
    if not os.path.isdir(there):
        return [f"--out must be a folder; {there} is {'a file' if os.path.isfile(there) else 'none'}{cannot}."]
    if not os.access(there, os.W_OK | os.X_OK):
        return [f"--out must be a folder to write into; {there} forbids it{cannot}."]
    return []


def _say(text: str) -> None:
    print(f"meanfield: {text}", file=sys.stderr)


if __name__ == "__main__":
    script()
