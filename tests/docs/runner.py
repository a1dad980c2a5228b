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

from tests.docs.markdown import RUN, Block, read
from tests.docs.substitutes import substitute_for


@dataclass
class Runner:
    """Runs a page's blocks in a folder, and keeps what they printed."""

    folder: Path
    environment: dict[str, str]
    interpreter: Callable[[str], Path]
    """Gives the Python of another environment, by its fixture: `base_python` or `tflite_runtime_python`."""
    whole: bool = True
    """Whether MobileNetV2 is trained in all its stages."""
    names: dict[str, Any] = field(default_factory=dict)
    """What the page's programs have defined so far."""
    printed: dict[str, str] = field(default_factory=dict)
    """Command or program -> what it printed; a command on both streams, a program on its standard output."""
    begun: list[subprocess.Popen[str]] = field(default_factory=list)
    """The commands that run beside those that follow."""
    _ports: list[int] = field(default_factory=list)

    def run_page(self, page: str, text: str | None = None) -> None:
        """Runs all of a page, or of a text under its name; what fails says where it stands and what it printed."""
        for block in read(page, text):
            if block.file:
                (self.folder / block.file).write_text(block.text, encoding="utf-8")
            elif block.language in RUN:
                try:
                    self.printed[block.text] = self._run(block)
                except Exception:  # noqa: BLE001  # whatever fails is reported with its place
                    pytest.fail(f"{page}:{block.line}: {block.text}\n{traceback.format_exc()}", pytrace=False)

    def _run(self, block: Block) -> str:
        rule = substitute_for(block.text, block.language)
        if rule is not None:
            return rule.instead(block.text, self) if rule.instead else ""
        return self.shell(block.text) if block.language == "sh" else self.python(block.text, block.line)

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

    def python(self, program: str, line: int = 1) -> str:
        """Runs a program of a page behind those before it, in this process, which has TensorFlow loaded."""
        with self.here() as printed:
            exec(compile("\n" * (line - 1) + program, "page", "exec"), self.names)
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

    def close(self) -> None:
        """Ends what still runs."""
        for process in self.begun:
            process.kill()
            process.communicate()

    def ports(self, count: int) -> list[int]:
        """Free ports, the same ones each time."""
        if not self._ports:
            with contextlib.ExitStack() as stack:
                sockets = [stack.enter_context(socket.create_server(("localhost", 0))) for _ in range(count)]
                self._ports = [each.getsockname()[1] for each in sockets]
        return self._ports


def environment(*first: Path, **more: str) -> dict[str, str]:
    """This process' variables, with these folders and our programs first, and no proxy for what is on this machine."""
    path = os.pathsep.join([*map(str, first), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "no_proxy": "localhost,127.0.0.1", **more}
