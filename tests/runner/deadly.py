"""Loads many damaged files, each in a child process, and counts how they end.

python tests/runner/deadly.py MODEL.tflite|MODEL.onnx FOLDER COUNT
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
from pathlib import Path

from benchmarks.reliability.commands import crash_quietly
from benchmarks.reliability.mutations import mutate
from zoo.errors import ModelFileError
from zoo.runner import formats
from zoo.runner.loading import runtimes, sandbox
from zoo.system import processes

CPU_SECONDS = 20
"""Seconds after which a file counts as hung; others take milliseconds."""


def load_many(original: Path, folder: Path, count: int) -> dict[str, int]:
    """Counts the files that the structure check refuses, that load or fail with an error, and that end their process.

    The files that end their process are kept in `folder`.
    """
    outcomes = {"refused": 0, "orderly": 0, "deadly": 0}
    data = original.read_bytes()
    form = formats.form_of(original)
    path, runtime = folder / f"mutated{form}", runtimes.find("auto", form)[0]  # imported once, not in every child
    for seed in range(count):
        path.write_bytes(mutate(data, random.Random(seed)))
        try:
            formats.read(path)
        except ModelFileError:
            outcomes["refused"] += 1
            continue
        if _ends_well(path, runtime):
            outcomes["orderly"] += 1
        else:
            outcomes["deadly"] += 1
            path.rename(folder / f"deadly_{seed}{form}")
    return outcomes


def _ends_well(path: Path, runtime: str) -> bool:
    child = os.fork()  # much cheaper than a new process
    if not child:
        crash_quietly()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        # Processor time is limited, not clock time, so that a busy machine does not make a file look deadly.
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        signal.alarm(30 * CPU_SECONDS)  # waits for something that never comes
        processes.limit(resource.RLIMIT_DATA, processes.free_memory() or resource.RLIM_INFINITY)
        try:
            sandbox.run_once(str(path), runtime)
        finally:
            os._exit(0)
    return os.WIFEXITED(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    model, place, number = sys.argv[1:]
    print(json.dumps(load_many(Path(model), Path(place), int(number))))  # noqa: T201
