"""Signals that ask a run to end: seen where the run can end cleanly, not in the middle of a line.

A run that is waiting learns of Ctrl-C (SIGINT), of a batch system's SIGTERM and of a closed terminal's SIGHUP at once,
since they make a connection readable that it waits on; it ends its workers and then raises KeyboardInterrupt.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_MASKS = hasattr(signal, "pthread_sigmask")


class Interrupts:
    """Within the `with` block the signals above are only noted. Elsewhere than in the main thread it does nothing.

    Attributes
    ----------
    arrived : bool
        Whether one of them came.
    reader : multiprocessing.connection.Connection
        Readable from then on.
    """

    def __enter__(self) -> Self:
        import multiprocessing  # not before a command needs it

        self.arrived = False
        self.reader, self._writer = multiprocessing.Pipe(duplex=False)
        self._before = _replaced(self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _restore(self._before)
        self.reader.close()
        self._writer.close()
        if self.arrived and kind is None:
            raise KeyboardInterrupt

    def raise_if_any(self) -> None:
        """Raise KeyboardInterrupt if a signal came."""
        if self.arrived:
            raise KeyboardInterrupt

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if not self.arrived:
            self.arrived = True
            self._writer.send_bytes(b"!")


@contextmanager
def as_keyboard_interrupts() -> Iterator[None]:
    """Within the block each of these signals raises KeyboardInterrupt, as SIGINT does anyway; at the latest at its end.

    Libraries lose exceptions: compiled code makes another error of one (matplotlib's paths, a failed import), and of
    one in a destructor nothing is left. So what comes out of the block after such a signal is KeyboardInterrupt.
    """
    arrived = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal arrived
        arrived = True
        raise KeyboardInterrupt

    before = _replaced(interrupt)
    try:
        yield
    except Exception as error:
        if arrived:
            raise KeyboardInterrupt from error
        raise
    finally:
        _restore(before)
    if arrived:
        raise KeyboardInterrupt


@contextmanager
def held_back(number: signal.Signals) -> Iterator[None]:
    """Within the block this signal waits, and so it does in a process that is started there."""
    if not _MASKS:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_through(number: signal.Signals) -> None:
    """Undo what a process inherited by being started within `held_back`."""
    if _MASKS:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})


def _replaced(handler: Any) -> dict[signal.Signals, Any]:
    """Install `handler`, and return what it replaced; a signal that is ignored (nohup) stays so."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    before = {number: signal.getsignal(number) for number in _ENDING}
    before = {number: old for number, old in before.items() if old not in (None, signal.SIG_IGN)}
    for number in before:
        signal.signal(number, handler)
    return before


def _restore(before: dict[signal.Signals, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
