"""Runs all scripts one after the other and writes their results into one JSON file, whole or not at all.

python -m benchmarks.reliability                  # writes docs/reliability.json, the source of docs/reliability.md
python -m benchmarks.reliability --scale 0.01 --out /tmp/small.json
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from zoo.files import atomic

ROOT = Path(__file__).resolve().parent.parent.parent
OLD_RUNTIME = Path(".venv-tflite-runtime/bin/python")
"""The environment with tflite-runtime, which `make .venv-tflite-runtime/ready` makes."""

# For each name in the JSON file: (script, count, other options). Counts are scaled by --scale.
STEPS: dict[str, tuple[str, dict[str, float], tuple[str, ...]]] = {
    "models_litert": ("mutated_models", {"--count": 2000, "--commands": 40}, ()),
    "models_tflite_runtime": (
        "mutated_models",
        {"--count": 1000, "--commands": 40},
        ("--runtime", "tflite-runtime", "--python", str(OLD_RUNTIME)),
    ),
    "inputs": ("mutated_inputs", {"--count": 30}, ()),
    "fuzz": ("fuzz", {"--seconds": 60, "--count": 2000}, ()),
    "pictures": ("bad_pictures", {"--count": 300}, ()),
    "kills": ("kills", {"--count": 12}, ()),
    "disk": ("full_disk", {}, ()),
    "stream": ("stream", {"--count": 100_000}, ()),
    "soak": ("soak", {"--seconds": 120}, ()),
}
LEAST = {"stream": 50}
PACKAGES = ("tensorflow", "keras", "ai-edge-litert", "pillow", "numpy")


def step(name: str, scale: float) -> tuple[dict[str, Any], bool]:
    """Runs a script; returns its results, and whether it found them right."""
    script, counts, options = STEPS[name]
    scaled = {option: str(max(LEAST.get(name, 1), round(count * scale))) for option, count in counts.items()}
    command = [sys.executable, "-m", f"benchmarks.reliability.{script}", "--json", *options]
    command += [word for pair in scaled.items() for word in pair]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout.startswith("{"):
        raise click.ClickException(f"{' '.join(command)} broke off")
    return json.loads(done.stdout), done.returncode == 0


@click.command(help=__doc__)
@click.option("--scale", type=click.FloatRange(0, min_open=True), default=1, show_default=True, help="Of all counts.")
@click.option("--only", multiple=True, type=click.Choice(list(STEPS)), help="Keep the others as they are in the file.")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "docs" / "reliability.json")
def main(scale: float, only: tuple[str, ...], out: Path) -> None:
    """Runs all scripts, writes the results, and judges them."""
    if "models_tflite_runtime" in (only or STEPS) and not (ROOT / OLD_RUNTIME).exists():
        raise click.ClickException(f"there is no {OLD_RUNTIME}: make .venv-tflite-runtime/ready")
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8")) if only else {}
    found["versions"] = {name: metadata.version(name) for name in PACKAGES}
    good = True
    for name in only or STEPS:
        start = time.monotonic()
        found[name], content = step(name, scale)
        good &= content
        click.echo(f"{name}: {'good' if content else 'PROBLEMS'}, {time.monotonic() - start:.0f} s", err=True)
    with atomic(out) as scratch:
        scratch.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
