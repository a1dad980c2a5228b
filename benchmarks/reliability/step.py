"""Runs one of the measurements in a process of its own, and prints its result as JSON.

python -m benchmarks.reliability.step kills --count 5 --row train
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import NamedTuple

import click

ROOT = Path(__file__).resolve().parent.parent.parent
OLD_RUNTIME = str(ROOT / ".venv-tflite-runtime" / "bin" / "python")
"""The Python with tflite-runtime, which `make .venv-tflite-runtime/ready` makes."""


class Step(NamedTuple):
    """A measurement: a module with `measure(count, rows, keep)`, which returns a table with the number of `faults`."""

    module: str
    full: int
    """How much is tried for the page: the files or kills of each row, pictures, or seconds."""
    quick: int
    """The same where it is only shown that the measurement works."""
    python: str = sys.executable
    """The Python that runs it."""


STEPS = {
    "models": Step("damaged_models", 1000, 20),
    "models_tflite_runtime": Step("damaged_models", 500, 20, OLD_RUNTIME),
    "inputs": Step("damaged_inputs", 30, 1),
    "fuzz": Step("fuzz", 60, 2),
    "pictures": Step("bad_pictures", 300, 6),
    "kills": Step("kills", 50, 1),
    "disk": Step("full_disk", 1, 1),
    "stream": Step("stream", 100_000, 300),
    "soak": Step("soak", 600, 3),
    "collector": Step("collector", 300, 3),
}


@click.command(help=__doc__)
@click.argument("name", type=click.Choice(list(STEPS)))
@click.option("--count", type=click.IntRange(min=1), help="Files, kills, pictures or seconds.  [default: a few]")
@click.option("--row", "rows", multiple=True, help="These rows of the table alone.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Folder for files that cause faults.")
def main(name: str, count: int | None, rows: tuple[str, ...], keep: Path | None) -> None:
    """Measures, prints the result, and ends with exit code 1 if there was a fault."""
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    module = importlib.import_module(f"benchmarks.reliability.{STEPS[name].module}")
    found = module.measure(count or STEPS[name].quick, rows, keep)
    click.echo(json.dumps(found, indent=1))
    sys.exit(1 if found["faults"] else 0)


if __name__ == "__main__":
    main()
