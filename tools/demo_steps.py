"""Runs the commands that a demonstration shows."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path


def zoo(*words: str | Path, **variables: str) -> str:
    """Prints a command, runs it, and shows each epoch of a training as it ends; returns what the command printed.

    Args:
        words: the command's words behind `zoo`.
        variables: variables of the environment for it; one that is set already stays as it is.
    """
    unset = {name: value for name, value in variables.items() if name not in os.environ}
    print("$", *map("=".join, unset.items()), shlex.join(["zoo", *map(str, words)]), flush=True)
    command: list[str | Path] = [Path(sys.executable).with_name("zoo"), *map(str, words)]
    said = []
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        with subprocess.Popen(
            command,
            stdout=printed,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | unset,
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line)
                if line.startswith("epoch "):
                    print(" ", line, end="", flush=True)
        if process.returncode:
            sys.stderr.writelines(said)
            sys.exit(1)
        printed.seek(0)
        return printed.read()
