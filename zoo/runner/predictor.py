"""The predictor: a `.tflite` or `.onnx` file that makes predictions for pictures, for any task."""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Generic, NamedTuple, TypeVar

import numpy as np
from PIL import Image

from zoo import bounds
from zoo.errors import AnswerError, InputError, ZooError
from zoo.inputs import find
from zoo.inputs.pictures.fit import Fit
from zoo.inputs.pictures.images import read_picture
from zoo.inputs.preprocessing import PictureShape, Preprocessing
from zoo.inputs.values import SUFFIXES, load_values
from zoo.machine.cores import usable_cores
from zoo.runner import formats
from zoo.runner.entry import Scaling, open_entry
from zoo.runner.loading.runtimes import Runtime
from zoo.runner.loading.session import Array, load
from zoo.runner.naming import labels_for
from zoo.tasks import Task, known_of, note_of, selective, task_of
from zoo.tasks.task import Stored, StoredReader
from zoo.tflite.card import Description
from zoo.tflite.labels import named
from zoo.tflite.normalization import Normalization

Source = str | Path | BinaryIO | Image.Image | Array
Found = TypeVar("Found")


class Sample(NamedTuple):
    """The part of a source that the model gets."""

    values: Array
    """Pixels 0..255 of shape `(height, width, channels)`, or sensor values of the input's shape."""
    fit: Fit | None
    """Place of the pixels in the upright picture; None if the source is an array or no picture."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright picture in pixels; of the values, if they come from no picture."""
        return self.fit.size if self.fit is not None else (self.values.shape[1], self.values.shape[0])


@dataclass(frozen=True)
class Result(Generic[Found]):
    """The result for one of many pictures."""

    source: Source
    predictions: list[Found]
    """Predictions, best first; empty after an error."""
    error: ZooError | None = None
    """An `InputError` if the picture cannot be read, or an `AnswerError` if the model gives no answer to it."""


