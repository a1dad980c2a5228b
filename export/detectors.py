"""What an export has to know of detectors: their task, their card, and what else is needed to decode their boxes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo.graph import layer_of
from zoo.inputs.preprocessing import Preprocessing, picture_shape
from zoo.tasks import DEFAULT, Task
from zoo.tasks.boxes import Coding, make_anchors
from zoo.tasks.detection import DETECTION, Detecting
from zoo.tasks.layout import Found, Heads, find
from zoo.tasks.task import StoredReader
from zoo.tflite.detectors import Stated
from zoo.tflite.modelfile import ModelFile

if TYPE_CHECKING:
    import keras


def task_of(model: keras.Model) -> Task[Any]:
    """Returns the task that a Keras model is for: detection if an output has anchors, else that of most models."""
    layers = _anchors_of(model)
    found = [at for at, layer in enumerate(layers) if layer is not None]
    if not found:
        return DEFAULT
    if len(layers) != 2 or len(found) != 1:
        return DETECTION  # which refuses such outputs
    boxes = found[0]
    columns = int(model.outputs[1 - boxes].shape[-1])
    anchors = make_anchors(layers[boxes].grids, layers[boxes].shapes)
    heads = Heads(boxes, 1 - boxes, anchors, Coding(), False, columns, False)
    picture = picture_shape(tuple(model.inputs[0].shape[1:]))
    return replace(DETECTION, found=Found(heads, "", picture))


def _anchors_of(model: keras.Model) -> list[Any]:
    """Returns for each output the layer that holds its anchors, also one of a nested model; None for other outputs."""
    from zoo.models.anchored import Anchors

    layers = [layer_of(output) for output in model.outputs]
    return [layer if isinstance(layer, Anchors) else None for layer in layers]


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
    from zoo.tflite.detector_writer import custom_metadata

    return custom_metadata(stated_of(heads), heads.columns)


def facts_of(model: keras.Model, task: Task[Any]) -> dict[str, Any]:
    """Returns what the card of a detector says of its boxes; nothing for other tasks."""
    heads = heads_of(task)
    if heads is None or not isinstance(task, Detecting):
        return {}
    layer = _anchors_of(model)[heads.boxes]
    coding = heads.coding
    return {
        "output": "coded boxes, and independent probabilities of the classes",
        "detection": {
            "anchors": len(heads.anchors),
            "grids": [list(grid) for grid in layer.grids],
            "shapes": [[[round(side, 6) for side in shape] for shape in level] for level in layer.shapes],
            "rule": "each cell of a grid has the shapes of its level (height, width, as fractions of the input)",
            "coding": {
                "y_scale": coding.y_scale,
                "x_scale": coding.x_scale,
                "height_scale": coding.height_scale,
                "width_scale": coding.width_scale,
            },
            "threshold": task.threshold,
            "iou": task.iou,
        },
    }


def compared_with(task: Task[Any], file: ModelFile) -> Task[Any]:
    """Returns the task with which a model's outputs are compared with a file's, arranged as a reader finds them there.

    A detector's boxes are decoded by what the file itself says: its anchors are checked along with its numbers.
    """
    return replace(task, compared=find(file)) if isinstance(task, Detecting) and task.found is not None else task
