"""Fuzzes one parser in a separate process, which `python -m benchmarks.reliability.fuzz` starts.

With atheris the process does not end by itself: libFuzzer or a crash ends it. So the results are written to a file
again and again.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.reliability.mutations import mutate
from benchmarks.reliability.parsers import Attempts, Parser, parsers
from zoo.files import atomic
from zoo.system.quiet import quiet_tensorflow


def main(words: list[str]) -> None:
    """Fuzzes as the command line says.

    Args:
        words: the engine, the parser, the folder of the seeds, the file for the results, the folder for findings, the
            random seed, the number of inputs (with `random`) or of seconds (with `atheris`), and the seconds for one
            input.
    """
    engine, name, seeds, state, keep, seed, amount, limit = words
    parser = parsers()[name]
    with Attempts(parser, Path(keep)) as attempts:
        if engine == "atheris":
            _guided(attempts, Path(seeds), Path(state), int(seed), int(amount), int(limit))
        else:
            _random(attempts, Path(seeds), int(seed), int(amount))
            _write(attempts, Path(state))


def _guided(attempts: Attempts, seeds: Path, state: Path, seed: int, seconds: int, limit: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["zoo.runner", "zoo.weights.formats.files", "zipfile", "json"]):
        _import(attempts.parser)
    written = 0.0

    def one(data: bytes) -> None:
        nonlocal written
        attempts.one(data)
        if time.monotonic() - written > 0.1:
            _write(attempts, state)
            written = time.monotonic()

    options = {
        "max_total_time": seconds,
        "rss_limit_mb": attempts.parser.megabytes,
        "timeout": limit,
        "seed": seed or 1,  # libFuzzer takes 0 for "any seed"
        "max_len": 200_000,
        "print_final_stats": 1,
        "verbosity": 1,
        "artifact_prefix": f"{attempts.keep}/{attempts.parser.name}-",
    }
    atheris.Setup([sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(seeds)], one)
    atheris.Fuzz()


def _random(attempts: Attempts, seeds: Path, seed: int, count: int) -> None:
    _import(attempts.parser)
    most = attempts.parser.megabytes << 20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    sound = [path.read_bytes() for path in sorted(seeds.iterdir())]
    for data in sound:
        attempts.one(data)
    for i in range(count - len(sound)):
        # A text seed, unlike a number, is the same on every Python and platform.
        rng = random.Random(f"{attempts.parser.name} {seed} {i}")
        data = rng.choice(sound)
        # The first byte of a card's seed says what the others are.
        kept = 1 if attempts.parser.name == "card" else 0
        attempts.one(data[:kept] + mutate(data[kept:], rng))


def _import(parser: Parser) -> None:
    """Imports the modules that the parser would import in its first call."""
    if parser.name == "hdf5":
        quiet_tensorflow()
        import keras

        keras.config.disable_traceback_filtering()
        import zoo.weights.formats.files
    elif parser.name == "onnx":
        import zoo.onnx.inspection
        import zoo.onnx.reading.outline
    else:
        import zoo.tflite.card
        import zoo.tflite.modelfile  # noqa: F401


def _write(attempts: Attempts, state: Path) -> None:
    known: dict[str, Any] = {"outcomes": dict(attempts.outcomes), "findings": attempts.findings}
    with atomic(state) as scratch:
        scratch.write_text(json.dumps(known), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
