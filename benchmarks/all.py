"""Runs all benchmarks one after the other and writes docs/benchmarks.json and docs/scaling.png.

    python benchmarks/all.py                      # about 90 minutes on two cores that do nothing else
    python benchmarks/all.py --only scaling,modes # only these; the other results in the file stay
    python benchmarks/all.py --quick              # a few minutes, small settings, nothing is kept

Then `cog -r docs/*.md` updates the tables. The exit code is 1 if a benchmark failed; the results of the others are in
the file all the same.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from bench import results
from bench.script import one_line, say
from zoo.cli.types import words
from zoo.machine.info import read_state

SUITE = {
    "architectures": ("--rounds 15", "--models mobilenet_v2 --default-only --again --rounds 5 --seconds 1"),
    "detection": ("", "--sizes 96 --modes none,int8 --epochs 1 --runs 5"),
    "export_latency": ("--seconds 8", "--models lenet --seconds 1"),
    "browser": ("", "--model 0.35,96 --runs 3 --opened 3"),
    "onnx_runtimes": ("", "--model 0.35,96 --runs 5"),
    "modes": ("--runs 40", "--models lenet --epochs 2 --runs 10"),
    "compression": (
        "--seeds 0,1,2",
        "--only lenet --pictures 300 --test 100 --epochs 0.05 --seeds 0 --runs 3",
    ),
    "runner_speed": ("--rounds 15", "--rounds 3 --pictures 4"),
    "decoding": ("", "--rounds 3"),
    "scaling": ("", "--alphas 0.35,0.5 --sizes 96 --counts 1,10,50 --runs 5 --rounds 1"),
    "train_throughput": ("", "--step 0.35,96,32 --frozen 0.35,96,32 --rounds 1"),
    "train_input": ("", "--pictures 4 --rounds 1"),
    "serve_load": ("--seconds 30", "--seconds 3"),
    "export_memory": ("vgg16 --modes none,int8", "lenet --modes none,int8"),
}
"""The scripts in this folder, each with the options of its full and of its quick run.

A script prints its result as JSON with `--json`. All full runs together take hours on two idle cores; a quick run only
shows that the script works.
"""


@click.command()
@click.option("--only", type=words(*SUITE), metavar="NAMES", help=f"Some of {', '.join(SUITE)}.")
@click.option("--quick", is_flag=True, help="Small settings that show that all works, in a few minutes.")
@click.option("--out", type=click.Path(path_type=Path), help="A JSON file.  [docs/benchmarks.json; with --quick none]")
def main(only: tuple[str, ...] | None, quick: bool, out: Path | None) -> None:
    """Runs the benchmarks, writes their results, and says what failed."""
    started = time.perf_counter()
    names = [name for name in SUITE if not only or name in only]
    with one_line(), tempfile.TemporaryDirectory() as folder:
        # The results of a quick run must not get into the docs by accident.
        path = out or (Path(folder) / "benchmarks.json" if quick else results.FILE)
        entries = results.read(path)
        failed = [name for name in names if not ran(name, entries, path, quick=quick)]
    say(f"{len(names)} benchmarks in {(time.perf_counter() - started) / 60:.1f} minutes")
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}; --only {','.join(failed)} runs them again")


def ran(
    name: str, entries: dict[str, results.Entry], path: Path, *, quick: bool, folder: Path = Path(__file__).parent
) -> bool:
    """Runs a benchmark, and puts its result into the file of results at once; returns whether all went well.

    Args:
        name: the name of the script.
        entries: the results in the file; an old result of a benchmark that fails stays.
        path: the path of the file.
        quick: which options are taken, see `SUITE`.
        folder: the folder of the scripts.

    Raises:
        OutputError: the file cannot be written.
    """
    options = shlex.split(SUITE[name][quick])
    command = shlex.join(["python", f"benchmarks/{name}.py", *options])
    say(f"{name}: {command}")
    started, load = time.perf_counter(), read_state().load
    words = [sys.executable, str(folder / f"{name}.py"), *options, "--json"]
    done = subprocess.run(
        words, capture_output=True, text=True, errors="replace", check=False, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    )
    seconds, result = time.perf_counter() - started, _result(done.stdout)
    if done.returncode or result is None:
        say(f"{name}: FAILED after {seconds:.0f} s, exit code {done.returncode}")
        for line in done.stderr.strip().splitlines()[-8:] or ["it printed no JSON"]:
            say(f"  {line}")
    # A script that is not content with its figures has printed them all the same.
    if result is not None and (result.get("problems") or not done.returncode):
        entries[name] = results.entry(command, quick, seconds, load, result)
        results.write(entries, path)
        if name == "scaling":
            from scaling import draw

            draw(result, path.with_name("scaling.png"))
        say(f"{name}: {seconds:.0f} s")
    return not done.returncode and result is not None


def _result(printed: str) -> dict[str, Any] | None:
    try:
        # TensorFlow and its libraries may have written a line before it.
        found = json.loads(printed[max(0, printed.find("{")) :])
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


if __name__ == "__main__":
    main()
