"""Finds the Pythons on this machine that edgezoo supports."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from packaging.specifiers import SpecifierSet

CLASSIFIER = "Programming Language :: Python :: 3."


def declared(project: dict[str, object]) -> list[str]:
    """Returns the versions that pyproject.toml names in its classifiers, such as `3.10`, the oldest first."""
    classifiers = project["classifiers"]
    assert isinstance(classifiers, list)
    found = ["3." + line.removeprefix(CLASSIFIER) for line in classifiers if line.startswith(CLASSIFIER)]
    assert all(SpecifierSet(str(project["requires-python"])).contains(version) for version in found)
    return sorted(found, key=lambda version: int(version.partition(".")[2]))


@functools.cache
def find(version: str) -> Path | None:
    """Finds a working interpreter of a version, in PATH or among those of pyenv that are not active."""
    for candidate in _candidates(version):
        code = "import sys, ssl; print('%d.%d' % sys.version_info[:2])"
        # pyenv puts a command for every installed version into PATH; those of versions that are not active fail.
        done = subprocess.run([candidate, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip() == version:
            return candidate
    return None


def _candidates(version: str) -> Iterator[Path]:
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
