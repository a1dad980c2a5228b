"""Causes failures on purpose, and writes how they ended into docs/reliability.json, the source of docs/reliability.md.

python -m benchmarks.reliability
python -m benchmarks.reliability --only kills --row train --row serve     # all other results stay as they are
python -m benchmarks.reliability --quick --out small.json
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from benchmarks.reliability.step import ROOT, STEPS
from zoo.files.writing import atomic
from zoo.versions import installed

NAMING = ("runtime", "file", "how", "command", "parser", "kind")
"""The columns that tell a row from others; each table has one or two of them."""


def measured(name: str, count: int, rows: tuple[str, ...]) -> dict[str, Any]:
    """Runs a measurement in a process of its own; returns its result, in which each row has its date."""
    words = [name, "--count", str(count), *(word for row in rows for word in ("--row", row))]
    command = [STEPS[name].python, "-m", "benchmarks.reliability.step", *words]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout.startswith("{"):
        raise click.ClickException(f"{' '.join(command)} broke off")
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    versions = installed("tensorflow", "keras", "ai-edge-litert", "onnxruntime", "pillow", "numpy")
    found: dict[str, Any] = json.loads(done.stdout)
    for row in found.get("rows", []):
        row["on"] = today
    return {"on": today, "versions": versions, **found}


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Returns a new result, with the rows of the old one that were not measured again in their places."""
    rows = {tuple(row.get(name) for name in NAMING): row for row in (*old.get("rows", []), *new["rows"])}
    return {**new, "rows": list(rows.values())}


@click.command(help=__doc__)
@click.option("--only", multiple=True, type=click.Choice(list(STEPS)), help="This one; the others stay in the file.")
@click.option("--row", "rows", multiple=True, help="This row of the table; the others stay. With one --only.")
@click.option("--quick", is_flag=True, help="Try a few of each, to see that it works.")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "docs" / "reliability.json")
def main(only: tuple[str, ...], rows: tuple[str, ...], quick: bool, out: Path) -> None:
    """Runs the measurements one after the other, writes each result as soon as it is there, and judges them."""
    if rows and len(only) != 1:
        raise click.UsageError("--row is for one measurement; name it with --only")
    chosen = {name: STEPS[name] for name in only or STEPS}
    for step in chosen.values():
        if not Path(step.python).exists():
            raise click.ClickException(f"there is no {step.python}: make .venv-tflite-runtime/ready")
    faults = 0
    for name, step in chosen.items():
        result = measured(name, step.quick if quick else step.full, rows)
        # It is read again each time, because another run may have written its own results meanwhile.
        found = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
        faults += result.pop("faults")
        found[name] = merged(found.get(name, {}), result) if rows else result
        with atomic(out) as scratch:
            scratch.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        click.echo(f"{name}: {faults or 'no'} faults so far", err=True)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
