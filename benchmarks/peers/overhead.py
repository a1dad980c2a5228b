"""Compares the time of `Classifier.classify` with that of its interpreter alone: FILE PICTURE THREADS ROUNDS.

Both run in one process on the same interpreter, so that the difference is the time of our code.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from zoo.runner import Classifier
from zoo.system.quiet import quiet

file, photo, threads, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with quiet():
    classifier = Classifier(file, threads=threads)
interpreter = classifier.session._interpreter
entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
pixels = classifier.read(photo)
stored = np.asarray(pixels, entry["dtype"])[None]


def invoke() -> None:
    """Runs the interpreter on an input that is ready."""
    interpreter.set_tensor(entry["index"], stored)
    interpreter.invoke()
    interpreter.get_tensor(exit_["index"])


def clock(work: Callable[[], object]) -> float:
    """Returns the seconds of the second of two runs, because the first one fills the caches."""
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


print(json.dumps([(clock(invoke), clock(lambda: classifier.classify(pixels))) for _ in range(rounds)]))
