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
import io
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from zoo.cli.output import print_json, print_table
from zoo.system.quiet import quiet_tensorflow

EPOCHS = 10
BATCH = 32
WEIGHTS = "backbone.weights.h5"


@dataclass(frozen=True)
class Setting:
    """The model and the number of pictures of one measurement."""

    alpha: float
    size: int
    pictures: int

    def __str__(self) -> str:
        return f"MobileNetV2 {self.alpha}/{self.size}, {self.pictures} pictures"


class SettingType(click.ParamType):
    """The option value `ALPHA,SIZE,PICTURES`."""

    name = "alpha,size,pictures"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Setting:
        """Reads the three numbers."""
        try:
            alpha, size, pictures = value.split(",")
            return Setting(float(alpha), int(size), int(pictures))
        except ValueError:
            self.fail(f"{value!r} is not ALPHA,SIZE,PICTURES, such as 0.35,96,256", param, ctx)


@click.command()
@click.option("--step", type=SettingType(), default="0.35,96,256", show_default=True)
@click.option("--frozen", type=SettingType(), multiple=True, default=["0.35,96,256", "1.0,160,512"], show_default=True)
@click.option("--rounds", default=5, show_default=True, help="Of the step; a run is timed half as often.")
@click.option("--json", "as_json", is_flag=True)
def main(step: Setting, frozen: tuple[Setting, ...], rounds: int, as_json: bool) -> None:
    """Makes the pictures, times both sides, and prints the results."""
    quiet_tensorflow()
    results = {}
    with tempfile.TemporaryDirectory() as place:
        folder = prepare(Path(place) / "step", step)
        results[f"epoch of the whole model: {step}"] = in_turn(our_step(folder, step), keras_step(folder, step), rounds)
        for i, setting in enumerate(frozen):
            folder = prepare(Path(place) / str(i), setting)
            ours, plain = our_frozen_run(folder, setting), keras_frozen_run(folder, setting)
            results[f"{EPOCHS} epochs, frozen: {setting}"] = in_turn(ours, plain, max(1, rounds // 2))
    found = {name: summary(times) for name, times in results.items()}
    if as_json:
        print_json(found)
        return
    rows = [
        (
            name,
            f"{r['keras']:.2f} s",
            f"{r['ours']:.2f} s",
            f"{r['ratio']:.2f}x ({r['p10']:.2f} to {r['p90']:.2f})",
            f"{r['cpu_ratio']:.2f}x",
        )
        for name, r in found.items()
    ]
    print_table(("", "plain Keras", "ours", "as fast as Keras", "by processor time"), rows)


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


def in_turn(ours: Any, plain: Any, rounds: int) -> Any:
    """Measures seconds, `(rounds, 2, 2)`: ours and plain Keras, wall and processor time, after an untimed round."""
    times = []
    for _ in range(rounds + 1):
        pair = []
        for work in (ours, plain):
            started = time.perf_counter(), time.process_time()
            work()
            pair.append((time.perf_counter() - started[0], time.process_time() - started[1]))
        times.append(pair)
    return np.array(times[1:])


def summary(times: Any) -> dict[str, float]:
    """Returns median seconds, and how many times as fast ours is, in wall time (with spread) and processor time."""
    ratios = times[:, 1] / times[:, 0]
    low, middle, high = np.percentile(ratios[:, 0], [10, 50, 90])
    ours, plain = np.median(times[:, :, 0], axis=0)
    found = {"ours": ours, "keras": plain, "ratio": middle, "p10": low, "p90": high}
    return {name: float(value) for name, value in found.items()} | {"cpu_ratio": float(np.median(ratios[:, 1]))}


if __name__ == "__main__":
    main()
