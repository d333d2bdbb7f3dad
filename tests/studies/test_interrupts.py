"""Signals that ask for an end: none of them is lost, whatever the code they come into makes of the exception."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from studies import interrupts
from studies.errors import INTERRUPTED

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_one_at_once(number):
    after = []
    with pytest.raises(KeyboardInterrupt), interrupts.as_keyboard_interrupts():
        os.kill(os.getpid(), number)
        after.append(1)
    assert not after


def test_an_interrupt_that_became_another_error_is_one_still():
    with pytest.raises(KeyboardInterrupt) as raised, interrupts.as_keyboard_interrupts():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise ValueError("Invalid affine transformation matrix") from None  # as compiled code says
    assert isinstance(raised.value.__cause__, ValueError)


def test_an_interrupt_that_was_swallowed_is_one_at_the_end():
    after = []
    with pytest.raises(KeyboardInterrupt), interrupts.as_keyboard_interrupts():
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        after.append(1)
    assert after


def test_other_errors_stay_what_they_are():
    with pytest.raises(ValueError, match="of its own"), interrupts.as_keyboard_interrupts():
        raise ValueError("of its own")


def test_the_process_ends_with_the_status_of_an_interrupt_wherever_it_came():
    # In a string that is executed, as in the making of a dataclass, Python would end by the signal itself.
    program = """
import os, signal, studies.__main__ as command
def stopped(chosen):
    print("some output")
    exec("os.kill(os.getpid(), signal.SIGINT)")
command._list = stopped
import sys
sys.argv[1:] = ["list"]
command.script()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (INTERRUPTED, "some output\n")
    assert done.stderr == "meanfield: interrupted; finished results are kept\n"
