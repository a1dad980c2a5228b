"""Finds what tests need besides Python, with the table of `tools/system-packages`."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parent.parent / "tools" / "system-packages"


@functools.cache
def missing(name: str) -> str:
    """Returns one line that says how to install a missing entry of the table; empty if it is there."""
    known = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(["sh", TOOL, "missing", name], capture_output=True, text=True, check=True, env=known)
    return done.stdout.strip()


def require(name: str) -> None:
    """Skips a test with that line if the entry is missing. If CI is set, a skip is a failure."""
    if line := missing(name):
        pytest.skip(line)
