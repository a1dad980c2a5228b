"""What the scripts have in common: how they print their result, how they fail, and which Pythons they use."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from bench import ROOT
from zoo.cli.output import print_json
from zoo.errors import ZooError

Result = dict[str, Any]


def benchmark(table: Callable[[Result], str]) -> Callable[[Callable[..., Result]], click.Command]:
    """Returns a decorator that makes a command of a function with click's options, which measures and returns a result.

    The command prints the result as a table, or with `--json` as JSON. The `problems` of a result, if it has some, are
    printed on stderr behind it, and the exit code is 1.

    Args:
        table: makes the table, in Markdown.
    """

    def decorate(measure: Callable[..., Result]) -> click.Command:
        @functools.wraps(measure)
        def run(as_json: bool, **options: Any) -> None:
            with one_line():
                result = measure(**options)
            if as_json:
                print_json(result)
            else:
                click.echo(table(result))
            for problem in result.get("problems", ()):
                say(f"problem: {problem}")
            sys.exit(1 if result.get("problems") else 0)

        return click.command()(click.option("--json", "as_json", is_flag=True, help="Print figures, no table.")(run))

    return decorate


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Makes one line and exit code 1 of what a user can cause, and of a process that fails."""
    try:
        yield
    except (ZooError, subprocess.CalledProcessError, FileNotFoundError) as error:
        raise SystemExit(f"{Path(sys.argv[0]).name}: error: {error}") from None


def say(text: str) -> None:
    """Prints what happens, on stderr."""
    click.echo(text, err=True)


def environment(name: str) -> Path:
    """Returns the Python of an environment that `make test` makes, or that of a variable, as the tests do."""
    variable = f"EDGEZOO_{name.upper().replace('-', '_')}_PYTHON"
    return Path(os.environ.get(variable) or ROOT / f".venv-{name}" / "bin" / "python")


def runtimes() -> dict[str, Path]:
    """Returns the Pythons by the runtime that they have: this one, and that which `make test` makes, if it is there."""
    python = environment("tflite-runtime")
    if python.exists():
        return {"litert": Path(sys.executable), "tflite-runtime": python}
    say(f"without tflite-runtime: there is no {python}; make test makes it")
    return {"litert": Path(sys.executable)}


def mediapipe() -> tuple[Path | None, Result]:
    """Returns the Python that `make test` makes for MediaPipe, and what a result says of it; None if there is none."""
    python = environment("mediapipe")
    if not python.exists():
        missing = "there is no .venv-mediapipe; make test makes it"
        say(f"without MediaPipe: {missing}")
        return None, {"mediapipe_missing": missing, "mediapipe_version": None}
    code = "from importlib.metadata import version; print(version('mediapipe'))"
    done = subprocess.run([python, "-I", "-c", code], check=True, stdout=subprocess.PIPE, text=True)
    return python, {"mediapipe_missing": None, "mediapipe_version": done.stdout.strip()}
