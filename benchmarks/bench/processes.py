"""Runs commands and processes, and measures their time and memory from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from bench.turns import timed
from zoo.machine.procfs import kilobytes, text

Command = Sequence[str | Path]

PACKAGES = {"litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}
"""The runtimes by the names of their packages."""
ZOO = "import sys; sys.argv[0] = 'zoo'; from zoo.__main__ import main; main()"
"""The command line, as the installed program `zoo` starts it."""
PEERS = Path(__file__).resolve().parent.parent / "peers"
"""The folder of the scripts that run in another environment, a board's or MediaPipe's."""

# A small process starts the command: Linux also counts the memory that a process had before it became another program,
# which is that of its parent, and the parent may have TensorFlow in memory.
_LAUNCH = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def command_seconds(command: Command) -> Callable[[], float]:
    """Returns a function that runs a command and returns its seconds; the command's output is dropped.

    Raises:
        CalledProcessError: the command fails when the function is called.
    """
    return timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))


def output(command: Command) -> Any:
    """Runs a command, and parses its output as JSON.

    Raises:
        CalledProcessError: the command fails; its errors are shown.
    """
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def peak_resident(command: Command) -> int:
    """Returns the peak memory of a command, or of its child that used more, in bytes.

    Raises:
        CalledProcessError: the command fails.
    """
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH, *map(str, command)]
    printed = subprocess.run(launcher, check=True, stdout=subprocess.PIPE, text=True).stdout
    code, kilobytes = map(int, printed.split())
    if code:
        raise subprocess.CalledProcessError(code, list(map(str, command)))
    return 1024 * kilobytes


class Worker:
    """A process of `peers/worker.py` that does the tasks it is given, and says how long each took."""

    def __init__(self, python: str | Path, who: str, file: Path, pictures: Path, threads: int = 1) -> None:
        """Starts the process with the script's words."""
        command = [str(python), "-I", str(PEERS / "worker.py"), who, str(file), str(pictures), str(threads)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, task: str) -> tuple[float, Any]:
        """Returns the seconds of one task, as the worker measured them, and its result.

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

    def second(self, task: str) -> Callable[[], float]:
        """Returns a function that does a task twice, and returns the seconds of the second; the first fills caches."""
        return lambda: (self.ask(task), self.ask(task))[1][0]


def peak_of_family(process: subprocess.Popen[bytes]) -> int:
    """Waits for a process; returns the peak memory of it and its descendants together, in bytes.

    The memory is the proportional set size, sampled ten times a second.
    """
    peak = 0
    done = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(0.1):
            peak = max(
                peak, sum(kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss") or 0 for pid in _family(process.pid))
            )

    watcher = threading.Thread(target=sample)
    watcher.start()
    process.wait()
    done.set()
    watcher.join()
    return peak


def _family(pid: int) -> list[int]:
    """Lists a process and all its descendants."""
    family = [pid]
    for member in family:
        for children in Path(f"/proc/{member}/task").glob("*/children"):
            family += map(int, (text(children) or "").split())
    return family


def resident(pid: int) -> float:
    """Returns the memory that a process holds now, in MB; 0 if it has ended."""
    return (kilobytes(Path(f"/proc/{pid}/status"), "VmRSS") or 0) / 1e6


def processor_seconds(pid: int) -> float:
    """Returns the processor time that all threads of a process have used, in seconds."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def serving(
    *options: str | Path, errors: int | IO[str] = subprocess.DEVNULL
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Runs `zoo serve` on a free port; yields its process and port, and ends it by SIGTERM.

    Args:
        *options: the model's file, or `--collect` and a folder, and more.
        errors: where its standard error goes.

    Raises:
        CalledProcessError: the server does not start.
    """
    command = [sys.executable, "-c", ZOO, "serve", "--port", "0", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
        assert process.stdout
        try:
            found = re.search(r":(\d+)/", process.stdout.readline())
            if not found:
                raise subprocess.CalledProcessError(process.wait(), command)
            yield process, int(found[1])
            process.terminate()
            process.wait(60)
        finally:
            process.kill()
