"""A user's folder, in which the commands of one page run one after the other."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.docs.reading import Block
from tests.docs.rules import COMMANDS, PROGRAMS, rule_for


@dataclass
class Desk:
    """Runs commands and programs in a folder."""

    folder: Path
    environment: dict[str, str]
    other: Callable[[str], Path]
    """Gives the Python of another environment: `base_python` or `tflite_runtime_python`."""
    names: dict[str, Any] = field(default_factory=dict)
    """What the page's Python blocks have defined so far."""
    _ports: list[int] = field(default_factory=list)
    _begun: list[subprocess.Popen[str]] = field(default_factory=list)

    def do(self, block: Block) -> dict[str, str]:
        """Runs a block; command or program -> what it printed.

        Raises:
            AssertionError: one of them fails; says where it stands and what it printed.
        """
        if block.language == "sh":
            return {command: self._one(command, block.place, COMMANDS, self.shell) for command in block.commands}
        if block.language == "python":
            return {block.text: self._one(block.text, block.place, PROGRAMS, lambda text: self.python(text, block))}
        return {}

    def _one(self, text: str, place: str, rules: Any, run: Callable[[str], str]) -> str:
        rule = rule_for(text, rules)
        try:
            if rule is None:
                return run(text)
            return rule.stand_in(text, self) if rule.stand_in else ""
        except Exception as error:
            raise AssertionError(f"{place}: {text}\n{type(error).__name__}: {error}") from error

    def shell(self, command: str) -> str:
        """Runs a command as it is written."""
        return self.run(["bash", "-euo", "pipefail", "-c", command])

    def run(self, words: list[str]) -> str:
        """Runs a program; returns what it printed, on both streams."""
        done = subprocess.run(
            words, cwd=self.folder, env=self.environment, check=False, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}"
        return done.stdout

    def start(self, command: str) -> subprocess.Popen[str]:
        """Runs a command beside the test."""
        return subprocess.Popen(
            # Ctrl-C has to reach it also where the tests themselves run in the background and ignore it.
            ["env", "--default-signal=INT", "bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

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

    def python(self, program: str, block: Block) -> str:
        """Runs a program behind those of the page before it, in this process, which has TensorFlow loaded."""
        with self.here() as printed:
            # Empty lines in front, so that a traceback names the page's line.
            exec(compile("\n" * (block.line - 1) + program, block.page, "exec"), self.names)
        return printed.getvalue()

    @contextlib.contextmanager
    def here(self) -> Iterator[io.StringIO]:
        """This process in the folder and with its environment; what it prints goes into the string."""
        before, variables = Path.cwd(), dict(os.environ)
        os.chdir(self.folder)
        os.environ.update(self.environment)
        try:
            with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(printed):
                yield printed
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(variables)


def environment(**more: str) -> dict[str, str]:
    """This process' variables, with our programs first, and no proxy for what is on this machine."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "no_proxy": "localhost,127.0.0.1", **more}
