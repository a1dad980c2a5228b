"""How a script of the benchmarks ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from zoo.errors import ZooError


def run(command: click.Command) -> None:
    """Runs a script's command; what a user can cause, and a process that fails, is one line and exit code 1."""
    try:
        command()
    except (ZooError, subprocess.CalledProcessError, FileNotFoundError) as error:
        raise SystemExit(f"{Path(sys.argv[0]).name}: error: {error}") from None