class Predictor(Generic[Found]):
    """Makes predictions for pictures; the file contains all it needs: task, labels, size, channels, resize policy."""

    def __init__(
        self,
        path: str | Path,
        *,
        task: Task[Found] | None = None,
        runtime: Runtime = "auto",
        threads: int | None = None,
        delegate: str | None = None,
        provider: str | None = None,
        preprocessing: Preprocessing | None = None,
        input_range: Scaling | None = None,
        labels: str | Path | Sequence[str] | None = None,
        min_score: float | None = None,
        trusted: bool = False,
    ) -> None:
        """Loads the file.

        Args:
            path: the file.
            task: the task of the file; by default the one that its card names.
            runtime: see `zoo.runner.load`.
            threads: see `zoo.runner.load`.
            delegate: see `zoo.runner.load`.
            provider: see `zoo.runner.load`.
            preprocessing: a resize policy that replaces the file's own.
            input_range: for a file that another tool made, the range to which 0..255 is scaled, or `imagenet` for the
                mean and standard deviation of ImageNet, as nets from PyTorch take it. By default as its metadata or the
                scale of its input says, else raw pixels; Teachable Machine's float files get -1..1.
            labels: class names that replace the file's own, or the path of a text file with one a line. By default the
                file's own; of one of Teachable Machine's, those of the `labels.txt` beside it.
            min_score: the least score of an answer, for a classifier: below it, the first prediction is "not sure",
                with the index -1 and the best class's score, and the classes follow. None for any.
            trusted: see `zoo.runner.load`.

        Raises:
            ModelFileError: the file is missing, damaged, takes no numbers, or its outputs are not the task's.
            InputError: the input range or another option is not allowed, the label file cannot be read, or a resize
                policy is given for a file that takes no pictures.
            OptionError: the least score is not allowed, or the task has none.
            MissingDependencyError: the runtime is not installed.
        """
        given = None if labels is None else named(labels)
        if not isinstance(preprocessing, Preprocessing | None):
            raise InputError(f"preprocessing={preprocessing!r} is not allowed; give a Preprocessing, or leave it out")
        self.session = load(
            path, runtime=runtime, threads=threads, delegate=delegate, provider=provider, trusted=trusted
        )
        description = formats.describe(path)
        self.card = description.card
        file = self.session.file
        self.task: Task[Found] = known_of(task or task_of(self.card, path, file), self.card, file)
        if min_score is not None:
            self.task = selective(self.task, min_score, self.session.path)
        self.preprocessing = preprocessing or self._preprocessing(description)
        self.entry = open_entry(self.session, self.card, input_range)
        if preprocessing is not None and self.entry.picture is None:
            raise InputError(f"{self.session.path} does not take pictures, so that none is resized; leave --resize out")
        self.labels, self._notes = labels_for(self.session, self.task, description, given)

    @property
    def takes_pictures(self) -> bool:
        """Whether the input is a picture, see `zoo.inputs.preprocessing.picture_shape`."""
        return self.entry.picture is not None

    @property
    def picture(self) -> PictureShape:
        """How the input takes pictures.

        Raises:
            InputError: it takes none.
        """
        if self.entry.picture is None:
            raise InputError(
                f"{self.session.path} does not take pictures: its input has shape {self.session.input.shape}; "
                "give an array, or a .npy or .csv file"
            )
        return self.entry.picture

    @property
    def suffixes(self) -> frozenset[str] | set[str] | None:
        """The suffixes of files in a folder that are inputs; None for those of pictures alone."""
        if not self.takes_pictures:
            return SUFFIXES
        return find.SUFFIXES | SUFFIXES if self.entry.takes_values else None

    @property
    def normalization(self) -> Normalization | None:
        """What is done to pixels before they are stored; None if they stay as they are."""
        return self.entry.normalization

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the file before its answers, one line each."""
        picture = self.entry.picture
        gray = ""
        if picture is not None and picture.channel_axis == "none":
            gray = f"{self.session.path} takes input without a channel axis; pictures are read as gray"
        known = (*self._notes, self.entry.unsure, self.entry.known, gray, note_of(self.task, self.session.path))
        return tuple(note for note in known if note)

    def predict(
        self, source: Source | Sample, limit: int | None = None, task: Task[Found] | None = None
    ) -> list[Found]:
        """Makes predictions for a picture.

        Args:
            source: a picture file, an opened picture, an array of the input's shape (raw pixels 0..255), or what `read`
                returned. For a model that does not take pictures: a `.npy` or `.csv` file, or an array.
            limit: the largest number of predictions; by default all that the task finds.
            task: the task of this file with other limits to what it finds; by default the file's.

        Returns:
            The predictions, best first.

        Raises:
            InputError: the picture cannot be read, or does not fit the model.
        """
        limit = bounds.whole_or_all("limit", limit)
        sample = source if isinstance(source, Sample) else self.read(source)
        return self._decode(sample, limit, task or self.task)

    def predict_many(
        self,
        sources: Iterable[Source],
        limit: int | None = None,
        *,
        workers: int | None = None,
        task: Task[Found] | None = None,
    ) -> Iterator[Result[Found]]:
        """Makes predictions for many pictures, in order. A picture that cannot be read gives a result with an error.

        Pictures are decoded in worker threads while the model runs. Only a few are in memory at a time, so the sources
        may be an endless stream.

        Args:
            sources: see `predict`.
            limit: the largest number of predictions for each picture.
            workers: the number of decoding threads; by default one for each core.
            task: the task of this file with other limits to what it finds; by default the file's.
        """
        limit = bounds.whole_or_all("limit", limit)
        workers = usable_cores() if workers is None else bounds.whole("workers", workers)
        sources = iter(sources)
        first = list(itertools.islice(sources, 2))
        if len(first) < 2:
            # One picture is read here: threads, and the module that has them, take longer than they save.
            for source in first:
                yield self._finish(source, functools.partial(self.read, source), limit, task or self.task)
            return
        from concurrent.futures import ThreadPoolExecutor

        waiting: deque[tuple[Source, Callable[[], Sample]]] = deque()
        pool = ThreadPoolExecutor(workers)
        try:
            for source in itertools.chain(first, sources):
                waiting.append((source, pool.submit(self.read, source).result))
                if len(waiting) > 2 * workers:
                    yield self._finish(*waiting.popleft(), limit, task or self.task)
            while waiting:
                yield self._finish(*waiting.popleft(), limit, task or self.task)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def read(self, source: Source) -> Sample:
        """Reads a source as the model sees it; several threads may call this.

        Raises:
            InputError: the source cannot be read, or does not fit the model.
        """
        if isinstance(source, np.ndarray):
            return Sample(source, None)
        if self.entry.takes_values and isinstance(source, str | Path) and Path(source).suffix in SUFFIXES:
            return Sample(load_values(source, self.session.input.shape[1:]), None)
        picture = self.picture
        pixels, fit = read_picture(source, picture.width, picture.height, picture.channels, self.preprocessing)
        return Sample(picture.arrange(pixels), fit)

    def outputs(self, values: Array) -> tuple[Array, ...]:
        """Runs the model on the values that `read` returned.

        Returns:
            The real values of each output for the first picture of the batch: float32, with a batch axis of 1.

        Raises:
            InputError: the values have another shape, or do not fit the type of an input that is not quantized.
            AnswerError: an output holds values that are not finite numbers.
        """
        stored = self._run(values)
        found = tuple(output.dequantize(one) for output, one in zip(self.session.outputs, stored, strict=True))
        for one in found:
            if not np.isfinite(one).all():
                raise self._no_answer(f"gives no answer: {float(one[~np.isfinite(one)][0])} is among its scores")
        return found

    def stored_outputs(self, values: Array) -> list[Stored]:
        """Runs the model on the values that `read` returned, and returns the outputs as the file stores them.

        Raises:
            InputError: see `outputs`.
        """
        return [
            Stored(one, output.scale, output.zero_point)
            for output, one in zip(self.session.outputs, self._run(values), strict=True)
        ]

    def _run(self, values: Array) -> tuple[Array, ...]:
        """Runs the model, and returns each output for the first picture of the batch."""
        entry = self.session.input
        if values.shape == entry.shape[1:]:
            # A file with a larger batch gets the same picture in every position.
            values = np.broadcast_to(values, entry.shape)
        if values.shape != entry.shape:
            raise InputError(f"{self.session.path} takes input of shape {entry.shape}, got {values.shape}")
        return tuple(one[:1] for one in self.session.run(self.entry.stored(values)))

    def _no_answer(self, what: str) -> AnswerError:
        scaling = "" if self.card else ", and at the range of pixels that it takes (--input-range)"
        return AnswerError(f"{self.session.path} {what}; look at its weights{scaling}")

    def _preprocessing(self, description: Description) -> Preprocessing:
        """The resize policy that the file states, else that of its task."""
        if "preprocessing" not in self.card and isinstance(self.task, StoredReader):
            return Preprocessing(self.task.resize)
        return description.preprocessing

    def _decode(self, sample: Sample, limit: int | None, task: Task[Found]) -> list[Found]:
        if not isinstance(task, StoredReader):
            return task.decode(self.outputs(sample.values), self.labels, sample.fit, limit)
        stored = self.stored_outputs(sample.values)
        try:
            found: list[Found] = task.decode_stored(stored, self.labels, sample.fit, limit)
        except AnswerError as error:
            raise self._no_answer(str(error)) from error
        return found

    def _finish(
        self, source: Source, sample: Callable[[], Sample], limit: int | None, task: Task[Found]
    ) -> Result[Found]:
        try:
            return Result(source, self._decode(sample(), limit, task))
        except InputError as error:
            return Result(source, [], error)
        except AnswerError as error:
            named = f"{source}: {error}" if isinstance(source, str | Path) else str(error)
            return Result(source, [], AnswerError(named))
