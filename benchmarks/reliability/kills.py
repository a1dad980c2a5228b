"""Sends SIGKILL to commands at random moments, like a power cut, and checks what is left and whether they can resume.

python -m benchmarks.reliability.kills --count 20 --json
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks.reliability.bad_pictures import make_data
from benchmarks.reliability.commands import HEAVY, Ended, report, run, warm
from benchmarks.reliability.mutated_models import MODEL

SECONDS = 300
EPOCHS = "3"


def killed(
    args: list[str | Path], longest: float, rng: random.Random, environment: dict[str, str] | None = None
) -> Ended:
    """Runs a command, and kills it at a random moment of its usual time."""
    return run(args, kill_after=rng.uniform(0, longest), prepare=lambda: os.environ.update(environment or {}))


def whole(args: list[str | Path], environment: dict[str, str] | None = None) -> Ended:
    """Runs a command that must end without an error."""
    ended = run(args, seconds=SECONDS, prepare=lambda: os.environ.update(environment or {}))
    if ended.code:
        raise RuntimeError(f"zoo {' '.join(map(str, args))}: {ended.err}")
    return ended


def litter(folder: Path) -> int:
    """Lists scratch folders that were left behind."""
    return sum(path.name.startswith(".") for path in folder.rglob("*") if path.is_dir())


def weights_of(run_folder: Path) -> str:
    """Returns a hash of the weights and of all state that decides how a training continues."""
    import numpy as np

    digest = hashlib.sha256()
    with np.load(run_folder / "state.npz") as state:
        for name in sorted(state.files):
            if name != "place":
                digest.update(name.encode() + state[name].tobytes())
    return digest.hexdigest()


def train(number: int, folder: Path) -> dict[str, Any]:
    """Kills a training, resumes it (which may be killed, too), and compares the weights with an undisturbed run's."""
    make_data(folder / "data", {}, copies=12)
    args: list[str | Path] = ["train", "lenet", folder / "data", "--epochs", EPOCHS, "--out"]
    undisturbed = whole([*args, folder / "whole"])
    right = weights_of(folder / "whole")
    found = Counter[str]()
    for seed in range(number):
        place, rng = folder / "run", random.Random(seed)
        shutil.rmtree(place, ignore_errors=True)
        ended = killed([*args, place], undisturbed.seconds, rng)
        found["killed"] += ended.code == -9
        if not place.exists():
            found["nothing there yet"] += 1
            continue
        if rng.random() < 0.5:
            found["killed again"] += killed(["train", "--resume", place], undisturbed.seconds, rng).code == -9
        resumed = run(["train", "--resume", place], seconds=SECONDS)
        if resumed.code == 0:
            found["same weights" if weights_of(place) == right else "other weights"] += 1
        elif resumed.outcome == "refused" and not (place / "state.npz").exists():
            found["nothing saved yet, said so"] += 1
        else:
            found["not resumed"] += 1
        found["litter"] += litter(place)
    return dict(found)


def export(number: int, folder: Path) -> dict[str, Any]:
    """Kills an export to an existing file; afterwards the old file or the new one must be there, whole."""
    whole(["build", "lenet", "--export", "keras", "--out", folder])
    target = folder / "lenet.tflite"
    args: list[str | Path] = ["export", folder / "lenet.keras", "--quantize", "none", "--out", folder]
    undisturbed = whole(args)
    old, found = b"an older file", Counter[str]()
    for seed in range(number):
        target.write_bytes(old)
        found["killed"] += killed(args, undisturbed.seconds, random.Random(seed)).code == -9
        if target.read_bytes() == old:
            found["old file"] += 1
        elif run(["run", target, _digit()]).code == 0:
            found["new file"] += 1
        else:
            found["half a file"] += 1
    whole(args)
    found["litter after the next export"] = litter(folder)
    return dict(found)


def build(number: int, folder: Path) -> dict[str, Any]:
    """Does the same with a Keras file and a SavedModel, which is a folder."""
    args: list[str | Path] = ["build", "lenet", "--export", "keras,savedmodel", "--out", folder]
    undisturbed = whole(args)
    found = Counter[str]()
    for seed in range(number):
        found["killed"] += killed(args, undisturbed.seconds, random.Random(seed)).code == -9
        sound = run(["export", folder / "lenet.keras", "--no-verify", "--out", folder / "check"]).code == 0
        saved = (folder / "lenet_savedmodel" / "saved_model.pb").exists()
        found["whole" if sound and saved else "half or gone"] += 1
    whole(args)
    found["litter after the next build"] = litter(folder)
    return dict(found)


def choose(number: int, folder: Path) -> dict[str, Any]:
    """Kills measurements; they must be kept, so that the next run continues with the rest."""
    cache = {"XDG_CACHE_HOME": str(folder / "cache")}
    args: list[str | Path] = [
        "choose", "mobilenet_v2", "--alpha", "0.35", "--input-size", "96", "--num-classes", "10", "--quantize",
        "none,float16", "--runs", "2", "--threads", "1", "--max-ms", "10000", "--json",
    ]  # fmt: skip
    undisturbed = whole(args, cache)
    found = Counter[str]()
    for seed in range(number):
        shutil.rmtree(folder / "cache")
        found["killed"] += killed(args, undisturbed.seconds, random.Random(seed), cache).code == -9
        again = run(args, seconds=SECONDS, prepare=lambda: os.environ.update(cache))
        found["went on" if again.code == 0 and len(json.loads(again.out)["candidates"]) == 2 else "did not go on"] += 1
    return dict(found)


def evaluate(number: int, folder: Path) -> dict[str, Any]:
    """Kills an evaluation that replaces an older confusion matrix."""
    make_data(folder / "data", {}, copies=20)
    target = folder / "matrix.csv"
    args: list[str | Path] = ["evaluate", MODEL, folder / "data", "--confusion", target]
    undisturbed = whole(args)
    right, found = target.read_bytes(), Counter[str]()
    for seed in range(number):
        target.write_bytes(b"older")
        found["killed"] += killed(args, undisturbed.seconds, random.Random(seed)).code == -9
        found[{b"older": "old file", right: "new file"}.get(target.read_bytes(), "half a file")] += 1
    return dict(found)


def _digit() -> Path:
    return MODEL.parent / "pictures" / "three" / "000.png"


COMMANDS: dict[str, Callable[[int, Path], dict[str, Any]]] = {
    "train": train, "export": export, "build": build, "choose": choose, "evaluate --confusion": evaluate,
}  # fmt: skip
BAD = ("other weights", "not resumed", "half a file", "half or gone", "did not go on")


@click.command(help=__doc__)
@click.option("--count", "number", type=click.IntRange(min=1), default=20, show_default=True, help="Kills of each.")
@click.option("--only", multiple=True, type=click.Choice(list(COMMANDS)), help="These commands alone.")
@click.option("--json", "as_json", is_flag=True)
def main(number: int, only: tuple[str, ...], as_json: bool) -> None:
    """Kills the commands, prints the results, and judges them."""
    warm(HEAVY)
    rows = []
    for name in only or COMMANDS:
        with tempfile.TemporaryDirectory() as place:
            rows.append({"command": f"zoo {name}", **COMMANDS[name](number, Path(place))})
    bad = sum(row.get(name, 0) for row in rows for name in BAD)
    bad += sum(count for row in rows for name, count in row.items() if name.startswith("litter after"))
    report({"rows": rows}, bad, as_json)


if __name__ == "__main__":
    main()
