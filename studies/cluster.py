"""Cases on a Dask cluster: one at a time on each of its worker processes, to the same bits as on this machine.

The run itself chooses the worker of each case and gives it no second one meanwhile. So it knows what ran on a worker
that is gone, and only that is charged with an attempt. A worker that sees the run's folder writes the case there, as a
process on this machine would; from one that does not, the files travel back. A worker with other sources or other
versions of the numerical libraries gets no cases, since its bits might differ.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from studies import files
from studies.crew import Crew
from studies.errors import BadInput
from studies.jobs import CaseJob
from studies.pool import ATTEMPTS, Ended, Event, Lost, Started, Tick

if TYPE_CHECKING:
    from distributed import Client

INSTALL = "python -m pip install 'attention-meanfield[dask]'"
_ANSWER = 5.0  # seconds for the scheduler to answer
_PARTING = 0.5
_POLL = 0.2


@dataclass(frozen=True)
class Cluster:
    """A connection to a scheduler; an engine for `studies.runner.run`.

    Parameters
    ----------
    address : str
        What `dask scheduler` prints, as in tcp://127.0.0.1:8786.
    client : distributed.Client
        The connection.
    """

    address: str
    client: Client

    def __call__(
        self, jobs: Mapping[int, CaseJob], say: Callable[[str], None], check: Callable[[], None]
    ) -> Generator[Event, None, None]:
        """Yield what happens to the cases until every one has ended, as `studies.pool.Pool.each` does."""
        if not jobs:
            return
        first = next(iter(jobs.values()))
        with _token(first.store.folder) as token:
            yield from self._events(Crew(self.client, token, first), jobs, say, check)

    def _events(
        self, crew: Crew, jobs: Mapping[int, CaseJob], say: Callable[[str], None], check: Callable[[], None]
    ) -> Iterator[Event]:
        waiting, attempts = deque(jobs), Counter[int]()
        ticked, waited = time.monotonic(), False
        while waiting or crew.busy():
            check()
            for line in crew.look():
                say(line)
            if crew.gone():
                reason = f"the scheduler at {self.address} does not answer any more"
                yield from (Ended(index, None, reason) for index in (*crew.busy(), *waiting))
                return
            if crew.nobody() and not waited:
                say(f"no worker of the cluster at {self.address} can be used; waiting for one")
            waited = crew.nobody()
            while waiting and (worker := crew.free()) is not None:
                index = waiting.popleft()
                attempts[index] += 1
                crew.give(worker, index, jobs[index], attempts[index])
                yield Started(index)
            crew.wait(_POLL)
            for end in crew.ended():
                if end.lost is None:
                    yield Ended(end.index, end.report, end.failure)
                elif attempts[end.index] < ATTEMPTS:
                    waiting.append(end.index)
                    yield Lost(end.index, end.lost, attempts[end.index])
                else:
                    text = f"its process ended abruptly in each of {ATTEMPTS} attempts; the last one {end.lost}"
                    yield Ended(end.index, None, text)
            if time.monotonic() - ticked > 1.0:
                ticked = time.monotonic()
                yield Tick()


@contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Connect to the scheduler at `address`.

    Raises
    ------
    studies.errors.BadInput
        If nobody answers there, or Dask is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise BadInput([f"--dask needs the package distributed, which is not installed: {INSTALL}"]) from error
    try:
        distributed.comm.get_address_host_port(address)  # a client that refuses its address takes long to go
        client = distributed.Client(address, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        rule = "give the address that `dask scheduler` prints, as in tcp://127.0.0.1:8786"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput([f"--dask: no scheduler answers at {address!r} ({reason}); {rule}."]) from error
    try:
        yield Cluster(address, client)
    finally:
        client.close(timeout=_PARTING)


@contextmanager
def _token(folder: Path) -> Iterator[Path]:
    """Put a file into the folder by which a worker can tell whether it sees this very folder."""
    path = folder / f".token-{uuid4().hex}"
    files.write_text(path, path.name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
