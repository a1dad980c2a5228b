"""What `Classifier.classify` takes beside its own interpreter alone: FILE PICTURE THREADS ROUNDS.

Both in one process on the same interpreter, so that nothing but our code is between them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np

from zoo.quiet import quiet
from zoo.runner import Classifier

file, photo, threads, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with quiet():
    classifier = Classifier(file, threads=threads)
interpreter = classifier.session._interpreter
entry, exit_ = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
pixels = classifier.read(photo)
stored = np.asarray(pixels, entry["dtype"])[None]


def invoke() -> None:
    """A run on an input that is ready."""
    interpreter.set_tensor(entry["index"], stored)
    interpreter.invoke()
    interpreter.get_tensor(exit_["index"])


def clock(work: Callable[[], object]) -> float:
    """Seconds of the second of two runs: the first brings things into the caches."""
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


print(json.dumps([(clock(invoke), clock(lambda: classifier.classify(pixels))) for _ in range(rounds)]))
