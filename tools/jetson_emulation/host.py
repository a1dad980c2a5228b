"""Makes the container's files on the host, and the host's own scores for comparison.

The checkout runs with this Python, which therefore needs the `dev` extra.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jetson_emulation.steps import EmulationError, step

PER_CLASS = 6
"""Number of held-out digits of each class, 60 pictures in all."""

Scores = dict[str, dict[int, float]]
"""The score of each class index, for each picture (the last two parts of its path)."""
Objects = dict[str, list[tuple[str, float, list[float]]]]
"""Label, score and corners in pixels of each object, for each picture."""


@dataclass(frozen=True)
class Files:
    """The folder that the container sees as /data."""

    folder: Path
    digits_float: str = "digits.tflite"
    digits_int8: str = "digits_int8.tflite"
    mobilenet_float: str = "mobilenet_v2_0.35_96.tflite"
    large: str = "alexnet.tflite"
    """A file of 244 MB, which is more than the container of the memory check may have."""
    pictures: str = "pictures"
    """The class folders."""
    boxes_float: str = "digits_on_photos.tflite"
    """A detector that was trained for a moment."""
    boxes_int8: str = "digits_on_photos_int8.tflite"
    """The detector of the package."""
    photos: str = "photos"
    """The photos of the package, with labelled boxes."""
    photo: str = "photo.jpg"


def make_files(root: Path, folder: Path) -> Files:
    """Trains LeNet and a detector, exports them, MobileNetV2 and AlexNet, and writes pictures beside them.

    Raises:
        EmulationError: a command failed.
    """
    files = Files(folder)
    with step("training and exporting the models on the host"):
        python(root, "tools/make-demo-model", "--work", folder)
        zoo(
            root,
            "build",
            "mobilenet_v2",
            "--alpha",
            "0.35",
            "--input-size",
            "96",
            "--export",
            "tflite",
            "--out",
            folder,
        )
        zoo(root, "build", "alexnet", "--export", "tflite", "--no-verify", "--out", folder)
    for name in (files.digits_int8, files.boxes_int8):
        shutil.copy(root / "zoo/assets/demo" / name, folder / name)
    shutil.copytree(root / "zoo/assets/demo/photos", folder / files.photos)
    for label in (folder / "held_out").iterdir():
        (folder / files.pictures / label.name).mkdir(parents=True)
        for picture in sorted(label.iterdir())[:PER_CLASS]:
            shutil.copy(picture, folder / files.pictures / label.name)
    photo = "import sklearn.datasets as d, pathlib; print(pathlib.Path(d.__file__).parent / 'images' / 'flower.jpg')"
    shutil.copy(python(root, "-c", photo).strip(), folder / files.photo)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return files


def python(root: Path, *words: str | Path) -> str:
    """Runs this Python on the checkout; returns the output.

    Raises:
        EmulationError: the program fails.
    """
    command = [sys.executable, *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EmulationError(f"exit code {done.returncode} from: {' '.join(command)}\n{done.stderr[-2000:]}")
    return done.stdout


def zoo(root: Path, *words: str | Path) -> str:
    """Runs a `zoo` command of the checkout; see `python`."""
    return python(root, "-c", "from zoo.cli.main import main; main()", *words)


def scores(lines: Iterable[str]) -> Scores:
    """Parses the output of `zoo run --json --top-k 1000`."""
    found: Scores = {}
    for line in lines:
        if line.startswith("{"):
            result = json.loads(line)
            name = "/".join(Path(result["file"]).parts[-2:])
            found[name] = {entry["index"]: entry["score"] for entry in result["predictions"]}
    return found


def objects(lines: Iterable[str]) -> Objects:
    """Parses the output of `zoo run --json` of a detector."""
    found: Objects = {}
    for line in lines:
        if line.startswith("{"):
            result = json.loads(line)
            found[Path(result["file"]).name] = [
                (one["label"], one["score"], one["box"]) for one in result["predictions"]
            ]
    return found


def same_objects(first: Objects, second: Objects, *, pixels: float, score: float) -> tuple[int, int]:
    """Returns how many objects of the first have one of the same class in the second, and how many there are.

    Args:
        first: the objects of each picture.
        second: those of the same pictures.
        pixels: the most that a side of their boxes may differ by.
        score: the most that their scores may differ by.
    """
    met = [
        any(
            label == other
            and abs(value - others) <= score
            and all(abs(side - there) <= pixels for side, there in zip(box, place, strict=True))
            for other, others, place in second[name]
        )
        for name, found in first.items()
        for label, value, box in found
    ]
    return sum(met), len(met)


def best(classes: dict[int, float]) -> int:
    """Returns the class with the highest score."""
    return max(classes, key=lambda index: classes[index])
