"""Classifier: a `.tflite` file that names pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.errors import InputError, ModelFileError
from zoo.runner import backends, modelfile
from zoo.runner.images import load_image


@dataclass(frozen=True)
class Prediction:
    """One class and how sure the model is of it."""

    label: str
    index: int
    score: float
    """A probability, 0..1, where the model ends in a softmax."""


class Classifier:
    """Names what is in a picture. All it needs stands in the file: labels, size, channels, resize policy."""

    def __init__(self, path: str | Path, *, runtime: backends.Runtime = "auto", threads: int | None = None) -> None:
        """Loads the file.

        Raises:
            ModelFileError: the file is missing, damaged or no classifier.
            MissingDependencyError: the runtime is not installed.
        """
        self.session = backends.load(path, runtime=runtime, threads=threads)
        description = modelfile.describe(path)
        self.card = description.card
        self._preprocessing = description.preprocessing
        shape = self.session.output.shape
        if len(shape) != 2 or len(self.session.outputs) != 1:
            raise ModelFileError(f"{path} is no classifier: its first output has shape {shape}, not (batch, classes)")
        self.labels = description.labels or tuple(f"class_{i}" for i in range(shape[-1]))
        if len(self.labels) != shape[-1]:
            raise ModelFileError(f"{path} has {shape[-1]} classes but carries {len(self.labels)} labels")

    @property
    def takes_pictures(self) -> bool:
        """Whether the input is a picture: three axes behind the batch, with 1 or 3 channels."""
        shape = self.session.input.shape
        return len(shape) == 4 and shape[-1] in {1, 3}

    def classify(self, image: str | Path | Image.Image | backends.Array, top_k: int = 5) -> list[Prediction]:
        """Names a picture.

        Args:
            image: a picture file, an opened picture, or an array of the input's shape: raw pixels 0..255.
            top_k: how many classes, at most all.

        Returns:
            The most likely classes, best first.

        Raises:
            InputError: the picture cannot be read, or the model does not take pictures.
        """
        if top_k < 1:
            raise InputError(f"top_k={top_k} is not allowed; give 1 or more")
        values = image if isinstance(image, np.ndarray) else self._pixels(image)
        stored = self.session.input.store(values, pixels=self.takes_pictures)
        scores = self.session.output.dequantize(self.session.run(stored))[0]
        best = np.argsort(-scores, kind="stable")[:top_k]
        return [Prediction(self.labels[i], int(i), float(scores[i])) for i in best]

    def _pixels(self, image: str | Path | Image.Image) -> backends.Array:
        shape = self.session.input.shape
        if not self.takes_pictures:
            raise InputError(f"{self.session.path} does not take pictures: its input has shape {shape}; give an array")
        _, height, width, channels = shape
        return load_image(image, width, height, channels, self._preprocessing)
