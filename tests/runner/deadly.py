"""Loads many damaged files, each in a child process, and counts what became of them:

python tests/runner/deadly.py MODEL.tflite FOLDER COUNT
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path

from benchmarks.reliability.mutations import mutate
from zoo.errors import ModelFileError
from zoo.runner import sandbox
from zoo.tflite import modelfile


def load_many(original: Path, folder: Path, count: int) -> dict[str, int]:
    """How many are refused by the check of their structure, load or fail in an orderly way, or end their process.

    The last are kept in `folder`.
    """
    outcomes = {"refused": 0, "orderly": 0, "deadly": 0}
    data = original.read_bytes()
    path = folder / "mutated.tflite"
    for seed in range(count):
        path.write_bytes(mutate(data, random.Random(seed)))
        try:
            modelfile.read(path)
        except ModelFileError:
            outcomes["refused"] += 1
            continue
        if _ends_well(path):
            outcomes["orderly"] += 1
        else:
            outcomes["deadly"] += 1
            path.rename(folder / f"deadly_{seed}.tflite")
    return outcomes


def _ends_well(path: Path) -> bool:
    child = os.fork()  # cheaper than a new process by far
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.alarm(20)
        sandbox.limit_memory()
        try:
            sandbox.run_once(str(path), "litert")
        finally:
            os._exit(0)
    return os.WIFEXITED(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    from ai_edge_litert import interpreter  # noqa: F401  # once, not in every child

    model, place, number = sys.argv[1:]
    print(json.dumps(load_many(Path(model), Path(place), int(number))))  # noqa: T201
