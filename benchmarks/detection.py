"""Measures detectors by input size and mode: how good a file is, how large, and how fast, beside MediaPipe's detector.

    python benchmarks/detection.py [--sizes 128,160,224] [--modes none,int8] [--json]

SSDLite on MobileNetV2 0.35 with `--small-objects` is trained from random weights on handwritten digits on photos
(`tools/demo_boxes.py`), once for each size, for as many epochs, and judged on 100 held-out pictures with other digits
and other parts of the photos. All files of a size are timed in turn, on one thread: the model alone, and the decoding
of its outputs for the first held-out picture. The runner and MediaPipe Tasks' `ObjectDetector`, in the
environment of its own that `make test` makes, take the same file and decoded picture from pixels to boxes, in turn. Of
all objects that the two find on the held-out pictures, those count as the same whose class is the same and whose boxes
overlap by 0.9 or more: MediaPipe rounds boxes to whole pixels.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from bench.cells import between, sides
from bench.processes import Worker
from bench.script import benchmark, mediapipe, say
from bench.turns import compare, loaded, spread
from tables import markdown_table
from zoo.cli.output import megabytes
from zoo.cli.types import int_list, words
from zoo.export.options import MODES, Quantize
from zoo.runner import Detector
from zoo.runner.evaluate import evaluate
from zoo.system.quiet import quiet, quiet_tensorflow
from zoo.tasks.objects.boxes import overlaps

ALPHA = 0.35
TRAINED, HELD_OUT = 800, 100
"""Number of pictures."""
SAME = 0.9
"""Overlap from which two boxes are the same."""
Row = dict[str, Any]


def table(result: Row) -> str:
    """Shows how good, large and fast detectors are by input size and mode, and how fast beside MediaPipe."""
    version, missing = result["mediapipe_version"], result["mediapipe_missing"]
    peer = f"MediaPipe {version}" if version else "MediaPipe"
    columns = ("input", "mode", "size", "mAP", "AP50", "model", "decoding", peer, "ours", "it / ours", "same boxes")
    rows = [
        (
            f"{row['size']}x{row['size']}",
            f"`{row['mode']}`",
            megabytes(row["bytes"]),
            *(f"{row[key]:.1%}" for key in ("map", "ap50")),
            *(between(row[key], "ms") for key in ("model_ms", "decoding_ms")),
            *(sides(row["mediapipe"]) if "mediapipe" in row else ("", "", "")),
            f"{row['same']:.1%} of {row['of']}" if "same" in row else "",
        )
        for row in result["rows"]
    ]
    return markdown_table(columns, rows) + (f"\n\nWithout MediaPipe: {missing}." if missing else "")


@benchmark(table)
@click.option("--sizes", type=int_list, default="128,160,224", show_default=True, help="Of the model's input.")
@click.option("--modes", type=words(*MODES), default="none,float16,dynamic,int8", show_default=True)
@click.option("--epochs", type=click.IntRange(min=1), default=24, show_default=True, help="Of 50 steps each.")
@click.option("--runs", type=click.IntRange(min=3), default=60, show_default=True, help="Timed runs of each file.")
def main(sizes: Sequence[int], modes: tuple[Quantize, ...], epochs: int, runs: int) -> Row:
    """Trains, exports, judges and times the detectors, and returns a row for each file."""
    import demo_boxes

    peer, versions = mediapipe()
    quiet_tensorflow()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "digits"
        demo_boxes.save(data, TRAINED, HELD_OUT)
        for size in sizes:
            say(f"training at {size}x{size}")
            with quiet():
                files, held_out = make_files(data, Path(place) / str(size), size, modes, epochs)
            say(f"judging and timing the files of {size}x{size}")
            rows += measured(size, files, held_out, runs, peer)
    return {"alpha": ALPHA, "pictures": HELD_OUT, "rows": rows, **versions}


def make_files(
    data: Path, folder: Path, size: int, modes: Sequence[Quantize], epochs: int
) -> tuple[dict[Quantize, Path], Sequence[Any]]:
    """Trains a detector and exports it; returns the files and the held-out pictures with their boxes."""
    import zoo
    from zoo.export import to_tflite

    result = zoo.train(
        "ssdlite_mobilenet_v2", data, out=folder, weights="none", alpha=ALPHA, input_size=size, small_objects=True,
        epochs=epochs, min_steps=0, learning_rate=2e-3, augment="light",
    )  # fmt: skip
    files = {mode: folder / f"{mode}.tflite" for mode in modes}
    for mode, path in files.items():
        to_tflite(
            result.model, path, quantize=mode, calibration=result.data.sample(200), labels=result.data.class_names,
            preprocessing=result.data.preprocessing, verify_file=False,
        )  # fmt: skip
    return files, result.data.truth["validation"]  # type: ignore[attr-defined]  # of a detector


def measured(
    size: int, files: dict[Quantize, Path], held_out: Sequence[Any], runs: int, peer: Path | None
) -> list[Row]:
    """Returns a row for each mode."""
    figures = {mode: evaluate(Detector(path), held_out) for mode, path in files.items()}
    candidates = loaded(files, runs)
    rows = []
    for mode, path in files.items():
        candidates[mode].decode(held_out[0].path, runs)
        decoded = next(iter(candidates[mode].record.decoding.values()))
        row = {
            "size": size,
            "mode": mode,
            "bytes": path.stat().st_size,
            "map": figures[mode].ap,
            "ap50": figures[mode].ap50,
            "model_ms": spread(candidates[mode].record.seconds, 1e3),
            "decoding_ms": spread(decoded.seconds, 1e3),
        }
        rows.append(row | (beside_mediapipe(peer, path, held_out[0].path.parent, runs) if peer else {}))
    return rows


def beside_mediapipe(peer: Path, file: Path, pictures: Path, runs: int) -> Row:
    """Times one decoded picture, from pixels to boxes, and counts the objects that both find on all pictures."""
    with (
        Worker(peer, "mediapipe-boxes", file, pictures) as plain,
        Worker(sys.executable, "ours-boxes", file, pictures) as own,
    ):
        times = compare(plain.second("one"), own.second("one"), runs, "ms", 1e3)
        same, of = compared(plain.ask("many")[1], own.ask("many")[1])
    return {"mediapipe": times, "same": same, "of": of}


def compared(first: Sequence[Any], second: Sequence[Any]) -> tuple[float, int]:
    """Returns the share of the objects of both that have a counterpart, and the number of objects."""
    met = of = 0
    for ours, theirs in [*zip(first, second, strict=True), *zip(second, first, strict=True)]:
        of += len(ours)
        for label, _, *box in ours:
            others = np.array([other for name, _, *other in theirs if name == label]).reshape(-1, 4)
            met += bool((overlaps(np.array([box]), others) >= SAME).any())
    return (met / of if of else 0.0), of


if __name__ == "__main__":
    main()
