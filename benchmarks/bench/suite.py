"""Lists all benchmarks with their options for a full and a quick run, and runs them one after the other."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import results

FOLDER = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Benchmark:
    """A script in `benchmarks/` that prints its result with `--json`."""

    name: str
    script: str
    full: str
    """Options of the full run; all full runs together take about an hour and a half on two idle cores."""
    quick: str
    """Options of a quick run, which only shows that the script works."""


SUITE = (
    Benchmark(
        "architectures",
        "architectures.py",
        "--rounds 15",
        "--models mobilenet_v2 --default-only --again --rounds 5 --seconds 1",
    ),
    Benchmark("detection", "detection.py", "", "--sizes 96 --modes none,int8 --epochs 1 --runs 5"),
    Benchmark("export_latency", "export_latency.py", "--seconds 8", "--models lenet --seconds 1"),
    Benchmark("browser", "browser.py", "", "--model 0.35,96 --runs 3 --opened 3"),
    Benchmark("onnx_runtimes", "onnx_runtimes.py", "", "--model 0.35,96 --runs 5"),
    Benchmark("modes", "modes.py", "--runs 40", "--models lenet --epochs 2 --runs 10"),
    Benchmark(
        "compression",
        "compression.py",
        "--seeds 0,1,2",
        "--only lenet --pictures 300 --test 100 --epochs 0.05 --seeds 0 --runs 3",
    ),
    Benchmark("runner_speed", "runner_speed.py", "--rounds 15", "--rounds 3 --pictures 4"),
    Benchmark("decoding", "decoding.py", "", "--rounds 3"),
    Benchmark(
        "scaling",
        "scaling.py",
        "",
        "--alphas 0.35,0.5 --sizes 96 --counts 1,10,50 --runs 5 --rounds 1",
    ),
    Benchmark("train_throughput", "train_throughput.py", "", "--step 0.35,96,32 --frozen 0.35,96,32 --rounds 1"),
    Benchmark("train_input", "train_input.py", "", "--pictures 4 --rounds 1"),
    Benchmark("serve_load", "serve_load.py", "--seconds 30", "--seconds 3"),
    Benchmark("export_memory", "export_memory.py", "vgg16 --modes none,int8", "lenet --modes none,int8"),
)
NAMES = tuple(one.name for one in SUITE)


def run_all(
    benchmarks: Sequence[Benchmark],
    path: Path,
    *,
    quick: bool,
    say: Callable[[str], None],
    folder: Path = FOLDER,
) -> list[str]:
    """Runs some benchmarks, and puts each result into the file of results as soon as it is known.

    The results of other benchmarks stay in the file, and so does the old result of a benchmark that fails.

    Args:
        benchmarks: the benchmarks, in the order in which they run.
        path: the path of the file.
        quick: see `Benchmark.quick`.
        say: a function that is called with texts about progress and failures.
        folder: the folder of the scripts.

    Returns:
        The names of the benchmarks that failed.

    Raises:
        InputError: the file exists and is not a file of results.
        OutputError: the file cannot be written.
    """
    found = results.read(path)
    failed = []
    for one in benchmarks:
        say(f"{one.name}: {command(one, quick)}")
        started, load = time.perf_counter(), results.load_now()
        done = subprocess.run(
            [sys.executable, folder / one.script, *_options(one, quick), "--json"],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        seconds = time.perf_counter() - started
        lines = done.stderr.strip().splitlines()
        result = _result(done.stdout)
        problems = [line.removeprefix("problem: ") for line in lines if line.startswith("problem: ")]
        if done.returncode or result is None:
            failed.append(one.name)
            reason = problems or lines[-8:] or ["it printed no JSON"]
            say(f"{one.name}: FAILED after {seconds:.0f} s, exit code {done.returncode}")
            for line in reason:
                say(f"  {line}")
        # A script that is not content with its figures has printed them all the same.
        if result is not None and (problems or not done.returncode):
            found["benchmarks"][one.name] = results.entry(command(one, quick), quick, seconds, load, problems, result)
            results.write(found, path)
            say(f"{one.name}: {seconds:.0f} s")
    return failed


def command(one: Benchmark, quick: bool) -> str:
    """Returns the command that measures the same figures, to be typed in the checkout."""
    return shlex.join(["python", f"benchmarks/{one.script}", *_options(one, quick)])


def _options(one: Benchmark, quick: bool) -> list[str]:
    return shlex.split(one.quick if quick else one.full)


def _result(printed: str) -> dict[str, object] | None:
    try:
        # TensorFlow and its libraries may have written a line before it.
        found = json.loads(printed[max(0, printed.find("{")) :])
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
