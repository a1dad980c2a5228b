"""Compares our training with plain Keras, on the same pictures in one run.

    python benchmarks/train_throughput.py [--step 0.35,96,256] [--frozen 0.35,96,256 --frozen 1.0,160,512] [--rounds 5]

Plain Keras is `image_dataset_from_directory` and keras.applications.MobileNetV2 with `fit`, as in its guides.
Two things are measured: (1) epochs in which the whole model is trained, on decoded pictures, both sides in turn; (2) a
run of ten epochs with a frozen backbone and a new head, from files to the last epoch. Ours computes the features once,
and also writes the best model, figures, pictures and a card. Both begin with the same file of random backbone weights,
which are as fast as others. `benchmarks/train_input.py` measures the input alone.
"""

from __future__ import annotations

import contextlib
import functools
import io
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from PIL import Image

from bench.cells import sides
from bench.script import benchmark
from bench.turns import in_turn, versus
from tables import markdown_table
from zoo.system.quiet import quiet_tensorflow

EPOCHS = 10
BATCH = 32
WEIGHTS = "backbone.weights.h5"


class Setting(NamedTuple):
    """The model and the number of pictures of one measurement."""

    alpha: float
    size: int
    pictures: int

    def __str__(self) -> str:
        return f"MobileNetV2 {self.alpha}/{self.size}, {self.pictures} pictures"


def setting(text: str) -> Setting:
    """Parses `ALPHA,SIZE,PICTURES`."""
    try:
        alpha, size, pictures = text.split(",")
        return Setting(float(alpha), int(size), int(pictures))
    except ValueError:
        raise click.BadParameter(f"{text!r} is not ALPHA,SIZE,PICTURES, such as 0.35,96,256") from None


def table(result: dict[str, Any]) -> str:
    """Compares training with plain Keras."""
    rows = [
        (name, *sides({"unit": "s", "plain": row["keras"], **row}), f"{row['cpu_ratio']:.2f}x")
        for name, row in result.items()
    ]
    return markdown_table(("", "plain Keras", "ours", "Keras / ours", "processor time"), rows)


