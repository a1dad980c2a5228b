"""Loads labelled boxes as datasets for a training: padded labels, changed together with their pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zoo import bounds
from zoo.data.augment import Augment
from zoo.data.boxes.augment import Changes, change
from zoo.data.boxes.check import ReadBoxes, read_boxes
from zoo.data.loading import Data, make_reader, require_learnable
from zoo.data.pipeline import Change, Order, Source, make_dataset
from zoo.data.reading import Reader
from zoo.data.store import choose_place
from zoo.errors import OptionError
from zoo.inputs.boxes import Boxes
from zoo.inputs.splits import SPLITS, SplitName
from zoo.progress import SILENT, Progress
from zoo.tasks.objects.judge import PictureBoxes

Array = npt.NDArray[Any]

NO_CLASS = -1
"""The class of the rows that fill up the labels of a picture with few objects."""


@dataclass(frozen=True, eq=False)
class DetectionData(Data):
    """Pictures with labelled boxes, read and split, as datasets for a training.

    Labels of a batch are `(batch, most, 5)` float32: for each object its class and left, top, right and bottom as
    fractions of the picture; `most` is the largest number of objects in a picture. Rows of the class -1 are no objects.
    """

    truth: Mapping[SplitName, Sequence[PictureBoxes]]
    """The pictures of each split in the order of its source, with their objects in pixels of the upright picture."""
    uprights: Mapping[SplitName, Sequence[tuple[int, int]]]
    """Width and height of these upright pictures."""


def load_boxes(
    path: str | Path,
    input_shape: tuple[int, ...],
    *,
    batch_size: int = 16,
    validation: float = 0.2,
    seed: int = 0,
    group_by: str = "",
    augment: Augment = "none",
    min_batches: int = 0,
    progress: Progress = SILENT,
) -> DetectionData:
    """Loads pictures with labelled boxes for a model with this input; a model sees the whole picture, stretched.

    Args:
        path: a folder or file that `zoo.inputs.annotations.find_boxes` reads.
        input_shape: height, width and channels of the model's input.
        batch_size: the number of pictures in a batch.
        validation: as in `zoo.data.load`.
        seed: as in `zoo.data.load`.
        group_by: as in `zoo.data.load`.
        augment: the random changes to training pictures and their boxes; a preset of `Changes.of`.
        min_batches: as in `zoo.data.load`.
        progress: is told how many pictures have been read.

    Raises:
        InputError: the data cannot be used; the message says why.
        OptionError: a value is not allowed.
    """
    reader = make_reader(input_shape, "stretch")
    bounds.whole("batch_size", batch_size, error=OptionError)
    Changes.of(augment)
    store: Array | None = None

    def keep(count: int) -> Array | None:
        nonlocal store
        store = choose_place(count * reader.bytes_each).allocate((count, *reader.shape), reader.dtype)
        return store

    choices: dict[str, Any] = {"validation": validation, "seed": seed, "group_by": group_by}
    read = read_boxes(path, reader, **choices, store=keep, progress=progress)
    require_learnable(read.report)
    names = read.report.class_names
    rows = {name: [i for i, split in enumerate(read.report.splits) if split == name] for name in SPLITS}
    most = max(1, *(len(one.boxes) for one in read.pictures))
    sources = {name: _source(read, rows[name], reader, store, most) for name in SPLITS}
    count = len(sources["train"])
    order = Order(count, seed, least=batch_size * min_batches)

    def batches(split: SplitName) -> Any:
        if split == "train":
            return training_batches(sources[split], batch_size, order, augment, names)
        return make_dataset(sources[split], batch_size)

    return DetectionData(
        batches=batches,
        class_names=names,
        class_weights={},
        report=read.report,
        sources=sources,
        order=order,
        preprocessing=reader.preprocessing,
        truth={
            name: [PictureBoxes(read.data.pictures[i].path, read.pictures[i].boxes) for i in rows[name]]
            for name in SPLITS
        },
        uprights={name: [read.pictures[i].upright for i in rows[name]] for name in SPLITS},
    )


def training_batches(
    source: Source, batch_size: int, order: Order, augment: Augment, class_names: Sequence[str]
) -> Any:
    """Makes the `tf.data` batches of a training, in which boxes move with their pictures."""
    changes = Changes.of(augment)
    moving = None if changes == Changes() else changing(changes, class_names)
    return make_dataset(source, batch_size, order, change=moving)


def changing(changes: Changes, class_names: Sequence[str]) -> Change:
    """Returns a function that changes batches of pictures and their padded labels."""
    index = {name: i for i, name in enumerate(class_names)}

    def all_of(examples: Array, labels: Array, seeds: Array) -> tuple[Array, Array]:
        made, padded = np.empty_like(examples), np.empty_like(labels)
        for i, (pixels, rows, seed) in enumerate(zip(examples, labels, seeds, strict=True)):
            scale = np.tile([pixels.shape[1], pixels.shape[0]], 2)
            there = rows[rows[:, 0] != NO_CLASS]
            boxes = Boxes(tuple(class_names[int(one)] for one in there[:, 0]), there[:, 1:] * scale)
            made[i], moved = change(pixels, boxes, changes, np.random.default_rng(seed.tolist()))
            classes = np.array([index[label] for label in moved.labels], np.intp)
            padded[i] = padded_rows(classes, moved.boxes / scale, len(rows))
        return made, padded

    return all_of


def padded_rows(classes: Array, boxes: Array, most: int) -> Array:
    """Returns the labels of one picture, `(most, 5)` float32; see `DetectionData`.

    Args:
        classes: `(objects,)` indexes.
        boxes: `(objects, 4)`, as fractions of the picture.
        most: the number of rows.
    """
    rows = np.zeros((most, 5), np.float32)
    rows[:, 0] = NO_CLASS
    rows[: len(classes), 0] = classes
    rows[: len(classes), 1:] = boxes
    return rows


def _source(read: ReadBoxes, rows: Sequence[int], reader: Reader, store: Array | None, most: int) -> Source:
    index = {name: i for i, name in enumerate(read.report.class_names)}
    labels = np.zeros((len(rows), most, 5), np.float32)
    for at, row in enumerate(rows):
        one = read.pictures[row]
        classes = np.array([index[label] for label in one.boxes.labels], np.intp)
        labels[at] = padded_rows(classes, one.boxes.boxes / np.tile(one.upright, 2), most)
    return Source([read.data.pictures[row].path for row in rows], labels, reader, store, np.array(rows, np.int64))
