"""Loads damaged .tflite and .onnx files, of a classifier and a detector, and runs them on a picture, as `zoo run` does.

`zoo run` starts a new process that tries the file. Here this process is a fork, so that thousands of files can be
tried; a few are given to the command itself, too.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.reliability.commands import (
    BAD,
    ZOO,
    Ended,
    call,
    crash_quietly,
    faults_in,
    run,
    warm,
)
from benchmarks.reliability.mutations import mutate
from zoo.errors import ZooError
from zoo.runner import Predictor
from zoo.runner.loading import known, runtimes, sandbox
from zoo.system import processes
from zoo.system.quiet import quiet
from zoo.tflite.card import CARD, CHECKSUM, FLATBUFFER, LABELS, seal

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = ROOT / "zoo" / "assets" / "demo"
MODEL = DEMO / "digits_int8.tflite"
DETECTOR = DEMO / "digits_on_photos_int8.tflite"
PICTURE = DEMO / "pictures" / "three" / "000.png"
PHOTO = DEMO / "photos" / "0.jpg"
OUTCOMES = ("same answer", "other answer", "refused", "refused: its trial crashed", "traceback", "crashed", "hung")
SECONDS = 60


@dataclass(frozen=True)
class Case:
    """A row of the table: copies of a file, damaged in one way, on a runtime."""

    runtime: str
    what: str
    source: Path
    damage: Callable[[Path, random.Random], bytes]
    share: float = 1.0
    """Share of the count that is tried; files that take long are tried less often."""

    @property
    def name(self) -> str:
        """The name for `--row`."""
        return f"{self.what} on {self.runtime}"


def cases(folder: Path) -> list[Case]:
    """Returns the rows for the runtimes that are installed; an `.onnx` file is made, if Keras is there."""
    found = []
    for name in ("litert", "tflite-runtime"):
        if runtimes.version(name):
            found += [
                Case(name, "classifier, no checksum", MODEL, model_alone),
                Case(name, "classifier, checksum kept", MODEL, anywhere),
                Case(name, "classifier, checksum made anew", MODEL, sealed_anew),
                Case(name, "detector, checksum kept", DETECTOR, anywhere, 0.5),
                Case(name, "detector, checksum made anew", DETECTOR, sealed_anew, 0.5),
            ]
    if runtimes.version("onnxruntime") and importlib.util.find_spec("tensorflow"):
        onnx = folder / "lenet.onnx"
        found.append(Case("onnxruntime", "classifier, .onnx", onnx, anywhere))
    return found


def anywhere(source: Path, rng: random.Random) -> bytes:
    """Makes a copy that is damaged anywhere."""
    return mutate(source.read_bytes(), rng)


def model_alone(source: Path, rng: random.Random) -> bytes:
    """Makes a copy whose model is damaged, and that has no labels and no card."""
    return _damaged_model(source, rng)[0]


def sealed_anew(source: Path, rng: random.Random) -> bytes:
    """Makes a copy whose model is damaged, with checksums that say it is not: an attack."""
    model, parts, card = _damaged_model(source, rng)
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


def _damaged_model(source: Path, rng: random.Random) -> tuple[bytes, dict[str, bytes], dict[str, Any]]:
    """Returns a damaged model part, the files behind it, and the card, which is one of them."""
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    card = json.loads(parts[CARD])
    return mutate(source.read_bytes()[: card[FLATBUFFER]["bytes"]], rng), parts, card


def answer(path: Path, runtime: Any) -> None:
    """Prints the outputs for a picture, or why there are none; the file is tried in a fork, not in a new process."""
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


def _try_in_fork(words: list[str], *, seconds: float, errors: int = 0) -> subprocess.CompletedProcess[str]:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        crash_quietly()
        os.dup2(writer, 1)
        order, code = json.loads(words[-1]), 0
        processes.limit(resource.RLIMIT_DATA, order["memory"])
        try:
            sandbox.main(**order["order"])
        except SystemExit as ending:
            code = int(ending.code or 0)
        except BaseException:  # noqa: BLE001  # as a process that ends with a traceback
            code = 1
        sys.stdout.flush()
        os._exit(code)
    os.close(writer)
    end = time.monotonic() + seconds
    while not (done := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise subprocess.TimeoutExpired(words, seconds)
        time.sleep(0.002)
    with os.fdopen(reader, errors="replace") as said:
        return subprocess.CompletedProcess(words, os.waitstatus_to_exitcode(done[1]), said.read())


def judge(ended: Ended, right: str) -> str:
    """Returns one of `OUTCOMES`."""
    if ended.outcome == "refused" and "it was tried in a process of its own" in ended.err:
        return "refused: its trial crashed"
    if ended.outcome != "done":
        return ended.outcome
    return "same answer" if ended.out == right else "other answer"


def try_many(case: Case, count: int, folder: Path, keep: Path | None, *, command: bool) -> dict[str, Any]:
    """Counts the outcomes of damaged files.

    Args:
        case: the row of the table.
        count: how many files are tried; of the command itself, a fiftieth of that.
        folder: a folder for the files.
        keep: a folder for files that cause faults.
        command: whether `zoo run` itself is given the files; it tries each in a new process, which takes long.
    """

    def ask(path: Path) -> Ended:
        if command:
            return run(["run", path, PICTURE, "--runtime", case.runtime, "--json"], seconds=SECONDS)
        return call(lambda: answer(path, case.runtime), seconds=SECONDS)

    right = ask(case.source).out
    if not right:
        raise RuntimeError(f"{case.source} gives no answer on {case.runtime}")
    path, found = folder / f"damaged{case.source.suffix}", Counter[str]()
    for i in range(max(1, round(count * case.share / (50 if command else 1)))):
        seed = -1 - i if command else i
        path.write_bytes(case.damage(case.source, random.Random(seed)))
        ended = ask(path)
        outcome = judge(ended, right)
        found[outcome] += 1
        if keep and outcome in BAD:
            shutil.copy(path, keep / f"{case.name.replace(' ', '_')}_{seed}{path.suffix}")
            (keep / f"{case.name.replace(' ', '_')}_{seed}.txt").write_text(f"{ended.code}\n{ended.err}")
    what = f"{case.what}, to zoo run itself" if command else case.what
    return {"runtime": case.runtime, "file": what, **{name: found[name] for name in OUTCOMES}}


def make_onnx(path: Path) -> None:
    """Makes an `.onnx` file in a process of its own, so that this one stays without TensorFlow."""
    words: list[str | Path] = [sys.executable, "-c", ZOO, "build", "lenet", "--export", "onnx", "--out", path.parent]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Tries `count` files of each row, a few of them with the command; `keep` is for files that cause faults."""
    warm(heavy=False)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        chosen = [case for case in cases(folder) if not rows or case.name in rows]
        for case in chosen:
            if not case.source.exists():
                make_onnx(case.source)
        found = [try_many(case, count, folder, keep, command=command) for case in chosen for command in (False, True)]
    return {"rows": found, "faults": faults_in(found)}
