"""The worker processes of a run, from outside."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_MARK = "multiprocessing.spawn"  # in the command line of a worker, and of no other child of a run


def workers_of(run: int) -> list[int]:
    """Return the process identifiers of a run's workers."""
    return [pid for pid, parent, command in _all() if parent == run and _MARK in command]


def alive(pid: int) -> bool:
    """Whether a process is there, and is no mere entry of one that has ended."""
    return any(pid == one for one, _, _ in _all())


def _all() -> Iterator[tuple[int, int, str]]:
    """Yield identifier, parent and command line of every process that has not ended."""
    if Path("/proc/self/stat").exists():
        yield from _from_proc()
        return
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        pid, parent, state, *command = line.split(None, 3)
        if not state.startswith("Z"):
            yield int(pid), int(parent), "".join(command)


def _from_proc() -> Iterator[tuple[int, int, str]]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                # The name, in parentheses, may hold anything.
                state, parent = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[:2]
                command = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it ended just now
            if state != "Z":
                yield int(name), int(parent), command
