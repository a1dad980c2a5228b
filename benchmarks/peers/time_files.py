"""Times the files of one model and of a reference in turn, with one thread; runs in the environment of a runtime.

    python time_files.py litert|tflite-runtime ROUNDS SECONDS FILE...

Prints a JSON object: for each file, the CPU times and the wall times of all rounds, in seconds. The CPU time of one
thread is what the work costs, even where other processes take turns on the core. Before each timed run there is an
untimed one, because the other files' weights have replaced the file's own in the caches.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any

import numpy as np

PACKAGES = {"litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}
FEWEST_ROUNDS = 5


def loaded(runtime: str, path: str) -> Any:
    """Returns an interpreter whose input is set to random values."""
    interpreter = importlib.import_module(f"{PACKAGES[runtime]}.interpreter").Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    values = np.random.default_rng(0).integers(0, 256, entry["shape"])
    interpreter.set_tensor(entry["index"], values.astype(entry["dtype"]))
    return interpreter


def timed(interpreter: Any) -> tuple[float, float]:
    """Returns the CPU seconds and the seconds of one run."""
    interpreter.invoke()
    cpu, wall = time.thread_time(), time.perf_counter()
    interpreter.invoke()
    return time.thread_time() - cpu, time.perf_counter() - wall


def main(runtime: str, rounds: int, seconds: float, paths: list[str]) -> dict[str, dict[str, list[float]]]:
    """Runs the files in turn; the order changes from round to round, and the first round does not count."""
    interpreters = {path: loaded(runtime, path) for path in paths}
    found: dict[str, dict[str, list[float]]] = {path: {"cpu": [], "wall": []} for path in paths}
    started = time.perf_counter()
    for interpreter in interpreters.values():
        timed(interpreter)
    once = time.perf_counter() - started
    for done in range(max(FEWEST_ROUNDS, min(rounds, int(seconds / once)))):
        for path in paths if done % 2 else reversed(paths):
            cpu, wall = timed(interpreters[path])
            found[path]["cpu"].append(cpu)
            found[path]["wall"].append(wall)
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])))
