"""Sends SIGKILL to commands at random moments, and checks what is left and that the next run comes to the same end.

Each row is a function that kills a command some times, with files in a folder, and yields a word for each thing that it
finds; an empty word is nothing.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import random
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.reliability import kills_of_servers as servers
from benchmarks.reliability.commands import must, run, warm
from benchmarks.reliability.sources import DETECTOR, MODEL, PHOTO, PICTURE, ROOT, Args, Sources, make_data
from zoo.system import processes

SECONDS = 300
CONVERTER = "zoo.export.tflite.converter"
"""The module whose process runs TensorFlow's converter."""
BAD = ("half a file", "other weights", "not resumed", "other end", "litter after the next run", *servers.BAD)
"""What must not be found after a kill."""


def writers(sound: Sources, out: Path) -> dict[str, Callable[[], Args]]:
    """Returns the commands that write files, by name: functions that return the arguments."""
    int8 = ("--quantize", "int8", "--calibration")
    return {
        "build": lambda: ("build", "lenet", "--export", "keras,savedmodel,tflite", "--out", out),
        "export": lambda: ("export", sound.keras, "--export", "tflite,onnx", *int8, sound.data, "--out", out),
        "prune": lambda: ("prune", sound.keras, sound.data, "--keep", "0.7", "--out", out / "small.keras"),
        "diagnose --plot": lambda: ("diagnose", sound.keras, sound.data, "--plot", out / "loss.png"),
        "info --plot": lambda: ("info", "lenet", "--plot", out / "net.svg"),
        "evaluate --confusion": lambda: ("evaluate", MODEL, sound.data, "--confusion", out / "matrix.csv"),
        "run --draw": lambda: ("run", DETECTOR, PHOTO, "--draw", out / "found.png"),
        "web": lambda: ("web", MODEL, "--out", out / "page.html"),
    }


def write(name: str, number: int, folder: Path) -> Iterator[str]:
    """Kills a command that writes files, every second time over older ones; each must be old, new, or not there."""
    out, whole = folder / "out", folder / "whole"
    args = writers(Sources(folder), out)[name]()
    longest = must(args).seconds
    out.rename(whole)
    right = {path.name: meaning(path) for path in whole.iterdir()}
    for seed in range(number):
        shutil.rmtree(out, ignore_errors=True)
        if older := bool(seed % 2):
            shutil.copytree(whole, out)
            for path in out.iterdir():
                if path.is_file():
                    path.write_bytes(b"older")
        yield "killed" * (run(args, kill_after=random.Random(seed).uniform(0, longest)).code == -9)
        lefts = [left_of(out / file, right[file], older=older) for file in right]
        yield "half a file" if "half a file" in lefts else "each file whole, old or none"
    must(args)
    yield from ("other end" for file in right if meaning(out / file) != right[file])
    yield from litter(out)


def left_of(path: Path, right: object, *, older: bool) -> str:
    """Says what a kill has left of a file; `older` is whether there was one before."""
    if not path.exists():
        # An older folder stands aside for a moment before the new one takes its place; the next write brings it back.
        return "half a file" if older and not any(path.parent.glob(f".{path.name}.*")) else "none"
    if path.is_file() and path.read_bytes() == b"older":
        return "old" if older else "half a file"
    try:
        return "new" if meaning(path) == right else "half a file"
    except (RuntimeError, zipfile.BadZipFile):
        return "half a file"


def meaning(path: Path) -> object:
    """Returns what must be the same in each whole file of a command; its bytes, if the command always writes the same.

    A Keras file and a model's card hold the time of day, and the parts of a SavedModel have another order each time.
    """
    if path.is_dir():
        return sorted(str(part.relative_to(path)) for part in path.rglob("*") if part.is_file())
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            return [len(archive.read(name)) for name in sorted(archive.namelist())]
    if path.suffix in {".tflite", ".onnx"}:
        return must(["run", path, PICTURE, "--json"]).out
    return path.read_bytes()


def litter(folder: Path) -> Iterator[str]:
    """Yields a word for each scratch folder that was left behind."""
    yield from ("litter after the next run" for path in folder.rglob(".*") if path.is_dir())


