"""Loads damaged .tflite and .onnx files, of a classifier and a detector, and runs them on a picture, as `zoo run` does.

`zoo run` starts a new process that tries the file. Here this process is a fork, so that thousands of files can be
tried; a few are given to the command itself, too.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import io
import json
import random
import resource
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.processes import ZOO
from benchmarks.reliability.commands import BAD, Ended, call, run, warm
from benchmarks.reliability.damaged import Case, faults_in
from benchmarks.reliability.mutations import mutate
from benchmarks.reliability.sources import DETECTOR, MODEL, PICTURE
from zoo.errors import ZooError
from zoo.runner import Predictor
from zoo.runner.loading import known, runtimes, sandbox
from zoo.system import processes
from zoo.system.quiet import quiet
from zoo.tflite.card import CARD, CHECKSUM, FLATBUFFER, LABELS, seal

OUTCOMES = ("same answer", "other answer", "refused", "refused: its trial crashed", *BAD)
SECONDS = 60


def model_alone(data: bytes, rng: random.Random) -> bytes:
    """Makes a copy whose model is damaged, and that has no labels and no card."""
    return _damaged_model(data, rng)[0]


def sealed_anew(data: bytes, rng: random.Random) -> bytes:
    """Makes a copy whose model is damaged, with checksums that say it is not: an attack."""
    model, parts, card = _damaged_model(data, rng)
    card[FLATBUFFER] |= {
        "bytes": len(model),
        "crc32": zlib.crc32(model),
        "sha256": hashlib.sha256(model).hexdigest(),
    }
    card[CHECKSUM] = seal(card, parts[LABELS].decode())
    whole = io.BytesIO(model)
    with zipfile.ZipFile(whole, "a") as archive:
        for name, part in (parts | {CARD: json.dumps(card).encode()}).items():
            archive.writestr(name, part)
    return whole.getvalue()


def _damaged_model(data: bytes, rng: random.Random) -> tuple[bytes, dict[str, bytes], dict[str, Any]]:
    """Returns a damaged model part, the files behind it, and the card, which is one of them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    card = json.loads(parts[CARD])
    return mutate(data[: card[FLATBUFFER]["bytes"]], rng), parts, card


FILES = {
    # Each file and its damage: the sound file, what makes a copy, and the share of the count that is tried.
    "classifier, no checksum": (MODEL, model_alone, 1.0),
    "classifier, checksum kept": (MODEL, mutate, 1.0),
    "classifier, checksum made anew": (MODEL, sealed_anew, 1.0),
    "detector, checksum kept": (DETECTOR, mutate, 0.5),
    "detector, checksum made anew": (DETECTOR, sealed_anew, 0.5),
}


def cases(folder: Path, count: int, names: tuple[str, ...]) -> Iterator[Case]:
    """Yields the rows of these names, `FILE on RUNTIME`, for the runtimes that are installed, all by default.

    An `.onnx` file is made, if Keras is there.
    """
    there = [(name, file, *what) for name in ("litert", "tflite-runtime") for file, what in FILES.items()]
    if importlib.util.find_spec("tensorflow"):
        there.append(("onnxruntime", "classifier, .onnx", folder / "lenet.onnx", mutate, 1.0))
    for runtime, file, source, damage, share in there:
        if not runtimes.version(runtime) or (names and f"{file} on {runtime}" not in names):
            continue
        if not source.exists():
            # A process of its own, so that this one stays without TensorFlow.
            words = [sys.executable, "-c", ZOO, "build", "lenet", "--export", "onnx", "--out", str(folder)]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        in_fork = functools.partial(ask_here, runtime)
        tries = round(count * share)
        yield _case(runtime, file, source, damage, in_fork, range(max(1, tries)))
        # The command tries each file in a new process, which takes long.
        few, command = range(-max(1, tries // 50), 0), functools.partial(ask_command, runtime)
        yield _case(runtime, f"{file}, to zoo run itself", source, damage, command, few)


def _case(runtime: str, file: str, source: Path, damage: Any, ask: Callable[[Path], Ended], seeds: range) -> Case:
    right = ask(source).out
    if not right:
        raise RuntimeError(f"{source} gives no answer on {runtime}")

    def judge(ended: Ended) -> str:
        if ended.outcome == "refused" and "it was tried in a process of its own" in ended.err:
            return "refused: its trial crashed"
        if ended.outcome != "done":
            return ended.outcome
        return "same answer" if ended.out == right else "other answer"

    return Case({"runtime": runtime, "file": file}, source, damage, ask, seeds, judge)


def ask_command(runtime: str, path: Path) -> Ended:
    """Gives a file to `zoo run`."""
    return run(["run", path, PICTURE, "--runtime", runtime, "--json"], seconds=SECONDS)


def ask_here(runtime: Any, path: Path) -> Ended:
    """Does what `zoo run` does, but tries the file in a fork instead of a new process; prints the outputs."""

    def answer() -> None:
        processes.run = _try_in_fork
        known.identity = lambda path: ""  # no file is remembered as tried, because each has the same name
        try:
            with quiet():  # the commands do the same
                predictor: Predictor[Any] = Predictor(path, runtime=runtime, threads=1)
            outputs = predictor.outputs(predictor.read(PICTURE).values)
        except (ZooError, MemoryError) as error:  # the errors that the command line prints in one line
            sys.stderr.write(f"zoo: error: {' '.join(str(error).split())}\n")
            raise SystemExit(1) from error
        sys.stdout.write(json.dumps([output.tolist() for output in outputs]))

    return call(answer, seconds=SECONDS)


def _try_in_fork(words: list[str], *, seconds: float, errors: int = 0) -> subprocess.CompletedProcess[str]:
    order = json.loads(words[-1])
    ended = call(
        lambda: sandbox.main(**order["order"]),
        seconds=seconds,
        prepare=lambda: processes.limit(resource.RLIMIT_DATA, order["memory"]),
    )
    if ended.hung:
        raise subprocess.TimeoutExpired(words, seconds)
    return subprocess.CompletedProcess(words, ended.code, ended.out)


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Tries `count` files of each row, a few of them with the command; `keep` is for files that cause faults."""
    warm(heavy=False)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found = [case.count(OUTCOMES, folder, keep) for case in cases(folder, count, rows)]
    return {"rows": found, "faults": faults_in(found)}
