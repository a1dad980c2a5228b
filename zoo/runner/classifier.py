"""Classifier: a `.tflite` file that names pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from zoo.errors import InputError, ModelFileError
from zoo.inputs.images import load_image
from zoo.inputs.preprocessing import Preprocessing, is_picture
from zoo.inputs.values import SUFFIXES, load_values
from zoo.machine.cores import usable_cores
from zoo.runner.runtimes import Runtime
from zoo.runner.session import Array, load
from zoo.tflite import card, modelfile, normalization
from zoo.tflite.normalization import Normalization

Source = str | Path | BinaryIO | Image.Image | Array


@dataclass(frozen=True)
class Prediction:
    """One class and how sure the model is of it."""

    label: str
    index: int
    score: float
    """A probability, 0..1, where the model ends in a softmax."""


@dataclass(frozen=True)
class Result:
    """What became of one of many pictures."""

    source: Source
    predictions: list[Prediction]
    """Best first; empty where there is an error."""
    error: InputError | None = None


class Classifier:
    """Names what is in a picture. All it needs stands in the file: labels, size, channels, resize policy."""

    def __init__(
        self,
        path: str | Path,
        *,
        runtime: Runtime = "auto",
        threads: int | None = None,
        delegate: str | None = None,
        preprocessing: Preprocessing | None = None,
        input_range: tuple[float, float] | None = None,
        labels: Sequence[str] | None = None,
        trusted: bool = False,
    ) -> None:
        """Loads the file.

        Args:
            path: the file.
            runtime: see `zoo.runner.load`.
            threads: see `zoo.runner.load`.
            delegate: see `zoo.runner.load`.
            preprocessing: another resize policy than the file's own.
            input_range: for a float file that was not made by this package: what 0..255 is brought to. By default as
                its metadata says, else raw pixels.
            labels: instead of the file's own.
            trusted: see `zoo.runner.load`.

        Raises:
            ModelFileError: the file is missing, damaged or no classifier.
            MissingDependencyError: the runtime is not installed.
        """
        self.session = load(path, runtime=runtime, threads=threads, delegate=delegate, trusted=trusted)
        description = card.describe(path)
        self.card = description.card
        self.preprocessing = preprocessing or description.preprocessing
        self.labels = self._labels(description.labels if labels is None else tuple(labels))
        self.normalization = self._normalization(input_range)

    @property
    def takes_pictures(self) -> bool:
        """Whether the input is a picture, see `zoo.inputs.preprocessing.is_picture`."""
        return is_picture(self.session.input.shape[1:])

    def classify(self, source: Source, top_k: int = 5) -> list[Prediction]:
        """Names a picture.

        Args:
            source: a picture file, an opened picture, or an array of the input's shape: raw pixels 0..255. For a model
                that does not take pictures: a `.npy` or `.csv` file, or an array.
            top_k: how many classes, at most all.

        Returns:
            The most likely classes, best first.

        Raises:
            InputError: the picture cannot be read, or does not fit the model.
        """
        _check_top_k(top_k)
        return self._best(self.scores(self.read(source)), top_k)

    def classify_many(
        self, sources: Iterable[Source], top_k: int = 5, *, workers: int | None = None
    ) -> Iterator[Result]:
        """Names many pictures, in order; what cannot be read becomes a result with an error, and the rest goes on.

        Pictures are decoded in worker threads while the model runs. Only a few are held at a time, so the sources may
        be an endless stream.

        Args:
            sources: see `classify`.
            top_k: how many classes each.
            workers: decoding threads; by default the cores.
        """
        _check_top_k(top_k)
        workers = workers or usable_cores()
        waiting: deque[tuple[Source, Future[Array]]] = deque()
        pool = ThreadPoolExecutor(workers)
        try:
            for source in sources:
                waiting.append((source, pool.submit(self.read, source)))
                if len(waiting) > 2 * workers:
                    yield self._finish(*waiting.popleft(), top_k)
            while waiting:
                yield self._finish(*waiting.popleft(), top_k)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def read(self, source: Source) -> Array:
        """What the model is to see of a source: pixels 0..255 `(height, width, channels)`, or values.

        Raises:
            InputError: it cannot be read, or does not fit the model.
        """
        shape = self.session.input.shape[1:]
        if isinstance(source, np.ndarray):
            return source
        if self.takes_pictures:
            return load_image(source, shape[1], shape[0], shape[2], self.preprocessing)
        if isinstance(source, str | Path) and Path(source).suffix in SUFFIXES:
            return load_values(source, shape)
        raise InputError(
            f"{self.session.path} does not take pictures: its input has shape {self.session.input.shape}; "
            "give an array, or a .npy or .csv file"
        )

    def scores(self, values: Array) -> Array:
        """The score of each class for what `read` returned, `(classes,)` float32.

        Raises:
            InputError: the shape does not fit.
        """
        entry = self.session.input
        if values.shape == entry.shape[1:]:
            # A file with a batch gets the same picture in every place.
            values = np.broadcast_to(values, entry.shape)
        if self.normalization is not None:
            values = self.normalization(values)
        stored = entry.store(values, pixels=self.takes_pictures)
        scores: Array = self.session.output.dequantize(self.session.run(stored))[0]
        return scores.reshape(-1)

    @property
    def says_its_input(self) -> bool:
        """Whether it is known what the pixels have to be: the file is ours, quantized, or says so in its metadata."""
        known = self.card or self.normalization is not None or self.session.input.scale or not self.takes_pictures
        return bool(known) or normalization.ENTRY in modelfile.read(self.session.path).metadata

    def _labels(self, labels: tuple[str, ...]) -> tuple[str, ...]:
        path, shape = self.session.path, self.session.output.shape
        shapes = ", ".join(str(output.shape) for output in self.session.outputs)
        # Older models end in (batch, 1, 1, classes).
        if len(shape) < 2 or set(shape[1:-1]) - {1} or len(self.session.outputs) != 1:
            raise ModelFileError(
                f"{path} is no classifier: its outputs are {shapes}, not one (batch, classes). In Python, "
                f"zoo.runner.load({str(path)!r}).run(array) runs it as it is"
            )
        if labels and len(labels) != shape[-1]:
            raise ModelFileError(f"{path} has {shape[-1]} classes but there are {len(labels)} labels")
        return labels or tuple(f"class_{i}" for i in range(shape[-1]))

    def _normalization(self, input_range: tuple[float, float] | None) -> Normalization | None:
        quantized = np.issubdtype(self.session.input.dtype, np.integer)
        if input_range is not None:
            if quantized or self.card or not self.takes_pictures:
                raise InputError(
                    f"{self.session.path} takes no input range: it is quantized, made by this package, "
                    "or does not take pictures"
                )
            low, high = input_range
            if not low < high:
                raise InputError(f"input range {low:g},{high:g} is not allowed: the first number must be the lower one")
            return Normalization.from_range(low, high)
        if quantized or self.card or not self.takes_pictures:
            return None
        found = normalization.stated(modelfile.read(self.session.path))
        return None if found is None or found.is_identity else found

    def _best(self, scores: Array, top_k: int) -> list[Prediction]:
        best = np.argsort(-scores, kind="stable")[:top_k]
        return [Prediction(self.labels[i], int(i), float(scores[i])) for i in best]

    def _finish(self, source: Source, pixels: Future[Array], top_k: int) -> Result:
        try:
            return Result(source, self._best(self.scores(pixels.result()), top_k))
        except InputError as error:
            return Result(source, [], error)


def _check_top_k(top_k: int) -> None:
    if top_k < 1:
        raise InputError(f"top_k={top_k} is not allowed; give 1 or more")
