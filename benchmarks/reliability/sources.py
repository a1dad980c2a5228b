"""Makes sound files for the commands, to be damaged, read while a disk is full, or written while a kill comes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.reliability.commands import must

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = ROOT / "zoo" / "assets" / "demo"
MODEL = DEMO / "digits_int8.tflite"
DETECTOR = DEMO / "digits_on_photos_int8.tflite"
DIGITS = DEMO / "pictures"
PICTURE = DIGITS / "three" / "000.png"
PHOTO = DEMO / "photos" / "0.jpg"
CELL = ("choose", "mobilenet_v2", "--alpha", "0.35", "--input-size", "96", "--quantize", "none")
"""A choice among one file."""
Args = tuple[str | Path, ...]


def make_data(folder: Path, makers: dict[str, Callable[[Path], Path]], copies: int = 1) -> list[Path]:
    """Makes class folders with the package's digits, and unusual pictures in the folder of the threes."""
    for digit in DIGITS.iterdir():
        with Image.open(digit / "000.png") as opened:
            pixels = np.asarray(opened.convert("L"))
        for i in range(copies):
            (folder / digit.name).mkdir(parents=True, exist_ok=True)
            # Pictures with the same pixels would be left out as copies.
            changed = pixels.copy()
            changed[0, : i + 1] = 10 * i
            Image.fromarray(changed).save(folder / digit.name / f"{i}.png")
    made = []
    for i, make in enumerate(makers.values()):
        place = folder / "three" / f"odd{i:02}"
        place.mkdir()
        made.append(make(place))
    return made


@dataclass
class Sources:
    """The files in a folder, each made when it is first asked for."""

    folder: Path

    @functools.cached_property
    def data(self) -> Path:
        """Class folders with digits."""
        make_data(self.folder / "data", {}, copies=4)
        return self.folder / "data"

    @functools.cached_property
    def keras(self) -> Path:
        """A LeNet as a Keras file."""
        must(["build", "lenet", "--export", "keras", "--out", self.folder])
        return self.folder / "lenet.keras"

    @functools.cached_property
    def run(self) -> Path:
        """The folder of a training."""
        must(["train", "lenet", self.data, "--epochs", "1", "--out", self.folder / "run"])
        return self.folder / "run"

    @functools.cached_property
    def board(self) -> Path:
        """What `zoo benchmark` has measured on a board."""
        must([*CELL, "--num-classes", "10", "--files", self.folder / "cells"])
        measured = must(["benchmark", *(self.folder / "cells").iterdir(), "--runs", "3", "--json"])
        (self.folder / "board.json").write_text(measured.out)
        return self.folder / "board.json"
