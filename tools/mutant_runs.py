"""Runs tests on mutants, each in a fork of one process that has imported pytest, numpy and TensorFlow already."""

from __future__ import annotations

import contextlib
import importlib
import json
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

import mutant_code
from zoo.system.quiet import quiet, quiet_tensorflow

PRELOADED = ("numpy", "PIL.Image", "hypothesis", "click", "rich.console", "tensorflow", "keras")
"""What tests import that is slow to import, and not of this project."""
PLUGINS = ("-p", "pytest_timeout", "-p", "_hypothesis_pytestplugin")
MEMORY = 6 * 2**30
"""Bytes that a mutant may take."""


@dataclass(frozen=True)
class Trial:
    """Tests that are to be run on a module, or on a mutant of it."""

    module: str
    path: Path
    """The module's file."""
    tests: Path
    source: str


@dataclass(frozen=True)
class Outcome:
    """How the tests of a trial ended."""

    passed: bool
    stopped: bool
    """Whether they took too long."""
    seconds: float
    durations: dict[str, float]
    """The seconds of each test."""
    output: str
    """What pytest printed."""


class Plugin:
    """Notes how long each test takes, and has the quick ones run first."""

    def __init__(self, known: dict[str, float]) -> None:
        """Takes the seconds of tests by their names."""
        self._known = known
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sorts the tests: whoever notices a fault should do so soon."""
        items.sort(key=lambda item: self._known.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Adds the time of a test, with that of its fixtures."""
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration


def prepare(folder: Path) -> None:
    """Imports what tests need, in the surroundings that they have; `folder` has to be empty and to stay."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    importlib.import_module("tests.surroundings").settle(str(folder))
    quiet_tensorflow()
    # Without it, plugins of pytest would be loaded that these tests do not need.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with quiet():
        for name in PRELOADED:
            importlib.import_module(name)


def outcomes(
    trials: Sequence[Trial], known: dict[str, float], limit: float, workers: int
) -> Iterator[tuple[int, Outcome]]:
    """Yields the outcome of each trial with its place in the list, as they end.

    Args:
        trials: what is to be run.
        known: the seconds that tests took before, by their names, for their order.
        limit: the seconds that the tests may take.
        workers: how many run at the same time.
    """
    waiting = list(enumerate(trials))[::-1]
    running: dict[int, _Run] = {}
    while waiting or running:
        while waiting and len(running) < workers:
            place, trial = waiting.pop()
            running[place] = _Run(trial, known, limit)
        connection.wait([run.process.sentinel for run in running.values()], timeout=0.5)
        for place, run in list(running.items()):
            if (outcome := run.ended()) is not None:
                del running[place]
                yield place, outcome


class _Run:
    """A trial that runs in a process of its own."""

    def __init__(self, trial: Trial, known: dict[str, float], limit: float) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mutant-")
        self._begun, self._limit = time.monotonic(), limit
        folder = Path(self._folder.name)
        fork = multiprocessing.get_context("fork")
        self.process: BaseProcess = fork.Process(target=_child, args=(trial, known, limit, folder))
        self.process.start()

    def ended(self) -> Outcome | None:
        """Returns the outcome, or None while it runs in its time."""
        seconds = time.monotonic() - self._begun
        late = seconds > self._limit
        if self.process.is_alive() and not late:
            return None
        self._stop()
        code = self.process.exitcode
        note, output = Path(self._folder.name) / "durations.json", Path(self._folder.name) / "output.txt"
        durations = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
        said = output.read_text(encoding="utf-8", errors="replace") if output.is_file() else ""
        with contextlib.suppress(OSError):
            self._folder.cleanup()
        return Outcome(code == 0, late or code in {-signal.SIGXCPU, -signal.SIGKILL}, seconds, durations, said)

    def _stop(self) -> None:
        """Ends the process and those that it started."""
        assert self.process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.join()


def _child(trial: Trial, known: dict[str, float], limit: float, folder: Path) -> None:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream in (1, 2):
        os.dup2(os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 2))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    # What the tests leave behind is removed with this folder, also what hypothesis keeps in the current one.
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    os.chdir(folder)
    sys.dont_write_bytecode = True
    mutant_code.install(trial.module, trial.path, trial.source)
    plugin = Plugin(known)
    options = ["-q", "-x", "-p", "no:cacheprovider", "-m", "not long", *PLUGINS, "--hypothesis-seed", "0"]
    code = pytest.main([*options, "--basetemp", str(folder / "t"), str(trial.tests)], plugins=[plugin])
    (folder / "durations.json").write_text(json.dumps(plugin.seconds), encoding="utf-8")
    os._exit(code)