@benchmark(table)
@click.option("--step", type=setting, metavar="A,S,N", default="0.35,96,256", show_default=True)
@click.option("--frozen", type=setting, metavar="A,S,N", multiple=True, default=["0.35,96,256", "1.0,160,512"])
@click.option("--rounds", default=5, show_default=True, help="Of the step; a run is timed half as often.")
def main(step: Setting, frozen: tuple[Setting, ...], rounds: int) -> dict[str, Any]:
    """Makes the pictures and times both sides."""
    quiet_tensorflow()
    found = {}
    with tempfile.TemporaryDirectory() as place:
        folder = prepare(Path(place) / "step", step)
        found[f"epoch of the whole model: {step}"] = beside(our_step(folder, step), keras_step(folder, step), rounds)
        for i, one in enumerate(frozen):
            folder = prepare(Path(place) / str(i), one)
            both = our_frozen_run(folder, one), keras_frozen_run(folder, one)
            found[f"{EPOCHS} epochs, frozen: {one}"] = beside(*both, max(1, rounds // 2))
    return found


def prepare(folder: Path, setting: Setting) -> Path:
    """Makes the pictures, and a file of backbone weights in keras.applications' format."""
    import keras

    make_pictures(folder / "pictures", setting.pictures)
    body = keras.applications.MobileNetV2(
        (setting.size, setting.size, 3), alpha=setting.alpha, weights=None, include_top=False
    )
    body.save_weights(folder / WEIGHTS)
    return folder


def make_pictures(folder: Path, count: int) -> None:
    """Writes crops of scikit-learn's two photos, 640x480; each photo is a class."""
    import sklearn.datasets

    rng = np.random.default_rng(0)
    for name in ("china", "flower"):
        (folder / name).mkdir(parents=True)
        with Image.open(Path(sklearn.datasets.__file__).parent / "images" / f"{name}.jpg") as photo:
            for i in range(count // 2):
                left, top = int(rng.integers(0, 320)), int(rng.integers(0, 187))
                photo.crop((left, top, left + 320, top + 240)).resize((640, 480)).save(folder / name / f"{i}.jpg")


def our_step(folder: Path, setting: Setting) -> Any:
    """Returns a function that trains our model on our data for an epoch."""
    import zoo

    data = zoo.load_folder(folder / "pictures", setting.size, batch_size=BATCH, validation=0.0)
    model = zoo.build("mobilenet_v2", alpha=setting.alpha, input_size=setting.size, num_classes=2)
    model.compile("adam", "sparse_categorical_crossentropy")
    return lambda: model.fit(data.train, verbose=0, shuffle=False)


def keras_step(folder: Path, setting: Setting) -> Any:
    """Returns the same in plain Keras, whose dataset is cached, too."""
    import keras

    data = keras.utils.image_dataset_from_directory(
        folder / "pictures", image_size=(setting.size, setting.size), batch_size=BATCH, verbose=False
    )
    model = keras_model(setting, None)
    model.compile("adam", "sparse_categorical_crossentropy")
    cached = data.cache().shuffle(1000).prefetch(2)
    return lambda: model.fit(cached, verbose=0, shuffle=False)


def keras_model(setting: Setting, weights: Path | None) -> Any:
    """Builds a backbone of keras.applications with a head; with weights it is frozen, as in the guide to transfer."""
    import keras

    shape = (setting.size, setting.size, 3)
    inputs = keras.Input(shape)
    body = keras.applications.MobileNetV2(shape, alpha=setting.alpha, weights=weights, include_top=False, pooling="avg")
    body.trainable = weights is None
    pixels = keras.applications.mobilenet_v2.preprocess_input(inputs)
    features = body(pixels) if weights is None else body(pixels, training=False)
    outputs = keras.layers.Dense(2, activation="softmax")(keras.layers.Dropout(0.2)(features))
    return keras.Model(inputs, outputs)


def our_frozen_run(folder: Path, setting: Setting) -> Any:
    """Runs `zoo.train` with everything but the head frozen, including figures and pictures."""
    import zoo

    def run() -> None:
        shutil.rmtree(folder / "run", ignore_errors=True)
        zoo.train(
            "mobilenet_v2", folder / "pictures", out=folder / "run", weights=folder / WEIGHTS, freeze="all",
            head_epochs=EPOCHS, patience=0, alpha=setting.alpha, input_size=setting.size, batch_size=BATCH,
        )  # fmt: skip

    return run


def keras_frozen_run(folder: Path, setting: Setting) -> Any:
    """Trains as the usual transfer-learning guide does, with a frozen backbone inside the model."""
    import keras

    def run() -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints the number of files
            train, validation = keras.utils.image_dataset_from_directory(
                folder / "pictures", image_size=(setting.size, setting.size), batch_size=BATCH, validation_split=0.2,
                subset="both", seed=0,
            )  # fmt: skip
        model = keras_model(setting, folder / WEIGHTS)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(
            train.prefetch(2), validation_data=validation.prefetch(2), epochs=EPOCHS, verbose=0, shuffle=False
        )  # fmt: skip

    return run


def beside(ours: Callable[[], object], keras: Callable[[], object], rounds: int) -> dict[str, float]:
    """Returns median seconds, and how many times as fast ours is, in wall time (with spread) and processor time."""

    def clocked(work: Callable[[], object]) -> tuple[float, float]:
        started = time.perf_counter(), time.process_time()
        work()
        return time.perf_counter() - started[0], time.process_time() - started[1]

    times = in_turn({who: functools.partial(clocked, work) for who, work in (("keras", keras), ("ours", ours))}, rounds)
    wall, cpu = (
        versus([one[kind] for one in times["keras"]], [one[kind] for one in times["ours"]], "s") for kind in (0, 1)
    )
    ratios = {"ratio": wall["ratio"], "p10": wall["p10"], "p90": wall["p90"], "cpu_ratio": cpu["ratio"]}
    return {"ours": wall["ours"], "keras": wall["plain"], **ratios}


if __name__ == "__main__":
    main()
