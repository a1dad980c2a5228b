"""Makes new environments with the wheel by uv, with the newest dependencies or the lowest that are allowed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from releases.errors import ReleaseError

TESTING = ("pytest", "pytest-timeout", "hypothesis", "scikit-learn")
"""The packages that the tests need besides edgezoo; scikit-learn has the photos and digits."""

# Only wheels are installed, so that nobody has to compile numpy.
BINARY = ("--only-binary", ":all:")


def _run(command: Sequence[str | Path]) -> None:
    # No interpreter is downloaded; only those on this machine are used.
    environment = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ReleaseError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


def _uv(*words: str | Path) -> None:
    _run([Path(sys.executable).with_name("uv"), *words])


def lowest(pyproject: Path, extras: Sequence[str], version: str, out: Path) -> None:
    """Writes the lowest versions of the direct dependencies that the bounds in pyproject.toml allow on a Python.

    Only versions with a wheel for that Python count.

    Raises:
        ReleaseError: no set of versions fits, or there is no network.
    """
    named = [word for extra in extras for word in ("--extra", extra)]
    options = ("--quiet", "--no-annotate", "--no-header", *BINARY, "--resolution", "lowest-direct")
    _uv("pip", "compile", *options, "--python-version", version, *named, pyproject, "--output-file", out)


def newest(pyproject: Path, extras: Sequence[str], version: str, out: Path) -> None:
    """Writes the newest versions that pip would install on a Python.

    Raises:
        ReleaseError: no set of versions fits, or there is no network.
    """
    named = [word for extra in extras for word in ("--extra", extra)]
    options = ("--quiet", "--no-annotate", "--no-header", *BINARY)
    _uv("pip", "compile", *options, "--python-version", version, *named, pyproject, "--output-file", out)


def lock(source: Path, platform: str, version: str, out: Path) -> None:
    """Writes only the pinned versions of a list, with the SHA-256 of each of their files.

    Raises:
        ReleaseError: a version has no wheel for that platform and Python, or there is no network.
    """
    options = ("--quiet", "--no-annotate", "--no-header", *BINARY, "--no-deps", "--generate-hashes", "--no-config")
    target = ("--python-platform", platform, "--python-version", version)
    _uv("pip", "compile", *options, *target, source, "--output-file", out)


def make(
    folder: Path,
    python: Path,
    package: Path,
    *,
    extras: Sequence[str] = (),
    constraints: Path | None = None,
    testing: bool = True,
) -> Path:
    """Makes an environment with a wheel or sdist and, unless told otherwise, what its tests need; returns its Python.

    Raises:
        ReleaseError: a package cannot be installed.
    """
    _uv("venv", "--quiet", "--python", python, folder)
    inside = folder / "bin" / "python"
    named = f"edgezoo[{','.join(extras)}]" if extras else "edgezoo"
    held = ("--constraints", constraints) if constraints else ()
    built = () if package.suffix == ".whl" else ("--no-binary", "edgezoo")
    options = ("--quiet", "--python", inside, *BINARY, *built, *held)
    _uv("pip", "install", *options, f"{named} @ {package.as_uri()}", *(TESTING if testing else ()))
    return inside


def versions(python: Path, names: Sequence[str]) -> dict[str, str]:
    """Returns the versions of those packages that are installed."""
    code = (
        "import importlib.metadata as m, sys\n"
        "found = {d.metadata['Name'].lower().replace('_', '-'): d.version for d in m.distributions()}\n"
        "print(*(f'{name}=={found[name]}' for name in sys.argv[1:] if name in found))"
    )
    done = subprocess.run([python, "-I", "-c", code, *names], capture_output=True, text=True, check=True)
    return dict(pair.split("==") for pair in done.stdout.split())
