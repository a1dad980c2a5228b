"""What an export has to know of detectors: their task, their card, and what else is needed to decode their boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo.inputs.preprocessing import Preprocessing
from zoo.tasks import DEFAULT, Task
from zoo.tasks.detection import Detecting
from zoo.tasks.objects.layout import Heads, find
from zoo.tasks.task import StoredReader
from zoo.tflite.detectors import Stated
from zoo.tflite.modelfile import ModelFile

if TYPE_CHECKING:
    import keras


def task_of(model: keras.Model) -> Task[Any]:
    """Returns the task that a Keras model is for: detection if it carries anchors, else that of most models."""
    from zoo.models.detectors import anchored

    return anchored.detecting(model) if anchored.is_detector(model) else DEFAULT


def policy_of(task: Task[Any]) -> Preprocessing:
    """Returns the resize policy of a task's files, unless the user gives another."""
    return Preprocessing(task.resize) if isinstance(task, StoredReader) else Preprocessing()


def heads_of(task: Task[Any]) -> Heads | None:
    """Returns how the outputs of a detector's model are arranged; None for other tasks."""
    layout = task.found.layout if isinstance(task, Detecting) and task.found is not None else None
    return layout if isinstance(layout, Heads) else None


def stated_of(heads: Heads) -> Stated:
    """Returns anchors and coding as metadata state them."""
    coding = heads.coding
    scales = (coding.y_scale, coding.x_scale, coding.height_scale, coding.width_scale)
    return Stated(heads.anchors, scales, coding.exponential, heads.sigmoid)


def custom_metadata_of(task: Task[Any]) -> Mapping[str, bytes]:
    """Returns the metadata with which other programs decode a file's outputs, by name; nothing for other tasks."""
    heads = heads_of(task)
    if heads is None:
        return {}
    from zoo.tflite.writing.detector_writer import custom_metadata

    return custom_metadata(stated_of(heads), heads.columns)


def facts_of(model: keras.Model, task: Task[Any]) -> dict[str, Any]:
    """Returns what the card of a detector says of its boxes; nothing for other tasks."""
    heads = heads_of(task)
    if heads is None or not isinstance(task, Detecting):
        return {}
    from zoo.models.detectors import anchored

    coding = heads.coding
    return {
        "output": "coded boxes, and independent probabilities of the classes",
        "detection": {
            "anchors": len(heads.anchors),
            "grids": [list(grid) for grid in anchored.grids_of(model)],
            "shapes": [[[round(side, 6) for side in shape] for shape in level] for level in anchored.shapes_of(model)],
            "rule": "each cell of a grid has the shapes of its level (height, width, as fractions of the input)",
            "coding": {
                "y_scale": coding.y_scale,
                "x_scale": coding.x_scale,
                "height_scale": coding.height_scale,
                "width_scale": coding.width_scale,
            },
            "iou": task.iou,
        },
        "threshold": task.threshold,
    }


def compared_with(task: Task[Any], file: ModelFile) -> Task[Any]:
    """Returns the task with which a model's outputs are compared with a file's, arranged as a reader finds them there.

    A detector's boxes are decoded by what the file itself says: its anchors are checked along with its numbers.
    """
    return replace(task, compared=find(file)) if isinstance(task, Detecting) and task.found is not None else task
