"""Signals: which of them a command listens to, and what it was started with. Standard library only.

A program inherits what its parent ignores. A shell that is no terminal's starts a job in the background (`zoo train &`
in a script) with SIGINT ignored, so that Ctrl-C ends what is in the foreground and not the job; `nohup` does the same
with SIGHUP. That is respected here: what was ignored from the start stays so, and SIGTERM (`kill PID`) is there to end
a job.

SIGCHLD is the exception. Where it is ignored, the system forgets how children ended, and Python takes each for one that
ended well. A command that starts children has to know.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

STOP = (signal.SIGINT, signal.SIGTERM)
"""What asks a program to end: Ctrl-C, and what `kill` and service managers send."""


@contextlib.contextmanager
def listening(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Hands the signals of `STOP` to a function as long as the block runs, and leaves them as they were.

    One that is ignored stays ignored. Outside of the main thread, which alone may listen, nothing changes.
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
            # None: not set from Python, which cannot put it back then.
            signal.signal(number, signal.SIG_DFL if old is None else old)


def watch_children() -> None:
    """Lets this process learn how its children end, whatever it was started with; for the start of a program."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
