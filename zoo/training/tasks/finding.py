"""Finds the objects in the pictures of a split with a Keras model, as a board does with its file, and judges them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoo.data.boxes.loading import DetectionData
from zoo.inputs.pictures.fit import fit
from zoo.inputs.splits import SplitName
from zoo.tasks.detection import DETECTION
from zoo.tasks.objects.answer import Detection
from zoo.tasks.objects.figures import Evaluation

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[Any]

BATCH = 16
"""Pictures that a model sees at a time."""


class Finder:
    """Finds objects in the pictures of a training's data."""

    def __init__(self, model: keras.Model, class_names: Sequence[str]) -> None:
        """Prepares a model, whose weights may change between the calls."""
        import tensorflow as tf

        from zoo.models.detectors.anchored import detecting

        self._names = tuple(class_names)
        self._task = detecting(model).for_judging()
        self._run = tf.function(lambda pictures: model(pictures, training=False))

    def find(self, data: DetectionData, split: SplitName, rows: Sequence[int]) -> Iterator[list[Detection]]:
        """Yields the objects in some pictures of a split, in pixels of the upright picture, also unsure ones."""
        source = data.sources[split]
        height, width = source.reader.shape[:2]
        for start in range(0, len(rows), BATCH):
            chosen = np.array(rows[start : start + BATCH], np.int64)
            # All batches have one size, so that the graph is made once.
            pictures = np.resize(source.fetch(chosen), (BATCH, *source.reader.shape)).astype(np.float32)
            boxes, scores = (np.asarray(one, np.float32) for one in self._run(pictures))
            for at, row in enumerate(chosen):
                placed = fit(data.uprights[split][row], (width, height), "stretch")
                yield self._task.decode([boxes[at : at + 1], scores[at : at + 1]], self._names, placed)

    def judge(self, data: DetectionData, split: SplitName, rows: Sequence[int]) -> Evaluation:
        """Judges the model on some pictures of a split."""
        return judged(data, split, rows, self.find(data, split, rows))


def judged(data: DetectionData, split: SplitName, rows: Sequence[int], found: Any) -> Evaluation:
    """Judges what was found in some pictures of a split, at the threshold that a board has by default."""
    judge = DETECTION.judge(tuple(data.class_names))
    for row, objects in zip(rows, found, strict=True):
        judge.add(data.truth[split][row], objects)
    return judge.evaluation([])
