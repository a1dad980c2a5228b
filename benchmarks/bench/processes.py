"""Commands and processes to measure: run, timed from outside, and the memory that they take."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.turns import timed

Command = Sequence[str | Path]

PEERS = Path(__file__).resolve().parent.parent / "peers"
"""Scripts that run in another environment than ours, a board's or MediaPipe's."""

# A small process in between: Linux counts what a process held before it became another program, which is what its
# parent holds, and that may have TensorFlow in memory.
_LAUNCH = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def command_seconds(command: Command) -> Callable[[], float]:
    """Gives the seconds of a command when called; what it prints is lost.

    Raises:
        CalledProcessError: when called, where the command fails.
    """
    return timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))


def output(command: Command) -> Any:
    """What a command prints, as JSON.

    Raises:
        CalledProcessError: it fails; its errors are shown.
    """
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def peak_resident(command: Command) -> int:
    """The most memory that a command held, in bytes; of a child of it where that held more.

    Raises:
        CalledProcessError: it fails.
    """
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH, *map(str, command)]
    printed = subprocess.run(launcher, check=True, stdout=subprocess.PIPE, text=True).stdout
    code, kilobytes = map(int, printed.split())
    if code:
        raise subprocess.CalledProcessError(code, list(map(str, command)))
    return 1024 * kilobytes


class Worker:
    """A process of a script in `peers/` that does what it is told, and says how long that took."""

    def __init__(self, python: str | Path, script: str, *arguments: str | Path) -> None:
        """Starts it; see `peers/worker.py`."""
        command = [str(python), "-I", str(PEERS / script), *map(str, arguments)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, task: str) -> tuple[float, Any]:
        """Seconds of one task, as the worker measured them, and what came of it.

        Raises:
            CalledProcessError: the worker has ended.
        """
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(task + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise subprocess.CalledProcessError(self._process.wait(), self._process.args)
        seconds, result = json.loads(line)
        return seconds, result


def peak_of_family(process: subprocess.Popen[bytes]) -> int:
    """Waits for a process; the most memory that it and its descendants held together, proportional set size, bytes.

    Sampled ten times a second.
    """
    peak = 0
    done = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(0.1):
            peak = max(peak, sum(_pss(pid) for pid in _family(process.pid)))

    watcher = threading.Thread(target=sample)
    watcher.start()
    process.wait()
    done.set()
    watcher.join()
    return peak


def _family(pid: int) -> list[int]:
    """A process and all its descendants."""
    family = [pid]
    for member in family:
        try:
            for task in Path(f"/proc/{member}/task").iterdir():
                family += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return family


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)
