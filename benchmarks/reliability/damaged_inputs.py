"""Gives damaged Keras models, checkpoints, recipes and measurements to the commands that read them."""

from __future__ import annotations

import io
import json
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reliability.commands import BAD, Ended, call, run, warm
from benchmarks.reliability.damaged import Case, faults_in
from benchmarks.reliability.mutations import mutate, mutate_archive, mutate_text, mutate_values
from benchmarks.reliability.sources import MODEL, Args, Sources

OUTCOMES = ("done", "refused", *BAD)
TOML_VALUES: tuple[Any, ...] = (
    "", "x" * 2000, -1, 0, 2**62, 1e308, float("nan"), float("inf"), True, [], {}, [1, "a"],
)  # fmt: skip


def damage_toml(data: bytes, rng: random.Random) -> bytes:
    """Damages a recipe's values or its bytes."""
    import tomli
    import tomli_w

    if rng.random() < 0.4:
        return mutate(data, rng)
    return tomli_w.dumps(mutate_values(tomli.loads(data.decode()), rng, TOML_VALUES)).encode()


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


def damage_keras(data: bytes, rng: random.Random) -> bytes:
    """Damages the architecture or the weights of a Keras file."""
    return mutate_archive(data, rng, ("config.json", "model.weights.h5"))


def damage_card(data: bytes, rng: random.Random) -> bytes:
    """Damages the labels and the card behind a model."""
    at = data.index(b"PK\x03\x04")
    if rng.random() < 0.5:
        return data[:at] + mutate(data[at:], rng)
    return data[:at] + mutate_archive(data, rng, ("card.json",))[at:]


def cases(folder: Path, count: int, names: tuple[str, ...]) -> list[Case]:
    """Returns the rows of these names, all by default; `count` files are tried of each."""
    sound, again, out = Sources(folder), folder / "again", folder / "out"

    def reads(*before: str | Path, after: Args = ()) -> Callable[[Path], Ended]:
        def ask(path: Path) -> Ended:
            shutil.rmtree(out, ignore_errors=True)
            return run([*before, path, *after])

        return ask

    def resumes(name: str) -> Callable[[Path], Ended]:
        def ask(path: Path) -> Ended:
            shutil.rmtree(again, ignore_errors=True)
            shutil.copytree(sound.run, again)
            shutil.copy(path, again / name)
            return run(["train", "--resume", again])

        return ask

    def h5() -> Path:
        def save() -> None:
            import keras

            keras.models.load_model(sound.keras).save(folder / "lenet.h5")

        assert sound.keras
        call(save)
        return folder / "lenet.h5"

    def recipe() -> Path:
        own = (sound.run / "recipe.toml").read_text().partition("[recipe]\n")[2].partition("\n[")[0]
        (folder / "recipe.toml").write_text(f"[recipe]\n{own}")
        return folder / "recipe.toml"

    into = ("--out", out)
    choose = ("choose", "mobilenet_v2", "--num-classes", "10", "--from")
    train = ("train", "lenet", sound.folder / "data", "--epochs", "1", *into, "--recipe")
    build = ("build", "lenet", "--export", "tflite", *into, "--weights")
    rows: dict[str, tuple[str, Any, Callable[[], Path], Callable[[Path], Ended]]] = {
        ".keras": ("export", damage_keras, lambda: sound.keras, reads("export", after=into)),
        ".h5": ("export", mutate, h5, reads("export", after=into)),
        "weights, .keras": ("build", damage_keras, lambda: sound.keras, reads(*build)),
        "state.npz of a run": ("train", damage_state, lambda: sound.run / "state.npz", resumes("state.npz")),
        "recipe.toml of a run": ("train", damage_toml, lambda: sound.run / "recipe.toml", resumes("recipe.toml")),
        "architecture.json of a run": (
            "train", mutate_text, lambda: sound.run / "architecture.json", resumes("architecture.json"),
        ),
        "recipe, .toml": ("train", damage_toml, recipe, reads(*train)),
        "measurements, .json": ("choose", mutate_text, lambda: sound.board, reads(*choose)),
        "labels and card of a .tflite": ("inspect", damage_card, lambda: MODEL, reads("inspect", after=("--json",))),
    }  # fmt: skip
    return [
        Case({"file": name, "command": f"zoo {command}"}, source(), damage, ask, range(count))
        for name, (command, damage, source, ask) in rows.items()
        if not names or name in names
    ]


def measure(count: int, rows: tuple[str, ...], keep: Path | None) -> dict[str, Any]:
    """Tries `count` files of each kind; `rows` names the kinds, and `keep` is for files that cause faults."""
    warm(heavy=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found = [case.count(OUTCOMES, folder, keep) for case in cases(folder, count, rows)]
    return {"rows": found, "faults": faults_in(found)}
