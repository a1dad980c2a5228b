"""Begins commands as forks of one process that has TensorFlow imported, which all processes of a run share."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests import costs

PROGRAMS = Path(__file__).parent / "programs"


@contextlib.contextmanager
def begun(shared: Path, own: Path) -> Iterator[list[str]]:
    """Yields the beginning of a command that is a fork of a process with all imported, see `programs/warm.py`.

    The first that asks imports it all and is copied for the others, as long as it lives; then the next one does. Each
    has a copy of its own, whose time counts as that of its tests.

    Args:
        shared: the folder of all processes of this run of the tests.
        own: an empty folder of this process.
    """
    first, socket = shared / "warm", str(own / "socket")
    ask = [sys.executable, "-IS", str(PROGRAMS / "ask_warm.py")]
    with contextlib.ExitStack() as stack:

        def begin(*command: str) -> int:
            """Returns the number of the process that listens; 0 if there is none. It ends with its standard input."""
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.enter_context(process)
            assert process.stdout is not None
            word, _, number = process.stdout.readline().partition(b" ")
            return int(number) if word == b"ready" else 0

        with (shared / "warm.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            number = begin(*ask, str(first), "listen", socket) if first.exists() else 0
            if not number:
                first.unlink(missing_ok=True)
                assert begin(sys.executable, "-I", str(PROGRAMS / "warm.py"), str(first))
                number = begin(*ask, str(first), "listen", socket)
        assert number
        costs.count(number)
        yield [*ask, socket]
