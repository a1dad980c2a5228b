"""Loads files as datasets for `model.fit`: `load_folder` and `load_windows`."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo import bounds
from zoo.data.augment import AUGMENTS, Augment
from zoo.data.check import assign
from zoo.data.pipeline import Order, Source, make_dataset
from zoo.data.reading import Reader, read_all
from zoo.data.report import DataReport, Report
from zoo.data.store import Cache, choose_place
from zoo.errors import InputError, OptionError
from zoo.inputs.labelled import SPLITS, LabelledData, SplitName, find_labelled
from zoo.inputs.preprocessing import Preprocessing, Resize, is_picture
from zoo.progress import SILENT, Progress

if TYPE_CHECKING:
    import tensorflow as tf

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Data:
    """Labelled examples, read and split, as datasets for `model.fit`.

    Batches are `(batch, *input_shape)` float32, pixels 0..255 or values as they are, and `(batch,)` int32 labels.
    """

    batches: Callable[[SplitName], tf.data.Dataset]
    """Makes the dataset of a split that has files; `train`, `validation` and `test` do so when they are asked for."""
    class_names: tuple[str, ...]
    class_weights: dict[int, float]
    """Weights for `fit(class_weight=...)`, with which every class counts the same."""
    report: Report
    sources: dict[SplitName, Source]
    """The files and labels of each split, in order; `fetch` returns their pixels."""
    order: Order
    """The order of the training examples; set its `epoch` to continue a stopped training."""
    preprocessing: Preprocessing
    """The resize policy of the pictures, which an export must use, too."""

    # A head that is trained on features needs none of these, and the augmentation takes long to trace.
    @cached_property
    def train(self) -> tf.data.Dataset:
        """Training examples, shuffled differently in each epoch, and augmented."""
        return self.batches("train")

    @cached_property
    def validation(self) -> tf.data.Dataset | None:
        """Validation examples in the order of `sources["validation"]`; None if there are none."""
        return self.batches("validation") if len(self.sources["validation"]) else None

    @cached_property
    def test(self) -> tf.data.Dataset | None:
        """Test examples, in the same way."""
        return self.batches("test") if len(self.sources["test"]) else None

    def sample(self, count: int, seed: int = 0, split: SplitName = "train") -> Array:
        """Returns examples of a split, e.g. for calibration: at most `(count, *input_shape)`, uint8 or float32."""
        source = self.sources[split]
        chosen = np.random.default_rng(seed).choice(len(source), min(count, len(source)), replace=False)
        return source.fetch(np.sort(chosen))


@dataclass(frozen=True, eq=False)
class ClassData(Data):
    """Examples that are labelled with one class each."""

    report: DataReport


def load_folder(
    path: str | Path,
    size: int | tuple[int, int] = 224,
    channels: int = 3,
    *,
    resize: Resize | None = None,
    **choices: Any,
) -> ClassData:
    """Loads labelled pictures.

        data = load_folder("pictures", size=96)
        model.fit(data.train, validation_data=data.validation, class_weight=data.class_weights)

    Args:
        path: class folders, `train` and `val` (and `test`) with class folders, or a CSV file; see `find_labelled`.
        size: the size of the model's input: height and width, or one number for both.
        channels: 3 for RGB, 1 for gray.
        resize: the resize policy: `crop`, `pad` or `stretch`; by default that of `zoo run`.
        choices: see `load`.

    Raises:
        InputError: the data cannot be used; the message says why.
        OptionError: a value is not allowed.
        OutputError: the disk for the decoded pixels is full or cannot be written.
        MissingDependencyError: TensorFlow is not installed.
    """
    height, width = (size, size) if isinstance(size, int) else size
    return load(path, (height, width, channels), resize=resize, **choices)


def load_windows(path: str | Path, shape: tuple[int, ...], **choices: Any) -> ClassData:
    """Loads labelled windows of sensor values: `.npy` files, or `.csv` files with one row a step.

    Args:
        path: as in `load_folder`.
        shape: the shape of a window, `(steps, channels)`.
        choices: see `load`; windows are not augmented.

    Raises:
        InputError: as in `load_folder`.
    """
    return load(path, tuple(shape), **choices)


def load(
    path: str | Path,
    input_shape: tuple[int, ...],
    *,
    batch_size: int = 32,
    validation: float = 0.2,
    seed: int = 0,
    group_by: str = "",
    resize: Resize | None = None,
    augment: Augment = "none",
    min_batches: int = 0,
    cache: Cache = "auto",
    cache_folder: str | Path | None = None,
    progress: Progress = SILENT,
) -> ClassData:
    """Loads labelled examples for a model with this input: pictures if it has three dimensions, otherwise windows.

    Every file is read once, in threads, and its decoded values are kept, so that later epochs read no file.

    Args:
        path: as in `load_folder`.
        input_shape: the shape without the batch, as in `model.input_shape[1:]`.
        batch_size: the number of examples in a batch.
        validation: the share that is held out for validation if the data have no validation files; 0 for none.
        seed: the random seed of that split and of the order of training.
        group_by: a regular expression that finds in a file's path the group of files that stay on one side of that
            split; see `zoo.data.groups`.
        resize: the resize policy, as in `load_folder`.
        augment: the random changes to training pictures: a preset of `augmentation`.
        min_batches: the least number of batches in an epoch; if the files are too few, it takes them several times.
        cache: where decoded examples are kept: `memory`, `disk`, `none` or `auto`; see `choose_place`.
        cache_folder: the folder of the examples on disk.
        progress: is told how many files have been read.

    Raises:
        InputError: as in `load_folder`.
    """
    reader = make_reader(input_shape, resize)
    bounds.whole("batch_size", batch_size, error=OptionError)
    if augment not in AUGMENTS:
        raise OptionError(f"augment={augment!r} is not one of {', '.join(AUGMENTS)}")
    if augment != "none" and not reader.takes_pictures:
        raise OptionError(f"augment={augment!r} is for pictures, not for windows of values; leave it at none")
    labelled = find_labelled(path, reader.suffixes)
    count = len(labelled.examples)
    place = choose_place(count * reader.bytes_each, cache, Path(cache_folder) if cache_folder else None)
    store = place.allocate((count, *reader.shape), reader.dtype)
    findings = read_all([example.path for example in labelled.examples], reader, store, progress)
    splits, report = assign(labelled, findings, place, validation, seed, group_by)
    require_learnable(report)
    sources = {name: _source(labelled, splits, name, reader, store) for name in SPLITS}
    count = len(sources["train"])
    order = Order(count, seed, least=batch_size * min_batches)

    def batches(split: SplitName) -> tf.data.Dataset:
        in_order = (order, augment) if split == "train" else ()
        return make_dataset(sources[split], batch_size, *in_order)

    return ClassData(
        batches=batches,
        class_names=report.class_names,
        class_weights=report.class_weights,
        report=report,
        sources=sources,
        order=order,
        preprocessing=reader.preprocessing,
    )


def check(
    path: str | Path,
    input_shape: tuple[int, ...] = (224, 224, 3),
    *,
    validation: float = 0.2,
    seed: int = 0,
    group_by: str = "",
    resize: Resize | None = None,
    cache: Cache = "auto",
    cache_folder: str | Path | None = None,
    progress: Progress = SILENT,
) -> DataReport:
    """Reads all files and reports what `load` would do with them, without TensorFlow.

    Args: as in `load`.

    Raises:
        InputError: there are no labelled files. The report says what is wrong with single files.
    """
    reader = make_reader(input_shape, resize)
    labelled = find_labelled(path, reader.suffixes)
    place = choose_place(
        len(labelled.examples) * reader.bytes_each, cache, Path(cache_folder) if cache_folder else None
    )
    findings = read_all([example.path for example in labelled.examples], reader, progress=progress)
    return assign(labelled, findings, place, validation, seed, group_by)[1]


def require_learnable(report: Report) -> None:
    """Refuses data from which nothing can be learned.

    Raises:
        InputError: there is a problem.
    """
    if report.problems:
        others = len(report.problems) - 1
        more = f" (and {others} more: zoo data check {shlex.quote(str(report.path))})" if others else ""
        raise InputError(report.problems[0] + more)


MOST_VALUES = 1 << 26
"""Most numbers of one example; a picture of 4,700 x 4,700 pixels has fewer."""


def make_reader(input_shape: tuple[int, ...], resize: Resize | None = None) -> Reader:
    """Makes a reader for a model's input.

    Raises:
        OptionError: the shape is not allowed for an input.
    """
    if not input_shape or not all(isinstance(n, int) and n > 0 for n in input_shape):
        raise OptionError(
            f"an input of shape {input_shape} cannot be read; give positive integers, such as (224, 224, 3)"
        )
    count = math.prod(input_shape)
    if count > MOST_VALUES:
        raise OptionError(f"an input of shape {input_shape} has {count:,} numbers; give one of {MOST_VALUES:,} at most")
    if len(input_shape) == 3 and not is_picture(input_shape):
        raise OptionError(f"pictures have 3 channels or 1, not {input_shape[-1]}")
    return Reader(input_shape, Preprocessing(resize) if resize else Preprocessing())


def _source(
    labelled: LabelledData, splits: list[SplitName | None], name: SplitName, reader: Reader, store: Array | None
) -> Source:
    rows = np.array([row for row, split in enumerate(splits) if split == name], np.int64)
    labels = np.array(labelled.label_indices, np.int32)[rows]
    return Source([labelled.examples[row].path for row in rows], labels, reader, store, rows)
