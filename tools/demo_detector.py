"""The part of `make demo` that trains a detector on digits on photos, and finds held-out ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from PIL import Image

import demo_boxes
from demo_steps import zoo

TRAINED, HELD_OUT = 1200, 100
"""Number of pictures to train on, and of those held out."""
TRAINING = ("--alpha", "0.35", "--input-size", "96", "--small-objects", "--weights", "none")
RECIPE = ("--epochs", "12", "--min-steps", "0", "--batch-size", "8", "--learning-rate", "4e-3", "--augment", "none")
"""1,800 small steps, from random weights, so that no network is needed. There are pictures enough to do without
augmentation. Of fewer, longer epochs the rate would rise in the first of them, and the statistics of batch
normalization would lag behind by two, for most of the training."""
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1"}
"""One thread for each operation: those of a net this small, on eight pictures, end before a second thread has begun."""
THRESHOLD = "0.35"
"""The least score. A short training is right before it is sure, so that 0.5, the default, would be too much to ask."""
DRAWN = 4
"""Number of held-out pictures that are drawn side by side."""
ENOUGH = 0.6
"""The least share of the held-out digits to be found."""


def show_boxes(folder: Path) -> float:
    """Trains a detector, exports int8, and returns the share of the held-out digits that the file finds."""
    data, run = folder / "boxes", folder / "detector"
    shutil.rmtree(data, ignore_errors=True)
    shutil.rmtree(run, ignore_errors=True)
    demo_boxes.save(data, TRAINED, HELD_OUT)
    words = (*TRAINING, *RECIPE, "--out", run, "--export", "tflite", "--quantize", "int8", "--json")
    result = json.loads(zoo("train", "ssdlite_mobilenet_v2", data, *words, **ONE_THREAD))
    print(f"{result['seconds']:.0f} s; mAP on the {result['count']} held-out pictures:")
    wide = max(len(file["file"]) for file in result["files"])
    for file in result["files"]:
        print(f"  {file['file']:<{wide}}  {file['map']:.1%}  {file['bytes'] / 1e3:,.0f} kB")
    print()
    return find_digits(run / result["files"][-1]["file"], data, folder)


def find_digits(file: Path, data: Path, folder: Path) -> float:
    """Finds the digits of held-out pictures.

    Args:
        file: a detector's file.
        data: the pictures as `demo_boxes.save` wrote them.
        folder: where `found.jpg` goes, a few pictures with what is found in them.

    Returns:
        The share of the digits that are found, each by a box of its class that overlaps it by half or more.
    """
    images = data / "valid" / "images"
    drawn = folder / "found"
    shutil.rmtree(drawn, ignore_errors=True)
    shown = sorted(images.iterdir())[:DRAWN]
    for line in zoo("run", file, *shown, "--threshold", THRESHOLD, "--draw", drawn, "--json").splitlines():
        answer = json.loads(line)
        said = ", ".join(f"{one['label']} {one['score']:.0%}" for one in answer["predictions"])
        print(f"  {Path(answer['file']).name}  {said or 'nothing found'}")
    side_by_side([drawn / path.name for path in shown], folder / "found.jpg")
    print()
    figures = json.loads(zoo("evaluate", file, data, "--threshold", THRESHOLD, "--json"))
    use: dict[str, Any] = figures["threshold"]
    print(
        f"{use['recall']:.1%} of the {figures['objects']} held-out digits found; "
        f"of what is found {use['precision']:.1%} is right"
    )
    return float(use["recall"])


def side_by_side(paths: list[Path], out: Path) -> None:
    """Writes pictures beside each other as one."""
    pictures = [Image.open(path) for path in paths]
    whole = Image.new("RGB", (sum(one.width for one in pictures), max(one.height for one in pictures)), "white")
    left = 0
    for one in pictures:
        whole.paste(one, (left, 0))
        left += one.width
    whole.save(out, quality=85)
