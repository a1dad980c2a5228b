"""What was not foreseen: one line for the user, and a report for those who mend it."""

from __future__ import annotations

import platform
import traceback
from collections.abc import Sequence
from pathlib import Path

from zoo import __version__
from zoo.cli.output import echo, print_error
from zoo.errors import OutputError, first_line
from zoo.files.places import cache_home
from zoo.files.writing import atomic
from zoo.text import shown
from zoo.versions import installed

EXIT_CODE = 70
"""The exit code for a fault of this package, as `sysexits.h` calls it: EX_SOFTWARE."""
NAME = "last-error.log"
"""The name of the report in the cache; the next one takes its place."""
SECRET_OPTIONS = ("--token", "--secret")
"""The options whose values are not written down."""


def report(error: BaseException, words: Sequence[str]) -> None:
    """Prints one line about an error that was not foreseen, and writes the rest to a file that the line names.

    Args:
        error: the error.
        words: the words of the command.
    """
    lines = traceback.format_exception(error)
    what = type(error).__name__
    reason = first_line(error) if isinstance(error, Exception) else ""
    said = what if reason in {"", what} else f"{what}: {reason}"
    path = cache_home() / NAME
    try:
        _write(path, lines, words)
        rest = f"the whole report is in {path}"
    except OutputError:
        rest = "the same command with --debug shows where"
    print_error(f"this is a fault of edgezoo, not of yours ({said}); {rest}")


def print_traceback(error: BaseException) -> None:
    """Prints a traceback as Python does, with control characters in it escaped."""
    echo(*"".join(traceback.format_exception(error)).splitlines(), err=True)


def _write(path: Path, lines: Sequence[str], words: Sequence[str]) -> None:
    """Writes the report.

    Raises:
        OutputError: it cannot be written.
    """
    packages = installed("numpy", "pillow", "ai-edge-litert", "tflite-runtime", "tensorflow", "tensorflow-cpu", "keras")
    about = {
        "command": " ".join(["zoo", *without_secrets(words)]),
        "edgezoo": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        "packages": ", ".join(f"{name} {version}" for name, version in packages.items()),
    }
    text = [*(f"{name}: {value}" for name, value in about.items()), "", *"".join(lines).splitlines()]
    with atomic(path) as scratch:
        scratch.touch(mode=0o600)
        scratch.write_text("\n".join(shown(line, limit=None) for line in text) + "\n", encoding="utf-8")


def without_secrets(words: Sequence[str]) -> list[str]:
    """The words of a command with the values of `SECRET_OPTIONS` left out."""
    found, hide = [], False
    for word in words:
        name, equals, _ = word.partition("=")
        secret = name in SECRET_OPTIONS
        found.append("..." if hide else f"{name}=..." if secret and equals else word)
        hide = secret and not equals
    return found
