"""A first run without files of the user: small int8 models of the package on real pictures held out from training.

One names handwritten digits, one finds such digits on photos. `tools/make-demo-model` makes models and pictures, and
names the source of the pictures.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from zoo.inputs.annotations import find_boxes, ground_truth
from zoo.runner.loading.runtimes import Runtime
from zoo.runner.predictor import Predictor
from zoo.tasks.objects.answer import Detection
from zoo.tasks.objects.boxes import overlaps
from zoo.tasks.objects.judge import SAME

DIGITS, BOXES = "digits_int8.tflite", "digits_on_photos_int8.tflite"
"""The files of the models."""


@dataclass(frozen=True)
class Trial:
    """One picture, and the model's answer."""

    picture: str
    """Path of the picture, relative to `folder()`."""
    truth: str
    answer: str
    score: float
    """Score of the answer, 0..1."""

    @property
    def right(self) -> bool:
        """Whether the answer is the true class."""
        return self.answer == self.truth


@dataclass(frozen=True)
class Sighting:
    """One object on a photo, and what the model finds in its place; or what it finds where nothing is."""

    photo: str
    """Path of the photo, relative to `folder()`."""
    truth: str
    """Class of the object; empty if there is none."""
    answer: str
    """Class of what is found there; empty if nothing is."""
    score: float
    """Score of the answer, 0..1."""
    box: tuple[float, float, float, float]
    """Left, top, right, bottom in pixels: of what is found, else of the object."""

    @property
    def right(self) -> bool:
        """Whether the object that is there is found."""
        return self.answer == self.truth


def folder() -> Path:
    """Returns the folder of the installed package with the models, `pictures/LABEL/*.png`, and `photos`."""
    return Path(str(resources.files("zoo.assets") / "demo"))


def demo(*, runtime: Runtime = "auto", threads: int | None = None) -> list[Trial]:
    """Names the digit on every picture.

    Args:
        runtime: see `zoo.runner.load`.
        threads: see `zoo.runner.load`.

    Raises:
        ModelFileError: this runtime cannot run the model, or the installation is damaged.
        MissingDependencyError: the runtime is not installed.
    """
    predictor: Predictor[Any] = Predictor(folder() / DIGITS, runtime=runtime, threads=threads)
    order = {label: i for i, label in enumerate(predictor.labels)}
    trials = []
    for path in sorted(folder().glob("pictures/*/*.png"), key=lambda path: (order[path.parent.name], path.name)):
        best = predictor.predict(path, limit=1)[0]
        trials.append(Trial(str(path.relative_to(folder())), path.parent.name, best.label, best.score))
    return trials


def find(*, runtime: Runtime = "auto", threads: int | None = None) -> list[Sighting]:
    """Finds the digits on every photo.

    Args:
        runtime: see `zoo.runner.load`.
        threads: see `zoo.runner.load`.

    Raises:
        InputError: the installation is damaged.
        ModelFileError: this runtime cannot run the model, or the installation is damaged.
        MissingDependencyError: the runtime is not installed.
    """
    predictor: Predictor[Any] = Predictor(folder() / BOXES, runtime=runtime, threads=threads)
    sightings = []
    for path, there in ground_truth(find_boxes(folder() / "photos" / "boxes.csv")):
        name, found = str(path.relative_to(folder())), predictor.predict(path)
        objects = zip(there.labels, map(tuple, there.boxes.tolist()), strict=True)
        sightings += _paired(name, list(objects), found)
    return sightings


def _paired(name: str, objects: list[tuple[str, Any]], found: list[Detection]) -> list[Sighting]:
    """Pairs each object with what overlaps it most, if that is enough; the rest is missed, or not there."""
    rest, sightings = list(found), []
    for label, box in objects:
        shared = overlaps(np.array([box]), np.array([one.box for one in rest]).reshape(-1, 4))[0]
        if len(shared) and shared.max() >= SAME:
            one = rest.pop(int(shared.argmax()))
            sightings.append(Sighting(name, label, one.label, one.score, one.box))
        else:
            sightings.append(Sighting(name, label, "", 0.0, box))
    return sightings + [Sighting(name, "", one.label, one.score, one.box) for one in rest]
