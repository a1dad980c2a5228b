"""Loads damaged .tflite files and classifies a picture with them, as `zoo run` does.

python -m benchmarks.reliability.mutated_models --count 1000 --json
python -m benchmarks.reliability.mutated_models --python .venv-tflite-runtime/bin/python --runtime tflite-runtime

`zoo run` starts a new process that tries the file. Here this process is a fork, so that thousands of files can be
tried; `--commands` files are given to the command itself, too.
"""

from __future__ import annotations

import hashlib
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
from pathlib import Path
from typing import Any

import click

from benchmarks.reliability.commands import BAD, LIGHT, Ended, call, count, report, run, warm
from benchmarks.reliability.forks import crash_quietly
from benchmarks.reliability.mutations import mutate
from zoo.errors import ZooError
from zoo.runner import Classifier
from zoo.runner.loading import known, sandbox
from zoo.system import processes
from zoo.system.quiet import quiet
from zoo.tflite.card import CARD, CHECKSUM, FLATBUFFER, LABELS, seal

ROOT = Path(__file__).resolve().parent.parent.parent
MODEL = ROOT / "zoo" / "assets" / "demo" / "digits_int8.tflite"
PICTURE = ROOT / "zoo" / "assets" / "demo" / "pictures" / "three" / "000.png"
OUTCOMES = ("same answer", "other answer", "refused", "refused: its trial crashed", "traceback", "crashed", "hung")
KINDS = ("no checksum", "checksum kept", "checksum made anew")
SECONDS = 60


def damaged(kind: str, rng: random.Random) -> bytes:
    """Makes a damaged file of one kind."""
    data = MODEL.read_bytes()
    if kind == "checksum kept":
        return mutate(data, rng)
    with zipfile.ZipFile(MODEL) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    card = json.loads(parts[CARD])
    model = mutate(data[: card[FLATBUFFER]["bytes"]], rng)
    if kind == "no checksum":
        return model
    facts = {"bytes": len(model), "crc32": zlib.crc32(model), "sha256": hashlib.sha256(model).hexdigest()}
    card[FLATBUFFER] |= facts
    card[CHECKSUM] = seal(card, parts[LABELS].decode())
    whole = io.BytesIO(model)
    with zipfile.ZipFile(whole, "a") as archive:
        for name, part in (parts | {CARD: json.dumps(card).encode()}).items():
            archive.writestr(name, part)
    return whole.getvalue()


def answer(path: Path, runtime: Any) -> None:
    """Prints the scores of the picture, or why there are none; the file is tried in a fork, not in a new process."""
    processes.run = _try_in_fork
    known.identity = lambda path: ""  # no file is remembered as tried, because each has the same name
    try:
        with quiet():  # the commands do the same
            classifier = Classifier(path, runtime=runtime, threads=1)
        scores = classifier.scores(classifier.read(PICTURE).values)
    except (ZooError, MemoryError) as error:  # the errors that the command line prints in one line
        sys.stderr.write(f"zoo: error: {' '.join(str(error).split())}\n")
        raise SystemExit(1) from error
    sys.stdout.write(json.dumps([float(score) for score in scores]))


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


def try_many(kind: str, number: int, runtime: str, folder: Path, keep: Path | None) -> dict[str, int]:
    """Counts the outcomes of `count` damaged files of a kind."""
    right = call(lambda: answer(MODEL, runtime)).out
    assert right
    path, found = folder / "damaged.tflite", Counter[str]()
    for seed in range(number):
        path.write_bytes(damaged(kind, random.Random(seed)))
        ended = call(lambda: answer(path, runtime), seconds=SECONDS)
        outcome = judge(ended, right)
        found[outcome] += 1
        if keep and outcome in BAD:
            shutil.copy(path, keep / f"{kind.replace(' ', '_')}_{seed}.tflite")
            (keep / f"{kind.replace(' ', '_')}_{seed}.txt").write_text(f"{ended.code}\n{ended.err}")
    return {name: found[name] for name in OUTCOMES}


def try_commands(number: int, runtime: str, folder: Path) -> dict[str, int]:
    """Counts the same with `zoo run` itself, which tries the file in a new process."""
    path = folder / "damaged.tflite"

    def one(seed: int) -> Ended:
        path.write_bytes(damaged(KINDS[seed % 2], random.Random(-1 - seed)))
        return run(["run", path, PICTURE, "--runtime", runtime], seconds=SECONDS)

    return count(map(one, range(number)))


@click.command(help=__doc__)
@click.option("--count", "number", type=click.IntRange(min=1), default=1000, show_default=True, help="Of each kind.")
@click.option("--commands", type=click.IntRange(min=0), default=40, show_default=True, help="Given to zoo run itself.")
@click.option("--runtime", default="litert", show_default=True)
@click.option("--python", type=click.Path(path_type=Path, exists=True), help="Of another environment to do it in.")
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Folder for files that do what none may."
)
@click.option("--json", "as_json", is_flag=True)
def main(number: int, commands: int, runtime: str, python: Path | None, keep: Path | None, as_json: bool) -> None:
    """Tries all files, prints the results, and judges them."""
    if python:
        options = [arg for arg in sys.argv[1:] if arg not in {"--python", str(python)}]
        done = subprocess.run([python.absolute(), "-m", __spec__.name, *options], cwd=ROOT, check=False)
        sys.exit(done.returncode)
    warm(LIGHT if runtime == "litert" else (*LIGHT[:3], "tflite_runtime.interpreter"))
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        rows: list[dict[str, Any]] = [
            {"file": kind, **try_many(kind, number, runtime, Path(place), keep)} for kind in KINDS
        ]
        whole = try_commands(commands, runtime, Path(place))
    bad = sum(row[name] for row in rows for name in BAD) + sum(whole[name] for name in BAD)
    report({"runtime": runtime, "rows": rows, "commands": whole}, bad, as_json)


if __name__ == "__main__":
    main()