def weights_of(run_folder: Path) -> dict[str, bytes]:
    """Returns the bytes of the weights and of all state that decides how a training continues."""
    import numpy as np

    with np.load(io.BytesIO((run_folder / "state.npz").read_bytes())) as state:
        return {name: state[name].tobytes() for name in state.files if name != "place"}


def train(number: int, folder: Path) -> Iterator[str]:
    """Kills a training, resumes it (which may be killed, too), and compares the weights with an undisturbed run's."""
    make_data(folder / "data", {}, copies=12)
    args: Args = ("train", "lenet", folder / "data", "--epochs", "3", "--out")
    longest = must([*args, folder / "whole"]).processor
    right, place = weights_of(folder / "whole"), folder / "run"
    for seed in range(number):
        rng = random.Random(seed)
        shutil.rmtree(place, ignore_errors=True)
        yield "killed" * (run([*args, place], kill_at=rng.uniform(0, longest)).code == -9)
        if not place.exists():
            yield "nothing there yet"
            continue
        again: Args = ("train", "--resume", place)
        if rng.random() < 0.5:
            yield "killed again" * (run(again, kill_at=rng.uniform(0, longest)).code == -9)
        resumed = run(again, seconds=SECONDS)
        if resumed.code == 0:
            yield "same weights" if weights_of(place) == right else "other weights"
        elif resumed.outcome == "refused" and not (place / "state.npz").exists():
            yield "nothing saved yet, said so"
        else:
            yield "not resumed"
        yield from litter(place)


def choose(number: int, folder: Path) -> Iterator[str]:
    """Kills measurements; what is measured must be kept, so that the next run continues with the rest."""
    args: Args = (
        "choose", "mobilenet_v2", "--alpha", "0.35", "--input-size", "96", "--num-classes", "10", "--quantize",
        "none,float16", "--runs", "2", "--threads", "1", "--max-ms", "10000", "--json",
    )  # fmt: skip
    cache = functools.partial(os.environ.update, {"XDG_CACHE_HOME": str(folder / "cache")})
    first = must(args, prepare=cache)
    for seed in range(number):
        shutil.rmtree(folder / "cache")
        at = random.Random(seed).uniform(0, first.seconds)
        yield "killed" * (run(args, prepare=cache, kill_after=at).code == -9)
        again = run(args, seconds=SECONDS, prepare=cache)
        same = again.code == 0 and again.out.count('"quantize"') == first.out.count('"quantize"')
        yield "went on" if same else "not resumed"
    yield from litter(folder / "cache")


@contextlib.contextmanager
def converters_from(folder: Path) -> Iterator[None]:
    """Makes each process of TensorFlow's converter a fork of one that has it imported, as the tests do.

    Otherwise most of a command's time would be that import, and most kills would hit it.
    """
    programs, place, start = ROOT / "tests" / "programs", folder / "socket", processes.command
    server: list[str | Path] = [sys.executable, "-I", programs / "warm.py", place]

    def command(module: str, **order: Any) -> list[str]:
        words = start(module, **order)
        if module != CONVERTER:
            return words
        asked = (sys.executable, "-IS", programs / "ask_warm.py", place, programs / "begin_child.py")
        return [*map(str, asked), words[-1]]

    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        processes.command = command
        try:
            yield
        finally:
            processes.command = start
            process.kill()


COMMANDS: dict[str, Callable[[int, Path], Iterator[str]]] = {
    "train": train,
    "choose": choose,
    **{name: functools.partial(write, name) for name in writers(Sources(Path()), Path())},
    "download": servers.download,
    "serve": servers.serve,
    "serve --collect": servers.collect,
}
LIGHT = {"evaluate --confusion", "run --draw", "web", "download", "serve", "serve --collect"}
"""The commands that need no TensorFlow."""


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Kills each command `count` times; `rows` names the commands, all by default, and `keep` is not used."""
    names = rows or tuple(COMMANDS)
    heavy = not set(names) <= LIGHT
    warm(heavy=heavy)
    found = []
    with tempfile.TemporaryDirectory() as shared, converters_from(Path(shared)) if heavy else contextlib.nullcontext():
        for name in names:
            with tempfile.TemporaryDirectory() as place:
                counts = Counter(filter(None, COMMANDS[name](count, Path(place))))
            found.append({"command": name, "tried": count, "killed": 0, **counts})
    return {"rows": found, "faults": sum(row.get(name, 0) for row in found for name in BAD)}
