"""Loads damaged .tflite and .onnx files, of a classifier and a detector, and runs them on a picture, as `zoo run` does.

`zoo run` starts a new process that tries the file. Here this process is a fork, so that thousands of files can be
tried; a few are given to the command itself, too.
"""

from __future__ import annotations

import functools
import io
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.processes import ZOO
from benchmarks.reliability.commands import BAD, Ended, call, run, warm
from benchmarks.reliability.damaged import Case, faults_in
from benchmarks.reliability.mutations import mutate
from benchmarks.reliability.sources import DETECTOR, MODEL, PICTURE
from zoo.errors import ZooError
from zoo.onnx import card as onnx_card
from zoo.onnx import digest
from zoo.runner import Predictor
from zoo.runner.loading import known, runtimes, sandbox
from zoo.system import processes
from zoo.system.quiet import quiet
from zoo.tflite.card import CARD, CHECKSUM, FLATBUFFER, LABELS, seal
from zoo.tflite.writing.metadata import without_files

OUTCOMES = ("same answer", "other answer", "refused", "refused: its trial crashed", *BAD)
SECONDS = 60


def model_alone(data: bytes, rng: random.Random) -> bytes:
    """Makes a copy whose model is damaged, and that has no labels and no card."""
    return mutate(without_files(data), rng)


def sealed_anew(data: bytes, rng: random.Random) -> bytes:
    """Makes a copy whose model is damaged, with checksums that say it is not: an attack."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    model = model_alone(data, rng)
    whole = io.BytesIO(model)
    with zipfile.ZipFile(whole, "a") as archive:
        for name, part in (parts | {CARD: _sealed(parts[CARD], FLATBUFFER, model, parts[LABELS])}).items():
            archive.writestr(name, part)
    return whole.getvalue()


def onnx_sealed_anew(data: bytes, rng: random.Random) -> bytes:
    """Makes such a copy of an `.onnx` file, whose labels and card are fields beside those of the graph."""
    import onnx

    model = onnx.load_from_string(data)
    props = {prop.key: prop.value for prop in model.metadata_props}
    del model.metadata_props[list(props).index(onnx_card.CARD)]
    rest = mutate(model.SerializeToString(), rng)
    sealed = _sealed(props[onnx_card.CARD], digest.FIELD, rest, props[onnx_card.LABELS])
    entry = onnx.StringStringEntryProto(key=onnx_card.CARD, value=sealed)
    appended: bytes = onnx.ModelProto(metadata_props=[entry]).SerializeToString()
    return rest + appended


def _sealed(card: str, field: str, content: bytes, labels: str) -> str:
    """Returns a card with checksums that are right for other contents, which its `field` describes."""
    stated = json.loads(card) | {field: digest.digest(content)}
    return json.dumps(stated | {CHECKSUM: seal(stated, labels)})


class Kind(NamedTuple):
    """What is damaged, and how."""

    source: Path | None
    """The sound file; None for an `.onnx` file, which is made."""
    damage: Callable[[bytes, random.Random], bytes]
    share: float = 1.0
    """The share of the count that is tried."""


FILES = {
    "classifier, no checksum": Kind(MODEL, model_alone),
    "classifier, checksum kept": Kind(MODEL, mutate),
    "classifier, checksum made anew": Kind(MODEL, sealed_anew),
    "detector, checksum kept": Kind(DETECTOR, mutate, 0.5),
    "detector, checksum made anew": Kind(DETECTOR, sealed_anew, 0.5),
    "classifier, .onnx, checksum kept": Kind(None, mutate),
    "classifier, .onnx, checksum made anew": Kind(None, onnx_sealed_anew),
}


def cases(folder: Path, count: int, names: tuple[str, ...]) -> Iterator[Case]:
    """Yields the rows of these names, `FILE on RUNTIME`, for the runtimes that are installed, all by default."""
    for runtime, file in itertools.product(("litert", "tflite-runtime", "onnxruntime"), FILES):
        source, damage, share = FILES[file]
        fits = (runtime == "onnxruntime") == (source is None) and runtimes.version(runtime)
        if not fits or (names and f"{file} on {runtime}" not in names):
            continue
        source = source or _lenet(folder)
        tries = max(1, round(count * share))
        yield _case(runtime, file, source, damage, functools.partial(ask_here, runtime), range(tries))
        # The command tries each file in a new process, which takes long.
        few, command = range(-max(1, tries // 50), 0), functools.partial(ask_command, runtime)
        yield _case(runtime, file, source, damage, command, few)


def _lenet(folder: Path) -> Path:
    """Makes an `.onnx` file, in a process of its own, so that this one stays without TensorFlow."""
    path = folder / "lenet.onnx"
    if not path.exists():
        words = [sys.executable, "-c", ZOO, "build", "lenet", "--export", "onnx", "--out", str(folder)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return path


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
        counted = [case.count(OUTCOMES, folder, keep) for case in cases(folder, count, rows)]
    # The first case of a row asks in a fork, the second one asks the command.
    pairs = zip(counted[::2], counted[1::2], strict=True)
    found = [one | {name: one[name] + other[name] for name in OUTCOMES} for one, other in pairs]
    return {"rows": found, "faults": faults_in(found)}
