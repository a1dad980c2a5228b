"""What tests need beyond Python: `tools/system-packages` has the table, and says what is missing."""

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
    """One line that says how to get a need of the table, where it is missing; else nothing."""
    known = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(["sh", TOOL, "missing", name], capture_output=True, text=True, check=True, env=known)
    return done.stdout.strip()


def require(name: str) -> None:
    """Skips the test that needs it where it is missing, with that line. Where CI is set, a skip is a failure."""
    if line := missing(name):
        pytest.skip(line)
