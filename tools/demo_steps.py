"""Runs the commands that a demonstration shows."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path


def zoo(*words: str | Path) -> str:
    """Prints a command and runs it; returns what it printed."""
    print("$", shlex.join(["zoo", *map(str, words)]), flush=True)
    command: list[str | Path] = [Path(sys.executable).with_name("zoo"), *map(str, words)]
    done: subprocess.CompletedProcess[str] = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr)
        sys.exit(1)
    return done.stdout
