"""Gives damaged Keras models, checkpoints, recipes and measurements to the commands that read them."""

from __future__ import annotations

import io
import json
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reliability.bad_pictures import make_data
from benchmarks.reliability.commands import BAD, Ended, call, count_endings, faults_in, must, run, warm
from benchmarks.reliability.mutated_models import MODEL
from benchmarks.reliability.mutations import mutate, mutate_archive, mutate_text, mutate_values

SECONDS = 120
Damage = Callable[[bytes, random.Random], bytes]
Command = tuple[str | Path, ...]


@dataclass(frozen=True)
class Target:
    """A file that is damaged, and the command that reads it."""

    name: str
    damage: Damage
    source: Path
    """The valid file."""
    place: Path
    """The path for the damaged file."""
    command: Command
    fresh: tuple[Path, Path] | None = None
    """A folder that is copied again before each try."""


def damage_toml(data: bytes, rng: random.Random) -> bytes:
    """Damages a recipe's values or its bytes."""
    import tomli
    import tomli_w

    # Only values that TOML can hold are taken.
    values: tuple[Any, ...] = ("", "x" * 2000, -1, 0, 2**62, 1e308, float("nan"), float("inf"), True, [], {}, [1, "a"])
    if rng.random() < 0.4:
        return mutate(data, rng)
    return tomli_w.dumps(mutate_values(tomli.loads(data.decode()), rng, values)).encode()


def damage_state(data: bytes, rng: random.Random) -> bytes:
    """Damages a checkpoint's position or its arrays."""
    if rng.random() < 0.5:
        return mutate_archive(data, rng, ("place.npy", "model0.npy", "optimizer1.npy"))
    with np.load(io.BytesIO(data)) as file:
        arrays = dict(file)
    place = mutate_values(json.loads(arrays["place"].tobytes()), rng)
    arrays["place"] = np.frombuffer(json.dumps(place).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def prepare(folder: Path) -> list[Target]:
    """Makes the valid files: a model in each format, a run that was stopped, a recipe, measurements."""
    make_data(folder / "data", {}, copies=4)
    cells = ("choose", "mobilenet_v2", "--alpha", "0.35", "--input-size", "96", "--num-classes", "10")
    for args in (
        ("build", "lenet", "--export", "keras", "--out", folder),
        ("train", "lenet", folder / "data", "--epochs", "1", "--out", folder / "run"),
        (*cells, "--quantize", "none", "--files", folder / "cells"),
    ):
        must(args)
    (cell,) = (folder / "cells").iterdir()
    board = must(["benchmark", cell, "--runs", "3", "--json"])
    (folder / "board.json").write_text(board.out)
    shutil.copy(folder / "run" / "recipe.toml", folder / "whole.toml")
    recipe = (folder / "whole.toml").read_text()
    (folder / "recipe.toml").write_text("[recipe]\n" + recipe.partition("[recipe]\n")[2].partition("\n[")[0])
    _to_h5(folder)
    work = folder / "work"
    work.mkdir()
    again = (folder / "run", work / "run")
    resume = ("train", "--resume", work / "run")
    into = ("--out", folder / "out")
    train = ("train", "lenet", folder / "data", "--epochs", "1", *into, "--recipe")
    choose = ("choose", "mobilenet_v2", "--num-classes", "10", "--from")
    build = ("build", "lenet", "--export", "tflite", *into, "--weights")

    def target(name: str, damage: Damage, source: str | Path, to: str, before: Command, after: Command = ()) -> Target:
        return Target(name, damage, folder / source, work / to, (*before, work / to, *after))

    def of_run(name: str, damage: Damage, source: Path) -> Target:
        return Target(f"{name} of a run", damage, source, work / "run" / name, resume, again)

    return [
        target(".keras", damage_keras, "lenet.keras", "m.keras", ("export",), into),
        target(".h5", mutate, "lenet.h5", "m.h5", ("export",), into),
        target("weights, .keras", damage_keras, "lenet.keras", "w.keras", build),
        of_run("state.npz", damage_state, folder / "run" / "state.npz"),
        of_run("recipe.toml", damage_toml, folder / "whole.toml"),
        of_run("architecture.json", mutate_text, folder / "run" / "architecture.json"),
        target("recipe, .toml", damage_toml, "recipe.toml", "r.toml", train),
        target("measurements, .json", mutate_text, "board.json", "b.json", choose),
        target("labels and card of a .tflite", _damage_card, MODEL, "c.tflite", ("inspect",), ("--json",)),
    ]


def damage_keras(data: bytes, rng: random.Random) -> bytes:
    """Damages the architecture or the weights of a Keras file."""
    return mutate_archive(data, rng, ("config.json", "model.weights.h5"))


def _to_h5(folder: Path) -> None:
    def save() -> None:
        import keras

        keras.models.load_model(folder / "lenet.keras").save(folder / "lenet.h5")

    call(save)
    assert (folder / "lenet.h5").exists()


def _damage_card(data: bytes, rng: random.Random) -> bytes:
    at = data.index(b"PK\x03\x04")
    if rng.random() < 0.5:
        return data[:at] + mutate(data[at:], rng)
    return data[:at] + mutate_archive(data, rng, ("card.json",))[at:]


def try_many(target: Target, number: int, out: Path, keep: Path | None) -> dict[str, Any]:
    """Counts the outcomes of `number` damaged files."""
    endings: list[Ended] = []
    data = target.source.read_bytes()
    for seed in range(number):
        if target.fresh:
            shutil.rmtree(target.fresh[1], ignore_errors=True)
            shutil.copytree(*target.fresh)
        target.place.write_bytes(target.damage(data, random.Random(seed)))
        ended = run(target.command, seconds=SECONDS)
        endings.append(ended)
        shutil.rmtree(out, ignore_errors=True)
        if keep and ended.outcome in BAD:
            stem = f"{target.name.replace(' ', '_').strip('.')}_{seed}"
            shutil.copy(target.place, keep / (stem + target.place.suffix))
            (keep / f"{stem}.txt").write_text(f"{ended.code}\n{ended.err}")
    return {"file": target.name, "command": f"zoo {target.command[0]}", **count_endings(endings)}


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Tries `count` files of each kind; `rows` names the kinds, and `keep` is for files that cause faults."""
    warm(heavy=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        chosen = [target for target in prepare(folder) if not rows or target.name in rows]
        found = [try_many(target, count, folder / "out", keep) for target in chosen]
    return {"rows": found, "faults": faults_in(found)}
