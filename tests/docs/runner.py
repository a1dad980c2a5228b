"""Runs what a page says in a reader's folder, in the page's order: writes its files, runs its commands and programs."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sybil import Example
from sybil.evaluators.python import PythonEvaluator

from tests.docs.markdown import file_name, language, read
from tests.docs.substitutes import substitute_for

Interpreter = Callable[[str], Path]
"""Gives the Python of another environment, by its fixture: `base_python` or `tflite_runtime_python`."""


@dataclass
class Runner:
    """Runs a page's examples in a folder, as sybil's evaluator, and keeps what they printed."""

    folder: Path
    environment: dict[str, str]
    interpreter: Interpreter
    whole: bool = True
    """Whether MobileNetV2 is trained in all its stages."""
    names: dict[str, Any] = field(default_factory=dict)
    """What the page's programs have defined so far."""
    printed: dict[str, str] = field(default_factory=dict)
    """Command or program -> what it printed; a command on both streams, a program on its standard output."""
    _ports: list[int] = field(default_factory=list)
    _begun: list[subprocess.Popen[str]] = field(default_factory=list)

    def run_page(self, page: str, text: str | None = None) -> None:
        """Runs all of a page, or of a text under its name.

        Raises:
            SybilFailure: one example fails; says where it stands and what it printed.
        """
        for example in read(page, self._evaluate, text):
            example.evaluate()

    def _evaluate(self, example: Example) -> str | None:
        text, example.namespace = str(example.parsed), self.names
        if name := file_name(example):
            (self.folder / name).write_text(text, encoding="utf-8")
            return None
        rule = substitute_for(text, language(example))
        try:
            if rule is not None:
                self.printed[text] = rule.instead(text, self) if rule.instead else ""
            else:
                self.printed[text] = self.shell(text) if language(example) == "sh" else self._python(example)
        except Exception:  # noqa: BLE001  # whatever fails is reported with its place
            return f"{text}\n{traceback.format_exc()}"
        return None

    def said(self, start: str, number: int = 0) -> str:
        """What the first command or program that begins so printed, or a later one by its number."""
        return [printed for text, printed in self.printed.items() if text.startswith(start)][number]

    def shell(self, command: str) -> str:
        """Runs a command in bash; returns what it printed, on both streams."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command], cwd=self.folder, env=self.environment, check=False, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}"
        return done.stdout

    def _python(self, example: Example) -> str:
        """Runs a program behind those of the page before it, in this process, which has TensorFlow loaded."""
        with self.here() as printed:
            PythonEvaluator()(example)
        return printed.getvalue()

    def python(self, program: str) -> str:
        """Runs a program as one of the page's."""
        with self.here() as printed:
            exec(program, self.names)
        return printed.getvalue()

    @contextlib.contextmanager
    def here(self) -> Iterator[io.StringIO]:
        """This process in the folder and with its environment; its standard output goes into the string."""
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
            patch.chdir(self.folder)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            yield printed

    def start(self, command: str) -> subprocess.Popen[str]:
        """Runs a command beside the test."""
        return subprocess.Popen(
            # Ctrl-C has to reach it also where the tests themselves run in the background and ignore it.
            ["env", "--default-signal=INT", "bash", "-c", f"exec {command}"], cwd=self.folder, env=self.environment,
            text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def begin(self, command: str) -> None:
        """Runs a command beside those that follow, up to `finish`."""
        self._begun.append(self.start(command))

    def finish(self) -> str:
        """Waits for what has begun; returns what it printed."""
        printed = ""
        while self._begun:
            process = self._begun.pop(0)
            said, _ = process.communicate(timeout=600)
            assert process.returncode == 0, said
            printed += said
        return printed

    def close(self) -> None:
        """Ends what still runs."""
        for process in self._begun:
            process.kill()
            process.communicate()

    def ports(self, count: int) -> list[int]:
        """Free ports, the same ones each time."""
        if len(self._ports) < count:
            with contextlib.ExitStack() as stack:
                sockets = [stack.enter_context(socket.create_server(("localhost", 0))) for _ in range(count)]
                self._ports = [each.getsockname()[1] for each in sockets]
        return self._ports[:count]


def environment(*first: Path, **more: str) -> dict[str, str]:
    """This process' variables, with these folders and our programs first, and no proxy for what is on this machine."""
    path = os.pathsep.join([*map(str, first), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "no_proxy": "localhost,127.0.0.1", **more}
