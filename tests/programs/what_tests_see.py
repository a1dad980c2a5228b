"""Writes the surroundings that a test and its child see into `seen.json` beside this file.

A separate pytest runs it, with our conftest.py.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

CHILD = "import json, signal; print(json.dumps([str(signal.getsignal(n)) for n in (2, 15, 17)]))"


def printed(*command: str) -> str:
    """Runs a child and returns its output."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def test_it() -> None:
    """Writes the file."""
    seen = {
        "variables": dict(os.environ),
        "umask": os.umask(0o22),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "child": json.loads(printed(sys.executable, "-c", CHILD)),
        "failed": subprocess.run([sys.executable, "-c", "raise SystemExit(3)"], check=False).returncode,
        "git": printed("git", "config", "safe.directory").strip(),
    }
    Path(__file__).with_name("seen.json").write_text(json.dumps(seen))
