"""Training beside plain Keras, on the same pictures in one run.

    python benchmarks/train_throughput.py [--size 96] [--alpha 0.35] [--pictures 256] [--rounds 5] [--json]

Plain Keras is `image_dataset_from_directory` and keras.applications.MobileNetV2 with `fit`, as its guides have it.
Measured are (1) epochs in which the whole model learns, from pictures that are decoded already, in turn; (2) a run of
ten epochs with a frozen backbone and a new head, from files to the last epoch: ours computes the features once. Both
start from random weights, which take as long as others. `benchmarks/train_input.py` has the input alone.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from zoo.cli.output import print_json, print_table
from zoo.quiet import quiet_tensorflow

EPOCHS = 10
BATCH = 32


@click.command()
@click.option("--size", default=96, show_default=True)
@click.option("--alpha", default=0.35, show_default=True)
@click.option("--pictures", default=256, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(size: int, alpha: float, pictures: int, rounds: int, as_json: bool) -> None:
    """Makes pictures, times, prints."""
    quiet_tensorflow()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_pictures(folder / "pictures", pictures)
        step = in_turn(our_step(folder, size, alpha), keras_step(folder, size, alpha), rounds)
        whole = in_turn(our_frozen_run(folder, size, alpha), keras_frozen_run(folder, size, alpha), max(1, rounds // 2))
    results = {"training step": {**summary(step), "work": pictures}, "frozen backbone, ten epochs": summary(whole)}
    if as_json:
        print_json(results)
        return
    rows = [
        (name, f"{r['keras']:.2f} s", f"{r['ours']:.2f} s", f"{r['ratio']:.2f}x ({r['p10']:.2f} to {r['p90']:.2f})")
        for name, r in results.items()
    ]
    print_table(("", "plain Keras", "ours", "as fast as Keras"), rows)


def make_pictures(folder: Path, count: int) -> None:
    """Crops of the two photos that scikit-learn ships, a class each, 640x480."""
    import sklearn.datasets

    rng = np.random.default_rng(0)
    for name in ("china", "flower"):
        (folder / name).mkdir(parents=True)
        with Image.open(Path(sklearn.datasets.__file__).parent / "images" / f"{name}.jpg") as photo:
            for i in range(count // 2):
                left, top = int(rng.integers(0, 320)), int(rng.integers(0, 187))
                photo.crop((left, top, left + 320, top + 240)).resize((640, 480)).save(folder / name / f"{i}.jpg")


def our_step(folder: Path, size: int, alpha: float) -> Any:
    """An epoch of our model on our data."""
    import zoo

    data = zoo.load_folder(folder / "pictures", size, batch_size=BATCH, validation=0.0)
    model = zoo.build("mobilenet_v2", alpha=alpha, input_size=size, num_classes=2)
    model.compile("adam", "sparse_categorical_crossentropy")
    return lambda: model.fit(data.train, verbose=0, shuffle=False)


def keras_step(folder: Path, size: int, alpha: float) -> Any:
    """The same in plain Keras; its data set is cached as well."""
    import keras

    data = keras_data(folder, size).cache().shuffle(1000).prefetch(2)
    inputs = keras.Input((size, size, 3))
    body = keras.applications.MobileNetV2((size, size, 3), alpha=alpha, weights=None, include_top=False, pooling="avg")
    x = body(keras.applications.mobilenet_v2.preprocess_input(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(keras.layers.Dropout(0.2)(x)))
    model.compile("adam", "sparse_categorical_crossentropy")
    return lambda: model.fit(data, verbose=0)


def keras_data(folder: Path, size: int) -> Any:
    """Batches from the same files."""
    import keras

    return keras.utils.image_dataset_from_directory(
        folder / "pictures", image_size=(size, size), batch_size=BATCH, verbose=False
    )


def our_frozen_run(folder: Path, size: int, alpha: float) -> Any:
    """`zoo.train` with everything but the head frozen, figures and pictures included."""
    import zoo

    start = zoo.build("mobilenet_v2", alpha=alpha, input_size=size, num_classes=5)
    start.save(folder / "start.keras")

    def run() -> None:
        shutil.rmtree(folder / "run", ignore_errors=True)
        zoo.train(
            "mobilenet_v2", folder / "pictures", out=folder / "run", weights=folder / "start.keras", freeze="all",
            head_epochs=EPOCHS, patience=0, alpha=alpha, input_size=size, batch_size=BATCH,
        )  # fmt: skip

    return run


def keras_frozen_run(folder: Path, size: int, alpha: float) -> Any:
    """The usual transfer-learning guide: a frozen backbone inside the model."""
    import keras

    def run() -> None:
        with contextlib.redirect_stdout(None):  # it counts the files aloud
            data = keras.utils.image_dataset_from_directory(
                folder / "pictures", image_size=(size, size), batch_size=BATCH, validation_split=0.2, subset="both",
                seed=0,
            )  # fmt: skip
        inputs = keras.Input((size, size, 3))
        body = keras.applications.MobileNetV2(
            (size, size, 3), alpha=alpha, weights=None, include_top=False, pooling="avg"
        )
        body.trainable = False
        x = body(keras.applications.mobilenet_v2.preprocess_input(inputs), training=False)
        model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(keras.layers.Dropout(0.2)(x)))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(data[0].prefetch(2), validation_data=data[1].prefetch(2), epochs=EPOCHS, verbose=0)

    return run


def in_turn(ours: Any, plain: Any, rounds: int) -> Any:
    """Wall times, `(rounds, 2)` seconds, after one untimed round of each."""
    times = []
    for _ in range(rounds + 1):
        pair = []
        for work in (ours, plain):
            started = time.perf_counter()
            work()
            pair.append(time.perf_counter() - started)
        times.append(pair)
    return np.array(times[1:])


def summary(times: Any) -> dict[str, float]:
    """Medians, and how many times as fast ours is."""
    ratios = times[:, 1] / times[:, 0]
    low, middle, high = np.percentile(ratios, [10, 50, 90])
    ours, plain = np.median(times, axis=0)
    return {"ours": ours, "keras": plain, "ratio": middle, "p10": low, "p90": high}


if __name__ == "__main__":
    main()
