"""Sends SIGKILL to commands at random moments, and checks what is left and that the next run comes to the same end."""

from __future__ import annotations

import contextlib
import functools
import hashlib
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
from benchmarks.reliability.bad_pictures import make_data
from benchmarks.reliability.commands import must, run, warm
from benchmarks.reliability.mutated_models import DETECTOR, MODEL, PHOTO, PICTURE
from benchmarks.reliability.step import ROOT
from zoo.system import processes

SECONDS = 300
CONVERTER = "zoo.export.tflite.converter"
"""The module whose process runs TensorFlow's converter."""
BAD = ("half a file", "other weights", "not resumed", "other end", "litter after the next run", *servers.BAD)
"""What must not be found after a kill."""
Args = tuple[str | Path, ...]


def writers(folder: Path) -> dict[str, tuple[Args, tuple[str, ...]]]:
    """Returns the commands that write files, by name: their arguments, and the files and folders in `out`."""
    out, keras, data = folder / "out", folder / "lenet.keras", folder / "data"
    return {
        "build": (
            ("build", "lenet", "--export", "keras,savedmodel,tflite", "--out", out),
            ("lenet.keras", "lenet_savedmodel", "lenet.tflite"),
        ),
        "export": (
            ("export", keras, "--export", "tflite,onnx", "--quantize", "int8", "--calibration", data, "--out", out),
            ("lenet_int8.tflite", "lenet_int8.onnx"),
        ),
        "prune": (("prune", keras, data, "--keep", "0.7", "--out", out / "small.keras"), ("small.keras",)),
        "diagnose --plot": (("diagnose", keras, data, "--plot", out / "loss.png"), ("loss.png",)),
        "info --plot": (("info", "lenet", "--plot", out / "net.svg"), ("net.svg",)),
        "evaluate --confusion": (("evaluate", MODEL, data, "--confusion", out / "matrix.csv"), ("matrix.csv",)),
        "run --draw": (("run", DETECTOR, PHOTO, "--draw", out / "found.png"), ("found.png",)),
        "web": (("web", MODEL, "--out", out / "page.html"), ("page.html",)),
    }


def write(name: str, number: int, folder: Path) -> Counter[str]:
    """Kills a command that writes files, every second time over older ones; each must be old, new, or not there."""
    make_data(folder / "data", {}, copies=4)
    if name not in LIGHT:
        must(["build", "lenet", "--export", "keras", "--out", folder])
    args, files = writers(folder)[name]
    out, whole, found = folder / "out", folder / "whole", Counter[str]()
    longest = must(args).seconds
    out.rename(whole)
    right = {file: meaning(whole / file) for file in files}
    for seed in range(number):
        shutil.rmtree(out, ignore_errors=True)
        if seed % 2:
            shutil.copytree(whole, out)
            for file in files:
                if (out / file).is_file():
                    (out / file).write_bytes(b"older")
        ended = run(args, kill_after=random.Random(seed).uniform(0, longest))
        found["killed"] += ended.code == -9
        lefts = [left_of(out / file, right[file], older=bool(seed % 2)) for file in files]
        found["half a file" if "half a file" in lefts else "each file whole, old or none"] += 1
    must(args)
    found["other end"] = sum(meaning(out / file) != right[file] for file in files)
    found["litter after the next run"] = litter(out)
    return found


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


def litter(folder: Path) -> int:
    """Returns the number of scratch folders that were left behind."""
    return sum(path.name.startswith(".") for path in folder.rglob("*") if path.is_dir())


def weights_of(run_folder: Path) -> str:
    """Returns a hash of the weights and of all state that decides how a training continues."""
    import numpy as np

    digest = hashlib.sha256()
    with np.load(io.BytesIO((run_folder / "state.npz").read_bytes())) as state:
        for name in sorted(state.files):
            if name != "place":
                digest.update(name.encode() + state[name].tobytes())
    return digest.hexdigest()


def train(number: int, folder: Path) -> Counter[str]:
    """Kills a training, resumes it (which may be killed, too), and compares the weights with an undisturbed run's."""
    make_data(folder / "data", {}, copies=12)
    args: Args = ("train", "lenet", folder / "data", "--epochs", "3", "--out")
    longest = must([*args, folder / "whole"]).processor
    right, place, found = weights_of(folder / "whole"), folder / "run", Counter[str]()
    for seed in range(number):
        rng = random.Random(seed)
        shutil.rmtree(place, ignore_errors=True)
        found["killed"] += run([*args, place], kill_at=rng.uniform(0, longest)).code == -9
        if not place.exists():
            found["nothing there yet"] += 1
            continue
        again: Args = ("train", "--resume", place)
        if rng.random() < 0.5:
            found["killed again"] += run(again, kill_at=rng.uniform(0, longest)).code == -9
        resumed = run(again, seconds=SECONDS)
        if resumed.code == 0:
            found["same weights" if weights_of(place) == right else "other weights"] += 1
        elif resumed.outcome == "refused" and not (place / "state.npz").exists():
            found["nothing saved yet, said so"] += 1
        else:
            found["not resumed"] += 1
        found["litter after the next run"] += litter(place)
    return found


def choose(number: int, folder: Path) -> Counter[str]:
    """Kills measurements; what is measured must be kept, so that the next run continues with the rest."""
    cache = {"XDG_CACHE_HOME": str(folder / "cache")}
    args: Args = (
        "choose", "mobilenet_v2", "--alpha", "0.35", "--input-size", "96", "--num-classes", "10", "--quantize",
        "none,float16", "--runs", "2", "--threads", "1", "--max-ms", "10000", "--json",
    )  # fmt: skip

    def prepare() -> None:
        os.environ.update(cache)

    first = must(args, prepare=prepare)
    found = Counter[str]()
    for seed in range(number):
        shutil.rmtree(folder / "cache")
        at = random.Random(seed).uniform(0, first.seconds)
        found["killed"] += run(args, prepare=prepare, kill_after=at).code == -9
        again = run(args, seconds=SECONDS, prepare=prepare)
        same = again.code == 0 and again.out.count('"quantize"') == first.out.count('"quantize"')
        found["went on" if same else "not resumed"] += 1
    found["litter after the next run"] = litter(folder / "cache")
    return found


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


COMMANDS: dict[str, Callable[[int, Path], Counter[str]]] = {
    "train": train,
    "choose": choose,
    **{name: functools.partial(write, name) for name in writers(Path())},
    "download": servers.download,
    "serve": servers.serve,
    "serve --collect": servers.collect,
}


LIGHT = (*(name for name in COMMANDS if name.split()[0] in {"evaluate", "run", "web", "serve"}), "download")
"""The commands that need no TensorFlow."""


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Kills each command `count` times; `rows` names the commands, all by default, and `keep` is not used."""
    names = rows or tuple(COMMANDS)
    heavy = not set(names) <= set(LIGHT)
    warm(heavy=heavy)
    found = []
    with tempfile.TemporaryDirectory() as shared, converters_from(Path(shared)) if heavy else contextlib.nullcontext():
        for name in names:
            with tempfile.TemporaryDirectory() as place:
                counts = COMMANDS[name](count, Path(place))
            found.append({"command": name, "tried": count, **counts})
    return {"rows": found, "faults": sum(row.get(name, 0) for row in found for name in BAD)}
