"""Compares our input pipeline with `keras.utils.image_dataset_from_directory`, on photos of 12 megapixels.

    python benchmarks/train_input.py                       # 24 photos, about a minute
    python benchmarks/train_input.py --pictures 96 --noise 6

The photos are the two of scikit-learn, enlarged to 4000x3000. The size of a JPEG file decides how much of the decoding
cannot be saved by downscaling. Without noise the photos have 1.1 MB each; `--noise 6` adds sensor noise, for 2 MB.

The time is that for which a training waits until it has seen every batch once: the call that makes the dataset, which
in our case reads the files, and one pass over its batches. A later epoch is another pass over the batches. Both
pipelines run in turn, each in a separate process that has already imported TensorFlow. A ratio is the median of the
rounds' ratios (above 1: ours is faster), with the lowest and the highest. The ratio of processor time, over all cores,
is more reliable if other programs keep the cores busy. Neither side augments pictures.
"""

from __future__ import annotations

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from zoo.cli.output import megabytes, print_json, print_table
from zoo.machine.cores import usable_cores

EPOCHS = 4


@click.command()
@click.option("--pictures", type=click.IntRange(min=4), default=24, show_default=True)
@click.option("--size", type=click.IntRange(min=8), default=224, show_default=True, help="Of the model's input.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--noise", type=click.IntRange(min=0), default=0, show_default=True, help="Added to each pixel, at most.")
@click.option("--batch-size", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(pictures: int, size: int, rounds: int, noise: int, batch_size: int, as_json: bool) -> None:
    """Makes the photos, times both pipelines, and prints the results."""
    times: list[dict[str, dict[str, list[float]]]] = []
    with tempfile.TemporaryDirectory() as folder:
        click.echo(f"making {pictures} photos", err=True)
        _make_photos(Path(folder), pictures, noise)
        size_each = sum(path.stat().st_size for path in Path(folder).rglob("*.jpg")) / pictures
        for i in range(rounds):
            click.echo(f"round {i + 1} of {rounds}", err=True)
            # The order of the two changes from round to round.
            order = ("keras", "ours") if i % 2 else ("ours", "keras")
            times.append({who: _in_a_process(who, folder, size, batch_size) for who in order})
    result: dict[str, Any] = {"pictures": pictures, "bytes_each": round(size_each), "size": size, "rounds": times}
    rows = []
    for epoch, which in (("first", slice(0, 1)), ("later", slice(1, None))):
        each: dict[str, dict[str, list[float]]] = {
            who: {kind: [statistics.median(row[who][kind][which]) for row in times] for kind in ("wall", "cpu")}
            for who in ("keras", "ours")
        }
        ratios = {
            kind: [a / b for a, b in zip(each["keras"][kind], each["ours"][kind], strict=True)]
            for kind in ("wall", "cpu")
        }
        result[epoch] = {f"{kind}_ratio": statistics.median(values) for kind, values in ratios.items()}
        rows.append(
            (
                epoch,
                *(f"{1e3 * statistics.median(each[who]['wall']) / pictures:.2f} ms" for who in ("keras", "ours")),
                *(f"{statistics.median(v):.2f}x ({min(v):.2f} to {max(v):.2f})" for v in ratios.values()),
            )
        )
    if as_json:
        print_json(result)
        return
    click.echo(f"{pictures} photos of {megabytes(round(size_each))}, {usable_cores()} cores\n")
    print_table(("epoch", "keras, a picture", "ours, a picture", "keras / ours", "processor time"), rows)


def _make_photos(folder: Path, count: int, noise: int) -> None:
    import sklearn.datasets
    from PIL import Image

    rng = np.random.default_rng(0)
    sources = Path(sklearn.datasets.__file__).parent / "images"
    for i in range(count):
        name = ("china", "flower")[i % 2]
        with Image.open(sources / f"{name}.jpg") as photo:
            large = np.asarray(photo.resize((4000, 3000), Image.Resampling.BICUBIC)).astype(np.int16)
        (folder / name).mkdir(exist_ok=True)
        large += rng.integers(-noise, noise + 1, large.shape, dtype=np.int16)
        Image.fromarray(large.clip(0, 255).astype(np.uint8)).save(folder / name / f"{i}.jpg", quality=90)


def _in_a_process(who: str, folder: str, size: int, batch_size: int) -> dict[str, list[float]]:
    command = [sys.executable, __file__, "--time", who, folder, str(size), str(batch_size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    seconds: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def _time(who: str, folder: str, size: str, batch_size: str) -> None:
    """Prints the seconds of each epoch; those of the first include making the dataset."""
    import keras
    import tensorflow as tf

    from zoo.data import load_folder

    for _ in tf.data.Dataset.range(1):  # threads and the like that TensorFlow starts once
        pass
    clocks = {"wall": time.perf_counter, "cpu": time.process_time}
    marks = [{kind: clock() for kind, clock in clocks.items()}]
    if who == "ours":
        dataset = load_folder(folder, int(size), batch_size=int(batch_size), validation=0).train
    else:
        dataset = keras.utils.image_dataset_from_directory(
            folder, image_size=(int(size), int(size)), batch_size=int(batch_size), verbose=False
        )
    for _ in range(EPOCHS):
        for images, labels in dataset:
            assert len(images) == len(labels)
        marks.append({kind: clock() for kind, clock in clocks.items()})
    seconds = {kind: [b[kind] - a[kind] for a, b in itertools.pairwise(marks)] for kind in clocks}
    sys.stdout.write(json.dumps(seconds))


if __name__ == "__main__":
    if "--time" in sys.argv:
        _time(*sys.argv[2:6])
    else:
        main()
