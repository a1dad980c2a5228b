"""Handles signals, and respects those that were ignored when the command was started.

A program inherits the signals that its parent ignores. A shell script starts a job in the background (`zoo train &`)
with SIGINT ignored, so that Ctrl-C ends the program in the foreground but not the job; `nohup` does the same
with SIGHUP. Signals that were ignored at the start therefore stay ignored, and SIGTERM (`kill PID`) can end such
a job.

SIGCHLD is the exception. If it is ignored, the system forgets how children ended, and Python assumes that each ended
well. A command that starts children needs to know how they ended. This module needs only the standard library.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

STOP = (signal.SIGINT, signal.SIGTERM)
"""The signals that ask a program to end: SIGINT from Ctrl-C, and SIGTERM from `kill` and service managers."""


@contextlib.contextmanager
def listening(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Passes the signals of `STOP` to a function while the block runs, and restores their handlers after it.

    A signal that is ignored stays ignored. Outside of the main thread, which alone can set handlers, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOP}
    heard = {number: old for number, old in before.items() if old is not signal.SIG_IGN}
    for number in heard:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in heard.items():
            # None means that the handler was not set from Python, which cannot restore it then.
            signal.signal(number, signal.SIG_DFL if old is None else old)


def watch_children() -> None:
    """Lets this process learn how its children end, even if SIGCHLD was ignored; to be called when a program starts."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
