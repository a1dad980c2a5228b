"""Compares our input pipeline with `keras.utils.image_dataset_from_directory`, on photos of 12 megapixels.

    python benchmarks/train_input.py                       # 24 photos, about a minute
    python benchmarks/train_input.py --noise 6

The photos are the two of scikit-learn, enlarged to 4000x3000. The size of a JPEG file decides how much of the decoding
cannot be saved by downscaling. Without noise the photos have 1.1 MB each; `--noise 6` adds sensor noise, for 2 MB.

The time is that for which a training waits until it has seen every batch once: the call that makes the dataset, which
in our case reads the files, and one pass over its batches. A later epoch is another pass over the batches. Both
pipelines run in turn, each in a separate process that has already imported TensorFlow. The ratio of processor time,
over all cores, is more reliable if other programs keep the cores busy. Neither side augments pictures.
"""

from __future__ import annotations

import functools
import itertools
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.cells import sides
from bench.pictures import LARGE, photo_path
from bench.processes import output
from bench.script import benchmark, say
from bench.turns import in_turn, versus
from tables import markdown_table

EPOCHS, SIZE, BATCH = 4, 224, 8
SIDES = ("keras", "ours")
KINDS = ("wall", "cpu")
PARTS = {"first": slice(0, 1), "later": slice(1, None)}
"""The first epoch, in which files are read, and all later ones."""


def table(result: dict[str, Any]) -> str:
    """Compares the input pipeline with that of Keras, by the median epoch of each round."""
    columns = ("a picture", "Keras", "ours", "Keras / ours", "processor time: Keras", "ours", "Keras / ours")
    rows = [
        (
            f"{part} epoch{'s' * (part == 'later')}",
            *(cell for kind in KINDS for cell in sides(_beside(result, part, kind))),
        )
        for part in PARTS
    ]
    size = f"{result['pictures']} photos of {result['bytes_each'] / 1e6:.1f} MB to {result['size']}x{result['size']}:"
    return f"{size}\n\n{markdown_table(columns, rows)}"


def _beside(result: dict[str, Any], part: str, kind: str) -> Any:
    """Compares the median epochs of each round, in ms a picture."""
    keras, ours = (
        [statistics.median(one[who][kind][PARTS[part]]) / result["pictures"] for one in result["rounds"]]
        for who in SIDES
    )
    return versus(keras, ours, "ms", 1e3)


@benchmark(table)
@click.option("--pictures", type=click.IntRange(min=4), default=24, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--noise", type=click.IntRange(min=0), default=0, show_default=True, help="Added to each pixel, at most.")
def main(pictures: int, rounds: int, noise: int) -> dict[str, Any]:
    """Makes the photos and times both pipelines."""
    with tempfile.TemporaryDirectory() as folder:
        say(f"making {pictures} photos")
        _make_photos(Path(folder), pictures, noise)
        bytes_each = round(sum(path.stat().st_size for path in Path(folder).rglob("*.jpg")) / pictures)
        say(f"{rounds} rounds")
        commands = {who: [sys.executable, __file__, "--time", who, folder] for who in SIDES}
        times = in_turn({who: functools.partial(output, command) for who, command in commands.items()}, rounds)
    both = [dict(zip(SIDES, one, strict=True)) for one in zip(*(times[who] for who in SIDES), strict=True)]
    result: dict[str, Any] = {"pictures": pictures, "bytes_each": bytes_each, "size": SIZE, "rounds": both}
    ratios = {part: {f"{kind}_ratio": _beside(result, part, kind)["ratio"] for kind in KINDS} for part in PARTS}
    return result | ratios


def _make_photos(folder: Path, count: int, noise: int) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(count):
        name = ("china", "flower")[i % 2]
        with Image.open(photo_path(f"{name}.jpg")) as photo:
            large = np.asarray(photo.resize(LARGE, Image.Resampling.BICUBIC)).astype(np.int16)
        (folder / name).mkdir(exist_ok=True)
        large += rng.integers(-noise, noise + 1, large.shape, dtype=np.int16)
        Image.fromarray(large.clip(0, 255).astype(np.uint8)).save(folder / name / f"{i}.jpg", quality=90)


def _time(who: str, folder: str) -> None:
    """Prints the seconds of each epoch; those of the first include making the dataset."""
    import keras
    import tensorflow as tf

    from zoo.data import load_folder

    for _ in tf.data.Dataset.range(1):  # threads and the like that TensorFlow starts once
        pass
    clocks = {"wall": time.perf_counter, "cpu": time.process_time}
    marks = [{kind: clock() for kind, clock in clocks.items()}]
    if who == "ours":
        dataset = load_folder(folder, SIZE, batch_size=BATCH, validation=0).train
    else:
        dataset = keras.utils.image_dataset_from_directory(
            folder, image_size=(SIZE, SIZE), batch_size=BATCH, verbose=False
        )
    for _ in range(EPOCHS):
        for images, labels in dataset:
            assert len(images) == len(labels)
        marks.append({kind: clock() for kind, clock in clocks.items()})
    seconds = {kind: [b[kind] - a[kind] for a, b in itertools.pairwise(marks)] for kind in clocks}
    sys.stdout.write(json.dumps(seconds))


if __name__ == "__main__":
    if "--time" in sys.argv:
        _time(*sys.argv[2:4])
    else:
        main()
