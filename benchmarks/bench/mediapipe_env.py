"""Makes a separate environment for MediaPipe, whose dependencies may not fit ours."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import click

CODE = "from mediapipe.tasks.python import vision; import mediapipe; print(mediapipe.__version__)"


def folder() -> Path:
    """Returns the folder in which the environment is kept from one run to the next."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "edgezoo" / "benchmarks" / f"mediapipe-{sys.version_info.major}.{sys.version_info.minor}"


def version(python: Path) -> str:
    """Returns the version of a Python's MediaPipe.

    Raises:
        ClickException: MediaPipe cannot be imported; the message is the last line of the error.
    """
    try:
        done = subprocess.run([python, "-I", "-c", CODE], capture_output=True, text=True, check=False)
    except OSError as error:
        raise click.ClickException(f"cannot run {python}: {error.strerror or error}") from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise click.ClickException(f"{python} cannot import mediapipe: {reason}")
    return done.stdout.strip()


def python_with_mediapipe() -> Path:
    """Makes the environment if it does not exist yet; it needs about 650 MB and a network.

    Raises:
        ClickException: pip cannot install MediaPipe here, or it cannot be imported.
    """
    place = folder()
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        click.echo(f"installing mediapipe into {place}, once", err=True)
        try:
            venv.create(place, clear=True, with_pip=True)
        except (OSError, subprocess.CalledProcessError) as error:  # for example Debian's Python without python3-venv
            raise click.ClickException(f"cannot make an environment in {place}: {error}") from error
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "mediapipe"]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise click.ClickException(f"pip install mediapipe: {reason}")
        version(python)
        (place / "ready").touch()
    return python


def find(asked: str) -> tuple[Path | None, str | None]:
    """Returns a Python with MediaPipe, or the reason why there is none.

    Args:
        asked: a Python, `auto` for that of the cache folder, or `no`.

    Raises:
        ClickException: the given Python does not have MediaPipe.
    """
    if asked == "no":
        return None, "not asked for"
    if asked != "auto":
        version(Path(asked))
        return Path(asked), None
    try:
        return python_with_mediapipe(), None
    except click.ClickException as error:
        return None, error.message
